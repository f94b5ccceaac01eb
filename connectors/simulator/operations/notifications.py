"""Subscribe, Unsubscribe, GetEvents, GetStreamingEvents, and the calls to push listeners."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import requests
from lxml import etree

from connectors.simulator import soap, targets
from connectors.simulator.content import SOAP
from connectors.simulator.errors import EwsError, SchemaViolation
from connectors.simulator.registry import Call, operation
from connectors.simulator.responses import Part, answer, attempt, flag, holding, listed, part, success
from connectors.simulator.rows import Event
from connectors.simulator.schema import Element, add, elements, local, m, make, message, t, text_of
from connectors.simulator.subscriptions import Subscription, position_of, watermark

EVENTS = frozenset(
    {
        "CopiedEvent",
        "CreatedEvent",
        "DeletedEvent",
        "ModifiedEvent",
        "MovedEvent",
        "NewMailEvent",
        "FreeBusyChangedEvent",
    }
)
_KINDS = {
    "PullSubscriptionRequest": "pull",
    "PushSubscriptionRequest": "push",
    "StreamingSubscriptionRequest": "streaming",
}
_MOST_EVENTS = 100
_MOST_SUBSCRIPTIONS = 200
HEARTBEAT_SECONDS = 30.0
_LOOK_SECONDS = 1.0


@operation("Subscribe")
def subscribe(call: Call) -> Element:
    children = elements(call.request)
    if not children or local(children[0]) not in _KINDS:
        raise SchemaViolation("The element 'Subscribe' has incomplete content.")

    def serve(request: Element) -> list[Part]:
        kind = _KINDS[local(request)]
        folders, mailbox = _folders(call, request)
        wanted = frozenset((event.text or "") for event in elements(request.find(t("EventTypes"))))
        if not wanted or wanted - EVENTS:
            raise SchemaViolation("The 'EventType' element is invalid.")
        given = text_of(request, "Watermark")
        made = call.simulator.subscriptions.add(
            kind,
            owner=call.caller.number,  # whoever is impersonated: the same account may listen to all that it made
            mailbox=mailbox,
            folders=folders,
            events=wanted,
            position=position_of(given) if given else call.store.sequence,
            url=text_of(request, "URL"),
            timeout=60.0 * float(text_of(request, "Timeout", "30")),
        )
        if kind == "push":
            _start_pushing(call, made, float(text_of(request, "StatusFrequency", "1")))
        parts: list[Part] = [("SubscriptionId", made.identifier)]
        if kind != "streaming":
            parts.append(("Watermark", watermark(made.position)))
        return parts

    return answer(call.name, [attempt(call, "SubscribeResponseMessage", children[0], serve)])


def _folders(call: Call, request: Element) -> tuple[frozenset[int] | None, int]:
    everything = flag(request.get("SubscribeToAllFolders"))
    named = elements(request.find(t("FolderIds")))
    if everything:
        if named:
            raise EwsError("ErrorInvalidSubscriptionRequest", "Folder ids cannot be given with all folders.")
        return None, call.user.number
    if not named:
        raise EwsError("ErrorInvalidSubscriptionRequest", "Subscription request must name folders.")
    rows = [targets.folder(call, entry, "read") for entry in named]
    if len({row.mailbox.number for row in rows}) > 1:
        raise EwsError("ErrorInvalidSubscriptionRequest", "All folders must be in one mailbox.")
    return frozenset(row.number for row in rows), rows[0].mailbox.number


@operation("Unsubscribe")
def unsubscribe(call: Call) -> Element:
    def serve(entry: Element) -> list[Part]:
        call.simulator.subscriptions.remove((entry.text or "").strip(), call.caller.number)
        return []

    made = attempt(call, "UnsubscribeResponseMessage", part(call, "SubscriptionId"), serve)
    return answer(call.name, [made])


def _event(event: Event) -> Element:
    made = make(event.kind)
    add(made, "Watermark", watermark(event.sequence))
    add(made, "TimeStamp", event.at)
    kind = "FolderId" if event.is_folder else "ItemId"
    add(made, kind, Id=event.this[0], ChangeKey=event.this[1])
    add(made, "ParentFolderId", Id=event.parent[0], ChangeKey=event.parent[1])
    if event.old_this is not None and event.old_parent is not None:
        add(made, f"Old{kind}", Id=event.old_this[0], ChangeKey=event.old_this[1])
        add(made, "OldParentFolderId", Id=event.old_parent[0], ChangeKey=event.old_parent[1])
    return made


def _notification(subscription: Subscription, events: list[Event], *, previous: int, streaming: bool) -> Element:
    made = make("Notification")
    add(made, "SubscriptionId", subscription.identifier)
    if not streaming:
        add(made, "PreviousWatermark", watermark(previous))
        add(made, "MoreEvents", "true" if len(events) > _MOST_EVENTS else "false")
    for event in events[:_MOST_EVENTS]:
        shown = _event(event)
        if streaming:
            shown.remove(shown[0])
        made.append(shown)
    if not events:
        status = add(made, "StatusEvent")
        if not streaming:
            add(status, "Watermark", watermark(previous))
    return made


@operation("GetEvents")
def get_events(call: Call) -> Element:
    def serve(entry: Element) -> list[Part]:
        found = call.simulator.subscriptions.find((entry.text or "").strip(), call.caller.number)
        if found.kind != "pull":
            raise EwsError("ErrorInvalidPullSubscriptionId", "The subscription is not a pull subscription.")
        since = position_of(part(call, "Watermark").text or "")
        if since > call.store.sequence or since < call.store.journal.dropped:
            raise EwsError("ErrorInvalidWatermark")
        events = [event for event in call.store.journal.since(since) if found.wants(event)]
        made = _notification(found, events, previous=since, streaming=False)
        made.tag = m("Notification")
        return [made]

    made = attempt(call, "GetEventsResponseMessage", part(call, "SubscriptionId"), serve)
    return answer(call.name, [made])


@operation("GetStreamingEvents")
def get_streaming_events(call: Call) -> Element | Iterator[Element]:
    minutes = part(call, "ConnectionTimeout").text or ""
    if not minutes.isdigit() or not 1 <= int(minutes) <= 30:
        raise SchemaViolation("The 'ConnectionTimeout' element is invalid.")
    found, missing = [], []
    for entry in listed(call, "SubscriptionIds"):
        identifier = (entry.text or "").strip()
        try:
            found.append(call.simulator.subscriptions.find(identifier, call.caller.number))
        except EwsError:
            missing.append(identifier)
        else:
            if found[-1].kind != "streaming":
                missing.append(identifier)
    if missing:
        return _unknown(missing)
    if len(found) > _MOST_SUBSCRIPTIONS:
        raise EwsError("ErrorInvalidRequest", "Too many subscriptions in one request.")
    if not call.simulator.subscriptions.may_hang(call.user.number):
        raise EwsError("ErrorExceededConnectionCount", "You have exceeded the available streaming connections.")
    return _stream(call, found, 60.0 * int(minutes))


def _unknown(identifiers: list[str]) -> Element:
    return _failed(identifiers, "ErrorSubscriptionNotFound", "One or more subscriptions in the request were not found.")


def _failed(identifiers: list[str], code: str, reason: str) -> Element:
    made = message("GetStreamingEventsResponseMessage", ResponseClass="Error")
    for name, text in (("MessageText", reason), ("ResponseCode", code), ("DescriptiveLinkKey", "0")):
        etree.SubElement(made, m(name)).text = text
    holder = etree.SubElement(made, m("ErrorSubscriptionIds"))
    for identifier in identifiers:
        add(holder, "SubscriptionId", identifier)
    return answer("GetStreamingEvents", [made])


def _told(*parts: Part) -> Element:
    return answer("GetStreamingEvents", [success("GetStreamingEventsResponseMessage", parts)])


def _stream(call: Call, found: list[Subscription], seconds: float) -> Iterator[Element]:
    """Notifications as they happen, a heartbeat while nothing does, and Closed at the end."""
    call.simulator.subscriptions.hang(call.user.number)
    try:
        yield from _told_until(call, found, time.monotonic() + seconds)
    finally:
        call.simulator.subscriptions.let_go(call.user.number)


def _told_until(call: Call, found: list[Subscription], end: float) -> Iterator[Element]:
    journal, mine, spoken = call.store.journal, object(), time.monotonic()
    for one in found:
        one.listener = mine
    yield _told(("ConnectionStatus", "OK"))
    while time.monotonic() < end and not call.simulator.stopping.is_set():
        if call.gone():
            return  # what happens from now on waits for the client's next connection
        if any(one.listener is not mine for one in found):
            taken = [one.identifier for one in found if one.listener is not mine]
            yield _failed(taken, "ErrorNewEventStreamConnectionOpened", "Another connection was opened.")
            return
        if lost := call.simulator.subscriptions.lost(found):
            yield _unknown(lost)
            return
        notes = _due(call, found)
        if not notes and time.monotonic() - spoken > HEARTBEAT_SECONDS:
            notes = [_notification(one, [], previous=one.position, streaming=True) for one in found]
        if notes:
            spoken = time.monotonic()
            yield _told(holding("Notifications", *notes))
            continue
        with journal.changed:
            if not journal.is_beyond(max(one.position for one in found)):
                journal.changed.wait(min(max(end - time.monotonic(), 0), _LOOK_SECONDS))
    yield _told(("ConnectionStatus", "Closed"))


def _due(call: Call, found: list[Subscription]) -> list[Element]:
    notes = []
    news = call.store.journal.since(min(one.position for one in found))
    for one in found:
        events = [event for event in news if event.sequence > one.position and one.wants(event)]
        if len(events) > _MOST_EVENTS:
            events = events[:_MOST_EVENTS]
            one.position = events[-1].sequence
        elif news:
            one.position = max(one.position, news[-1].sequence)
        if events:
            notes.append(_notification(one, events, previous=one.position, streaming=True))
    return notes


def _start_pushing(call: Call, subscription: Subscription, minutes: float) -> None:
    threading.Thread(target=_push, args=(call, subscription, 60.0 * minutes), daemon=True).start()


def _push(call: Call, subscription: Subscription, status_every: float) -> None:
    """Tell a push listener of events until it answers Unsubscribe, or cannot be reached three times."""
    failures, told = 0, time.monotonic() - status_every
    journal, stopping = call.store.journal, call.simulator.stopping
    while failures < 3 and not stopping.is_set():
        if subscription not in call.simulator.subscriptions.pushes():
            return
        events = [event for event in journal.since(subscription.position) if subscription.wants(event)]
        if not events and time.monotonic() - told < status_every:
            with journal.changed:
                journal.changed.wait(1)
            continue
        note = _notification(subscription, events, previous=subscription.position, streaming=False)
        note.tag = m("Notification")
        verdict = _post(subscription.url, note)
        told = time.monotonic()
        if verdict is None:
            failures += 1
            stopping.wait(1)
            continue
        failures = 0
        if events:
            subscription.position = events[:_MOST_EVENTS][-1].sequence
        if verdict == "Unsubscribe":
            break
    call.simulator.subscriptions.drop(subscription.identifier)


def _post(url: str, note: Element) -> str | None:
    body = answer("SendNotification", [success("SendNotificationResponseMessage", [note])])
    try:
        reply = requests.post(
            url, soap.wrap(body), headers={"Content-Type": "text/xml; charset=utf-8"}, timeout=10, allow_redirects=False
        )
        root = etree.fromstring(reply.content, etree.XMLParser(resolve_entities=False, no_network=True))
    except (requests.RequestException, etree.XMLSyntaxError, ValueError):
        return None
    result = root.find(f"{{{SOAP}}}Body/{m('SendNotificationResult')}/{m('SubscriptionStatus')}")
    return result.text if result is not None else None
