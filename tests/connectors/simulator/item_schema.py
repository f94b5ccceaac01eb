"""Validates single items against Microsoft's schema, for the tests of what makes items."""

from __future__ import annotations

import os
from copy import deepcopy
from functools import cache
from pathlib import Path

import pytest
from lxml import etree

from connectors.simulator.content import MESSAGES, Item
from connectors.simulator.overrides import PRIVATE
from connectors.simulator.schema import arrange

SHARED = Path(os.environ.get("TERRACRM_SHARED", Path(__file__).parents[3] / ".." / "shared")).resolve()


@cache
def _schema() -> etree.XMLSchema | None:
    path = SHARED / "schemas" / "ews" / "messages.xsd"
    return etree.XMLSchema(file=str(path)) if path.exists() else None


def problems(item: Item) -> list[str]:
    """What the schema has against an item, as a client could be sent it; skips the test without the schema."""
    schema = _schema()
    if schema is None:
        pytest.skip(f"Microsoft's EWS schemas are not in {SHARED}")
    request = etree.Element(f"{{{MESSAGES}}}CreateItem")
    items = etree.SubElement(request, f"{{{MESSAGES}}}Items")
    element = arrange(deepcopy(item.element))
    for private in element.findall(f"{{{PRIVATE}}}*"):
        element.remove(private)
    items.append(element)
    document = etree.fromstring(etree.tostring(request))
    return [] if schema.validate(document) else [str(error) for error in schema.error_log]


def shared(*path: str) -> Path:
    """A file of the shared test material; skips the test where it is not there."""
    found = SHARED.joinpath(*path)
    if not found.exists():
        pytest.skip(f"{found} is not there")
    return found
