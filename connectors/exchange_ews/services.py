"""The EWS operations that reading takes, through exchangelib's service layer.

exchangelib signs in, finds the version, wraps the request and reads the response codes; here only the request is
written and the answer's elements are taken as they are (its object building costs five times the rest).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from exchangelib.errors import (
    ErrorCorruptData,
    ErrorInvalidIdMalformed,
    ErrorItemCorrupt,
    ErrorItemNotFound,
    ErrorServerBusy,
    MalformedResponseError,
    ResponseMessageError,
)
from exchangelib.services.common import EWSAccountService
from lxml import etree
from lxml.etree import _Element as Element

from connectors.exchange_ews import errors
from connectors.exchange_ews.elements import MESSAGES, TYPES, M, T
from terracrm.errors import Temporary

_CERTAIN = (ErrorItemNotFound, ErrorItemCorrupt, ErrorCorruptData, ErrorInvalidIdMalformed)
"""What Exchange says of one item and means of it."""
_NAMESPACES = {"m": MESSAGES, "t": TYPES}
Path = tuple[str, tuple[tuple[str, str], ...]]
"""The path of a property: the element that names it, and its attributes."""


@dataclass(frozen=True, slots=True)
class Shape:
    """Which properties of an item or folder an answer carries: `paths` are elements as `field()` makes them."""

    paths: tuple[Path, ...] = ()
    body_type: str = ""
    unique_body_type: str = ""


def field(uri: str, index: str = "") -> Path:
    """The path of a property, or of one entry of a dictionary property."""
    if index:
        return "IndexedFieldURI", (("FieldURI", uri), ("FieldIndex", index))
    return "FieldURI", (("FieldURI", uri),)


def tagged(tag: str, kind: str) -> Path:
    """The path of a MAPI property by its tag, such as 0x5D01."""
    return "ExtendedFieldURI", (("PropertyTag", tag), ("PropertyType", kind))


def numbered(property_set: str, number: int, kind: str) -> Path:
    """The path of a MAPI property by its number in a set that EWS knows by name."""
    return "ExtendedFieldURI", (
        ("DistinguishedPropertySetId", property_set),
        ("PropertyId", str(number)),
        ("PropertyType", kind),
    )


class Operation(EWSAccountService):
    """One EWS operation of one mailbox, answered in elements and ConnectorErrors."""

    def _elem_to_obj(self, elem: Element) -> Element:
        return elem

    def _get_elements(self, payload: Element) -> Iterator[Any]:
        """One attempt: exchangelib would use fewer sessions from now on where the server is busy, and try again."""
        yield from self._response_generator(payload=payload)

    def _api_versions_to_try(self) -> tuple[str, ...]:
        """The version that was found once; exchangelib would send a refused request again for each older one."""
        return (self._version_hint.api_version,)

    @staticmethod
    def _get_exception(code: str, text: str, msg_xml: Element | None = None, rule_errors: Any = None) -> Exception:
        """exchangelib reads BackOffMilliseconds from SOAP faults only; servers send it in messages as well."""
        error = EWSAccountService._get_exception(code, text, msg_xml=msg_xml, rule_errors=rule_errors)
        if isinstance(error, ErrorServerBusy) and msg_xml is not None:
            for value in msg_xml.iterchildren(T + "Value"):
                if value.get("Name") == "BackOffMilliseconds" and (value.text or "").strip().isdigit():
                    error.back_off = int(value.text or 0) / 1000
        return error


class GetFolders(Operation):
    """GetFolder for distinguished folders: each one's element, or None where the mailbox has no such folder."""

    SERVICE_NAME = "GetFolder"
    element_container_name = f"{M}Folders"
    ERRORS_TO_CATCH_IN_RESPONSE = (ResponseMessageError,)

    def call(self, names: Sequence[str], shape: Shape) -> list[Element | None]:
        """The folders of these names, in their order."""
        request = element("m:GetFolder")
        request.append(shape_element("m:FolderShape", shape))
        request.append(distinguished("m:FolderIds", names, self.account.primary_smtp_address))
        with errors.translated(self.protocol.server):
            answers = list(self._get_elements(payload=request))
            if len(answers) != len(names):
                raise MalformedResponseError(f"{len(answers)} folders for {len(names)} names")
            return [self._folder_or_none(answer) for answer in answers]

    @staticmethod
    def _folder_or_none(answer: Element | Exception) -> Element | None:
        if isinstance(answer, Exception):
            if errors.concerns_one_folder(answer):
                return None
            raise answer
        return answer


