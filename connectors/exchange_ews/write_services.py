"""The EWS operations that writing takes: each one request, one attempt, one item, and nobody is ever mailed.

What a calendar item could send is switched off in every request, whatever is written (design, invariant 8).
"""

from __future__ import annotations

from collections.abc import Sequence
from copy import deepcopy
from dataclasses import dataclass

from exchangelib.errors import MalformedResponseError
from lxml import etree
from lxml.etree import _Element as Element

from connectors.exchange_ews import errors
from connectors.exchange_ews.elements import M, T
from connectors.exchange_ews.services import Operation, Path, Shape, distinguished, element, shape_element
from terracrm.domain.records import Folder


@dataclass(frozen=True, slots=True)
class Setting:
    """One property of an item: the element that gives it its value, or None where it is taken off.

    `group` are properties that go with it when it is taken off.
    """

    path: Path
    value: Element | None
    group: tuple[Path, ...] = ()


class OneAnswer(Operation):
    """An operation on one thing: its one element, or the ConnectorError."""

    ERRORS_TO_CATCH_IN_RESPONSE = ()  # all of them are raised

    def _only(self, request: Element) -> Element:
        with errors.translated(self.protocol.server):
            answers: list[Element] = list(self._get_elements(payload=request))
            if len(answers) != 1:
                raise MalformedResponseError(f"{len(answers)} answers to a request for one thing")
            return answers[0]


class CreateItem(OneAnswer):
    """CreateItem for one item in a folder."""

    SERVICE_NAME = "CreateItem"
    element_container_name = f"{M}Items"

    def call(self, folder_id: str, item: Element) -> Element:
        """The new item's element with its id and change key."""
        request = element("m:CreateItem", MessageDisposition="SaveOnly")
        if item.tag == f"{T}CalendarItem":
            request.set("SendMeetingInvitations", "SendToNone")
        folder = etree.SubElement(request, f"{M}SavedItemFolderId")
        etree.SubElement(folder, f"{T}FolderId", Id=folder_id)
        etree.SubElement(request, f"{M}Items").append(item)
        return self._only(request)


class UpdateItem(OneAnswer):
    """UpdateItem for one item, which must not have changed since."""

    SERVICE_NAME = "UpdateItem"
    element_container_name = f"{M}Items"

    def call(self, remote_id: str, change_key: str, kind: str, settings: Sequence[Setting]) -> Element:
        """The item's element with its new change key; `kind` is its element's name, such as Contact."""
        request = element("m:UpdateItem", ConflictResolution="NeverOverwrite", MessageDisposition="SaveOnly")
        if kind == "CalendarItem":
            request.set("SendMeetingInvitationsOrCancellations", "SendToNone")
        changes = etree.SubElement(request, f"{M}ItemChanges")
        change = etree.SubElement(changes, f"{T}ItemChange")
        etree.SubElement(change, f"{T}ItemId", Id=remote_id, ChangeKey=change_key)
        updates = etree.SubElement(change, f"{T}Updates")
        for setting in settings:
            _add_update(updates, kind, setting)
        return self._only(request)


class DeleteItem(OneAnswer):
    """DeleteItem for one item, which goes to Deleted Items."""

    SERVICE_NAME = "DeleteItem"
    returns_elements = False

    def call(self, remote_id: str) -> None:
        """Exchange pays no heed to a change key here: the caller has looked at it."""
        request = element(
            "m:DeleteItem",
            DeleteType="MoveToDeletedItems",
            SendMeetingCancellations="SendToNone",
            AffectedTaskOccurrences="AllOccurrences",
        )
        ids = etree.SubElement(request, f"{M}ItemIds")
        etree.SubElement(ids, f"{T}ItemId", Id=remote_id)
        self._only(request)


class FindItems(OneAnswer):
    """FindItem for the items of one folder that have a value in a text property, oldest first."""

    SERVICE_NAME = "FindItem"
    element_container_name = f"{M}RootFolder"
    MOST = 100

    def call(self, folder_id: str, path: Path, value: str) -> list[Element]:
        """At most a hundred items, each with its id and that property. Exchange may not look at the case."""
        request = element("m:FindItem", Traversal="Shallow")
        request.append(shape_element("m:ItemShape", Shape((path,))))
        view = {"MaxEntriesReturned": str(self.MOST), "Offset": "0", "BasePoint": "Beginning"}
        request.append(element("m:IndexedPageItemView", **view))
        equal = etree.SubElement(etree.SubElement(request, f"{M}Restriction"), f"{T}IsEqualTo")
        _add_path(equal, path)
        constant = etree.SubElement(equal, f"{T}FieldURIOrConstant")
        etree.SubElement(constant, f"{T}Constant", Value=value)
        order = etree.SubElement(etree.SubElement(request, f"{M}SortOrder"), f"{T}FieldOrder", Order="Ascending")
        etree.SubElement(order, f"{T}FieldURI", FieldURI="item:DateTimeCreated")
        folders = etree.SubElement(request, f"{M}ParentFolderIds")
        etree.SubElement(folders, f"{T}FolderId", Id=folder_id)
        items = self._only(request).find(f"{T}Items")
        return list(items) if items is not None else []

    @classmethod
    def _get_elements_in_container(cls, container: Element) -> list[Element]:
        return [container]


class FindChildFolders(OneAnswer):
    """FindFolder for the folders that lie in another one."""

    SERVICE_NAME = "FindFolder"
    element_container_name = f"{M}RootFolder"

    def call(self, parent: str | Folder, shape: Shape) -> list[Element]:
        """The folders right below it; Exchange answers a thousand at most."""
        request = element("m:FindFolder", Traversal="Shallow")
        request.append(shape_element("m:FolderShape", shape))
        request.append(_holder("m:ParentFolderIds", parent, self.account.primary_smtp_address))
        folders = self._only(request).find(f"{T}Folders")
        return list(folders) if folders is not None else []

    @classmethod
    def _get_elements_in_container(cls, container: Element) -> list[Element]:
        return [container]


class CreateFolder(OneAnswer):
    """CreateFolder for one folder in another one."""

    SERVICE_NAME = "CreateFolder"
    element_container_name = f"{M}Folders"

    def call(self, parent: str | Folder, kind: str, folder_class: str, name: str) -> Element:
        """The new folder's element with its id; `kind` is its element's name, such as ContactsFolder."""
        request = element("m:CreateFolder")
        request.append(_holder("m:ParentFolderId", parent, self.account.primary_smtp_address))
        folder = etree.SubElement(etree.SubElement(request, f"{M}Folders"), T + kind)
        etree.SubElement(folder, f"{T}FolderClass").text = folder_class
        etree.SubElement(folder, f"{T}DisplayName").text = name
        return self._only(request)


def _holder(tag: str, parent: str | Folder, address: str) -> Element:
    """The folder to look or to make one in: a well-known one by its name, or any."""
    if isinstance(parent, str):
        return distinguished(tag, [parent], address)
    holder = element(tag)
    etree.SubElement(holder, f"{T}FolderId", Id=parent.remote_id)
    return holder


def _add_update(updates: Element, kind: str, setting: Setting) -> None:
    if setting.value is None:
        for path in (setting.path, *setting.group):
            _add_path(etree.SubElement(updates, f"{T}DeleteItemField"), path)
        return
    update = etree.SubElement(updates, f"{T}SetItemField")
    _add_path(update, setting.path)
    etree.SubElement(update, T + kind).append(deepcopy(setting.value))


def _add_path(parent: Element, path: Path) -> None:
    name, attributes = path
    etree.SubElement(parent, T + name, dict(attributes))
