"""What is kept of alerts, and which messages tell them, on both databases (Y5)."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

import pytest
from pydantic import SecretStr
from sqlalchemy import select

from terracrm.config import Settings
from terracrm.domain.alert_rules import Finding, Rule, Subject, What
from terracrm.errors import Forbidden
from terracrm.models import (
    Alert,
    AlertMessage,
    OutboxItem,
    QuarantinedItem,
    Stream,
    StreamState,
    SyncRun,
)
from terracrm.services import alert_messages, alert_texts, alerts, heartbeats, retention
from terracrm.services.alert_messages import ChannelUnusable, Told
from tests.office import NOW, Office
from tests.services.conftest import Viewers

MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)
ANNA, BORIS = "anna@romashka.example", "boris@romashka.example"


def settings(*channels: str, **values: object) -> Settings:
    """Settings with these channels; Boris's mailbox sends."""
    given: dict[str, object] = {"after_minutes": 30, "repeat_hours": 24, **values}
    if "mail" in channels:
        given |= {"mail_to": ["admin@romashka.example"], "mail_from": BORIS}
    if "webhook" in channels:
        given |= {"webhook_url": SecretStr("https://chat.example/hooks/secret-word")}
    return Settings(alerts=given)  # type: ignore[arg-type]


BOTH = settings("mail", "webhook")


@pytest.fixture
def mail(office: Office) -> Stream:
    """Anna's mail; nothing of the office is late."""
    for box in office.mailboxes.values():
        for stream in box.streams:
            stream.due_at = NOW + 24 * HOUR
    office.session.flush()
    return office.mailboxes["anna"].streams[0]


def look(
    office: Office, minutes: float, chosen: Settings = BOTH, also: Sequence[Finding] = ()
) -> list[tuple[str, str, str | None]]:
    """Look after so many minutes: what is told, of which rule and mailbox."""
    office.session.flush()
    events = alerts.check(office.session, chosen, NOW + minutes * MINUTE, also)
    about = [(str(event.what), event.alert.rule, event.alert.mailbox_id) for event in events]
    addresses = {box.id: box.address for box in office.mailboxes.values()}
    return sorted((what, rule, addresses.get(box or 0)) for what, rule, box in about)


def watch(office: Office, first: int, last: int, chosen: Settings = BOTH) -> dict[int, list[object]]:
    """The minutes in which something is told, when looked at each five minutes."""
    told = {minute: look(office, minute, chosen) for minute in range(first, last + 1, 5)}
    return {minute: events for minute, events in told.items() if events}  # type: ignore[misc]


def messages(office: Office, channel: str) -> list[AlertMessage]:
    return list(
        office.session.scalars(select(AlertMessage).where(AlertMessage.channel == channel).order_by(AlertMessage.id))
    )


def send(office: Office, minutes: float, error: str = "", *, is_final: bool = False) -> list[tuple[str, list[str]]]:
    """Send what is to be sent after so many minutes: the channel, and what each message tells."""
    done = []
    while message := alert_messages.take(office.session, ["mail", "webhook"], NOW + minutes * MINUTE):
        told = alert_messages.told(office.session, message)
        done.append((message.channel, [f"{each.what} {each.alert.rule}" for each in told]))
        if error:
            alert_messages.failed(office.session, message.id, error, is_final=is_final)
        else:
            alert_messages.sent(office.session, message.id)
        office.session.expire_all()
    return done


def test_a_broker_that_a_daemon_does_not_reach_is_told(office: Office, mail: Stream) -> None:
    distributed = settings("webhook")
    distributed.sync.engine, distributed.sync.broker_url = "celery", SecretStr("amqp://crm:secret@mq.test:5672/crm")
    assert alerts.findings(office.session, distributed, NOW) == []  # no daemon is at work
    heartbeats.beat(office.session, heartbeats.DAEMON, NOW)
    heartbeats.beat(office.session, heartbeats.BROKER, NOW)
    assert alerts.findings(office.session, distributed, NOW + MINUTE) == []
    [found] = alerts.findings(office.session, distributed, NOW + 2 * MINUTE)
    assert (found.subject.rule, found.subject.about) == (Rule.BROKER, "mq.test:5672")
    assert alerts.findings(office.session, BOTH, NOW + 2 * MINUTE) == []


