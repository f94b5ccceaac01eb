"""Streaming notifications: what is asked for, and what is made of what the server tells."""

from __future__ import annotations

import threading
import time
from collections.abc import Collection

import pytest

from connectors.base import Account, Told
from connectors.exchange_ews import ExchangeEWS, WatchEWS
from connectors.simulator.simulator import Simulator
from terracrm.domain.records import StreamKind
from terracrm.errors import AuthFailed, Forgotten, ItemGone, SignInRefused, Temporary, Unsupported
from tests.connectors.exchange_ews.script import Reply, ScriptedServer, answered, envelope, failure, success

MAIL = b"From: o@shop.test\r\nTo: anna@example.test\r\nSubject: Order\r\n\r\nMilk\r\n"
ADDRESSES = ("anna@example.test", "boris@example.test")


def account(address: str, server: ScriptedServer | Simulator, password: str = "secret") -> Account:
    return Account(address, server.url, "service@example.test", password, impersonate=True)


def subscribed(server: ScriptedServer, *addresses: str) -> WatchEWS:
    """A watch of mailboxes whose subscriptions are called s-anna and so on."""
    watch = WatchEWS(account(addresses[0], server))
    for address in addresses:
        name = address.partition("@")[0]
        server.on(
            "Subscribe", answered("Subscribe", success("Subscribe", f"<m:SubscriptionId>s-{name}</m:SubscriptionId>"))
        )
        watch.subscribe(account(address, server), ["folder-1", "folder-2"])
    return watch


def part(content: str) -> bytes:
    return envelope(answered("GetStreamingEvents", success("GetStreamingEvents", content)))


def notification(name: str, *events: str) -> str:
    inside = "".join(events) or "<t:StatusEvent/>"
    return f"<m:Notification><t:SubscriptionId>s-{name}</t:SubscriptionId>{inside}</m:Notification>"


def event(kind: str, parent: str, old: str = "", folder: str = "") -> str:
    what = f'<t:FolderId Id="{folder}"/>' if folder else '<t:ItemId Id="item"/>'
    before = f'<t:OldItemId Id="item0"/><t:OldParentFolderId Id="{old}"/>' if old else ""
    time = "<t:TimeStamp>2026-03-02T12:00:00Z</t:TimeStamp>"
    return f'<t:{kind}>{time}{what}<t:ParentFolderId Id="{parent}"/>{before}</t:{kind}>'


OPEN = part("<m:ConnectionStatus>OK</m:ConnectionStatus>")
CLOSED = part("<m:ConnectionStatus>Closed</m:ConnectionStatus>")


def told(server: ScriptedServer, *parts: bytes) -> list[Collection[Told]]:
    server.on("GetStreamingEvents", Reply(b"".join(parts)))
    return list(subscribed(server, *ADDRESSES).listen())


def test_events_are_told_by_mailbox_and_folder(server: ScriptedServer) -> None:
    events = part(
        "<m:Notifications>"
        + notification("anna", event("CreatedEvent", "f1"), event("MovedEvent", "f3", old="f2"))
        + notification("boris", event("ModifiedEvent", "top", folder="f9"))
        + notification("stranger", event("CreatedEvent", "f1"))
        + "</m:Notifications>"
    )
    heartbeat = part("<m:Notifications>" + notification("anna") + "</m:Notifications>")
    assert told(server, OPEN, events, heartbeat, CLOSED, events) == [
        [],
        [Told(ADDRESSES[0], frozenset({"f1", "f2", "f3"})), Told(ADDRESSES[1], frozenset({"f9"}))],
        [],
        [],
    ]


def test_all_requests_are_led_to_the_server_of_the_anchor(server: ScriptedServer) -> None:
    anchored = Reply(headers={"Set-Cookie": "X-BackEndOverrideCookie=mbx7~1; path=/; HttpOnly"})
    anchored.body = envelope(answered("Subscribe", success("Subscribe", "<m:SubscriptionId>s-anna</m:SubscriptionId>")))
    watch = WatchEWS(account(ADDRESSES[0], server))
    server.on("Subscribe", anchored)
    watch.subscribe(account(ADDRESSES[0], server), ["f"])
    del server.headers[:]
    server.on("Subscribe", answered("Subscribe", success("Subscribe", "<m:SubscriptionId>s-boris</m:SubscriptionId>")))
    watch.subscribe(account(ADDRESSES[1], server), ["f"])
    server.on("GetStreamingEvents", Reply(OPEN + CLOSED))
    list(watch.listen())
    server.on("GetStreamingEvents", Reply(status=503))
    with pytest.raises(Temporary):
        list(watch.listen())  # whose session is thrown away
    server.on("GetStreamingEvents", Reply(OPEN + CLOSED))
    list(watch.listen())
    assert len(server.headers) == 4
    for headers in server.headers:
        assert headers["X-AnchorMailbox"] == ADDRESSES[0]
        assert headers["X-PreferServerAffinity"] == "True"
        assert "X-BackEndOverrideCookie=mbx7~1" in headers["Cookie"]


