"""What the rules of a mailbox do to what is here already: planned from what is stored, then performed (Y1).

By the same decision as new mail (`capture.decide`), from the stored facts of each item. Of mail and meetings, what the
rules leave out goes, unless another mailbox holds it; entries of contacts folders are only no longer followed, since a
rule never deletes a customer (S9). What was left out and may now come in is read again by the next run.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass, field, replace
from datetime import datetime

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from terracrm.config import Settings
from terracrm.domain.capture import (
    INTERNAL,
    LEFT_OUT_BY,
    NOTHING,
    OTHER_CATEGORY,
    RULES_OF_CHOICE,
    CaptureRules,
    Decision,
    Detail,
    Mode,
    decide,
    message_hash,
)
from terracrm.domain.mailbox_rules import Rules
from terracrm.domain.records import ContactRecord, MeetingRecord, StreamKind
from terracrm.models import Link, Mailbox, MirrorFolder, SkippedItem, Stream
from terracrm.services import (
    known,
    links,
    mail_detail,
    mirror_calendar,
    mirror_contacts,
    mirror_mail,
    outbox,
    skipped,
    stored_mail,
)
from terracrm.services.matching import chunks
from terracrm.services.mirror_folders import excluded_ids, forget
from terracrm.services.sources import lock_directory, rules_of, source_of
from terracrm.services.stored_mail import StoredMail

LEFT_FOLDER = "folder_left_out"
HEADERS_ONLY = "headers_only"
UNTRACKED = "untracked"
EXAMPLES = 10
NO_RUN = 0


@dataclass(frozen=True, slots=True)
class Example:
    """One entry that would change: nothing of what it says, because administrators read no mail (A1)."""

    kind: str
    occurred_at: datetime | None
    direction: str
    folder: str
    rule: str


@dataclass(frozen=True, slots=True)
class Preview:
    """What a change of rules does, in entries of the history; `unfollowed` and `again` are items in Outlook.

    `leave`: only this mailbox brought them. `stay`: this mailbox's copy goes, another mailbox holds the entry. `cut`:
    only the headers stay. `filled`: read again in full. `again`: left out so far and looked at again, by the rule that
    left them out.
    """

    leave: int = 0
    stay: int = 0
    cut: int = 0
    filled: int = 0
    unfollowed: int = 0
    again: dict[str, int] = field(default_factory=dict)
    examples: list[Example] = field(default_factory=list)
    folders_left: list[str] = field(default_factory=list)
    folders_joined: list[str] = field(default_factory=list)

    @property
    def is_nothing(self) -> bool:
        """Whether all stays as it is."""
        return self == Preview()


@dataclass(frozen=True, slots=True)
class Doomed:
    """A link to a mail or meeting that goes, and what is to be remembered of the item that is left out."""

    link_id: int
    entity: str
    local_id: int
    example: Example
    skip: skipped.Skip | None


@dataclass(slots=True)
class Plan:
    """All that is to be done. `stays_by`: the copies that stay by another rule than before."""

    preview: Preview = field(default_factory=Preview)
    doomed: list[Doomed] = field(default_factory=list)
    unfollowed: list[int] = field(default_factory=list)
    cut: list[int] = field(default_factory=list)
    read_again: list[skipped.Skip] = field(default_factory=list)
    again: list[int] = field(default_factory=list)
    left_folders: list[MirrorFolder] = field(default_factory=list)
    stays_by: dict[str, list[int]] = field(default_factory=lambda: defaultdict(list))


@dataclass(frozen=True, slots=True)
class _Change:
    """The change of rules of one stream. `left` and `joined`: the folders that are no longer, or now, mirrored."""

    stream: Stream
    rules: CaptureRules
    left: dict[int, MirrorFolder]
    joined: dict[int, MirrorFolder]
    read: dict[int, MirrorFolder]
    looks_again_at: frozenset[str]
    looks_at_untracked: bool


def plan(session: Session, settings: Settings, mailbox: Mailbox, old: Rules, new: Rules) -> Plan:
    """What a change from the old to the new rules of a mailbox does to what is here. Changes nothing.

    The same rules once more: the settings have changed, so that everything is looked at.
    """
    made = Plan()
    rows: Counter[str] = Counter()
    changes = [_change(settings, mailbox, stream, old, new) for stream in mailbox.streams if stream.kind in new.streams]
    for change in changes:
        if change.stream.kind == StreamKind.MAIL:
            _plan_mail(session, settings, mailbox, change, made)
        else:
            _plan_others(session, mailbox, change, made)
        rows += _plan_skipped(session, change, made)
        made.left_folders += change.left.values()
    leave, stay = _held(session, mailbox, made.doomed)
    made.preview = Preview(
        leave=leave,
        stay=stay,
        cut=len(made.cut),
        filled=sum(skip.rule == HEADERS_ONLY for skip in made.read_again),
        unfollowed=len(made.unfollowed),
        again=dict(sorted((rows + Counter(s.rule for s in made.read_again if s.rule == UNTRACKED)).items())),
        examples=[doomed.example for doomed in made.doomed[:EXAMPLES]],
        folders_left=sorted(folder.path for change in changes for folder in change.left.values()),
        folders_joined=sorted(folder.path for change in changes for folder in change.joined.values()),
    )
    return made


def perform(session: Session, settings: Settings, mailbox: Mailbox, plan: Plan) -> None:
    """Do what was planned, in this transaction."""
    lock_directory(session, for_writing=True)
    mails = [doomed.link_id for doomed in plan.doomed if doomed.entity == mirror_mail.ENTITY]
    mirror_mail.withdraw_all(session, Detail(settings.mirror.detail), mails)
    for doomed in plan.doomed:
        link = session.get(Link, doomed.link_id) if doomed.entity != mirror_mail.ENTITY else None
        if link is not None:  # what a move left behind goes with the item itself
            source = source_of(settings, mailbox, session.get_one(MirrorFolder, link.folder_id), NO_RUN)
            mirror_calendar.withdraw(session, source, link)
    mail_detail.cut(session, plan.cut)
    for rule, link_ids in plan.stays_by.items():
        for ids in chunks(link_ids):
            session.execute(update(Link).where(Link.id.in_(ids)).values(rule=rule))
    for link_id in plan.unfollowed:
        links.untrack(session, session.get_one(Link, link_id))
    skipped.note(session, None, [d.skip for d in plan.doomed if d.skip is not None] + plan.read_again)
    for ids in chunks(plan.again):
        skipped.make_due(session, SkippedItem.id.in_(ids))
    for folder in plan.left_folders:
        forget(session, folder)
        folder.is_excluded = True
    session.flush()
    skipped.hurry(session, [folder.id for stream in mailbox.streams for folder in stream.folders])


def _change(settings: Settings, mailbox: Mailbox, stream: Stream, old: Rules, new: Rules) -> _Change:
    before, after = old.streams[stream.kind], new.streams[stream.kind]
    was_out = excluded_ids(settings, stream, before.include_folders, before.exclude_folders)
    is_out = excluded_ids(settings, stream, after.include_folders, after.exclude_folders)
    here = {folder.id: folder for folder in stream.folders if folder.gone_at is None}
    rules = rules_of(settings, mailbox.address, new, after.only_category)
    chooses_anew = old == new or old.choice != new.choice
    return _Change(
        stream=stream,
        rules=rules,
        left={id_: folder for id_, folder in here.items() if id_ in is_out - was_out},
        joined={id_: folder for id_, folder in here.items() if id_ in was_out - is_out},
        read={id_: folder for id_, folder in here.items() if id_ not in is_out},
        looks_again_at=_to_look_at(rules, is_anew=old == new, chooses_anew=chooses_anew),
        looks_at_untracked=chooses_anew,
    )


def _to_look_at(rules: CaptureRules, *, is_anew: bool, chooses_anew: bool) -> frozenset[str]:
    """What was left out by these rules may come in now."""
    if is_anew:
        return frozenset({*RULES_OF_CHOICE, INTERNAL})
    if chooses_anew:
        return RULES_OF_CHOICE
    return RULES_OF_CHOICE - {LEFT_OUT_BY.get(rules.mode, ""), OTHER_CATEGORY if rules.only_category else ""}


def _plan_mail(session: Session, settings: Settings, mailbox: Mailbox, change: _Change, made: Plan) -> None:
    mine: dict[int, bool] = {}  # the full messages of this mailbox, and whether one of their copies stays
    for mails in stored_mail.of_mailbox(session, mailbox.id):
        knowledge = known.of(session, change.rules, [mail.record for mail in mails])
        for mail in mails:
            decision = decide(mail.record, replace(change.rules, in_sent_items=mail.direction == "out"), knowledge)
            stays = _plan_copy(mail, decision, change, made)
            if mail.is_full:
                mine[mail.message_id] = mine.get(mail.message_id, False) or stays
    default = Detail(settings.mirror.detail)
    keeps = change.rules.detail is Detail.FULL
    unkept = [message_id for message_id, stays in mine.items() if not (stays and keeps)]
    going = _leaving(session, mailbox, mirror_mail.ENTITY, made.doomed)
    made.cut = mail_detail.kept_by_nobody(session, set(unkept) - going, default, but=mailbox.id)


def _plan_copy(mail: StoredMail, decision: Decision, change: _Change, made: Plan) -> bool:
    """Plan what becomes of one copy; whether it stays."""
    is_left = mail.folder_id in change.left
    can_be_read = mail.folder_id in change.read and not mail.is_gone
    if not is_left and (decision.is_taken or mail.is_untracked):
        if decision.is_taken and not mail.is_untracked and mail.rule != decision.rule:
            made.stays_by[decision.rule].append(mail.link_id)
        if mail.is_untracked and change.looks_at_untracked and can_be_read:
            made.read_again.append(skipped.Skip(mail.folder_id, mail.remote_id, UNTRACKED, is_due=True))
        elif decision.detail is Detail.FULL and not mail.is_full and not mail.is_untracked and can_be_read:
            made.read_again.append(skipped.Skip(mail.folder_id, mail.remote_id, HEADERS_ONLY, is_due=True))
        return True
    rule = LEFT_FOLDER if is_left else decision.rule
    skip = skipped.Skip(
        mail.folder_id,
        mail.remote_id,
        decision.rule,
        message_hash(mail.record.message_id),
        decision.waits_for,
        # Its References are not stored: they may name a mail of ours that its In-Reply-To does not lead to.
        is_due=change.rules.mode is Mode.REPLIES,
    )
    example = Example("mail", mail.occurred_at, mail.direction, _path(change.stream, mail.folder_id), rule)
    made.doomed.append(
        Doomed(mail.link_id, mirror_mail.ENTITY, mail.message_id, example, skip if can_be_read else None)
    )
    return False


def _plan_others(session: Session, mailbox: Mailbox, change: _Change, made: Plan) -> None:
    """Entries of contacts folders are no longer followed; meetings go. Clients' cards are there by other rules (W1)."""
    is_contacts = change.stream.kind == StreamKind.CONTACTS
    entity = mirror_contacts.ENTITY if is_contacts else mirror_calendar.ENTITY
    mine = Link.mailbox_id == mailbox.id, Link.entity == entity, Link.rule != outbox.CLIENTS
    for link in session.scalars(select(Link).where(*mine)):
        categories = tuple(map(str, (link.base or {}).get("categories") or ()))  # type: ignore[call-overload]
        record = ContactRecord(categories=categories) if is_contacts else MeetingRecord(categories=categories)
        decision = decide(record, change.rules, NOTHING)
        is_left, is_gone = link.folder_id in change.left, link.gone_at is not None
        can_be_read = link.folder_id in change.read and not is_gone
        if not is_left and (decision.is_taken or link.untracked_at is not None):
            if link.untracked_at is not None and change.looks_at_untracked and can_be_read:
                made.read_again.append(skipped.Skip(link.folder_id, link.remote_id, UNTRACKED, is_due=True))
        elif is_contacts:
            if link.untracked_at is None and not is_gone:
                made.unfollowed.append(link.id)
        else:
            skip = skipped.Skip(link.folder_id, link.remote_id, decision.rule)
            rule = LEFT_FOLDER if is_left else decision.rule
            example = Example("meeting", None, "", _path(change.stream, link.folder_id), rule)
            made.doomed.append(Doomed(link.id, entity, link.local_id, example, skip if can_be_read else None))


