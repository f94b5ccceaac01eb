"""What goes back over the wire for one request."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

XML = "text/xml; charset=utf-8"


@dataclass
class Answer:
    """What goes back: a status, headers, and a body, whole or as a stream of parts.

    `cut` sends only half of the body and closes the connection, `drop` closes it without any answer.
    """

    status: int = 200
    body: bytes = b""
    stream: Iterator[bytes] | None = None
    headers: dict[str, str] = field(default_factory=dict)
    content_type: str = XML
    cut: bool = False
    drop: bool = False


def plain_json(value: Any, status: int = 200) -> Answer:
    """An answer of the control endpoint."""
    return Answer(status, json.dumps(value, ensure_ascii=False).encode(), content_type="application/json")
