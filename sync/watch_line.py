"""One held connection: a thread that subscribes mailboxes of one sign-in, listens, and comes back when it breaks.

After a subscription, and after a connection that broke, each of its mailboxes is read once: what happened meanwhile is
not told. A connection that the server ended in its own time, or that we ended ourselves, keeps its subscriptions, and
the server what it has to tell.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from time import monotonic

import structlog

from connectors.base import Account, Watch
from sync.wakes import Wakes
from terracrm.errors import AuthFailed, ConnectorError, Forgotten, SignInRefused, Temporary
from terracrm.models import utcnow

log = structlog.get_logger(__name__)

Open = Callable[[Account], Watch]

BACKOFF_SECONDS = 5.0
BACKOFF_MAX_SECONDS = 300.0
STEADY_SECONDS = 60.0
"""A connection that stood for so long was a good one: the next failure is the first."""
IN_A_ROW = 3
"""So many mailboxes that cannot be subscribed one after the other are the server's trouble, not theirs."""
CATCH_UP_SECONDS = 30.0
"""Over which the first readings of many mailboxes are spread, so that what is told meanwhile is read before them."""


@dataclass(frozen=True, slots=True)
class Target:
    """A mailbox to be listened to, and its folders that are read."""

    mailbox_id: int
    account: Account
    folder_ids: frozenset[str] = field(repr=False)


