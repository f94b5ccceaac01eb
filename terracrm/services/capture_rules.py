"""The rules of a mailbox: what is captured of it, how much, and from which folders (S1, S6-S8).

A change of the rules applies to what is already here: `preview` says what it would do, `apply` does just that, and the
next run of the mailbox reads the rest (`rule_effects`). Nothing is ever changed in Outlook.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass

from sqlalchemy import select
from sqlalchemy.orm import Session

from terracrm.config import Settings
from terracrm.db import begin_write
from terracrm.domain.folders import below
from terracrm.domain.mailbox_rules import Rules, StreamRules, checked
from terracrm.domain.records import StreamKind
from terracrm.errors import Forbidden, NotFound
from terracrm.models import Mailbox, Stream
from terracrm.services import access, audit, rule_effects
from terracrm.services.access import Viewer
from terracrm.services.rule_effects import Preview

NAMES = ("capture", "detail", "tracking_category", "create_contacts")


@dataclass(frozen=True, slots=True)
class InForce:
    """One rule as it is: `is_own` says that the mailbox chose it, otherwise it comes from the settings."""

    name: str
    value: str
    is_own: bool


def to_configure(session: Session, viewer: Viewer, mailbox_id: int) -> Mailbox:
    """A mailbox whose rules this viewer may change; NotFound where there is none, Forbidden for other roles."""
    mailbox = session.scalar(select(Mailbox).where(Mailbox.id == mailbox_id, access.mailboxes(viewer)))
    if mailbox is None:
        raise NotFound("There is no such mailbox.")
    if not viewer.configures:
        raise Forbidden("Only an administrator changes the rules of a mailbox.")
    return mailbox


def of(mailbox: Mailbox) -> Rules:
    """The mailbox's own choice."""
    streams = {
        stream.kind: StreamRules(tuple(stream.include_folders), tuple(stream.exclude_folders), stream.only_category)
        for stream in _captured(mailbox)
    }
    return Rules(**{name: getattr(mailbox, name) for name in NAMES}, streams=streams)


def in_force(settings: Settings, rules: Rules) -> list[InForce]:
    """The rules that go for the whole mailbox, each with where it comes from."""
    own = {name: getattr(rules, name) for name in NAMES}
    return [InForce(name, own[name] or getattr(settings.mirror, name), bool(own[name])) for name in NAMES]


def preview(session: Session, settings: Settings, mailbox: Mailbox, rules: Rules) -> Preview:
    """What these rules would do to what is here; changes nothing. Raises InvalidInput."""
    return rule_effects.plan(session, settings, mailbox, of(mailbox), _checked(mailbox, rules)).preview


def apply(session: Session, settings: Settings, mailbox: Mailbox, rules: Rules, user_id: int | None) -> Preview:
    """Give the mailbox these rules and do to what is here what `preview` says of them. Raises InvalidInput.

    It waits for the page that is being written, and the pages that come after see the new rules.
    """
    begin_write(session)
    old, new = of(mailbox), _checked(mailbox, rules)
    streams = select(Stream.id).where(Stream.mailbox_id == mailbox.id).order_by(Stream.id)
    session.scalars(streams.with_for_update()).all()
    plan = rule_effects.plan(session, settings, mailbox, old, new)
    _set(mailbox, new)
    session.flush()
    rule_effects.perform(session, settings, mailbox, plan)
    told = {"address": mailbox.address, "old": asdict(old), "new": asdict(new)}
    audit.record(session, user_id, "rules.change", "mailbox", mailbox.id, json.dumps(told, ensure_ascii=False))
    return plan.preview


def missing_folders(mailbox: Mailbox, rules: Rules) -> list[str]:
    """Paths that name no folder which the mailbox is known to have: perhaps a slip of the pen."""
    return [
        path
        for stream in mailbox.streams
        if stream.folders and (own := rules.streams.get(stream.kind))
        for path in (*own.include_folders, *own.exclude_folders)
        if not below(stream.folders, [path])
    ]


def _checked(mailbox: Mailbox, rules: Rules) -> Rules:
    return checked(rules, [stream.kind for stream in _captured(mailbox)])


def _captured(mailbox: Mailbox) -> list[Stream]:
    """The streams that take in what is in a mailbox: of tasks and posts there is only what we write ourselves."""
    return [stream for stream in mailbox.streams if stream.kind not in (StreamKind.TASKS, StreamKind.POSTS)]


def _set(mailbox: Mailbox, rules: Rules) -> None:
    for name in NAMES:
        setattr(mailbox, name, getattr(rules, name))
    for stream in _captured(mailbox):
        own = rules.streams[stream.kind]
        stream.include_folders, stream.exclude_folders = list(own.include_folders), list(own.exclude_folders)
        stream.only_category = own.only_category