def _plan_skipped(session: Session, change: _Change, made: Plan) -> Counter[str]:
    rows = session.execute(
        select(SkippedItem.id, SkippedItem.rule).where(
            SkippedItem.folder_id.in_(change.read), SkippedItem.rule.in_(change.looks_again_at)
        )
    ).all()
    made.again += [row.id for row in rows]
    return Counter(row.rule for row in rows)


def _held(session: Session, mailbox: Mailbox, doomed: list[Doomed]) -> tuple[int, int]:
    """How many of the things that are left out leave the CRM, and how many others hold."""
    leave = stay = 0
    for entity in (mirror_mail.ENTITY, mirror_calendar.ENTITY):
        things = {each.local_id for each in doomed if each.entity == entity}
        going = _leaving(session, mailbox, entity, doomed)
        leave, stay = leave + len(going), stay + len(things - going)
    return leave, stay


def _leaving(session: Session, mailbox: Mailbox, entity: str, doomed: list[Doomed]) -> set[int]:
    """Of the things that are left out, those that nothing else holds: no other mailbox, and no other item of this one.

    An item that left Outlook holds nothing against one that is there (`links.withdraw`).
    """
    going = {each.link_id for each in doomed if each.entity == entity}
    things = {each.local_id for each in doomed if each.entity == entity}
    held: set[int] = set()
    links_to = select(Link.id, Link.local_id, Link.mailbox_id, Link.gone_at).where(Link.entity == entity)
    for some in chunks(sorted(things)):
        for link in session.execute(links_to.where(Link.local_id.in_(some))):
            if link.mailbox_id != mailbox.id or (link.id not in going and link.gone_at is None):
                held.add(link.local_id)
    return things - held


def _path(stream: Stream, folder_id: int) -> str:
    return next((folder.path for folder in stream.folders if folder.id == folder_id), "")
