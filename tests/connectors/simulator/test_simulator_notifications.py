"""Pull, streaming and push notifications tell what happened in the folders they watch."""

# ruff: noqa: E501 - the requests are long

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from queue import Queue

import pytest
from lxml import etree

from connectors.simulator.simulator import Simulator
from tests.connectors.simulator.soap_client import ENVELOPE, NS, Client, codes, texts

EVENTS = ["CopiedEvent", "CreatedEvent", "DeletedEvent", "ModifiedEvent", "MovedEvent", "NewMailEvent"]
SUBSCRIBE = (
    '<m:Subscribe><m:{kind}SubscriptionRequest><t:FolderIds><t:DistinguishedFolderId Id="inbox"/></t:FolderIds><t:EventTypes>'
    + "".join(f"<t:EventType>{event}</t:EventType>" for event in EVENTS)
    + "</t:EventTypes>{more}</m:{kind}SubscriptionRequest></m:Subscribe>"
)
MAIL = b"From: o@shop.test\r\nTo: anna@example.test\r\nSubject: Order\r\n\r\nMilk\r\n"


def names(notification: etree._Element) -> list[str]:
    return [name for child in notification.iter() if (name := etree.QName(child).localname).endswith("Event")]


def subscribe(client: Client, kind: str, more: str = "") -> etree._Element:
    answer = client(SUBSCRIBE.format(kind=kind, more=more))
    assert codes(answer) == ["NoError"], etree.tostring(answer)
    return answer


def events(client: Client, identifier: str, mark: str) -> tuple[list[str], str]:
    answer = client(
        f"<m:GetEvents><m:SubscriptionId>{identifier}</m:SubscriptionId><m:Watermark>{mark}</m:Watermark></m:GetEvents>"
    )
    assert codes(answer) == ["NoError"]
    return names(answer), texts(answer, ".//t:Watermark")[-1]


def test_pull_tells_each_event_once(simulator: Simulator, anna: Client) -> None:
    made = subscribe(anna, "Pull", "<t:Timeout>10</t:Timeout>")
    identifier, mark = texts(made, ".//m:SubscriptionId")[0], texts(made, ".//m:Watermark")[0]
    assert events(anna, identifier, mark)[0] == ["StatusEvent"]
    [row] = simulator.deliver(MAIL, ["anna@example.test"])
    told, mark = events(anna, identifier, mark)
    assert told == ["CreatedEvent", "NewMailEvent"]
    store = simulator.store
    with store.transaction():
        row = store.items.set_read(row, True)
        row = store.items.move(row, store.folders.distinguished(row.mailbox, "drafts"))
        store.items.delete(row)
    assert events(anna, identifier, mark)[0] == ["ModifiedEvent", "MovedEvent"]


def test_a_subscription_ends_and_belongs_to_one_user(simulator: Simulator, anna: Client, boris: Client) -> None:
    identifier = texts(subscribe(anna, "Streaming"), ".//m:SubscriptionId")[0]
    end = f"<m:Unsubscribe><m:SubscriptionId>{identifier}</m:SubscriptionId></m:Unsubscribe>"
    assert codes(boris(end)) == ["ErrorSubscriptionAccessDenied"]
    assert codes(anna(end)) == ["NoError"]
    assert codes(anna(end)) == ["ErrorSubscriptionNotFound"]
    stream = (
        f"<m:GetStreamingEvents><m:SubscriptionIds><t:SubscriptionId>{identifier}</t:SubscriptionId></m:SubscriptionIds>"
        "<m:ConnectionTimeout>1</m:ConnectionTimeout></m:GetStreamingEvents>"
    )
    answer = anna(stream)
    assert codes(answer) == ["ErrorSubscriptionNotFound"]
    assert texts(answer, ".//m:ErrorSubscriptionIds/t:SubscriptionId") == [identifier]


def test_streaming_tells_events_as_they_happen(simulator: Simulator, anna: Client) -> None:
    identifier = texts(subscribe(anna, "Streaming"), ".//m:SubscriptionId")[0]
    body = (
        f"<m:GetStreamingEvents><m:SubscriptionIds><t:SubscriptionId>{identifier}</t:SubscriptionId></m:SubscriptionIds>"
        "<m:ConnectionTimeout>1</m:ConnectionTimeout></m:GetStreamingEvents>"
    )
    with anna.post(body, stream=True) as answer:
        assert answer.headers["Transfer-Encoding"] == "chunked"
        parts = answer.iter_content(chunk_size=None)
        first = next(parts)
        assert first.startswith(b"<Envelope xmlns=")  # what clients look for to tell the parts from each other
        assert first.endswith(b"</Envelope>")
        assert b"<m:ConnectionStatus>OK" in first
        simulator.deliver(MAIL, ["anna@example.test"])
        assert names(etree.fromstring(next(parts))) == ["CreatedEvent", "NewMailEvent"]
        simulator.deliver(MAIL, ["anna@example.test"])
        assert names(etree.fromstring(next(parts))) == ["CreatedEvent", "NewMailEvent"]


def test_what_happens_between_two_connections_is_told_by_the_next(simulator: Simulator) -> None:
    client = Client(simulator, "boris@example.test")
    identifier = texts(subscribe(client, "Streaming"), ".//m:SubscriptionId")[0]
    body = (
        f"<m:GetStreamingEvents><m:SubscriptionIds><t:SubscriptionId>{identifier}</t:SubscriptionId></m:SubscriptionIds>"
        "<m:ConnectionTimeout>1</m:ConnectionTimeout></m:GetStreamingEvents>"
    )
    for _ in range(2):
        with client.post(body, stream=True) as answer:
            next(answer.iter_content(chunk_size=None))
        simulator.deliver(MAIL, ["boris@example.test"])
        with client.post(body, stream=True) as answer:
            parts = answer.iter_content(chunk_size=None)
            assert b"<m:ConnectionStatus>OK" in next(parts)
            assert names(etree.fromstring(next(parts))) == ["CreatedEvent", "NewMailEvent"]


@pytest.fixture
def listener() -> Iterator[tuple[str, Queue]]:
    """A push listener: its address, and what it was sent; it unsubscribes on the second notification."""
    received: Queue = Queue()

    class Listener(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            data = self.rfile.read(int(self.headers["Content-Length"]))
            told = names(etree.fromstring(data))
            received.put(told)
            status = "OK" if told == ["StatusEvent"] else "Unsubscribe"
            result = f"<m:SendNotificationResult><m:SubscriptionStatus>{status}</m:SubscriptionStatus></m:SendNotificationResult>"
            body = ENVELOPE.format(body=result, header="", version="Exchange2016", **NS).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Listener)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}/", received
    server.shutdown()
    server.server_close()


def test_push_calls_the_listener_until_it_has_enough(
    simulator: Simulator, anna: Client, listener: tuple[str, Queue]
) -> None:
    url, received = listener
    subscribe(anna, "Push", f"<t:StatusFrequency>1</t:StatusFrequency><t:URL>{url}</t:URL>")
    assert received.get(timeout=5) == ["StatusEvent"]
    simulator.deliver(MAIL, ["anna@example.test"])
    assert received.get(timeout=5) == ["CreatedEvent", "NewMailEvent"]
    for _ in range(500):
        if not simulator.subscriptions.pushes():
            break
        threading.Event().wait(0.01)
    assert not simulator.subscriptions.pushes()
