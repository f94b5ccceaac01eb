"""Who works at the distributor and who buys from it: the same for the same seed."""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import Literal

from connectors.simulator.office.clientele import (
    CITIES,
    CLIENTS,
    COMPANIES,
    FREE_MAIL_DOMAINS,
    POSTS,
    City,
    Segment,
)
from connectors.simulator.office.names import NameDraw, PersonName, latin

Language = Literal["ru", "en"]
Role = Literal["manager", "controller", "admin"]
Mailer = Literal["outlook", "thebat", "gmail", "yandex", "mailru"]
Duty = Literal["buyer", "owner", "accountant", "store"]

TITLES: dict[str, tuple[tuple[Duty, str, str], ...]] = {
    "chain": (
        ("buyer", "категорийный менеджер, молочная группа", "Category Manager, Dairy"),
        ("accountant", "бухгалтер по расчётам с поставщиками", "Accounts Payable"),
        ("store", "специалист отдела логистики", "Inbound Logistics"),
        ("buyer", "руководитель отдела закупок", "Head of Purchasing"),
    ),
    "shop": (
        ("owner", "владелец", "Owner"),
        ("store", "заведующая магазином", "Store Manager"),
        ("accountant", "бухгалтер", "Accountant"),
    ),
    "cafe": (
        ("buyer", "менеджер по закупкам", "Purchasing Manager"),
        ("store", "шеф-повар", "Head Chef"),
        ("accountant", "бухгалтер", "Accountant"),
    ),
    "canteen": (
        ("buyer", "начальник отдела снабжения", "Head of Supply"),
        ("store", "заведующая производством", "Kitchen Manager"),
        ("accountant", "главный бухгалтер", "Chief Accountant"),
    ),
    "international": (
        ("buyer", "менеджер по закупкам", "Purchasing Manager"),
        ("accountant", "бухгалтер", "Accountant"),
        ("buyer", "директор по продуктам питания", "Food and Beverage Director"),
    ),
}


@dataclass(frozen=True)
class Employee:
    """One of our people, with a mailbox at `address`. `post` names the place in the office: kam, service, ..."""

    address: str
    name_ru: str
    name_en: str
    title: str
    role: Role
    team: str
    region: str
    language: Language
    name: PersonName
    title_en: str
    post: str
    phone: str
    mobile: str
    mailer: Mailer = "outlook"
    zone: str = "Europe/Moscow"
    formal: bool = False


@dataclass(frozen=True)
class ClientPerson:
    """A person at a client. `formal` people are addressed by first name and patronymic."""

    address: str
    name: PersonName
    title: str
    duty: Duty
    language: Language
    phone: str
    mobile: str
    mailer: Mailer
    zone: str
    formal: bool


@dataclass(frozen=True)
class Client:
    """A client company; `domain` is None where it uses a free-mail address. `seller` is the post that serves it."""

    name: str
    legal_name: str
    domain: str | None
    segment: Segment
    city: City
    street: str
    contract: str
    seller: str
    people: tuple[ClientPerson, ...]

    @property
    def address(self) -> str:
        """Delivery address in one line."""
        return f"{self.city.name}, {self.street}"


Person = Employee | ClientPerson


@dataclass(frozen=True)
class Office:
    """The distributor with its people and clients."""

    seed: int
    name_ru: str
    name_en: str
    domain: str
    people: tuple[Employee, ...]
    clients: tuple[Client, ...]

    def at(self, post: str) -> Employee:
        """Who holds a post."""
        return next(employee for employee in self.people if employee.post == post)

    def seller_of(self, client: Client) -> Employee:
        """Who sells to a client."""
        return self.at(client.seller)


def make_office(seed: int) -> Office:
    """The office of this seed: 8 people and their clients, every address ending in `.example`."""
    rng = random.Random(f"office {seed}")  # noqa: S311 - repeatable by design
    names = NameDraw(rng)
    name_ru, name_en, domain = COMPANIES[seed % len(COMPANIES)]
    people = tuple(_employee(rng, names, domain, number) for number in range(len(POSTS)))
    clients = tuple(_client(rng, names, row) for row in CLIENTS)
    return Office(seed, name_ru, name_en, domain, people, clients)


