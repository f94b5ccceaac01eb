"""What a page of changes means for the CRM: changes and links in, actions out. Pure (design, section 4).

The whole decision table of the inbound mirror is `plan`; `writer` performs the actions.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from terracrm.domain.capture import (
    OTHER_CATEGORY,
    PRIVATE,
    TRACKED,
    Captured,
    CaptureRules,
    Decision,
    Detail,
    Known,
    decide,
    message_hash,
)
from terracrm.domain.records import (
    Change,
    ChangeKind,
    ContactRecord,
    MeetingRecord,
    MessageRecord,
    PostRecord,
    TaskRecord,
)
from terracrm.services.kept_out import KeptOut
from terracrm.services.outbox import CLIENTS


@dataclass(frozen=True, slots=True)
class LinkState:
    """What the planner needs to know of a link. `lacks_content`: it leads to a mail whose headers only are kept.

    `is_unmet`: since its folder is read anew this is the first time that the item is met, which says nothing of it.
    """

    version: str
    is_gone: bool
    rule: str = ""
    is_untracked: bool = False
    lacks_content: bool = False
    is_unmet: bool = False


@dataclass(frozen=True, slots=True)
class Action:
    """One planned step about one remote item."""

    remote_id: str


@dataclass(frozen=True, slots=True)
class Keep(Action):
    """There is nothing to do: what changed is known already, or was never taken in (invariants 2 and 3)."""


@dataclass(frozen=True, slots=True)
class Ignore(Action):
    """News of an item that is not here, which change nothing of why it is not: a read flag, or that it left."""


@dataclass(frozen=True, slots=True)
class Store(Action):
    """Take in an item that has no link yet."""

    version: str
    record: Captured
    decision: Decision


@dataclass(frozen=True, slots=True)
class Update(Action):
    """The linked item has changed, or is tracked again, or is now to be kept in full."""

    version: str
    record: Captured
    decision: Decision


@dataclass(frozen=True, slots=True)
class Untrack(Action):
    """The category that had the linked item mirrored was removed: it stays as it is, and is not followed (S8)."""

    version: str


@dataclass(frozen=True, slots=True)
class Return(Action):
    """The linked item is there again, as it was: a folder is read anew (S13)."""


@dataclass(frozen=True, slots=True)
class SetRead(Action):
    """The linked mail was read or unread, which left this version behind."""

    is_read: bool
    version: str


@dataclass(frozen=True, slots=True)
class MarkGone(Action):
    """The linked item left its folder: what it told stays (S9)."""


@dataclass(frozen=True, slots=True)
class Withdraw(Action):
    """The linked item may not be stored any more (S4)."""

    rule: str
    message_hash: str


@dataclass(frozen=True, slots=True)
class Skip(Action):
    """The item is not mirrored, by this rule, until what it waits for is known (Y4, M2)."""

    rule: str
    message_hash: str
    waits_for: frozenset[str]


@dataclass(frozen=True, slots=True)
class Withhold(Skip):
    """The item may not be stored, and may be one that was, moved here from elsewhere (S4)."""

    record: Captured


@dataclass(frozen=True, slots=True)
class KeepOut(Action):
    """The item is left out because this run, which had brought it, was undone (Y3)."""

    run_id: int | None
    identity: str


@dataclass(frozen=True, slots=True)
class TakeTask(Action):
    """The item of a task of ours was changed, is there again, or is somewhere else (W3)."""

    change: Change


@dataclass(frozen=True, slots=True)
class TakeCard(Action):
    """The card of a client was changed, is there again or is somewhere else, or a person put an item there (W1)."""

    change: Change


@dataclass(frozen=True, slots=True)
class Quarantine(Action):
    """The item could not be read; it is tried again later."""

    error: str


@dataclass(frozen=True, slots=True)
class Cards:
    """Whether the page is of the folder of the clients' cards, and which of its items' keys were given to cards."""

    is_their_folder: bool = False
    keys: frozenset[str] = frozenset()


NONE: Mapping[str, KeptOut] = MappingProxyType({})


def plan(
    changes: Iterable[Change],
    links: Mapping[str, LinkState],
    rules: CaptureRules,
    known: Known,
    cards: Cards,
    undone: Mapping[str, KeptOut] = NONE,
) -> Iterator[Action]:
    """The actions of a page, one for each change, in its order. `undone`: what is kept out, by its id."""
    for change in changes:
        link = links.get(change.remote_id)
        match change.kind:
            case _ if link is None and change.remote_id in undone:
                yield _plan_undone(change, undone[change.remote_id])
            case ChangeKind.DELETED:
                yield MarkGone(change.remote_id) if link and not link.is_gone else Keep(change.remote_id)
            case ChangeKind.READ_FLAG:
                yield _plan_read_flag(change, link)
            case _ if change.error or change.record is None:
                yield Quarantine(change.remote_id, change.error or "the server sent nothing for this item")
            case _ if isinstance(change.record, TaskRecord):
                yield _plan_task(change, link)
            case _ if isinstance(change.record, ContactRecord) and _is_card(change, change.record, link, cards):
                yield _plan_card(change, link)
            case _ if isinstance(change.record, PostRecord):
                yield Keep(change.remote_id)  # what we wrote ourselves is no news
            case _:
                decision = decide(change.record, rules, known)
                if link is None:
                    yield _plan_new(change, change.record, decision)
                else:
                    yield _plan_linked(change, change.record, link, decision)


def _plan_undone(change: Change, kept_out: KeptOut) -> Action:
    """It stays out wherever it goes; also that it leaves a folder is no news, for it may be met in another one."""
    if change.kind in (ChangeKind.DELETED, ChangeKind.READ_FLAG) or change.record is None:
        return Ignore(change.remote_id)
    is_secret = getattr(change.record, "is_private", False) and not isinstance(change.record, MessageRecord)
    return KeepOut(change.remote_id, kept_out.run_id, "" if is_secret else kept_out.identity)


def _plan_task(change: Change, link: LinkState | None) -> Action:
    """A person's own tasks are nobody's business: only those that we made are looked at (W3)."""
    is_known = link is not None and link.version == change.version and not link.is_gone
    return TakeTask(change.remote_id, change) if change.key and not is_known else Keep(change.remote_id)


def _is_card(change: Change, record: ContactRecord, link: LinkState | None, cards: Cards) -> bool:
    """Whether an item is a card of a client, has the key of one, or is what a person put where the cards are."""
    if link is not None and link.rule == CLIENTS:
        return True
    is_a_persons = link is not None or change.key not in cards.keys
    return (cards.is_their_folder and not record.is_private) if is_a_persons else True


def _plan_card(change: Change, link: LinkState | None) -> Action:
    if link is None or link.version != change.version:
        return TakeCard(change.remote_id, change)
    return Return(change.remote_id) if link.is_gone else Keep(change.remote_id)


def _plan_read_flag(change: Change, link: LinkState | None) -> Action:
    if link is None:
        return Ignore(change.remote_id)
    is_news = change.is_read is not None and not link.is_untracked
    return SetRead(change.remote_id, bool(change.is_read), change.version) if is_news else Keep(change.remote_id)


def _plan_new(change: Change, record: Captured, decision: Decision) -> Action:
    if decision.is_taken:
        return Store(change.remote_id, change.version, record, decision)
    told = (change.remote_id, decision.rule, _hash(record), decision.waits_for)
    return Withhold(*told, record) if record.is_private else Skip(*told)


def _plan_linked(change: Change, record: Captured, link: LinkState, decision: Decision) -> Action:
    if record.is_private:
        return Withdraw(change.remote_id, PRIVATE, _hash(record))
    as_it_was = Return(change.remote_id) if link.is_gone else Keep(change.remote_id)
    if link.is_untracked and not decision.is_taken:
        return as_it_was
    if not link.is_untracked and _lost_its_category(link, decision):
        return Untrack(change.remote_id, change.version)
    is_changed = link.version != change.version or link.is_untracked
    may_be_filled = link.lacks_content and decision.is_taken and decision.detail is Detail.FULL
    # A meeting that nobody held any more was cancelled: one that is met again says anew what it is.
    if is_changed or may_be_filled or (link.is_gone and isinstance(record, MeetingRecord)):
        return Update(change.remote_id, change.version, record, decision)
    return as_it_was


def _lost_its_category(link: LinkState, decision: Decision) -> bool:
    """Whether the item was there for a category only. One whose people are no longer known stays followed."""
    return not decision.is_taken and (link.rule == TRACKED or decision.rule == OTHER_CATEGORY)


def _hash(record: Captured) -> str:
    return message_hash(record.message_id) if isinstance(record, MessageRecord) else ""