class Line:
    """`rejected` is told of a mailbox that cannot be listened to, `moved` of those that live on another server."""

    def __init__(
        self,
        open_watch: Open,
        wakes: Wakes,
        rejected: Callable[[Target, ConnectorError], None],
        moved: Callable[[Collection[int]], None],
    ) -> None:
        self._open, self._wakes, self._rejected, self._moved = open_watch, wakes, rejected, moved
        self.targets: Mapping[int, Target] = {}
        self.since: dict[int, datetime] = {}
        self.error = ""
        self._subscribed: dict[int, Target] = {}
        self._unread: dict[int, bool] = {}  # to be read once the connection stands; True: newly subscribed
        self._watch: Watch | None = None
        self._failures = 0
        self._stood_at: float | None = None
        self._lock = threading.Lock()
        self._aimed, self._stopping = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._run, name="line", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def aim(self, targets: Mapping[int, Target]) -> None:
        """Listen to these mailboxes from now on."""
        if targets != self.targets:
            self.targets = dict(targets)
            self._disturb()

    def stop(self) -> None:
        """End soon; without waiting for it."""
        self._stopping.set()
        self._disturb()

    def _disturb(self) -> None:
        with self._lock:
            self._aimed.set()
            if self._watch is not None:
                self._watch.interrupt()

    def _run(self) -> None:
        while not self._stopping.is_set():
            if not self.targets and not self._subscribed:
                self._aimed.wait()
                self._aimed.clear()
                continue
            delay = 0.0
            self._stood_at = None
            try:
                self._work()
            except AuthFailed as error:
                self._reject_all(error)
            except ConnectorError as error:
                delay = self._broken(error)
            except Exception as error:
                log.exception("listening to mailboxes failed in an unexpected way")
                self._close()
                delay = self._broken(Temporary(f"an unexpected error ({type(error).__name__}): the log has more"))
            self._stopping.wait(delay)
        self._close()

    def _work(self) -> None:
        """Listen until something breaks, or there is nobody to listen to."""
        watch = self._opened()
        while not self._stopping.is_set():
            self._aimed.clear()
            self._subscribe(watch)
            if not self._subscribed:
                self._aimed.wait()
                continue
            try:
                self._listen(watch)
            except Forgotten as error:
                self._forgotten(error)

    def _opened(self) -> Watch:
        if self._watch is None:
            anchor = min(self.targets.values(), key=lambda target: target.account.address)
            watch = self._open(anchor.account)
            with self._lock:
                self._watch = watch
            watch.sign_in()
        return self._watch

    def _close(self) -> None:
        with self._lock:
            watch, self._watch = self._watch, None
        if watch is not None:
            watch.close()
        self._subscribed.clear()
        self.since.clear()

    def _subscribe(self, watch: Watch) -> None:
        targets = self.targets
        for mailbox_id, target in list(self._subscribed.items()):
            if targets.get(mailbox_id) != target:
                watch.unsubscribe(target.account.address)
                self._drop([mailbox_id])
        failed: list[tuple[Target, Temporary]] = []
        for target in sorted(targets.values(), key=lambda each: each.account.address):
            if target.mailbox_id in self._subscribed or self._stopping.is_set():
                continue
            try:
                watch.subscribe(target.account, target.folder_ids)
            except SignInRefused:
                raise
            except Temporary as error:
                failed.append((target, error))
                if len(failed) >= IN_A_ROW:
                    break
            except Forgotten as error:
                if self._subscribed:
                    self._leave_out([target.mailbox_id])
                    self._moved([target.mailbox_id])
                else:
                    self._reject(target, Temporary(str(error)))
            except ConnectorError as error:
                self._reject(target, error)
            else:
                self._subscribed[target.mailbox_id] = target
                self._unread[target.mailbox_id] = True
                for each in failed:
                    self._reject(*each)
                failed.clear()
        if failed and not self._subscribed:
            raise failed[0][1]
        for each in failed:
            self._reject(*each)
        if len(failed) >= IN_A_ROW:
            raise failed[0][1]

    def _listen(self, watch: Watch) -> None:
        ids = {target.account.address: mailbox_id for mailbox_id, target in self._subscribed.items()}
        stands = False
        for told in watch.listen():
            if not stands:
                stands = True
                self._stands()
            for each in told:
                if each.address in ids:
                    self._wakes.tell(ids[each.address], each.folder_ids)

    def _stands(self) -> None:
        self._stood_at = self._stood_at or monotonic()
        self.error = ""
        now = utcnow()
        for mailbox_id in self._subscribed:
            self.since.setdefault(mailbox_id, now)
        spread = CATCH_UP_SECONDS / len(self._unread) if len(self._unread) > 1 else 0.0
        for number, mailbox_id in enumerate(self._unread):
            self._wakes.catch_up(mailbox_id, number * spread)
        if self._unread:
            log.info("listening to mailboxes", mailboxes=len(self._subscribed), read_once=len(self._unread))
        self._unread.clear()

    def _forgotten(self, error: Forgotten) -> None:
        """Subscribe anew; what the server does not find although it was just made there lives on another one."""
        lost = {each for each, target in self._subscribed.items() if target.account.address in error.addresses}
        new = {mailbox_id for mailbox_id in lost if self._unread.get(mailbox_id)}
        is_all = lost == self._subscribed.keys()
        self._drop(lost)
        if new and is_all:
            raise Temporary("The server does not keep the subscriptions that it has just made.")
        if new:
            self._leave_out(new)
            self._moved(new)

    def _drop(self, mailbox_ids: Collection[int]) -> None:
        for mailbox_id in mailbox_ids:
            del self._subscribed[mailbox_id]
            self.since.pop(mailbox_id, None)
            self._unread.pop(mailbox_id, None)

    def _broken(self, error: ConnectorError) -> float:
        """The wait until the next try, in seconds."""
        if self._stood_at is not None and monotonic() - self._stood_at > STEADY_SECONDS:
            self._failures = 0
        self.error = str(error)
        self.since.clear()
        for mailbox_id in self._subscribed:
            self._unread.setdefault(mailbox_id, False)
        asked = error.retry_after if isinstance(error, Temporary) else None
        delay: float = max(asked or 0.0, min(BACKOFF_SECONDS * 2 ** min(self._failures, 20), BACKOFF_MAX_SECONDS))
        self._failures += 1
        log.warning("mailboxes tell of no changes for a while", reason=self.error, seconds=round(delay))
        return delay

    def _reject(self, target: Target, error: ConnectorError) -> None:
        self._leave_out([target.mailbox_id])
        self._rejected(target, error)

    def _reject_all(self, error: AuthFailed) -> None:
        for target in self.targets.values():
            self._reject(target, error)
        self._close()
        self._unread.clear()

    def _leave_out(self, mailbox_ids: Collection[int]) -> None:
        self.targets = {each: target for each, target in self.targets.items() if each not in mailbox_ids}
