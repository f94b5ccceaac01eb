"""Reading ahead: what is under way while a page is worked on, and what becomes of it when the work ends."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
from lxml import etree

from connectors.base import Account
from connectors.exchange_ews import ExchangeEWS, ahead
from connectors.simulator.simulator import Simulator
from terracrm.domain.records import Folder, Page
from terracrm.errors import SignInRefused, Temporary
from tests.connectors.exchange_ews.script import Reply, ScriptedServer, envelope, fault
from tests.connectors.exchange_ews.test_changes import created, ids_of, items, message, subjects, synced

ANNA = "anna@example.test"
IN_FLIGHT = 3
# A test that waits for so long for a request has failed.
SECONDS = 20


class Mailbox:
    """A folder of numbered pages, each of so many items: page 2 has the items "2-0", "2-1"...

    `before` is called with the operation and the page while a request for it is being answered.
    """

    def __init__(self, server: ScriptedServer, pages: int, size: int = 1) -> None:
        self.pages, self.size = pages, size
        self.asked: Counter[str] = Counter()
        self.most = 0
        self._now = 0
        self._lock = threading.Lock()
        self.before: Callable[[str, int], Reply | None] = lambda operation, page: None
        server.on("SyncFolderItems", self._watched("SyncFolderItems", self._told))
        server.on("GetItem", self._watched("GetItem", items(message)))

    def _told(self, request: etree._Element) -> Reply:
        page = self._page(request)
        changes = [created(f"{page}-{number}") for number in range(self.size)]
        return Reply(envelope(synced(*changes, state=str(page), is_last=page == self.pages)))

    @staticmethod
    def _page(request: etree._Element) -> int:
        asked = ids_of(request)
        return int(asked[0].partition("-")[0]) if asked else int(request.findtext("{*}SyncState") or 0) + 1

    def _watched(self, operation: str, answer: Callable[[etree._Element], Reply]) -> Callable[[etree._Element], Reply]:
        def reply(request: etree._Element) -> Reply:
            with self._lock:
                self.asked[operation] += 1
                self._now += 1
                self.most = max(self.most, self._now)
            try:
                return self.before(operation, self._page(request)) or answer(request)
            finally:
                with self._lock:
                    self._now -= 1

        return reply


def threads() -> list[str]:
    return [each.name for each in threading.enumerate() if each.name.startswith("reading ahead")]


def test_pages_come_in_order_and_with_their_cursors(server: ScriptedServer, inbox: Folder) -> None:
    mailbox = Mailbox(server, pages=9, size=2)
    together = threading.Barrier(2)

    def before(operation: str, page: int) -> None:
        if operation == "GetItem" and page <= 2:
            together.wait(SECONDS)

    mailbox.before = before
    read = list(server.connector(requests_in_flight=IN_FLIGHT).changes(inbox, None, 2))
    assert [subjects(page) for page in read] == [[f"{page}-0", f"{page}-1"] for page in range(1, 10)]
    assert [(page.cursor, page.is_last) for page in read] == [(str(page), page == 9) for page in range(1, 10)]
    assert 1 < mailbox.most <= IN_FLIGHT
    assert threads() == []


def test_the_batches_of_one_page_go_side_by_side(server: ScriptedServer, inbox: Folder) -> None:
    mailbox = Mailbox(server, pages=1, size=250)
    together = threading.Barrier(3)

    def before(operation: str, page: int) -> None:
        if operation == "GetItem":
            together.wait(SECONDS)

    mailbox.before = before
    (page,) = server.connector(requests_in_flight=IN_FLIGHT).changes(inbox, None, 512)
    assert subjects(page) == [f"1-{number}" for number in range(250)]
    assert mailbox.asked["GetItem"] == 3


def test_no_more_is_held_than_may_be_in_flight(server: ScriptedServer, inbox: Folder) -> None:
    mailbox = Mailbox(server, pages=1000)
    reading = server.connector(requests_in_flight=IN_FLIGHT).changes(inbox, None, 1)
    for number in range(1, 6):
        assert subjects(next(reading)) == [f"{number}-0"]
        assert mailbox.asked["SyncFolderItems"] <= number + IN_FLIGHT
        assert mailbox.asked["GetItem"] <= number + IN_FLIGHT - 1
    reading.close()
    assert mailbox.most <= IN_FLIGHT


def test_what_ends_in_the_middle_leaves_nothing_behind(server: ScriptedServer, inbox: Folder) -> None:
    mailbox = Mailbox(server, pages=1000)
    connector = server.connector(requests_in_flight=IN_FLIGHT)
    reading = connector.changes(inbox, None, 1)
    next(reading)
    reading.close()
    assert threads() == []
    asked = mailbox.asked.total()
    assert connector.get(inbox, ["7-0"])[0].record is not None  # its connections are free again
    assert mailbox.asked.total() == asked + 1


@pytest.mark.parametrize("operation", ["SyncFolderItems", "GetItem"])
def test_a_failure_is_told_behind_the_pages_before_it(server: ScriptedServer, inbox: Folder, operation: str) -> None:
    mailbox = Mailbox(server, pages=9)
    busy = Reply(fault("ErrorServerBusy"), status=500)
    mailbox.before = lambda asked, page: busy if (asked, page) == (operation, 4) else None
    read: list[Page] = []
    with pytest.raises(Temporary):
        read.extend(server.connector(requests_in_flight=IN_FLIGHT).changes(inbox, None, 1))
    assert [page.cursor for page in read] == ["1", "2", "3"]
    assert threads() == []


def test_what_is_asked_between_two_pages_is_answered(server: ScriptedServer, inbox: Folder) -> None:
    Mailbox(server, pages=9)
    connector = server.connector(requests_in_flight=2)
    for page in connector.changes(inbox, None, 1):
        (change,) = page.changes
        assert connector.get(inbox, [change.remote_id])[0].version == change.version


def test_a_single_request_needs_no_thread(
    server: ScriptedServer, inbox: Folder, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(*_: object, **__: object) -> None:
        raise AssertionError("a thread was started")

    monkeypatch.setattr(ahead, "ThreadPoolExecutor", refused)
    Mailbox(server, pages=1, size=100)
    (page,) = server.connector(requests_in_flight=IN_FLIGHT).changes(inbox, None, 100)
    assert len(page.changes) == 100
    assert server.connections == 1


def test_a_wrong_password_is_tried_once(server: ScriptedServer, inbox: Folder) -> None:
    server.on("*", Reply(status=401))
    connector = server.connector(requests_in_flight=IN_FLIGHT)
    for _ in range(3):
        with pytest.raises(SignInRefused):
            list(connector.changes(inbox, None, 1))
    assert len([each for each in server.requests if each != "anonymous"]) == 1


def test_a_password_that_is_changed_is_tried_no_more_than_was_under_way(server: ScriptedServer, inbox: Folder) -> None:
    mailbox = Mailbox(server, pages=1000)
    tried: list[int] = []

    def before(operation: str, page: int) -> Reply | None:
        if page < 3:
            return None
        tried.append(page)
        return Reply(status=401)

    mailbox.before = before
    reading = server.connector(requests_in_flight=IN_FLIGHT).changes(inbox, None, 1)
    with pytest.raises(SignInRefused):
        list(reading)
    assert 1 <= len(tried) <= IN_FLIGHT


def test_who_waits_for_a_connection_while_a_password_is_refused_does_not_try_it(
    server: ScriptedServer, inbox: Folder
) -> None:
    Mailbox(server, pages=1)
    connector = server.connector(requests_in_flight=1)
    list(connector.changes(inbox, None, 1))
    begun, decided, tried = threading.Event(), threading.Event(), list[str]()

    def refused(request: etree._Element) -> Reply:
        tried.extend(ids_of(request))
        begun.set()
        decided.wait(SECONDS)
        return Reply(status=401)

    server.on("GetItem", refused)
    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(connector.get, inbox, ["1-0"])
        assert begun.wait(SECONDS)
        second = pool.submit(connector.get, inbox, ["2-0"])
        threading.Timer(0.3, decided.set).start()
        assert isinstance(first.exception(SECONDS), SignInRefused)
        assert isinstance(second.exception(SECONDS), SignInRefused)
    assert tried == ["1-0"]


def test_the_cookies_of_a_server_are_sent_on_every_connection(server: ScriptedServer, inbox: Folder) -> None:
    mailbox = Mailbox(server, pages=9)
    told = synced(created("1-0"), state="1", is_last=False)
    first = Reply(envelope(told), headers={"Set-Cookie": "X-BackEndCookie=here; path=/"})
    mailbox.before = lambda operation, page: first if (operation, page) == ("SyncFolderItems", 1) else None
    list(server.connector(requests_in_flight=IN_FLIGHT).changes(inbox, None, 1))
    sent = [headers.get("Cookie") for headers in server.headers if "Authorization" in headers]
    assert set(sent[2:]) == {"X-BackEndCookie=here"}  # behind the question for the version, and the first page


def test_a_mailbox_reads_the_same_ahead() -> None:
    with Simulator() as simulator:
        simulator.add_mailbox(ANNA)
        for number in range(7):
            text = f"From: b@c.test\r\nTo: {ANNA}\r\nSubject: mail {number}\r\n\r\nHello".encode()
            simulator.deliver(text, [ANNA])
        told = {}
        for in_flight in (1, 2, 8):
            login = Account(ANNA, simulator.url, ANNA, simulator.password, requests_in_flight=in_flight)
            connector = ExchangeEWS(login)
            folder = next(each for each in connector.folders() if each.well_known == "inbox")
            told[in_flight] = [[page.changes for page in connector.changes(folder, None, size)] for size in (1, 3, 100)]
        assert told[2] == told[1] == told[8]
        assert [len(pages) for pages in told[1]] == [7, 3, 1]
