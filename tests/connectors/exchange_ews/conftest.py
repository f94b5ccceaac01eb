"""A scripted server, and the folder that its mailbox has."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from terracrm.domain.records import Folder, StreamKind
from tests.connectors.exchange_ews.script import ScriptedServer


@pytest.fixture
def server() -> Iterator[ScriptedServer]:
    script = ScriptedServer()
    script.start()
    yield script
    script.stop()
    assert script.invalid == [], "a request breaks Microsoft's schema"


@pytest.fixture
def inbox() -> Folder:
    return Folder("inbox-id", "Inbox", StreamKind.MAIL, "inbox", 3)
