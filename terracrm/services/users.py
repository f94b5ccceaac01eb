"""People who sign in to the portal: add, change password (A3)."""

from __future__ import annotations

from typing import get_args

from argon2 import PasswordHasher
from sqlalchemy import select
from sqlalchemy.orm import Session

from terracrm.config.values import Language
from terracrm.domain.addresses import normalise
from terracrm.errors import InvalidInput, NotFound
from terracrm.models import Mailbox, Role, User
from terracrm.services import teams, touches

MIN_PASSWORD = 8
LANGUAGES = get_args(Language)
HASHER = PasswordHasher()


def add(
    session: Session,
    name: str,
    role: str,
    password: str,
    *,
    full_name: str = "",
    email: str = "",
    team: str | None = None,
    language: str = "",
) -> User:
    """A new user; raises InvalidInput when the name is taken, the role unknown or the password too short.

    A mailbox of the user's e-mail that belongs to nobody yet becomes the user's.
    """
    name = name.strip()
    if not name:
        raise InvalidInput("a user needs a name to sign in with")
    if session.scalar(select(User).where(User.name == name)) is not None:
        raise InvalidInput(f"the user {name} is there already")
    role = _role(session, role)
    address = normalise(email or name)
    if email and not address:
        raise InvalidInput(f"{email!r} is no e-mail address")
    user = User(
        name=name,
        full_name=full_name,
        email=address,
        role_code=role,
        password_hash=hash_password(password),
        language=_language(language),
        team=teams.named(session, team) if team else None,
    )
    session.add(user)
    session.flush()
    mailbox = session.scalar(select(Mailbox).where(Mailbox.address == address)) if address else None
    if mailbox is not None and mailbox.user_id is None and mailbox.team_id is None:
        mailbox.user = user
        session.flush()
        touches.everything(session)
    return user


def get(session: Session, name: str) -> User:
    """The user of a name; raises NotFound."""
    user = session.scalar(select(User).where(User.name == name))
    if user is None:
        raise NotFound(f"there is no user {name}")
    return user


def every(session: Session) -> list[User]:
    """All users by name."""
    return list(session.scalars(select(User).order_by(User.name)))


def change(
    session: Session,
    user: User,
    *,
    role: str | None = None,
    team: str | None = None,
    language: str | None = None,
    is_active: bool | None = None,
) -> None:
    """Change what is given; a team of "" is none. Who is no longer active is signed out; raises InvalidInput."""
    if role is not None:
        user.role_code = _role(session, role)
    if team is not None:
        user.team = teams.named(session, team) if team else None
        touches.everything(session)
    if language is not None:
        user.language = _language(language)
    if is_active is not None:
        user.is_active = is_active
        user.session_epoch += 0 if is_active else 1
    session.flush()
    touches.of_user(session, user)


def set_password(session: Session, user: User, password: str) -> None:
    """A new password: open sessions end and a lockout is lifted."""
    user.password_hash = hash_password(password)
    user.session_epoch += 1
    user.failed_logins, user.locked_until = 0, None
    session.flush()


def hash_password(password: str) -> str:
    """The argon2 hash; raises InvalidInput for a password that is too short."""
    if len(password) < MIN_PASSWORD:
        raise InvalidInput(f"a password needs at least {MIN_PASSWORD} characters")
    return HASHER.hash(password)


def _role(session: Session, role: str) -> str:
    roles = list(session.scalars(select(Role.code).order_by(Role.code)))
    if role not in roles:
        raise InvalidInput(f"there is no role {role}; the roles are {', '.join(roles)}")
    return role


def _language(code: str) -> str:
    if code and code not in LANGUAGES:
        raise InvalidInput(f"there is no language {code}; there are {', '.join(LANGUAGES)}")
    return code
