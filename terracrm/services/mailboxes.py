"""Mailboxes under sync: add, enable, pause (G1)."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from urllib.parse import urlsplit

from sqlalchemy import select
from sqlalchemy.orm import Session

from terracrm.domain.addresses import normalise
from terracrm.domain.records import StreamKind
from terracrm.errors import ConfigError, InvalidInput, NotFound
from terracrm.models import Mailbox, Stream, StreamState, User, utcnow
from terracrm.services import plans, streams, teams, touches

# What is mirrored. Tasks and posts begin when a mailbox is told to keep them: `terracrm mailbox outlook`.
DEFAULT_STREAMS = (StreamKind.CONTACTS, StreamKind.CALENDAR, StreamKind.MAIL)


def add(
    session: Session,
    address: str,
    server: str,
    username: str,
    *,
    password_encrypted: str = "",
    password_file: Path | None = None,
    impersonate: bool = False,
    verify_tls: bool = True,
    streams: Iterable[str] = DEFAULT_STREAMS,
    user: str | None = None,
    team: str | None = None,
    create_contacts: str = "",
) -> Mailbox:
    """A new mailbox with its streams, not yet enabled.

    It belongs to `user`, or to the user whose e-mail is its address; or to `team` and to nobody in particular when it
    is shared (S16). Raises InvalidInput when something does not fit or the mailbox is there already.
    """
    normalised = normalise(address)
    if not normalised:
        raise InvalidInput(f"{address!r} is no e-mail address")
    if find(session, normalised) is not None:
        raise InvalidInput(f"the mailbox {normalised} is there already")
    if create_contacts not in ("", "off", "sent", "all"):
        raise InvalidInput("create-contacts is off, sent or all")
    _require_url(server)
    mailbox = Mailbox(
        address=normalised,
        server=server,
        username=username,
        password_encrypted=password_encrypted,
        password_file=str(password_file.resolve()) if password_file else "",
        impersonate=impersonate,
        verify_tls=verify_tls,
        create_contacts=create_contacts,
        streams=[Stream(kind=kind) for kind in _kinds(streams)],
    )
    if user is None and team is None:
        mailbox.user = session.scalar(select(User).where(User.email == normalised))
    else:
        give(session, mailbox, user=user, team=team)
    session.add(mailbox)
    session.flush()
    return mailbox


def change(
    session: Session,
    mailbox: Mailbox,
    *,
    address: str | None = None,
    server: str | None = None,
    username: str | None = None,
    impersonate: bool | None = None,
    verify_tls: bool | None = None,
) -> None:
    """Say where the mailbox is now and how it is opened; what is None stays. All that is known of it stays, too.

    It was renamed, or moved to another server, which may have given everything other ids: the next runs find it all
    again (S13). Raises InvalidInput when something does not fit. The caller sees to it that no run is under way.
    """
    if address is not None:
        normalised = normalise(address)
        if not normalised:
            raise InvalidInput(f"{address!r} is no e-mail address")
        if (other := find(session, normalised)) is not None and other is not mailbox:
            raise InvalidInput(f"the mailbox {normalised} is there already")
        mailbox.address = normalised
    if server is not None:
        _require_url(server)
        mailbox.server = server
    mailbox.username = mailbox.username if username is None else username
    mailbox.impersonate = mailbox.impersonate if impersonate is None else impersonate
    mailbox.verify_tls = mailbox.verify_tls if verify_tls is None else verify_tls
    session.flush()
    if mailbox.is_enabled:
        enable(session, mailbox)


def give(session: Session, mailbox: Mailbox, *, user: str | None = None, team: str | None = None) -> None:
    """Say whose it is: a person's, a team's when it is shared (S16), or nobody's; raises InvalidInput.

    It is never both: what a shared mailbox holds is the team's, and the clients found through it are the team's.
    """
    if user is not None and team is not None:
        raise InvalidInput("a mailbox belongs to a person or to a team, not to both")
    mailbox.user = _user_named(session, user) if user is not None else None
    mailbox.team = teams.named(session, team) if team is not None else None
    session.flush()
    touches.everything(session)


def get(session: Session, address: str) -> Mailbox:
    """The mailbox of an address; raises NotFound."""
    mailbox = find(session, address)
    if mailbox is None:
        raise NotFound(f"there is no mailbox {address}; `terracrm mailbox list` shows them")
    return mailbox


def find(session: Session, address: str) -> Mailbox | None:
    """The mailbox of an address, if there is one."""
    return session.scalar(select(Mailbox).where(Mailbox.address == normalise(address)))


def every(session: Session) -> list[Mailbox]:
    """All mailboxes by address."""
    return list(session.scalars(select(Mailbox).order_by(Mailbox.address)))


def is_disconnected(mailbox: Mailbox) -> bool:
    """Whether nobody can open it (S15): it rests and has no password."""
    return not (mailbox.is_enabled or mailbox.password_encrypted or mailbox.password_file)


def enable(session: Session, mailbox: Mailbox) -> None:
    """Mirror it from now on; a stream that waited for a person is tried again, and one with a plan is planned anew.

    Raises InvalidInput for one that is disconnected.
    """
    if is_disconnected(mailbox):
        raise InvalidInput(
            f"{mailbox.address} is disconnected: terracrm mailbox reconnect {mailbox.address} --password-file FILE"
        )
    mailbox.is_enabled, mailbox.let_in_at = True, None
    for stream in mailbox.streams:
        streams.restart(stream)
    plans.look_anew(session, [stream.id for stream in mailbox.streams])
    session.flush()


def pause(session: Session, mailbox: Mailbox) -> None:
    """Stop mirroring it; everything stays as it is."""
    mailbox.is_enabled = False
    session.flush()


def set_password(
    session: Session, mailbox: Mailbox, *, password_encrypted: str = "", password_file: Path | None = None
) -> None:
    """Another password; an enabled mailbox that was refused is tried again."""
    mailbox.password_encrypted = password_encrypted
    mailbox.password_file = str(password_file.resolve()) if password_file else ""
    if mailbox.is_enabled:
        enable(session, mailbox)
    session.flush()


def make_due(session: Session, address: str, kind: StreamKind) -> None:
    """Something has happened in this mailbox: read the stream at the next occasion."""
    for stream in get(session, address).streams:
        if stream.kind == kind and stream.state == StreamState.OK:
            stream.due_at = utcnow()
    session.flush()


def password_of(mailbox: Mailbox, decrypt: Callable[[str], str]) -> str:
    """The mailbox's password, from the first line of its file or decrypted; raises ConfigError in plain words."""
    if not mailbox.password_file:
        return decrypt(mailbox.password_encrypted)
    try:
        return Path(mailbox.password_file).read_text(encoding="utf-8-sig").partition("\n")[0].rstrip("\r")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is not text"
        raise ConfigError([f"the password file of {mailbox.address} cannot be read: {reason}"]) from None


def _require_url(server: str) -> None:
    try:
        parts = urlsplit(server)
        is_usable = parts.scheme in ("http", "https") and bool(parts.hostname)
    except ValueError:
        is_usable = False
    if not is_usable:
        raise InvalidInput(f"{server!r} is no server URL; an example: https://mail.example.com/EWS/Exchange.asmx")
    if "@" in parts.netloc:
        # It is told in pages, logs and alerts.
        raise InvalidInput("the server URL names a user or a password: leave them out, they have options of their own")


def _kinds(streams: Iterable[str]) -> list[StreamKind]:
    names = list(dict.fromkeys(name.strip().lower() for name in streams if name.strip()))
    known = [kind.value for kind in DEFAULT_STREAMS]
    if not names or (unknown := [name for name in names if name not in known]):
        raise InvalidInput(f"streams are {', '.join(known)}" + (f"; not {', '.join(unknown)}" if names else ""))
    return [StreamKind(name) for name in known if name in names]


def _user_named(session: Session, name: str) -> User:
    user = session.scalar(select(User).where(User.name == name))
    if user is None:
        raise InvalidInput(f"there is no user {name}; add it with `terracrm user add {name}`")
    return user