class FindFolders(Operation):
    """FindFolder through the whole tree of a mailbox, one page at a time."""

    SERVICE_NAME = "FindFolder"
    element_container_name = f"{M}RootFolder"
    PAGE_SIZE = 1000

    def call(self, shape: Shape) -> list[Element]:
        """Every folder below the mailbox root, in no order that is promised."""
        found: list[Element] = []
        with errors.translated(self.protocol.server):
            while True:
                page = self._page(shape, len(found))
                folders = page.find(f"{T}Folders")
                new = list(folders) if folders is not None else []
                found += new
                if not new or page.get("IncludesLastItemInRange", "true") in ("true", "1"):
                    return found

    def _page(self, shape: Shape, offset: int) -> Element:
        request = element("m:FindFolder", Traversal="Deep")
        request.append(shape_element("m:FolderShape", shape))
        view = {"MaxEntriesReturned": str(self.PAGE_SIZE), "Offset": str(offset), "BasePoint": "Beginning"}
        request.append(element("m:IndexedPageFolderView", **view))
        request.append(distinguished("m:ParentFolderIds", ["msgfolderroot"], self.account.primary_smtp_address))
        (answer,) = self._get_elements(payload=request)
        if isinstance(answer, Exception):
            raise answer
        return answer

    @classmethod
    def _get_elements_in_container(cls, container: Element) -> list[Element]:
        return [container]


@dataclass(frozen=True, slots=True)
class Synced:
    """One page of SyncFolderItems: its elements (Create, Update, Delete, ReadFlagChange) and the state after them."""

    elements: Sequence[Element]
    state: str
    is_last: bool


class SyncItems(Operation):
    """SyncFolderItems: one page of what changed in a folder since a state."""

    SERVICE_NAME = "SyncFolderItems"
    element_container_name = f"{M}Changes"
    MAX_CHANGES = 512  # the server's own limit

    def call(self, folder_id: str, state: str | None, page_size: int) -> Synced:
        """What changed since `state`, from the start without one."""
        request = element("m:SyncFolderItems")
        request.append(shape_element("m:ItemShape", Shape()))
        folder = etree.SubElement(request, f"{M}SyncFolderId")
        etree.SubElement(folder, f"{T}FolderId", Id=folder_id)
        if state:
            etree.SubElement(request, f"{M}SyncState").text = state
        etree.SubElement(request, f"{M}MaxChangesReturned").text = str(min(page_size, self.MAX_CHANGES))
        with errors.translated(self.protocol.server):
            (page,) = self._get_elements(payload=request)
        return page

    def _get_element_container(self, message: Element, name: str | None = None) -> list[Synced]:
        """The response code first: an error carries no state, or an empty one."""
        container = super()._get_element_container(message=message, name=name)
        if isinstance(container, Exception):
            raise container
        state = message.findtext(f"{M}SyncState") or ""
        if not state:
            raise MalformedResponseError("a page of changes without its SyncState")
        return [Synced(container, state, message.findtext(f"{M}IncludesLastItemInRange") != "false")]

    @classmethod
    def _get_elements_in_container(cls, container: list[Synced]) -> list[Synced]:
        return container


class ListItems(Operation):
    """FindItem for all items of a folder, one page of their ids at a time."""

    SERVICE_NAME = "FindItem"
    element_container_name = f"{M}RootFolder"
    PAGE_SIZE = 1000  # the server's own limit

    def call(self, folder_id: str) -> Iterator[Element]:
        """The items' elements. Of a calendar they are single items and masters: it is not expanded."""
        offset, is_last = 0, False
        while not is_last:
            with errors.translated(self.protocol.server):
                page = self._page(folder_id, offset)
                reached = int(page.get("IndexedPagingOffset", "0"))
            items = page.find(f"{T}Items")
            yield from items if items is not None else ()
            is_last = page.get("IncludesLastItemInRange", "true") in ("true", "1")
            if not is_last and reached <= offset:
                raise Temporary("Exchange answers a list of items that has no end.")
            offset = reached

    def _page(self, folder_id: str, offset: int) -> Element:
        request = element("m:FindItem", Traversal="Shallow")
        request.append(shape_element("m:ItemShape", Shape()))
        view = {"MaxEntriesReturned": str(self.PAGE_SIZE), "Offset": str(offset), "BasePoint": "Beginning"}
        request.append(element("m:IndexedPageItemView", **view))
        folders = etree.SubElement(request, f"{M}ParentFolderIds")
        etree.SubElement(folders, f"{T}FolderId", Id=folder_id)
        (answer,) = self._get_elements(payload=request)
        if isinstance(answer, Exception):
            raise answer
        return answer

    @classmethod
    def _get_elements_in_container(cls, container: Element) -> list[Element]:
        return [container]


class _BatchFailed(Exception):
    """A whole batch was refused for what a single item in it can cause."""

    def __init__(self, error: ResponseMessageError) -> None:
        super().__init__(str(error))
        self.error = error


