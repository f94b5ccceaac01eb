"""Whose mailboxes the demo shows: an invented office, or those in a folder of real mail."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from terracrm.errors import InvalidInput

if TYPE_CHECKING:
    from connectors.simulator.simulator import Simulator

SEED = 2026
OWN_DOMAIN = "example.test"
TO_DO = (
    "Уточнить заказ на следующую неделю",
    "Выслать новый прайс-лист",
    "Согласовать график поставок",
    "Позвонить: всё ли в порядке с последней поставкой",
    "Подготовить предложение на новый сезон",
)


@dataclass(frozen=True)
class Person:
    """A user of the demo's portal; `address` is "" for one without a mailbox."""

    name: str
    role: str
    full_name: str
    address: str = ""
    team: str | None = None
    title: str = ""

    @property
    def describe(self) -> str:
        """Who that is, in a line."""
        return ", ".join(part for part in (self.full_name, self.title, self.team or "", self.role) if part)


@dataclass(frozen=True)
class Mailboxes:
    """What the demo mirrors. `next_mail` brings one more mail and tells the mailboxes that got it.

    `to_do` are the subjects of tasks that its people have.
    """

    domain: str
    people: list[Person]
    fill: Callable[[Simulator], None]
    internal_domains: list[str] = field(default_factory=list)
    free_mail_domains: list[str] = field(default_factory=list)
    next_mail: Callable[[Simulator], set[str]] | None = None
    language: str = "en"
    to_do: tuple[str, ...] = ()


def invented_office() -> Mailboxes:
    """A wholesale dairy distributor with 8 people and 90 days of mail, meetings and contacts up to now."""
    from connectors.simulator.office.arrivals import Arrivals
    from connectors.simulator.office.clientele import FREE_MAIL_DOMAINS
    from connectors.simulator.office.office import make_office
    from connectors.simulator.office.populate import populate, put_mail

    office, now = make_office(SEED), datetime.now(UTC)
    people = [Person(e.address.partition("@")[0], e.role, e.name_ru, e.address, e.team, e.title) for e in office.people]
    arrivals: list[Arrivals] = []

    def next_mail(simulator: Simulator) -> set[str]:
        if not arrivals:
            arrivals.append(Arrivals(office, random.Random(SEED), now))  # noqa: S311  an invented office
        deliveries = arrivals[0].next_mail(datetime.now(UTC))
        put_mail(simulator.store, deliveries, new=True)
        return {delivery.mailbox for delivery in deliveries}

    return Mailboxes(
        office.domain,
        _with_watchers(people),
        lambda simulator: populate(simulator.store, office, now),
        [office.domain],
        list(FREE_MAIL_DOMAINS),
        next_mail,
        "ru",
        TO_DO,
    )


def own_mail(folder: Path) -> Mailboxes:
    """The mailboxes in a folder of RFC 822 mail: FOLDER/anna/inbox/1.eml is in the inbox of anna.

    Raises InvalidInput when there are none.
    """
    from connectors.simulator.loader import load

    names = sorted(entry.name for entry in folder.iterdir() if entry.is_dir() and not entry.name.startswith("."))
    if not names:
        raise InvalidInput(f"--mail: {folder} holds no folder of a mailbox, such as {folder}/anna/inbox")
    people = [
        Person(name.partition("@")[0], "manager", name, name if "@" in name else f"{name}@{OWN_DOMAIN}")
        for name in names
    ]

    def fill(simulator: Simulator) -> None:
        load(simulator, mail=folder)

    return Mailboxes(OWN_DOMAIN, _with_watchers(people), fill)


def _with_watchers(people: list[Person]) -> list[Person]:
    """The people, and whoever of controller and admin is not among them."""
    roles = {person.role for person in people}
    return people + [Person(role, role, "") for role in ("controller", "admin") if role not in roles]