def _employee(rng: random.Random, names: NameDraw, domain: str, number: int) -> Employee:
    post, title, title_en, role, team, region = POSTS[number]
    name = names.russian("m" if post in ("director", "regions", "horeca") else "f")
    return Employee(
        address=f"{name.mailbox}@{domain}",
        name_ru=name.full,
        name_en=name.full_latin,
        title=title,
        role="controller" if role == "controller" else "admin" if role == "admin" else "manager",
        team=team,
        region=region,
        language="ru",
        name=name,
        title_en=title_en,
        post=post,
        phone=f"+7 (495) 555-17-40, доб. {101 + 7 * number}",
        mobile=_mobile(rng),
        formal=post == "director",
    )


def _client(rng: random.Random, names: NameDraw, row: tuple[str, str, str, Segment, str, str]) -> Client:
    name, legal_name, domain_part, segment, city_name, seller = row
    city = CITIES[city_name]
    domain = f"{domain_part}.example" if domain_part else None
    titles = TITLES[segment]
    count = {"chain": 4, "international": 3, "cafe": rng.choice((2, 2, 3))}.get(segment, rng.choice((1, 2, 2, 3)))
    if domain is None:
        count = 1
    head = titles[0] if segment != "cafe" or domain else ("owner", "владелец", "Owner")
    people = tuple(
        _client_person(rng, names, head if n == 0 else titles[n], domain, city, segment, n == 0) for n in range(count)
    )
    if domain is None:
        legal_name = f"ИП {_initials(people[0].name)}"
    contract = f"ДП-{rng.randint(11, 389)}/{rng.randint(3, 6) + 19}"
    street = f"{rng.choice(city.streets)}, д. {rng.randint(2, 96)}"
    return Client(name, legal_name, domain, segment, city, street, contract, seller, people)


def _initials(name: PersonName) -> str:
    return f"{name.last} {name.first[0]}. {name.patronymic[0]}."


def _client_person(
    rng: random.Random,
    names: NameDraw,
    duty_and_title: tuple[Duty, str, str],
    domain: str | None,
    city: City,
    segment: Segment,
    is_main: bool,
) -> ClientPerson:
    duty, title, title_en = duty_and_title
    foreign = segment == "international" and duty != "accountant"
    gender: Literal["f"] | None = "f" if title.startswith("заведующая") or duty == "accountant" else None
    name = names.foreign() if foreign else names.russian(gender)
    if title == "владелец" and name.gender == "f":
        title = "владелица"
    if domain is None:
        free = rng.choice(FREE_MAIL_DOMAINS)
        spelled = f"{latin(name.last)}{rng.choice(('.', '_', ''))}{name.first_latin}".lower()
        address = f"{spelled}{rng.choice(('', '', str(rng.randint(70, 99)), '-shop'))}@{free}"
        mailers: dict[str, Mailer] = {"mail": "mailru", "yandex": "yandex", "gmail": "gmail"}
        mailer = mailers[free.partition("-")[0]]
    else:
        briefly = is_main and segment not in ("chain", "international")
        part = name.first_latin.lower() if briefly else name.mailbox
        if duty == "accountant":
            part = rng.choice(("buh", "buhgalteria", part))
        address = f"{part}@{domain}"
        choices: tuple[Mailer, ...] = ("outlook",) * 3 + ("yandex", "gmail", "thebat", "mailru")
        mailer = rng.choice(("outlook", "gmail", "outlook") if foreign else choices)
    return ClientPerson(
        address=address,
        name=name,
        title=title_en if foreign else title,
        duty=duty,
        language="en" if foreign else "ru",
        phone=_phone(rng, city.code),
        mobile=_mobile(rng),
        mailer=mailer,
        zone=city.zone,
        formal=not foreign and ((segment in ("chain", "canteen") and rng.random() < 0.6) or rng.random() < 0.3),
    )


def _phone(rng: random.Random, code: str) -> str:
    if len(code) == 4:
        return f"+7 ({code}) 55-{rng.randint(10, 99)}-{rng.randint(10, 99)}"
    return f"+7 ({code}) 555-{rng.randint(10, 99)}-{rng.randint(10, 99)}"


def _mobile(rng: random.Random) -> str:
    code = rng.choice((903, 905, 910, 916, 917, 921, 925, 926, 963, 985))
    return f"+7 {code} 555-{rng.randint(10, 99)}-{rng.randint(10, 99)}"
