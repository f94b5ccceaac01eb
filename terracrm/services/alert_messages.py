"""Messages to the admins: what they tell is written down first, and sent until it is through or given up (Y5).

What is to be told goes into the message of its channel that has not left yet; the next one leaves a while after the
last, so that many alerts are few messages. A channel that fails stops no other.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Select, or_, select, update
from sqlalchemy.orm import Session, joinedload

from terracrm.config import Settings
from terracrm.domain.alert_rules import What
from terracrm.errors import TerraCRMError
from terracrm.models import Alert, AlertMessage, Mailbox, StreamState, utcnow
from terracrm.services import mailboxes

MAIL, WEBHOOK = "mail", "webhook"
TURN = timedelta(seconds=45)
"""How often alerts are looked for at most, however many daemons there are."""
GATHER = timedelta(minutes=5)
"""The shortest time between two messages of a channel."""
LEASE = timedelta(minutes=10)
"""How long a message stays with who has taken it to send it."""
TRIES = 8
FIRST_WAIT, LONGEST_WAIT = timedelta(minutes=1), timedelta(hours=1)


class ChannelUnusable(TerraCRMError):
    """Nothing can be sent through this channel as it is set up."""


@dataclass(frozen=True, slots=True)
class ChannelState:
    """A channel of the settings. `is_broken`: its last message was given up, with this error; `waiting` events are on
    their way.
    """

    channel: str
    sent_at: datetime | None = None
    is_broken: bool = False
    error: str = ""
    waiting: int = 0
    next_try_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Told:
    """One alert in a message, and the last that happened to it."""

    what: What
    alert: Alert


def add(session: Session, channel: str, events: Sequence[tuple[int, What]], now: datetime) -> None:
    """Have this told through a channel: with the message that waits, or a new one."""
    if not events:
        return
    is_free = or_(AlertMessage.claimed_until.is_(None), AlertMessage.claimed_until <= now)
    message = session.scalars(_unsent(channel).where(is_free).order_by(AlertMessage.id.desc()).limit(1)).first()
    if message is None:
        # A trial says nothing that would have to wait.
        sent_at = next((row.sent_at for row in _sent(session, channel, 10) if row.events), None)
        message = AlertMessage(channel=channel, events=[], next_try_at=max(now, sent_at + GATHER) if sent_at else now)
        session.add(message)
    message.events = [*message.events, *({"alert": alert_id, "what": str(what)} for alert_id, what in events)]
    session.flush()


def take(session: Session, channels: Sequence[str], now: datetime) -> AlertMessage | None:
    """Take the oldest message that is to be sent now, for who sends it. The caller commits before sending."""
    is_due = AlertMessage.next_try_at <= now, AlertMessage.channel.in_(channels)
    is_free = or_(AlertMessage.claimed_until.is_(None), AlertMessage.claimed_until <= now)
    is_unsent = AlertMessage.sent_at.is_(None), AlertMessage.given_up_at.is_(None)
    for message_id in session.scalars(
        select(AlertMessage.id).where(*is_due, is_free, *is_unsent).order_by(AlertMessage.id)
    ).all():
        mine = update(AlertMessage).where(AlertMessage.id == message_id, is_free, *is_unsent)
        values = {"claimed_until": now + LEASE, "attempts": AlertMessage.attempts + 1}
        if session.connection().execute(mine.values(values)).rowcount:
            return session.get_one(AlertMessage, message_id, populate_existing=True)
    return None


def told(session: Session, message: AlertMessage) -> list[Told]:
    """What a message tells: of each alert the last; what is no longer known is left out."""
    last = {event["alert"]: What(str(event["what"])) for event in message.events}
    rows = session.scalars(
        select(Alert).options(joinedload(Alert.mailbox), joinedload(Alert.stream)).where(Alert.id.in_(last))
    )
    return [Told(last[row.id], row) for row in sorted(rows, key=lambda row: row.id)]


def sent(session: Session, message_id: int) -> None:
    """It is through."""
    values = {"sent_at": utcnow(), "claimed_until": None, "error": ""}
    session.execute(update(AlertMessage).where(AlertMessage.id == message_id).values(values))


def failed(session: Session, message_id: int, error: str, *, is_final: bool = False) -> bool:
    """It is not through: tried again later, or given up, at once where `is_final`; whether it was given up."""
    now, message = utcnow(), session.get_one(AlertMessage, message_id)
    message.error, message.claimed_until = error, None
    if is_final or message.attempts >= TRIES:
        message.given_up_at = now
    else:
        message.next_try_at = now + min(FIRST_WAIT * 2 ** (message.attempts - 1), LONGEST_WAIT)
    session.flush()
    return message.given_up_at is not None


def tried(session: Session, channel: str, error: str = "") -> None:
    """A trial went through a channel, or did not: the channel is as it says from now on."""
    now = utcnow()
    how = {"given_up_at": now, "error": error} if error else {"sent_at": now}
    session.add(AlertMessage(channel=channel, events=[], attempts=1, **how))
    session.flush()


def channels(session: Session, settings: Settings) -> list[ChannelState]:
    """How each channel of the settings is doing."""
    return [_state(session, channel) for channel in settings.alerts.channels]


def sender(session: Session, settings: Settings, *, by_hand: bool = False) -> Mailbox:
    """The mailbox that sends the mails; raises ChannelUnusable while it cannot.

    No password is tried in vain: after a mail that was given up, only a person (`by_hand`), or a mailbox that has been
    read since, sends again.
    """
    address = settings.alerts.mail_from
    found = mailboxes.find(session, address)
    if found is None:
        raise ChannelUnusable(f"alerts.mail_from: there is no mailbox {address}; add it with terracrm mailbox add")
    if not found.is_enabled:
        raise ChannelUnusable(f"alerts.mail_from: {address} is paused; terracrm mailbox enable {address} starts it")
    if any(stream.state == StreamState.CREDENTIALS for stream in found.streams):
        raise ChannelUnusable(f"alerts.mail_from: {address} cannot sign in itself")
    lost = _last_given_up(session, MAIL)
    if lost is not None and not by_hand and lost.given_up_at is not None:
        read = [stream.last_success_at for stream in found.streams if stream.last_success_at]
        if not any(when > lost.given_up_at for when in read):
            raise ChannelUnusable(f"alerts.mail_from: {address} waits until it has been read again: {lost.error}")
    return found


def _unsent(channel: str) -> Select[AlertMessage]:
    return select(AlertMessage).where(
        AlertMessage.channel == channel, AlertMessage.sent_at.is_(None), AlertMessage.given_up_at.is_(None)
    )


def _sent(session: Session, channel: str, limit: int) -> list[AlertMessage]:
    """The last messages that got through, the latest first."""
    query = select(AlertMessage).where(AlertMessage.channel == channel, AlertMessage.sent_at.is_not(None))
    return list(session.scalars(query.order_by(AlertMessage.sent_at.desc(), AlertMessage.id.desc()).limit(limit)))


def _last_given_up(session: Session, channel: str) -> AlertMessage | None:
    query = select(AlertMessage).where(AlertMessage.channel == channel, AlertMessage.given_up_at.is_not(None))
    return session.scalars(query.order_by(AlertMessage.given_up_at.desc()).limit(1)).first()


def _state(session: Session, channel: str) -> ChannelState:
    sent_at = next((row.sent_at for row in _sent(session, channel, 1)), None)
    last = _last_given_up(session, channel)
    waiting = list(session.scalars(_unsent(channel).order_by(AlertMessage.id)))
    is_broken = last is not None and last.given_up_at is not None and (sent_at is None or sent_at < last.given_up_at)
    error = last.error if last and is_broken else next((row.error for row in waiting if row.error), "")
    next_try_at = waiting[0].next_try_at if waiting else None
    return ChannelState(channel, sent_at, is_broken, error, sum(len(row.events) for row in waiting), next_try_at)
