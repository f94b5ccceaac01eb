"""What properties are written with, whatever the kind of item: values as elements, and new items made of them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from copy import deepcopy

from lxml import etree
from lxml.etree import _Element as Element

from connectors.exchange_ews import named
from connectors.exchange_ews.elements import T
from connectors.exchange_ews.services import Path, element, field
from connectors.exchange_ews.write_services import Setting
from terracrm.domain.records import Body


def simple(uri: str, text: str) -> tuple[Path, Element]:
    """A property of text, whatever it says; `uri` is its path, such as contacts:GivenName."""
    value = element(f"t:{uri.partition(':')[2]}")
    value.text = text
    return field(uri), value


def text_setting(uri: str, text: str) -> Setting:
    """A property of text, taken off where it says nothing."""
    path, value = simple(uri, text)
    return Setting(path, value if text else None)


def body_setting(body: Body) -> Setting:
    """The text of an item, taken off where it is empty."""
    value = None
    if body.content:
        value = element("t:Body", BodyType="HTML" if body.is_html else "Text")
        value.text = body.content
    return Setting(field("item:Body"), value)


def sensitivity(is_private: bool) -> Setting:
    """Whether an item is its owner's business alone."""
    return text_setting("item:Sensitivity", "Private" if is_private else "Normal")


def named_setting(name: str, kind: str, text: str) -> Setting:
    """A named property of ours, taken off where it says nothing."""
    return extended(named.path(name, kind), text)


def key_setting(key: str) -> Setting:
    """The idempotency key of an item."""
    return named_setting(named.KEY, "String", key)


def extended(path: Path, text: str) -> Setting:
    """An extended property, taken off where it says nothing."""
    if not text:
        return Setting(path, None)
    value = element("t:ExtendedProperty")
    name, attributes = path
    etree.SubElement(value, T + name, dict(attributes))
    etree.SubElement(value, f"{T}Value").text = text
    return Setting(path, value)


def differing(before: Iterable[Setting], wanted: Iterable[Setting]) -> list[Setting]:
    """The wanted settings that say another thing than those before."""
    now = {each.path: _bytes(each.value) for each in before}
    return [each for each in wanted if now.get(each.path) != _bytes(each.value)]


def new_item(kind: str, settings: Iterable[Setting], order: Sequence[str]) -> Element:
    """The element of a new item; `kind` is its name, `order` that of the schema, on which Exchange insists."""
    ranks = {name: rank for rank, name in enumerate(order)}
    made = element(f"t:{kind}")
    values = (each.value for each in settings if each.value is not None)
    for value in sorted(values, key=lambda each: ranks[etree.QName(each).localname]):
        _merge(made, deepcopy(value))
    return made


def _merge(made: Element, value: Element) -> None:
    """Add a property to a new item: the entries of a list into one list, the parts of an address into one entry."""
    there = made.find(value.tag)
    if there is None or value.tag == f"{T}ExtendedProperty":
        made.append(value)
        return
    for entry in list(value):
        same = next((one for one in there if one.get("Key") == entry.get("Key")), None)
        if same is None:
            there.append(entry)
        else:
            same.extend(list(entry))


def _bytes(value: Element | None) -> bytes:
    return b"" if value is None else etree.tostring(value)