class GetItems(Operation):
    """GetItem for a batch: every item's element, or the error that concerns it alone."""

    SERVICE_NAME = "GetItem"
    element_container_name = f"{M}Items"
    BATCH = 100
    ENOUGH_SICK = 8  # as many in a row and none healthy: it is the server that is ill, unless others of them answer

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._witnesses: set[str] = set()

    def call(self, ids: Sequence[str], shape: Shape) -> list[Element | Exception]:
        """These items in their order."""
        answers: list[Element | Exception] = []
        for start in range(0, len(ids), self.BATCH):
            batch = ids[start : start + self.BATCH]
            self._witnesses = {batch[len(batch) * quarter // 4 - 1] for quarter in (2, 3, 4)}
            answers += self._bisected(batch, shape, [])
        return answers

    def _bisected(self, ids: Sequence[str], shape: Shape, seen: list[bool]) -> list[Element | Exception]:
        """A batch in which items fail for what only one of them may have is asked again in parts.

        Exchange fails the whole request, or every item in it, for one that it cannot convert. `seen` tells for
        every part that is settled whether the server answered it at all.
        """
        try:
            answers = self._batch(ids, shape)
        except _BatchFailed as failure:
            if len(ids) > 1:
                return self._halved(ids, shape, seen)
            seen.append(False)
            if len(seen) >= self.ENOUGH_SICK and not any(seen):
                if not any(self._answers(witness, shape) for witness in self._witnesses - set(ids)):
                    raise Temporary("Exchange fails on every item at the moment.") from failure
                seen.append(True)
            return [failure.error]
        seen.append(True)
        doubtful = [item_id for item_id, answer in zip(ids, answers, strict=True) if _is_doubtful(answer)]
        if not doubtful or len(ids) == 1:
            return answers
        again = self._halved(ids, shape, seen) if len(doubtful) == len(ids) else self._bisected(doubtful, shape, seen)
        settled = dict(zip(doubtful, again, strict=True))
        return [settled.get(item_id, answer) for item_id, answer in zip(ids, answers, strict=True)]

    def _answers(self, item_id: str, shape: Shape) -> bool:
        """Whether the server answers for one item: the sick ones may all stand at the beginning of a batch."""
        try:
            self._batch([item_id], shape)
        except _BatchFailed:
            return False
        return True

    def _halved(self, ids: Sequence[str], shape: Shape, seen: list[bool]) -> list[Element | Exception]:
        middle = len(ids) // 2
        return self._bisected(ids[:middle], shape, seen) + self._bisected(ids[middle:], shape, seen)

    def _batch(self, ids: Sequence[str], shape: Shape) -> list[Element | Exception]:
        request = element("m:GetItem")
        request.append(shape_element("m:ItemShape", shape))
        items = etree.SubElement(request, f"{M}ItemIds")
        for item_id in ids:
            etree.SubElement(items, f"{T}ItemId", Id=item_id)
        with errors.translated(self.protocol.server):
            try:
                answers = list(self._get_elements(payload=request))
            except ResponseMessageError as error:
                if type(error).__name__ in errors.SICK_ITEM:
                    raise _BatchFailed(error) from error
                raise
        if len(answers) != len(ids):
            raise Temporary(f"Exchange answered {len(answers)} items when asked for {len(ids)}.")
        return answers

    def _get_element_container(self, message: Element, name: str | None = None) -> Element | Exception:
        try:
            container = super()._get_element_container(message=message, name=name)
        except ResponseMessageError as error:
            if errors.concerns_one_item(error):
                return error
            raise
        if not isinstance(container, Exception) and len(container) != 1:
            raise MalformedResponseError(f"{len(container)} items in one answer")
        return container


def _is_doubtful(answer: Element | Exception) -> bool:
    """Whether an item may have failed only for the company it was in."""
    return isinstance(answer, Exception) and not isinstance(answer, _CERTAIN)


def distinguished(tag: str, names: Sequence[str], address: str) -> Element:
    """A list of distinguished folder ids of this mailbox, whoever signs in."""
    ids = element(tag)
    for name in names:
        folder_id = etree.SubElement(ids, f"{T}DistinguishedFolderId", Id=name)
        mailbox = etree.SubElement(folder_id, f"{T}Mailbox")
        etree.SubElement(mailbox, f"{T}EmailAddress").text = address
    return ids


def shape_element(tag: str, shape: Shape) -> Element:
    """What an answer shall show; `tag` with its prefix."""
    made = element(tag)
    etree.SubElement(made, f"{T}BaseShape").text = "IdOnly"
    if shape.body_type:
        etree.SubElement(made, f"{T}BodyType").text = shape.body_type
    if shape.unique_body_type:
        etree.SubElement(made, f"{T}UniqueBodyType").text = shape.unique_body_type
    if shape.paths:
        properties = etree.SubElement(made, f"{T}AdditionalProperties")
        for name, attributes in shape.paths:
            etree.SubElement(properties, T + name, dict(attributes))
    return made


def element(tag: str, **attributes: str) -> Element:
    """A new element; `tag` with its prefix, "m:" for messages or "t:" for types."""
    prefix, _, name = tag.partition(":")
    return etree.Element(f"{{{_NAMESPACES[prefix]}}}{name}", attributes, nsmap=_NAMESPACES)
