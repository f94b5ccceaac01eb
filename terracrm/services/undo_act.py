"""One undo of a run while it lasts: what it works with, and what it tells of (Y3)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy.orm import Session

from terracrm.config import Settings
from terracrm.domain.addresses import DomainPolicy
from terracrm.models import Company, Contact, Mailbox, MirrorFolder, SyncRun
from terracrm.services import field_history, kept_out
from terracrm.services.field_history import Origin
from terracrm.services.sources import Source, source_of

MAIL, MEETING, TASK, CONTACT, COMPANY = "mail", "meeting", "task", "contact", "company"

# Why something stays as it is.
CHANGED = "changed"  # somebody or something changed it since
BY_HAND = "by_hand"  # a person worked with it: changed it, decided about it, or hung something on it
TOLD = "told"  # another entry tells of the person
HISTORY = "history"  # there is history of it that came since
PEOPLE = "people"  # people belong to it
MERGED = "merged"  # it was merged with another one since


@dataclass(frozen=True, slots=True)
class Thing:
    """Something of the CRM: a client by its name, an entry of the history by its time, for whoever may not read it."""

    entity: str
    id: int
    name: str = ""
    at: datetime | None = None


@dataclass(frozen=True, slots=True)
class PutBack:
    """A field that says again what it said before; values as in `field_history`, but companies and people by name."""

    thing: Thing
    field: str
    now: str
    before: str


@dataclass(frozen=True, slots=True)
class Kept:
    """What stays as the run made it, and why: one of the words above. `field` is "" for a whole thing."""

    thing: Thing
    field: str
    reason: str


@dataclass(slots=True)
class Effect:
    """What an undo does, or did: what goes, what says again what it said, and what stays because it was worked with.

    `copies`: what this mailbox alone no longer holds; others do. `conflicts`: those that are settled by it. `followed`:
    changes in Outlook of mail and meetings that were here before; here they are as Outlook has them.
    """

    run_id: int
    gone: list[Thing] = field(default_factory=list)
    put_back: list[PutBack] = field(default_factory=list)
    kept: list[Kept] = field(default_factory=list)
    copies: int = 0
    conflicts: int = 0
    followed: int = 0

    @property
    def is_nothing(self) -> bool:
        """Whether nothing is taken back."""
        return not (self.gone or self.put_back or self.copies)


@dataclass(slots=True)
class Act:
    """One undo, within one transaction."""

    session: Session
    settings: Settings
    run: SyncRun
    mailbox: Mailbox
    origin: Origin
    policy: DomainPolicy
    effect: Effect

    def source(self, folder_id: int) -> Source:
        """The run as the source that it was over a folder."""
        return source_of(self.settings, self.mailbox, self.session.get_one(MirrorFolder, folder_id), self.run.id)

    def keep(self, thing: Thing, reason: str, field: str = "") -> None:
        """Note that this stays."""
        kept = Kept(thing, field, reason)
        if kept not in self.effect.kept:
            self.effect.kept.append(kept)

    def kept_fields(self, thing: Thing) -> set[str]:
        """The fields of a thing that stay; "" for the thing itself."""
        return {
            each.field for each in self.effect.kept if (each.thing.entity, each.thing.id) == (thing.entity, thing.id)
        }

    def leave_out(self, items: Iterable[tuple[int, str, str]]) -> None:
        """Keep these items out, each with its folder, its id, and what it is known by."""
        kept_out.keep_out(self.session, self.run.id, {(folder, id_): identity for folder, id_, identity in items})


def thing_of(client: Contact | Company) -> Thing:
    """A client as it is told of."""
    name = client.display_name if isinstance(client, Contact) else client.name
    return Thing(field_history.entity_of(client), client.id, name)
