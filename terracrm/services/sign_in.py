"""Local sign-in with a lockout that is kept in the database, so that it holds over processes and restarts (A3)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache

from argon2.exceptions import InvalidHashError, VerificationError
from sqlalchemy import bindparam, select
from sqlalchemy.orm import Session

from terracrm.db import begin_write
from terracrm.models import User
from terracrm.services import touches
from terracrm.services.users import HASHER

MAX_PASSWORD = 1024
_USER = select(User).where(User.id == bindparam("user_id"))


@dataclass(frozen=True, slots=True)
class Lockout:
    """After how many wrong passwords in a row an account is locked, and for how long."""

    attempts: int
    duration: timedelta


def sign_in(session: Session, name: str, password: str, lockout: Lockout, now: datetime) -> User | None:
    """The user whose name and password these are; None in every other case, told apart for nobody.

    An unknown name, a wrong password and a locked account take the same time and give the same answer. The password
    is checked before the write lock is taken: guessing must not hold up the mirror. The caller commits, also
    after a failure: the count of failures is in this transaction.
    """
    known = session.execute(select(User.id, User.password_hash).where(User.name == name.strip())).first()
    is_right = _is_right(known.password_hash if known else "", password)
    if known is None:
        return None
    begin_write(session)
    user = session.scalar(
        select(User).where(User.id == known.id).with_for_update().execution_options(populate_existing=True)
    )
    if user is None or not user.is_active or user.password_hash != known.password_hash:
        return None
    if user.locked_until is not None and user.locked_until > now:
        return None
    if not is_right:
        _count_failure(user, lockout, now)
        return None
    user.failed_logins, user.locked_until = 0, None
    if HASHER.check_needs_rehash(user.password_hash):
        user.password_hash = HASHER.hash(password)
    return user


def current_user(session: Session, user_id: int, session_epoch: int) -> User | None:
    """The user of a session, as long as the user is active and the session was not revoked."""
    user = session.scalar(_USER, {"user_id": user_id})
    if user is None or not user.is_active or user.session_epoch != session_epoch:
        return None
    return user


def end_all_sessions(session: Session, user_id: int) -> None:
    """Sign this user out everywhere."""
    begin_write(session)
    user = session.get_one(User, user_id, populate_existing=True)
    user.session_epoch += 1


def choose_language(session: Session, user_id: int, language: str) -> None:
    """Remember the language this user reads the portal in."""
    begin_write(session)
    user = session.get_one(User, user_id, populate_existing=True)
    user.language = language
    touches.of_user(session, user)


def _count_failure(user: User, lockout: Lockout, now: datetime) -> None:
    user.failed_logins += 1
    if user.failed_logins >= lockout.attempts:
        user.failed_logins, user.locked_until = 0, now + lockout.duration


def _is_right(password_hash: str, password: str) -> bool:
    """Whether the password fits; a missing hash costs the time of a real one."""
    try:
        return HASHER.verify(password_hash or _nobodys_hash(), password[:MAX_PASSWORD]) and bool(password_hash)
    except (VerificationError, InvalidHashError):
        return False


@cache
def _nobodys_hash() -> str:
    return HASHER.hash("the password of nobody")