def test_an_office_in_order_tells_nothing(office: Office, mail: Stream) -> None:
    assert look(office, 0) == []
    assert office.session.scalars(select(Alert)).all() == []
    assert messages(office, "mail") == []


def test_each_trouble_is_found_in_the_tables(office: Office, mail: Stream) -> None:
    calendar = office.mailboxes["anna"].streams[1]
    mail.state, mail.last_error = StreamState.CREDENTIALS, "The server refused."
    mail.gaps, mail.clock_skew = 3, 900
    calendar.due_at = NOW - MINUTE
    office.mailboxes["boris"].streams[0].state, office.mailboxes["boris"].streams[0].failures = StreamState.BACKOFF, 2
    contacts = Stream(kind="contacts", direction="both", state=StreamState.OK)
    contacts.due_at = NOW + HOUR
    owed = {"mailbox_id": office.mailboxes["galina"].id, "entity": "contact"}
    office.mailboxes["galina"].streams.append(contacts)
    office.add(
        QuarantinedItem(folder_id=mail.folders[0].id, remote_id="x", error="sick", next_try_at=NOW),
        OutboxItem(local_id=1, owed_since=NOW - 3 * HOUR, **owed),
        OutboxItem(local_id=2, state="given_up", **owed),
        *(SyncRun(stream_id=calendar.id, started_at=NOW - n * MINUTE, outcome="broken_off") for n in (1, 2, 3)),
    )
    office.session.flush()
    found = {(each.subject.rule, each.count) for each in alerts.findings(office.session, BOTH, NOW)}
    assert found == {
        (Rule.CREDENTIALS, 0),
        (Rule.GAPS, 3),
        (Rule.QUARANTINE, 1),
        (Rule.CLOCK, 900),
        (Rule.LATE, 0),
        (Rule.BROKEN_OFF, 3),
        (Rule.FAILING, 2),
        (Rule.OUTBOX, 1),
        (Rule.GIVEN_UP, 1),
    }


def test_runs_that_broke_off_before_a_success_are_forgiven(office: Office, mail: Stream) -> None:
    office.add(*(SyncRun(stream_id=mail.id, started_at=NOW - HOUR, outcome="broken_off") for _ in range(5)))
    assert look(office, 0) == []


def test_a_wrong_password_is_told_at_once_once_and_its_end(office: Office, mail: Stream) -> None:
    mail.state, mail.last_error = StreamState.CREDENTIALS, "The server refused the user name or the password."
    assert look(office, 0) == [("raised", "credentials", ANNA)]
    assert watch(office, 5, 60) == {}
    (alert,) = office.session.scalars(select(Alert)).all()
    assert alert.message == "The server refused the user name or the password."
    mail.state = StreamState.OK
    assert watch(office, 65, 120) == {95: [("ended", "credentials", ANNA)]}
    assert alert.over_at == NOW + 65 * MINUTE
    assert [row.channel for row in office.session.scalars(select(AlertMessage)).all()] == ["mail", "webhook"]


def test_what_mends_itself_is_not_told_and_leaves_no_trace(office: Office, mail: Stream) -> None:
    mail.state, mail.failures = StreamState.BACKOFF, 1
    assert watch(office, 0, 25) == {}
    mail.state, mail.failures = StreamState.OK, 0
    assert watch(office, 30, 90) == {}
    assert office.session.scalars(select(Alert)).all() == []


def test_what_nobody_looked_at_for_a_while_has_to_last_anew(office: Office, mail: Stream) -> None:
    mail.state, mail.failures = StreamState.BACKOFF, 1
    look(office, 0)
    assert look(office, 300) == []
    assert watch(office, 305, 340) == {330: [("raised", "failing", ANNA)]}


