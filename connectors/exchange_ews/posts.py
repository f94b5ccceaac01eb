"""PostItem elements of EWS <-> PostRecord (W3)."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Final

from lxml.etree import _Element as Element

from connectors.exchange_ews import named
from connectors.exchange_ews.elements import Item
from connectors.exchange_ews.item_settings import body_setting, differing, key_setting, new_item, simple, text_setting
from connectors.exchange_ews.services import Shape, field
from connectors.exchange_ews.write_services import Setting
from terracrm.domain.outlook_slots import reads_the_same
from terracrm.domain.records import Body, PostRecord

TYPES: Final = frozenset({"PostItem"})
SHAPE: Final = Shape((field("item:Subject"), field("item:Body"), named.path(named.KEY)), body_type="Text")

_ORDER = ("Subject", "Body", "ExtendedProperty", "IsRead")


def post(item: Item) -> PostRecord:
    """The record of a post element that was fetched with SHAPE."""
    return PostRecord(item.text("Subject"), item.body("Body")[0].strip())


def new_post(record: PostRecord, key: str) -> Element:
    """The element of a new post. It is read: nobody's folder shall call for attention for what the office knows."""
    settings = [setting for name in ("subject", "body") for setting in _settings(record, name)]
    settings.append(Setting(*simple("message:IsRead", "true")))
    return new_item("PostItem", [*settings, key_setting(key)], _ORDER)


def changes(item: Item, wanted: PostRecord, fields: Collection[str]) -> list[Setting]:
    """What must be written so that these fields of a post become as they are wanted."""
    now = post(item)
    names = set(fields) - {"body"} if reads_the_same(now.body, wanted.body) else set(fields)
    return [setting for name in sorted(names) for setting in differing(_settings(now, name), _settings(wanted, name))]


def _settings(record: PostRecord, name: str) -> Iterator[Setting]:
    if name == "body":
        yield body_setting(Body(record.body))
    else:
        yield text_setting("item:Subject", record.subject)
