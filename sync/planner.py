"""What a page of changes means for the CRM: changes and links in, actions out. Pure (design, section 4).

The whole decision table of the inbound mirror is `plan`; `writer` performs the actions.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from terracrm.domain.addresses import DomainPolicy
from terracrm.domain.capture import PRIVATE, skip_rule
from terracrm.domain.records import Change, ChangeKind, MeetingRecord, MessageRecord, Record


@dataclass(frozen=True, slots=True)
class LinkState:
    """What the planner needs to know of a link."""

    version: str
    is_gone: bool


@dataclass(frozen=True, slots=True)
class Action:
    """One planned step about one remote item."""

    remote_id: str


@dataclass(frozen=True, slots=True)
class Keep(Action):
    """There is nothing to do: what changed is known already, or was never taken in (invariants 2 and 3)."""


@dataclass(frozen=True, slots=True)
class Store(Action):
    """Take in an item that has no link yet."""

    version: str
    record: Record


@dataclass(frozen=True, slots=True)
class Update(Action):
    """The linked item has changed."""

    version: str
    record: Record


@dataclass(frozen=True, slots=True)
class Return(Action):
    """The linked item is there again, as it was: a folder is read anew (S13)."""


@dataclass(frozen=True, slots=True)
class SetRead(Action):
    """The linked mail was read or unread."""

    is_read: bool


@dataclass(frozen=True, slots=True)
class MarkGone(Action):
    """The linked item left its folder: what it told stays (S9)."""


@dataclass(frozen=True, slots=True)
class Withdraw(Action):
    """The linked item may not be stored any more (S4)."""

    rule: str


@dataclass(frozen=True, slots=True)
class Skip(Action):
    """The item is not mirrored, by this rule (Y4)."""

    rule: str


@dataclass(frozen=True, slots=True)
class Withhold(Skip):
    """The item may not be stored, and may be one that was, moved here from elsewhere (S4)."""

    record: Record


@dataclass(frozen=True, slots=True)
class Quarantine(Action):
    """The item could not be read; it is tried again later."""

    error: str


def plan(changes: Iterable[Change], links: Mapping[str, LinkState], policy: DomainPolicy) -> Iterator[Action]:
    """The actions of a page, one for each change, in its order."""
    for change in changes:
        link = links.get(change.remote_id)
        match change.kind:
            case ChangeKind.DELETED:
                yield MarkGone(change.remote_id) if link and not link.is_gone else Keep(change.remote_id)
            case ChangeKind.READ_FLAG:
                is_news = link is not None and change.is_read is not None
                yield SetRead(change.remote_id, bool(change.is_read)) if is_news else Keep(change.remote_id)
            case _ if change.error or change.record is None:
                yield Quarantine(change.remote_id, change.error or "the server sent nothing for this item")
            case _:
                yield _plan_item(change, change.record, link, policy)


def _plan_item(change: Change, record: Record, link: LinkState | None, policy: DomainPolicy) -> Action:
    if record.is_private:
        return Withdraw(change.remote_id, PRIVATE) if link else Withhold(change.remote_id, PRIVATE, record)
    if link is None:
        rule = skip_rule(record, policy) if isinstance(record, MessageRecord) else ""
        return Skip(change.remote_id, rule) if rule else Store(change.remote_id, change.version, record)
    # A meeting that nobody held any more was cancelled: one that is met again says anew what it is.
    if link.version != change.version or (link.is_gone and isinstance(record, MeetingRecord)):
        return Update(change.remote_id, change.version, record)
    return Return(change.remote_id) if link.is_gone else Keep(change.remote_id)