def test_two_daemons_tell_it_once(office: Office, mail: Stream) -> None:
    mail.state = StreamState.APPROVAL
    assert look(office, 0) == [("raised", "approval", ANNA)]
    mail.state = StreamState.OK
    office.mailboxes["anna"].streams[1].state = StreamState.APPROVAL
    assert look(office, 0.2) == []
    assert look(office, 1) == [("raised", "approval", ANNA)]


def test_all_that_lasts_is_told_again_together(office: Office, mail: Stream) -> None:
    hourly = settings("mail", repeat_hours=1)
    mail.state = StreamState.CREDENTIALS
    look(office, 0, hourly)
    office.mailboxes["galina"].streams[0].state = StreamState.PAUSED
    assert look(office, 5, hourly) == [("raised", "paused", "galina@romashka.example")]
    both = [("lasts", "credentials", ANNA), ("lasts", "paused", "galina@romashka.example")]
    assert watch(office, 10, 125, hourly) == {60: both, 120: both}


def test_a_mailbox_that_is_paused_ends_its_alerts(office: Office, mail: Stream) -> None:
    mail.state = StreamState.CREDENTIALS
    look(office, 0)
    office.mailboxes["anna"].is_enabled = False
    assert watch(office, 5, 60) == {35: [("ended", "credentials", ANNA)]}


def test_a_server_that_dies_under_all_mailboxes_is_one_message(office: Office, mail: Stream) -> None:
    for box in office.mailboxes.values():
        for stream in box.streams:
            stream.state, stream.failures, stream.last_error = StreamState.BACKOFF, 1, "The server is away."
    watch(office, 0, 30)
    (message,) = messages(office, "webhook")
    told = alert_messages.told(office.session, message)
    assert len(told) == 8
    words = alert_texts.mail(BOTH, told)
    assert words.subject == f"TerraCRM: {ANNA}: fails again and again (and 3 more)"
    assert words.text.count("The server is away.") == 1
    assert f"  - {ANNA} (Mail, Calendar), since " in words.text


def test_the_mail_of_a_mailbox_that_cannot_send_is_not_told_by_itself(office: Office, mail: Stream) -> None:
    boris = office.mailboxes["boris"]
    boris.streams[0].state = StreamState.CREDENTIALS
    mail.state = StreamState.CREDENTIALS
    boris.streams[1].gaps = 1
    watch(office, 0, 30)
    rules = {channel: [told for _, told in send(office, 60) if _ == channel] for channel in ("mail",)}
    assert rules["mail"] == [["raised credentials", "raised gaps"]]
    (by_hook,) = messages(office, "webhook")
    assert len(by_hook.events) == 3
    told = alert_messages.told(office.session, messages(office, "mail")[0])
    assert [each.alert.mailbox_id for each in told if each.alert.rule == Rule.CREDENTIALS] == [mail.mailbox_id]


def test_what_happens_before_a_message_leaves_is_told_with_it(office: Office, mail: Stream) -> None:
    mail.state = StreamState.CREDENTIALS
    look(office, 0)
    mail.state = StreamState.OK
    watch(office, 5, 40)
    assert send(office, 41) == [("mail", ["ended credentials"]), ("webhook", ["ended credentials"])]


def test_messages_of_a_channel_keep_their_distance(office: Office, mail: Stream) -> None:
    chosen = settings("webhook")
    mail.state = StreamState.CREDENTIALS
    look(office, 0, chosen)
    assert len(send(office, 0)) == 1
    office.session.execute(AlertMessage.__table__.update().values(sent_at=NOW))
    office.mailboxes["galina"].streams[0].state = StreamState.PAUSED
    look(office, 1, chosen)
    assert send(office, 4) == []
    office.mailboxes["galina"].streams[1].state = StreamState.PAUSED
    look(office, 4, chosen)
    assert send(office, 5) == [("webhook", ["raised paused", "raised paused"])]


def test_a_trial_keeps_no_alert_waiting(office: Office, mail: Stream) -> None:
    alert_messages.tried(office.session, "webhook")
    mail.state = StreamState.CREDENTIALS
    look(office, 0, settings("webhook"))
    assert send(office, 0) == [("webhook", ["raised credentials"])]


