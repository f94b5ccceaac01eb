"""What is written into a mailbox: shown, tried out, changed (W1-W3, G1). The next run of the mailbox does the rest."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from terracrm.config import Settings
from terracrm.db import begin_write
from terracrm.domain.outlook_rules import OFF, ON, REMOVE, SEGMENT, OutlookRules, checked
from terracrm.domain.records import StreamKind
from terracrm.errors import InvalidInput
from terracrm.models import Contact, Link, Mailbox, Segment, Stream, utcnow
from terracrm.services import audit, client_writes, outbox, posts, role_folders, scopes

RULES = "rules"
# The directions of a stream that is switched on and off, as it was before.
_ON = {"in": "both", "off": "both"}
_OFF = {"both": "in", "out": "off"}


@dataclass(frozen=True, slots=True)
class InForce:
    """One rule as it is: `is_own` says that the mailbox chose it, otherwise it comes from the settings."""

    name: str
    value: str
    is_own: bool


@dataclass(frozen=True, slots=True)
class Effect:
    """What rules do with the clients in somebody's Outlook: cards that are made, that go to Deleted Items, and that
    stay; `is_folder_made` when a folder that was deleted there is made again.
    """

    made: int
    removed: int
    kept: int
    is_folder_made: bool = False


def of(mailbox: Mailbox) -> OutlookRules:
    """The rules as they are."""
    tasks, posts = (_switch(mailbox, kind) for kind in (StreamKind.TASKS, StreamKind.POSTS))
    stream = stream_of(mailbox, StreamKind.CONTACTS)
    if stream is None:
        return OutlookRules(tasks=tasks, posts=posts)
    is_removed = stream.client_scope == scopes.NONE
    on = REMOVE if is_removed else ON
    return OutlookRules(
        clients=on if stream.direction in outbox.OUT else OFF,
        scope="" if is_removed else stream.client_scope,
        segment_id=stream.segment_id if stream.client_scope == SEGMENT else None,
        folder=stream.clients_folder,
        directions=dict(stream.field_directions),
        conflict=stream.conflict_rule,
        on_delete=stream.on_delete,
        history=stream.history_entries,
        tasks=tasks,
        posts=posts,
    )


def in_force(session: Session, settings: Settings, mailbox: Mailbox, rules: OutlookRules) -> list[InForce]:
    """The rules in words, each with where it comes from."""
    outlook = settings.outlook
    stream = stream_of(mailbox, StreamKind.CONTACTS)
    folder = rules.folder or (client_writes.folder_name(settings, stream) if stream else outlook.clients_folder)
    segment = session.get(Segment, rules.segment_id) if rules.segment_id else None
    history = outlook.history_entries if rules.history is None else rules.history
    return [
        InForce("scope", f"{SEGMENT}:{segment.name}" if segment else rules.scope or outlook.scope, bool(rules.scope)),
        InForce("folder", folder, bool(rules.folder)),
        InForce("conflict", rules.conflict or outlook.conflict, bool(rules.conflict)),
        InForce("on_delete", rules.on_delete or outlook.on_delete, bool(rules.on_delete)),
        InForce("history", str(history), rules.history is not None),
    ]


def preview(
    session: Session, settings: Settings, mailbox: Mailbox, rules: OutlookRules, *, make_folder: bool = False
) -> Effect:
    """What these rules would do; changes nothing. Raises InvalidInput."""
    with session.begin_nested() as tried:
        _set(mailbox, _checked(mailbox, rules))
        session.flush()
        effect = _effect(session, settings, mailbox, make_folder)
        tried.rollback()
    session.expire(mailbox, ["streams"])
    return effect


def apply(
    session: Session,
    settings: Settings,
    mailbox: Mailbox,
    rules: OutlookRules,
    user_id: int | None,
    *,
    make_folder: bool = False,
) -> Effect:
    """Give the mailbox these rules: its next run, which is due at once, does what `preview` says. Raises InvalidInput.

    It waits for what is being written just now. With `make_folder` the clients' folder that somebody deleted in Outlook
    is made again, with all cards that went with it; and so are the folders of posts, for what is yet to come.
    """
    begin_write(session)
    streams = select(Stream.id).where(Stream.mailbox_id == mailbox.id).order_by(Stream.id)
    session.scalars(streams.with_for_update()).all()
    old, new = of(mailbox), _checked(mailbox, rules)
    _set(mailbox, new)
    session.flush()
    effect = _effect(session, settings, mailbox, make_folder)
    stream = stream_of(mailbox, StreamKind.CONTACTS)
    if stream is not None and new.clients != OFF:
        client_writes.owe_all(session, stream)
    for stream in mailbox.streams:
        if stream.direction in outbox.OUT:
            stream.due_at = utcnow()
    session.flush()
    told = {"address": mailbox.address, "old": asdict(old), "new": asdict(new)}
    if effect.is_folder_made:
        told["folder"] = "made again"
    audit.record(session, user_id, "outlook.change", "mailbox", mailbox.id, json.dumps(told, ensure_ascii=False))
    return effect


def warnings(session: Session, settings: Settings, mailbox: Mailbox, rules: OutlookRules) -> list[str]:
    """What an admin should know besides, in plain words: rules that do nothing as things are."""
    found = []
    writes = rules.clients != OFF or ON in (rules.tasks, rules.posts)
    if writes and not mailbox.is_enabled:
        found.append(f"{mailbox.address} is paused: nothing is written until terracrm mailbox enable {mailbox.address}")
    if mailbox.user is None and mailbox.team is None and (rules.clients == ON or rules.tasks == ON):
        found.append(
            f"{mailbox.address} belongs to nobody, so that nobody's clients and tasks belong there: "
            f"terracrm mailbox owner {mailbox.address} --user NAME"
        )
    elif rules.tasks == ON and mailbox.user is None:
        found.append(f"{mailbox.address} belongs to a team, and tasks are written only to the person who is to do them")
    if mailbox.user is not None and not mailbox.user.is_active and writes:
        found.append(f"{mailbox.user.name} may not sign in any more: nothing is written into that mailbox")
    stream = stream_of(mailbox, StreamKind.CONTACTS)
    if stream is None:
        return found
    if role_folders.is_deleted(stream, outbox.CLIENTS):
        found.append(
            "the clients' folder was deleted in Outlook: it is made again only with "
            f"terracrm mailbox outlook {mailbox.address} --make-folder-again --apply"
        )
    there = role_folders.of(stream, outbox.CLIENTS)
    if rules.folder and there is not None and there.path.rpartition("/")[2] != rules.folder:
        found.append(f"the folder {there.path} is there already and keeps its name: rename it in Outlook")
    return found


def stream_of(mailbox: Mailbox, kind: StreamKind) -> Stream | None:
    """The stream of a mailbox of this kind, if there is one."""
    return next((stream for stream in mailbox.streams if stream.kind == kind), None)


def cards(session: Session, mailbox: Mailbox) -> int:
    """How many clients the mailbox has in Outlook now."""
    mine = Link.mailbox_id == mailbox.id, Link.entity == outbox.CONTACT, Link.rule == outbox.CLIENTS
    there = select(func.count(Link.local_id.distinct())).join(Contact, Contact.id == Link.local_id)
    return session.scalar(there.where(*mine, Link.gone_at.is_(None))) or 0


def _checked(mailbox: Mailbox, rules: OutlookRules) -> OutlookRules:
    found = checked(rules)
    only_switches = OutlookRules(tasks=found.tasks, posts=found.posts)
    if stream_of(mailbox, StreamKind.CONTACTS) is None and found != only_switches:
        kinds = ", ".join(stream.kind for stream in mailbox.streams)
        raise InvalidInput(f"the contacts of this mailbox are not mirrored, so it can have no clients; it has {kinds}")
    return found


def _set(mailbox: Mailbox, rules: OutlookRules) -> None:
    _set_switch(mailbox, StreamKind.TASKS, "both", rules.tasks)
    _set_switch(mailbox, StreamKind.POSTS, "out", rules.posts)
    for stream in mailbox.streams:
        if stream.kind in (StreamKind.CONTACTS, StreamKind.TASKS):
            stream.conflict_rule, stream.on_delete = rules.conflict, rules.on_delete
    contacts = stream_of(mailbox, StreamKind.CONTACTS)
    if contacts is None:
        return
    ways = _OFF if rules.clients == OFF else _ON
    contacts.direction = ways.get(contacts.direction, contacts.direction)
    contacts.client_scope = scopes.NONE if rules.clients == REMOVE else rules.scope
    contacts.segment_id = rules.segment_id if rules.clients != REMOVE else None
    contacts.clients_folder = rules.folder
    contacts.field_directions = dict(rules.directions)
    contacts.history_entries = rules.history


def _switch(mailbox: Mailbox, kind: StreamKind) -> str:
    stream = stream_of(mailbox, kind)
    return ON if stream is not None and stream.direction in outbox.OUT else OFF


def _set_switch(mailbox: Mailbox, kind: StreamKind, direction: str, wanted: str) -> None:
    """Switch a stream that is there only to be written into. What was written stays known, for the next time."""
    stream = stream_of(mailbox, kind)
    if _switch(mailbox, kind) == wanted:
        return
    if stream is None:
        stream = Stream(kind=kind)
        mailbox.streams.append(stream)
    stream.direction = direction if wanted == ON else OFF
    if kind is StreamKind.POSTS and wanted == ON:
        stream.posts_since = stream.posts_since or utcnow()


def _effect(session: Session, settings: Settings, mailbox: Mailbox, make_folder: bool) -> Effect:
    stream, shared = (stream_of(mailbox, kind) for kind in (StreamKind.CONTACTS, StreamKind.POSTS))
    is_folder_made = make_folder and shared is not None and posts.make_folders_again(session, shared)
    if stream is None:
        return Effect(0, 0, 0, is_folder_made)
    is_folder_made |= make_folder and client_writes.make_folder_again(session, stream)
    made, removed = client_writes.to_come(session, settings, stream)
    return Effect(made, removed, cards(session, mailbox) - removed, is_folder_made)
