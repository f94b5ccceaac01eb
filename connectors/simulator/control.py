"""The control endpoint, which only the simulator has: JSON over HTTP at /_control, on the server's own port.

GET    /_control/state                    mailboxes, item counts, faults, requests so far
POST   /_control/mailboxes                {"address", "name"?, "shared"?}
POST   /_control/grants                   {"address", "to"}: full access
POST   /_control/deliver?to=A&to=B&folder=inbox   an RFC 822 message as the body
GET    /_control/outbound                 what was sent to addresses outside the simulator
GET    /_control/faults                   the faults that are on, and the kinds there are
POST   /_control/faults                   {"kind", "operation"?, "mailbox"?, "count"?, "probability"?, "seed"?, ...}
DELETE /_control/faults[/NUMBER]          switch one or all off
POST   /_control/clock                    {"seconds": how far the server's clock is off}
POST   /_control/reset                    forget mailboxes, items, faults and subscriptions
"""

from __future__ import annotations

import json
from datetime import timedelta
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

from connectors.simulator import delivery
from connectors.simulator.faults import KINDS
from connectors.simulator.wire import Answer, plain_json

if TYPE_CHECKING:
    from connectors.simulator.simulator import Simulator


def answer(simulator: Simulator, method: str, target: str, body: bytes) -> Answer:
    """Answer one control request; a mistake in it answers 400 with what is wrong."""
    parts = urlsplit(target)
    path = parts.path.removeprefix("/_control").strip("/")
    try:
        return _route(simulator, method, path, parse_qs(parts.query), body)
    except (ValueError, TypeError, KeyError) as error:
        return plain_json({"error": str(error).strip("'\"")}, 400)


def _route(simulator: Simulator, method: str, path: str, query: dict[str, list[str]], body: bytes) -> Answer:
    if (method, path) == ("POST", "deliver"):
        to = [address for value in query.get("to", []) for address in value.split(",")]
        if not to:
            raise ValueError("name at least one recipient: /_control/deliver?to=ADDRESS")
        folder = query.get("folder", ["inbox"])[0]
        rows = simulator.deliver(body, to, folder=folder)
        return plain_json({"items": [row.ews_id for row in rows]}, 201)
    if method == "GET":
        return _read(simulator, path)
    if method == "DELETE" and path.split("/")[0] == "faults":
        number = path.partition("/")[2]
        if number:
            simulator.faults.remove(int(number))
        else:
            simulator.faults.clear()
        return plain_json({})
    if method != "POST":
        return plain_json({"error": f"{method} is not possible here"}, 405)
    return _write(simulator, path, json.loads(body or b"{}"))


def _read(simulator: Simulator, path: str) -> Answer:
    if path == "outbound":
        return plain_json(delivery.outbound(simulator.store))
    if path == "faults":
        active = [fault.public() for fault in simulator.faults.all()]
        return plain_json({"active": active, "kinds": KINDS})
    if path == "state":
        store = simulator.store
        counts = dict(store.rows("SELECT mailbox, COUNT(*) FROM item GROUP BY mailbox"))
        return plain_json(
            {
                "mailboxes": {box.address: counts.get(box.number, 0) for box in store.mailboxes.all()},
                "requests": len(simulator.requests),
                "faults": len(simulator.faults.all()),
            }
        )
    return plain_json({"error": f"there is no /_control/{path}"}, 404)


def _write(simulator: Simulator, path: str, asked: dict[str, Any]) -> Answer:
    if path == "mailboxes":
        box = simulator.add_mailbox(asked["address"], asked.get("name"), shared=asked.get("shared", False))
        return plain_json({"address": box.address, "name": box.name, "sid": box.sid}, 201)
    if path == "grants":
        simulator.grant(asked["address"], asked["to"])
        return plain_json({}, 201)
    if path == "faults":
        return plain_json(simulator.faults.add(asked.pop("kind"), **asked).public(), 201)
    if path == "clock":
        simulator.store.skew = timedelta(seconds=float(asked["seconds"]))
        return plain_json({"now": simulator.store.stamp()})
    if path == "reset":
        simulator.reset()
        return plain_json({})
    return plain_json({"error": f"there is no /_control/{path}"}, 404)