def test_a_message_is_sent_by_one_and_again_when_that_one_dies(office: Office, mail: Stream) -> None:
    mail.state = StreamState.CREDENTIALS
    look(office, 0, settings("webhook"))
    first = alert_messages.take(office.session, ["webhook"], NOW)
    assert first is not None
    assert alert_messages.take(office.session, ["webhook"], NOW) is None
    assert alert_messages.take(office.session, ["mail"], NOW + HOUR) is None
    again = alert_messages.take(office.session, ["webhook"], NOW + HOUR)
    assert again is not None
    assert (again.id, again.attempts) == (first.id, 2)


def test_a_channel_that_fails_waits_longer_each_time_and_is_given_up_visibly(office: Office, mail: Stream) -> None:
    mail.state = StreamState.CREDENTIALS
    look(office, 0)
    waits: list[float] = []
    minutes = 0.0
    while not (row := messages(office, "webhook")[0]).given_up_at:
        assert alert_messages.take(office.session, ["webhook"], NOW + minutes * MINUTE)
        alert_messages.failed(office.session, row.id, "chat.example cannot be reached.")
        if not row.given_up_at:
            waits.append(round((row.next_try_at - datetime.now(NOW.tzinfo)).total_seconds() / 60))
        minutes += 61
    assert waits == [1, 2, 4, 8, 16, 32, 60]
    states = {state.channel: state for state in alert_messages.channels(office.session, BOTH)}
    assert states["webhook"].is_broken
    assert states["webhook"].error == "chat.example cannot be reached."


def test_a_broken_channel_is_told_through_the_others_until_something_gets_through(office: Office, mail: Stream) -> None:
    mail.state = StreamState.CREDENTIALS
    look(office, 0)
    message = alert_messages.take(office.session, ["webhook"], NOW)
    assert message is not None
    alert_messages.failed(office.session, message.id, "chat.example refuses it (HTTP 404).", is_final=True)
    assert look(office, 1) == [("raised", "channel", None)]
    by_hook = [event for row in messages(office, "webhook") for event in row.events]
    by_mail = [event for row in messages(office, "mail") for event in row.events]
    assert (len(by_hook), len(by_mail)) == (1, 2)
    alert_messages.tried(office.session, "webhook")
    assert watch(office, 5, 40) == {35: [("ended", "channel", None)]}


def test_no_password_is_tried_in_vain(office: Office, mail: Stream) -> None:
    boris = office.mailboxes["boris"]
    assert alert_messages.sender(office.session, BOTH) is boris
    alert_messages.tried(office.session, "mail", "refused the user name or the password.")
    with pytest.raises(ChannelUnusable, match="until it has been read again"):
        alert_messages.sender(office.session, BOTH)
    assert alert_messages.sender(office.session, BOTH, by_hand=True) is boris
    boris.streams[0].last_success_at = NOW + HOUR
    assert alert_messages.sender(office.session, BOTH) is boris
    boris.streams[0].state = StreamState.CREDENTIALS
    with pytest.raises(ChannelUnusable, match="cannot sign in itself"):
        alert_messages.sender(office.session, BOTH, by_hand=True)
    boris.is_enabled = False
    with pytest.raises(ChannelUnusable, match="is paused"):
        alert_messages.sender(office.session, BOTH)
    with pytest.raises(ChannelUnusable, match="there is no mailbox"):
        alert_messages.sender(office.session, settings(mail_from="nobody@romashka.example"))


def test_only_who_configures_reads_them(office: Office, viewer: Viewers, mail: Stream) -> None:
    mail.state = StreamState.CREDENTIALS
    look(office, 0)
    page = alerts.page(office.session, viewer("admin"), BOTH, NOW)
    assert [alert.rule for alert in page.open] == ["credentials"]
    assert [state.channel for state in page.channels] == ["mail", "webhook"]
    for name in ("anna", "viktor"):
        assert alerts.current(office.session, viewer(name)) == []
        with pytest.raises(Forbidden):
            alerts.page(office.session, viewer(name), BOTH, NOW)