BREAKS: dict[str, tuple[Reply, type[Exception]]] = {
    "HTTP 503": (Reply(status=503), Temporary),
    "HTTP 401": (Reply(status=401, headers={"WWW-Authenticate": 'Basic realm="x"'}), SignInRefused),
    "HTTP 403": (Reply(status=403), AuthFailed),
    "a web page": (Reply(b"<html>Hello</html>"), Temporary),
    "an end without a word": (Reply(OPEN), Temporary),
    "cut in the middle": (Reply(OPEN + OPEN, cut=True), Temporary),
    "busy": (
        Reply(envelope(answered("GetStreamingEvents", failure("GetStreamingEvents", "ErrorServerBusy")))),
        Temporary,
    ),
    "too many connections": (
        Reply(envelope(answered("GetStreamingEvents", failure("GetStreamingEvents", "ErrorExceededConnectionCount")))),
        Temporary,
    ),
    "another connection took over": (
        Reply(
            OPEN
            + envelope(
                answered("GetStreamingEvents", failure("GetStreamingEvents", "ErrorNewEventStreamConnectionOpened"))
            )
        ),
        Temporary,
    ),
}


@pytest.mark.parametrize("case", BREAKS)
def test_a_connection_that_breaks_says_how(server: ScriptedServer, case: str) -> None:
    reply, error = BREAKS[case]
    server.on("GetStreamingEvents", reply)
    with pytest.raises(error):
        list(subscribed(server, *ADDRESSES).listen())


def test_the_server_says_which_subscriptions_it_lost(server: ScriptedServer) -> None:
    watch = subscribed(server, *ADDRESSES)
    ids = "<m:ErrorSubscriptionIds><t:SubscriptionId>s-boris</t:SubscriptionId></m:ErrorSubscriptionIds>"
    lost = failure("GetStreamingEvents", "ErrorSubscriptionNotFound", content=ids)
    server.on("GetStreamingEvents", Reply(OPEN + envelope(answered("GetStreamingEvents", lost))))
    with pytest.raises(Forgotten) as caught:
        list(watch.listen())
    assert caught.value.addresses == {ADDRESSES[1]}
    server.on(
        "GetStreamingEvents", answered("GetStreamingEvents", failure("GetStreamingEvents", "ErrorReadEventsFailed"))
    )
    with pytest.raises(Forgotten) as caught:
        list(watch.listen())
    assert caught.value.addresses == {ADDRESSES[0]}


REFUSALS = {
    "ErrorImpersonateUserDenied": AuthFailed,
    "ErrorSubscriptionDelegateAccessNotSupported": Unsupported,
    "ErrorFolderNotFound": ItemGone,
    "ErrorExceededSubscriptionCount": Temporary,
    "ErrorMailboxMoveInProgress": Temporary,
    "ErrorProxyRequestNotAllowed": Forgotten,
}


def test_a_mailbox_that_cannot_be_subscribed_says_why(server: ScriptedServer) -> None:
    watch = WatchEWS(account(ADDRESSES[0], server))
    for code, error in REFUSALS.items():
        server.on("Subscribe", answered("Subscribe", failure("Subscribe", code)))
        with pytest.raises(error):
            watch.subscribe(account(ADDRESSES[0], server), ["f"])


def test_a_wrong_password_is_known_before_any_mailbox_is_asked_for(server: ScriptedServer) -> None:
    server.on("*", Reply(status=401, headers={"WWW-Authenticate": 'Basic realm="x"'}))
    with pytest.raises(SignInRefused):
        WatchEWS(account(ADDRESSES[0], server)).sign_in()
    assert server.requests == ["anonymous", "ConvertId"]


@pytest.mark.parametrize("early", [True, False])
def test_listening_can_be_interrupted_and_goes_on_without_a_loss(early: bool) -> None:
    with Simulator(password="secret") as simulator:
        simulator.add_mailbox(ADDRESSES[0])
        anna = account(ADDRESSES[0], simulator)
        watch = WatchEWS(anna)
        inbox = next(f.remote_id for f in ExchangeEWS(anna).folders() if f.well_known == "inbox")
        watch.subscribe(anna, [inbox])
        heard: list[Collection[Told]] = []
        if early:
            watch.interrupt()
        listener = threading.Thread(target=lambda: heard.extend(watch.listen()))
        listener.start()
        while not early and not heard:
            time.sleep(0.01)
        began = time.monotonic()
        watch.interrupt() if not early else None
        listener.join(5)
        assert not listener.is_alive()
        assert time.monotonic() - began < 2
        simulator.deliver(MAIL, [ADDRESSES[0]])
        for found in watch.listen():
            if found:
                assert list(found) == [Told(ADDRESSES[0], frozenset({inbox}))]
                break
        watch.unsubscribe(ADDRESSES[0])
        watch.close()
        assert simulator.requests.count("Unsubscribe") == 1


def test_a_new_folder_below_the_top_is_told() -> None:
    with Simulator(password="secret") as simulator:
        simulator.add_mailbox(ADDRESSES[0])
        anna = account(ADDRESSES[0], simulator)
        connector, watch = ExchangeEWS(anna), WatchEWS(anna)
        watch.subscribe(anna, [folder.remote_id for folder in connector.folders()])
        made = connector.ensure_folder("msgfolderroot", "Projects", StreamKind.MAIL)
        for found in watch.listen():
            if found:
                assert list(found) == [Told(ADDRESSES[0], frozenset({made.remote_id}))]
                break
