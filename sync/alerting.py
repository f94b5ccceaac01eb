"""Telling admins what needs them: one look each minute, then what is to be told is sent (Y5).

The only place that mails anybody (design, invariant 8): to `alerts.mail_to`, from `alerts.mail_from`.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import structlog
from pydantic import SecretStr
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from sync import webhook
from sync.engine import account_of
from sync.outcomes import explain
from sync.run import Connect, Sessions
from terracrm.config import Settings
from terracrm.db import begin_write
from terracrm.domain import alert_rules
from terracrm.domain.alert_rules import LOW_DISK_BYTES, Finding, Rule, Subject, Times, What
from terracrm.errors import AuthFailed, ItemRejected, TerraCRMError, Unsupported
from terracrm.models import Alert, utcnow
from terracrm.services import alert_messages, alert_texts, alerts, heartbeats
from terracrm.services.alert_messages import MAIL, Told
from terracrm.services.alert_texts import Mail

log = structlog.get_logger(__name__)

LOOK_SECONDS = 60
FINAL = (AuthFailed, ItemRejected, Unsupported)
"""What the next try would meet as well: a person has to mend it."""
UNTOLD_TRIES = 5
UNEXPECTED = "an unexpected error: the log has the details"

Post = Callable[[SecretStr, dict[str, Any]], None]


@dataclass(frozen=True, slots=True)
class Trial:
    """What came of a trial through a channel: `error` is "" where it went through."""

    channel: str
    error: str


class Alerting:
    """The daemon's look after everything, and the channels. A channel that fails stops nothing else."""

    def __init__(self, settings: Settings, sessions: Sessions, connect: Connect, post: Post = webhook.post) -> None:
        self._settings, self._sessions, self._connect, self._post = settings, sessions, connect, post
        self._timing = alert_rules.timing(settings.alerts.after_minutes, settings.alerts.repeat_hours)
        self._database: Times | None = None
        self._untold: Told | None = None
        self._untold_tries = 0

    def look(self) -> None:
        """Be seen alive, look, and send what is to be told; never raises for what is wrong."""
        try:
            for what, facts in self._look():
                _log(what, facts)
            self._send_all()
        except (DBAPIError, PoolTimeout) as error:
            self._database_is(error)
        else:
            self._database_is(None)

    def _look(self) -> list[tuple[What, dict[str, object]]]:
        now = utcnow()
        with self._sessions() as session, session.begin():
            begin_write(session)
            heartbeats.beat(session, heartbeats.DAEMON, now)
            events = alerts.check(session, self._settings, now, list(_disk(self._settings)))
            return [(event.what, _facts(event.alert)) for event in events]

    def _send_all(self) -> None:
        while True:
            with self._sessions() as session, session.begin():
                begin_write(session)
                message = alert_messages.take(session, self._settings.alerts.channels, utcnow())
                told = alert_messages.told(session, message) if message else []
            if message is None:
                return
            self._send(message.id, message.channel, told)

    def _send(self, message_id: int, channel: str, told: list[Told]) -> None:
        error, is_final = "", False
        try:
            if told:
                self._tell(channel, told)
        except TerraCRMError as refused:
            error, is_final = str(refused), isinstance(refused, FINAL)
        except (DBAPIError, PoolTimeout):
            raise
        except Exception:
            log.exception("an alert could not be sent", channel=channel)
            error = UNEXPECTED
        with self._sessions() as session, session.begin():
            begin_write(session)
            if not error:
                alert_messages.sent(session, message_id)
                return
            is_lost = alert_messages.failed(session, message_id, error, is_final=is_final)
        if is_lost:
            log.error("alerts could not be told: given up", channel=channel, reason=error, alerts=len(told))
        else:
            log.warning("alerts could not be told; trying again", channel=channel, reason=error, alerts=len(told))

    def _tell(self, channel: str, told: list[Told]) -> None:
        if channel == MAIL:
            self._mail(alert_texts.mail(self._settings, told))
        else:
            self._hook(alert_texts.posted(self._settings, told, utcnow()))

    def try_channels(self) -> Iterator[Trial]:
        """A trial through each channel, one after the other; what came of it is how the channel is from now on."""
        for channel in self._settings.alerts.channels:
            error = ""
            try:
                if channel == MAIL:
                    self._mail(alert_texts.trial_mail(self._settings), by_hand=True)
                else:
                    self._hook(alert_texts.posted(self._settings, [], utcnow(), is_trial=True))
            except TerraCRMError as refused:
                error = str(refused)
            with self._sessions() as session, session.begin():
                begin_write(session)
                alert_messages.tried(session, channel, error)
            yield Trial(channel, error)

    def _mail(self, mail: Mail, *, by_hand: bool = False) -> None:
        with self._sessions() as session:
            sender = alert_messages.sender(session, self._settings, by_hand=by_hand)
            account = account_of(self._settings, sender, by_hand=by_hand)
        connector = self._connect(account)
        try:
            connector.send_mail(self._settings.alerts.mail_to, mail.subject, mail.text)
        finally:
            connector.close()

    def _hook(self, body: dict[str, Any]) -> None:
        if self._settings.alerts.webhook_url is not None:
            self._post(self._settings.alerts.webhook_url, body)

    def _database_is(self, error: DBAPIError | PoolTimeout | None) -> None:
        """Trouble with the database cannot be written down: the log and the webhook are told from memory."""
        now = utcnow()
        if error is not None:
            log.error("the database cannot be used; looking again", reason=explain(error))
        times, what = alert_rules.step(Rule.DATABASE, error is not None, self._database, now, self._timing)
        if what and times:
            reason = alert_rules.safe_reason(explain(error)) if error is not None else ""
            alert = Alert(rule=Rule.DATABASE, about="", count=0, message=reason, since=times.since)
            alert.over_at = times.over_at
            _log(what, _facts(alert))
            self._untold, self._untold_tries = Told(what, alert), 0
        self._database = None if times and times.cleared_at else times
        if self._untold:
            self._tell_of_database(self._untold)

    def _tell_of_database(self, told: Told) -> None:
        self._untold_tries += 1
        try:
            self._hook(alert_texts.posted(self._settings, [told], utcnow()))
            self._untold = None
        except TerraCRMError as refused:
            is_lost = self._untold_tries >= UNTOLD_TRIES
            log.error("the webhook was not told of the database", reason=str(refused), given_up=is_lost)
            self._untold = None if is_lost else told


def _disk(settings: Settings) -> Iterator[Finding]:
    folder = settings.paths.data_dir
    try:
        free = shutil.disk_usage(folder).free
    except OSError:
        return
    if free < LOW_DISK_BYTES:
        yield Finding(Subject(Rule.DISK), reason=f"{free // 2**20} MB are free in {folder}")


def _facts(alert: Alert) -> dict[str, object]:
    """What the log says of it."""
    return {
        "rule": str(alert.rule),
        "mailbox": alert.mailbox.address if alert.mailbox else "",
        "stream": alert.stream.kind if alert.stream else "",
        "about": alert.about,
        "count": alert.count,
        "reason": alert.message,
    }


def _log(what: What, facts: dict[str, object]) -> None:
    tell = log.info if what is What.ENDED else log.warning
    tell("alert", what=str(what), **{name: value for name, value in facts.items() if value})