def test_what_is_over_leaves_the_open_ones_at_once(office: Office, viewer: Viewers, mail: Stream) -> None:
    mail.state = StreamState.CREDENTIALS
    look(office, 0)
    mail.state = StreamState.OK
    look(office, 1)
    assert alerts.current(office.session, viewer("admin")) == []
    watch(office, 5, 35)
    assert [alert.rule for alert in alerts.page(office.session, viewer("admin"), BOTH, NOW).ended] == ["credentials"]


def test_a_missing_daemon_is_noticed_when_something_waits_for_it(office: Office, mail: Stream) -> None:
    assert alerts.daemon(office.session, NOW) == (None, False)
    heartbeats.beat(office.session, heartbeats.DAEMON, NOW - HOUR)
    assert alerts.daemon(office.session, NOW) == (NOW - HOUR, False)
    mail.due_at = NOW - 10 * MINUTE
    office.session.flush()
    assert alerts.daemon(office.session, NOW) == (NOW - HOUR, True)
    heartbeats.beat(office.session, heartbeats.DAEMON, NOW)
    office.session.expire_all()
    assert alerts.daemon(office.session, NOW) == (NOW, False)


def test_what_is_told_names_no_client_and_no_secret(office: Office, mail: Stream) -> None:
    mail.state, mail.failures = StreamState.BACKOFF, 3
    mail.last_error = "There is a folder 'Lavka' that is not for mail. maria@market.example"
    watch(office, 0, 30)
    told = alert_messages.told(office.session, messages(office, "webhook")[0])
    texts = [alert_texts.mail(BOTH, told).text, str(alert_texts.posted(BOTH, told, NOW))]
    for text in texts:
        assert ANNA in text
        assert not any(word in text for word in ("Lavka", "maria", "secret-word"))


def test_the_mail_is_in_the_language_of_the_office(office: Office, mail: Stream) -> None:
    chosen = BOTH.model_copy(update={"web": BOTH.web.model_copy(update={"default_language": "ru"})})
    alert = Alert(
        id=1, rule=Rule.QUARANTINE, mailbox=office.mailboxes["anna"], stream=mail, count=5, since=NOW, message=""
    )
    words = alert_texts.mail(chosen, [Told(What.RAISED, alert)])
    assert words.subject.startswith(f"TerraCRM: {ANNA}: ")
    assert "Почта" in words.text


@pytest.mark.parametrize("rule", list(Rule))
def test_every_rule_has_its_words(office: Office, rule: Rule) -> None:
    alert = Alert(id=1, rule=rule, about="mail.example", count=2, since=NOW, message="why")
    for what in What:
        words = alert_texts.mail(BOTH, [Told(what, alert)])
        assert "mail.example" in words.subject
        assert "why" in words.text
        assert ("over: " in words.subject) == (what is What.ENDED)


def test_what_was_over_long_ago_is_forgotten(office: Office, mail: Stream) -> None:
    old = NOW - timedelta(days=91)
    office.add(
        Alert(rule=Rule.PAUSED, cleared_at=old),
        Alert(rule=Rule.PAUSED, raised_at=old),
        AlertMessage(channel="mail", made_at=old, sent_at=old),
        AlertMessage(channel="mail", made_at=old, given_up_at=old),
        AlertMessage(channel="mail", made_at=old),
    )
    kinds = {aged.kind: aged for aged in retention.aged(Settings(), NOW)}
    counts = [retention.count(office.session, kinds[kind]) for kind in ("alerts", "alert_messages")]
    assert counts == [1, 2]


def test_one_subject_has_one_open_alert(office: Office, mail: Stream) -> None:
    disk = [Finding(Subject(Rule.DISK), reason="1 MB")]
    assert look(office, 0, BOTH, disk) == [("raised", "disk", None)]
    assert look(office, 1, BOTH, [Finding(Subject(Rule.DISK), reason="2 MB")]) == []
    assert [row.message for row in office.session.scalars(select(Alert)).all()] == ["2 MB"]
