"""Fetch the contents of attachments in the run of a mail stream, after its pages (S12).

Each content is one short transaction of its own, and a failure is that attachment's alone. What one mailbox no longer
has is asked of the others that hold the same mail.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import timedelta
from time import monotonic

import structlog
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session

from connectors.base import Connector
from terracrm.config import Settings
from terracrm.domain.attachments import find_same
from terracrm.domain.records import AttachmentInfo, MessageRecord
from terracrm.errors import ConnectorError, ItemGone, ItemRejected, Temporary, TooLarge
from terracrm.models import Mailbox, utcnow
from terracrm.services import mirror_attachments
from terracrm.services.mirror_attachments import FAILED, GONE, TOO_LARGE, Copy, Waiting
from terracrm.services.sources import MEGABYTE

log = structlog.get_logger(__name__)

# A first mirror has much to fetch: other streams get their turn in between.
FILES_PER_RUN = 500
SECONDS_PER_RUN = 20.0
RETRY = timedelta(hours=1)
UNEXPECTED = "an unexpected error: the log has the details"
ENOUGH_FAILURES = 3  # in a row: it is the server that is ill


@dataclass
class Fetcher:
    """What it takes to fetch for one mailbox: `transaction` writes under the stream's claim, `read` only reads.

    `connect` opens another mailbox by its id; it raises a ConnectorError when that cannot be.
    """

    settings: Settings
    mailbox_id: int
    connector: Connector
    connect: Callable[[int], Connector]
    read: Callable[[], AbstractContextManager[Session]]
    transaction: Callable[[], AbstractContextManager[Session]]
    progress: Callable[[int, int], None]
    _others: dict[int, Connector | None] = field(default_factory=dict)
    _last: tuple[Copy, tuple[AttachmentInfo, ...]] | None = None

    def run(self) -> None:
        """Fetch what waits, up to the limits of a run; what is left over waits for the next one.

        Raises AuthFailed, and Temporary when the server says that it is busy or fails again and again.
        """
        try:
            self._run()
        finally:
            for connector in self._others.values():
                if connector is not None:
                    connector.close()

    def _run(self) -> None:
        started, failures = monotonic(), 0
        waiting = self._waiting()
        for done, wanted in enumerate(waiting, start=1):
            error = self._fetch(wanted)
            failures = failures + 1 if error else 0
            if error and (error.retry_after or failures == ENOUGH_FAILURES):
                raise error
            self.progress(done, len(waiting))
            if monotonic() - started > SECONDS_PER_RUN:
                return

    def _waiting(self) -> list[Waiting]:
        with self.read() as session:
            found = mirror_attachments.waiting(session, self.mailbox_id, FILES_PER_RUN)
            mailbox = session.get_one(Mailbox, self.mailbox_id) if found else None
            if mailbox is None or mirror_attachments.policy_of(self.settings.mirror, mailbox) == "none":
                return []
            return found

    def _fetch(self, wanted: Waiting) -> Temporary | None:
        """Fetch and keep one content, or say why not; returns what is wrong with the server, if it is the server."""
        try:
            content = mirror_attachments.examined(wanted, self._content(wanted))
        except TooLarge:
            self._give_up(wanted, TOO_LARGE)
        except ItemGone:
            self._give_up(wanted, GONE)
        except ItemRejected as error:
            self._give_up(wanted, FAILED, str(error))
        except Temporary as error:
            self._give_up(wanted, FAILED, str(error), is_tried_again=True)
            return error
        except (ConnectorError, OperationalError):
            raise
        except Exception:
            log.exception("an attachment failed in an unexpected way", message=wanted.message_id)
            self._give_up(wanted, FAILED, UNEXPECTED)
        else:
            with self.transaction() as session:
                mirror_attachments.store(session, wanted, content)
        return None

    def _give_up(self, wanted: Waiting, state: str, reason: str = "", *, is_tried_again: bool = False) -> None:
        log.info("an attachment was not fetched", message=wanted.message_id, state=state, reason=reason)
        with self.transaction() as session:
            try_at = utcnow() + RETRY if is_tried_again else None
            mirror_attachments.give_up(session, wanted, state, reason, try_at)

    def _content(self, wanted: Waiting) -> bytes:
        """The bytes, from the first copy of the mail that has them; else the error that says most."""
        errors: list[ConnectorError] = []
        for copy in self._copies(wanted.message_id):
            try:
                return self._read(self._open(copy.mailbox_id), copy, wanted)
            except (ItemGone, ItemRejected) as error:
                errors.append(error)
            except ConnectorError as error:
                if copy.mailbox_id == self.mailbox_id:
                    raise
                self._others[copy.mailbox_id] = None  # once: a wrong password tried again locks the account
                errors.append(Temporary(f"Another mailbox that holds this mail cannot be opened now: {error}"))
        for kind in (Temporary, ItemRejected):
            if found := next((error for error in errors if isinstance(error, kind)), None):
                raise found
        raise ItemGone("No mailbox holds this attachment any more.")

    def _read(self, connector: Connector, copy: Copy, wanted: Waiting) -> bytes:
        found = find_same(wanted.name, wanted.size, wanted.position, self._listed(connector, copy))
        if found is None:
            raise ItemGone("The attachment is no longer there.")
        return connector.attachment(found, self.settings.mirror.attachment_max_mb * MEGABYTE)

    def _listed(self, connector: Connector, copy: Copy) -> tuple[AttachmentInfo, ...]:
        """What the item of a copy has attached now; asked once for all that is wanted of it."""
        if self._last is None or self._last[0] != copy:
            (change,) = connector.get(copy.folder, [copy.remote_id])
            if change.error:
                raise ItemRejected(change.error)
            record = change.record
            if not isinstance(record, MessageRecord) or record.is_private:  # what became private is read no more (S4)
                raise ItemGone("The mail is no longer there.")
            self._last = copy, record.attachments
        return self._last[1]

    def _copies(self, message_id: int) -> Iterator[Copy]:
        """The copies of a mail, those of this mailbox first."""
        with self.read() as session:
            found = mirror_attachments.copies(session, self.settings.mirror, message_id)
        mine = [copy for copy in found if copy.mailbox_id == self.mailbox_id]
        others = [copy for copy in found if copy.mailbox_id != self.mailbox_id and copy.is_ready]
        return iter(mine + others)

    def _open(self, mailbox_id: int) -> Connector:
        """The connector of a mailbox, opened once."""
        if mailbox_id == self.mailbox_id:
            return self.connector
        if mailbox_id not in self._others:
            self._others[mailbox_id] = self.connect(mailbox_id)
        connector = self._others[mailbox_id]
        if connector is None:
            raise Temporary("It was tried before.")
        return connector
