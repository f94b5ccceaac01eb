"""A bare EWS client for tests: XML in, XML out, and the checking of every answer against Microsoft's schema."""

from __future__ import annotations

import os
from functools import cache
from pathlib import Path

import requests
from lxml import etree

from connectors.simulator.content import MESSAGES, SOAP, TYPES
from connectors.simulator.simulator import Simulator

NS = {"s": SOAP, "t": TYPES, "m": MESSAGES}
SHARED = Path(os.environ.get("TERRACRM_SHARED", Path(__file__).parents[3].parent / "shared"))
ENVELOPE = """<?xml version="1.0" encoding="utf-8"?>
<s:Envelope xmlns:s="{s}" xmlns:t="{t}" xmlns:m="{m}"><s:Header>
<t:RequestServerVersion Version="{version}"/>{header}</s:Header><s:Body>{body}</s:Body></s:Envelope>"""


@cache
def schema() -> etree.XMLSchema | None:
    """Microsoft's messages.xsd, or None where the shared material is not there."""
    path = SHARED / "schemas" / "ews" / "messages.xsd"
    return etree.XMLSchema(etree.parse(path)) if path.exists() else None


@cache
def declared() -> frozenset[str]:
    """The answers that messages.xsd declares (it leaves out a few operations)."""
    root = etree.parse(SHARED / "schemas" / "ews" / "messages.xsd").getroot()
    names = root.iterfind("{http://www.w3.org/2001/XMLSchema}element")
    return frozenset(f"{{{MESSAGES}}}{element.get('name')}" for element in names)


class Validator:
    """Checks every answer that it watches; `problems` says what was wrong, `seen` which answers it saw."""

    def __init__(self) -> None:
        self.problems: list[str] = []
        self.seen: list[str] = []

    def __call__(self, data: bytes) -> None:
        body = etree.fromstring(data).find("s:Body", NS)
        answer = body[0]
        self.seen.append(etree.QName(answer).localname)
        rules = schema()
        if rules is None or answer.tag not in declared():
            return
        alone = etree.fromstring(etree.tostring(answer))
        if not rules.validate(alone):
            errors = "; ".join(str(error) for error in rules.error_log)
            self.problems.append(f"{errors}\n{etree.tostring(alone).decode()[:3000]}")


class Client:
    """One user of the simulator."""

    def __init__(self, simulator: Simulator, user: str, password: str | None = None) -> None:
        self.simulator = simulator
        self.session = requests.Session()
        self.session.auth = (user, simulator.password if password is None else password)

    def post(self, body: str, *, header: str = "", version: str = "Exchange2016", **options) -> requests.Response:
        """Send a SOAP body."""
        text = ENVELOPE.format(body=body, header=header, version=version, **NS)
        headers = {"Content-Type": "text/xml; charset=utf-8"}
        return self.session.post(self.simulator.url, text.encode(), headers=headers, timeout=30, **options)

    def __call__(self, body: str, **options) -> etree._Element:
        """Send a SOAP body and give the answer element, or the Fault."""
        return etree.fromstring(self.post(body, **options).content).find("s:Body", NS)[0]


def codes(answer: etree._Element) -> list[str]:
    """The response codes of an answer, or the code of a fault."""
    found = [element.text for element in answer.iter("{*}ResponseCode")]
    return [text for text in found if text]


def texts(answer: etree._Element, path: str) -> list[str]:
    """The texts of the elements at a path such as `.//t:Subject`."""
    return [element.text or "" for element in answer.iterfind(path, NS)]


def item_ids(answer: etree._Element) -> list[tuple[str, str]]:
    """The ids and change keys of the items that an answer shows."""
    return [(one.get("Id"), one.get("ChangeKey")) for one in answer.iterfind(".//t:ItemId", NS)]
