"""One try for each account: who signs in while nobody knows whether the server lets it in, and who then waits (Y5).

A service account opens hundreds of mailboxes, and each mailbox has several streams. With a wrong password each of them
would be refused once, and a few refusals lock the account. So one of them tries, and the others wait for what comes of
it; after a refusal all of them wait for a person, and when the account is let in again, all go on.

Mailboxes share an account when server, user name and password are the same; the passwords are compared, not kept.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Final

from sqlalchemy import select
from sqlalchemy.orm import Session

from sync import claims
from terracrm.config import Settings
from terracrm.errors import ConfigError
from terracrm.models import UNREAD, Mailbox, Stream, StreamState, utcnow
from terracrm.secrets import decrypt
from terracrm.services.mailboxes import password_of

# For so long an account that was let in is known to be right, and its streams sign in side by side.
KNOWN_FOR: Final = timedelta(minutes=30)
# When those that wait for the one that tries look again.
LOOK_AGAIN: Final = timedelta(seconds=5)


def must_wait(session: Session, stream: Stream) -> bool:
    """Whether another stream is just finding out whether the account is let in; then this one is due again soon.

    The caller has not claimed it yet, and commits.
    """
    if _is_known(stream.mailbox):
        return False
    shared = _same_user(session, stream.mailbox)
    tries = [
        other
        for mailbox in shared
        if not _is_known(mailbox)
        for other in mailbox.streams
        if not claims.is_free(other) and _is_finding_out(other, mailbox)
    ]
    if not any(other is not stream for other in tries):
        return False
    stream.due_at = utcnow() + LOOK_AGAIN
    return True


def let_in(session: Session, settings: Settings, mailbox: Mailbox) -> None:
    """The server has let the account in: what waited for a better password goes on. The caller commits."""
    now = utcnow()
    if mailbox.let_in_at is not None and mailbox.let_in_at > now - KNOWN_FOR / 2:
        return
    for each in _same_account(session, settings, mailbox):
        each.let_in_at = now
        for stream in each.streams:
            if stream.is_refused:
                stream.is_refused, stream.last_error, stream.failures, stream.due_at = False, "", 0, now
                stream.state = StreamState.OK if stream.last_success_at else StreamState.NEW


def refused(session: Session, settings: Settings, mailbox: Mailbox, reason: str) -> None:
    """The server has refused the account: nobody tries again until a person has mended it. The caller commits."""
    for each in _same_account(session, settings, mailbox):
        each.let_in_at = None
        for stream in each.streams:
            # One that is running finds out by itself; waiting for it here could be waiting for each other.
            if stream.state not in UNREAD and claims.is_free(stream):
                stream.state, stream.last_error, stream.is_refused = StreamState.CREDENTIALS, reason, True


def _is_known(mailbox: Mailbox) -> bool:
    return mailbox.let_in_at is not None and mailbox.let_in_at > utcnow() - KNOWN_FOR


def _is_finding_out(running: Stream, mailbox: Mailbox) -> bool:
    """Whether a run has not been let in yet: a first mirror goes on for hours after it was, and nobody waits for it."""
    began, let_in_at = running.last_run_at, mailbox.let_in_at
    return began is None or let_in_at is None or let_in_at < began - KNOWN_FOR / 2


def _same_user(session: Session, mailbox: Mailbox) -> list[Mailbox]:
    """The mailboxes that the same user of the same server opens, locked in one order."""
    same = Mailbox.server == mailbox.server, Mailbox.username == mailbox.username
    query = select(Mailbox).where(*same).order_by(Mailbox.id).with_for_update()
    return list(session.scalars(query.execution_options(populate_existing=True)).unique())


def _same_account(session: Session, settings: Settings, mailbox: Mailbox) -> list[Mailbox]:
    password = _password(settings, mailbox)
    return [
        each
        for each in _same_user(session, mailbox)
        if each is mailbox or (password is not None and _password(settings, each) == password)
    ]


def _password(settings: Settings, mailbox: Mailbox) -> str | None:
    try:
        return password_of(mailbox, lambda token: decrypt(settings, token))
    except ConfigError:
        return None
