"""The watcher: which mailbox is listened to over which connection. It only wakes streams; workers read them.

Every mailbox that is read on schedule is claimed by one daemon for a minute at a time. The claimed ones of one sign-in
on one server share a connection, up to what the server allows. A mailbox that cannot be listened to rests, and is read
on schedule like all others.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from time import monotonic

import structlog
from sqlalchemy.exc import DBAPIError, IntegrityError

from connectors.base import Account
from sync import claims, watched
from sync.run import Sessions
from sync.wakes import Wakes
from sync.watch_line import Line, Open, Target
from sync.watched import Found, Status, Targets
from terracrm.config import Settings
from terracrm.db import begin_write
from terracrm.errors import AuthFailed, ConnectorError, Unsupported
from terracrm.models import utcnow

log = structlog.get_logger(__name__)

TICK_SECONDS = 2.0
REST_SECONDS = 30.0
REST_MAX_SECONDS = 3600.0
REGIONS = 10
"""So many groups of servers at most that know nothing of each other's subscriptions, behind one address."""
Sharing = tuple[str, str, str, bool, bool, int]


@dataclass(frozen=True, slots=True)
class Rest:
    """A mailbox that cannot be listened to now, the how manieth time in a row.

    A refused one is tried again only after a run of it has gone well since: then its password is right, and nothing
    counts towards a lock-out. Or at once, when another account opens it.
    """

    account: Account
    error: ConnectorError
    at: datetime
    times: int

    def is_over(self, found: Found, now: datetime) -> bool:
        """Whether it may be tried again."""
        if found.target is not None and found.target.account != self.account:
            return True
        if isinstance(self.error, AuthFailed) and (found.read_at is None or found.read_at <= self.at):
            return False
        seconds = min(REST_SECONDS * 2 ** min(self.times - 1, 20), REST_MAX_SECONDS)
        if isinstance(self.error, Unsupported):
            seconds = REST_MAX_SECONDS
        return now >= self.at + timedelta(seconds=seconds)


class Watcher:
    """`tick` is to be called every TICK_SECONDS; `woken` is called when streams became due."""

    def __init__(
        self, settings: Settings, sessions: Sessions, open_watch: Open, capacity: int, woken: Callable[[], None]
    ) -> None:
        self._sessions, self._open, self._capacity = sessions, open_watch, capacity
        self._targets = Targets(settings)
        self._wakes = Wakes(sessions, woken)
        self._claim = claims.new_claim()
        self._lines: dict[Line, Sharing] = {}
        self._rests: dict[int, Rest] = {}
        self._regions: dict[int, int] = {}
        self._lock = threading.Lock()  # of rests and regions, which the lines write
        self._told: dict[int, Status] = {}
        self._told_at = 0.0
        self._wakes.start()

    @property
    def lines(self) -> list[Line]:
        """The connections, for whoever looks."""
        return list(self._lines)

    def tick(self) -> None:
        """Bring the connections in line with the database. A database that is away is tried again at the next tick."""
        try:
            with self._sessions() as session:
                found = self._targets.read(session)
                is_free = watched.is_free(session, self._claim, found)
            mine = self._hold(found, is_free)
        except DBAPIError as error:
            log.error("the mailboxes to listen to cannot be read; trying again", reason=type(error).__name__)
            return
        now = utcnow()
        with self._lock:
            awake = [each for each in mine if each not in self._rests or self._rests[each].is_over(found[each], now)]
        self._assign([target for each in awake if (target := found[each].target) is not None])

    def stop(self) -> None:
        """End all connections, and give the mailboxes back."""
        self._wakes.stop()
        for line in self._lines:
            line.stop()
        try:
            with self._sessions.begin() as session:
                watched.release(session, self._claim)
        except DBAPIError as error:
            log.warning("the mailboxes could not be given back: they are free in a minute", reason=type(error).__name__)

    def _hold(self, found: dict[int, Found], is_free: bool) -> set[int]:
        """The mailboxes that are ours, after saying how they stand."""
        statuses = {mailbox_id: self._status(mailbox_id, each) for mailbox_id, each in found.items()}
        is_old = monotonic() - self._told_at > watched.LEASE_SECONDS / 3
        if not (is_free or is_old or statuses != self._told):
            with self._sessions() as session:
                return watched.held(session, self._claim) & found.keys()
        try:
            with self._sessions.begin() as session:
                begin_write(session)
                watched.hold(session, self._claim, statuses)
        except IntegrityError:
            log.debug("another daemon was faster")
        else:
            self._told, self._told_at = statuses, monotonic()
        with self._sessions() as session:
            return watched.held(session, self._claim) & found.keys()

    def _status(self, mailbox_id: int, found: Found) -> Status:
        line = self._line_of(mailbox_id)
        since = line.since.get(mailbox_id) if line else None
        with self._lock:
            if since is not None:
                self._rests.pop(mailbox_id, None)
                return Status(since)
            rest = self._rests.get(mailbox_id)
        if rest is not None and line is None:
            return Status(error=str(rest.error))
        return Status(error=line.error if line else found.problem)

    def _line_of(self, mailbox_id: int) -> Line | None:
        return next((line for line in self._lines if mailbox_id in line.targets), None)

    def _assign(self, targets: Iterable[Target]) -> None:
        """Give each mailbox to the connection that it is on, else to one of its kind with room, else to a new one."""
        aims: dict[Line, dict[int, Target]] = {line: {} for line in self._lines}
        homeless = []
        for target in targets:
            line = self._line_of(target.mailbox_id)
            if line is not None and self._lines[line] == self._sharing(target):
                aims[line][target.mailbox_id] = target
            else:
                homeless.append(target)
        for target in homeless:
            sharing = self._sharing(target)
            line = next(
                (each for each, aim in aims.items() if self._lines[each] == sharing and len(aim) < self._capacity), None
            )
            if line is None:
                line = Line(self._open, self._wakes, self._rejected, self._moved)
                self._lines[line] = sharing
                aims[line] = {}
                line.start()
            aims[line][target.mailbox_id] = target
        for line, aim in aims.items():
            if aim:
                line.aim(aim)
            else:
                line.stop()
                del self._lines[line]

    def _sharing(self, target: Target) -> Sharing:
        """Mailboxes of which this is the same share a connection."""
        account = target.account
        region = self._regions.get(target.mailbox_id, 0)
        return account.server, account.username, account.password, account.impersonate, account.verify_tls, region

    def _rejected(self, target: Target, error: ConnectorError) -> None:
        with self._lock:
            before = self._rests.get(target.mailbox_id)
            times = before.times + 1 if before and before.account == target.account else 1
            self._rests[target.mailbox_id] = Rest(target.account, error, utcnow(), times)
        self._targets.forget(target.mailbox_id)
        log.warning("a mailbox tells of no changes", mailbox=target.account.address, reason=str(error))

    def _moved(self, mailbox_ids: Collection[int]) -> None:
        with self._lock:
            for mailbox_id in mailbox_ids:
                self._regions[mailbox_id] = (self._regions.get(mailbox_id, 0) + 1) % REGIONS
