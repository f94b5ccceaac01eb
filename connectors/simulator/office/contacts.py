"""What our people keep in their Outlook contacts, as vCard 3.0: each their own picture of the same clients."""

from __future__ import annotations

import random
from datetime import date

import vobject
from vobject.vcard import Address, Name

from connectors.simulator.office.office import Client, ClientPerson, Employee, Office

# where a note speaks of the person: the woman's form, then the man's
_NOTES = {
    "ru": (
        "Звонить после 11, утром приёмка.",
        "Любит, когда присылают остатки по пятницам.",
        "Решает по ценам сама, торгуется до последнего.|Решает по ценам сам, торгуется до последнего.",
        "Познакомились на выставке. Есть сын, играет в хоккей.",
        "Документы только через ЭДО.\nДля срочного — WhatsApp.",
        "В отпуске обычно в августе, замещает бухгалтер.",
        "",
        "",
    ),
    "en": ("Prefers e-mail, replies within the hour.", "Speaks some Russian. Tea, not coffee.", ""),
}
_CATEGORIES = {
    "chain": ("Сети", "Ключевой клиент"),
    "international": ("Сети", "Иностранные"),
    "shop": ("Розница",),
    "cafe": ("HoReCa",),
    "canteen": ("Соцпитание",),
}


def make_vcards(office: Office) -> dict[str, str]:
    """The contacts of each mailbox, vCards one after another; some people are in two mailboxes, written differently."""
    rng = random.Random(f"contacts {office.seed}")  # noqa: S311 - repeatable by design
    cards: dict[str, list[str]] = {person.address: [] for person in office.people}
    for client in office.clients:
        for person in client.people:
            for keeper in _keepers(office, client, person, rng):
                cards[keeper.address].append(_card(client, person, keeper, rng))
    return {address: "".join(texts) for address, texts in cards.items()}


def _keepers(office: Office, client: Client, person: ClientPerson, rng: random.Random) -> list[Employee]:
    keepers = [office.seller_of(client)] if rng.random() < 0.9 else []
    others = {
        "store": ("service", 0.4),
        "accountant": ("admin", 0.5),
        "buyer": ("head", 0.35),
        "owner": ("service", 0.15),
    }
    post, likelihood = others[person.duty]
    if rng.random() < likelihood:
        keepers.append(office.at(post))
    if client.segment == "chain" and person.duty == "buyer" and rng.random() < 0.25:
        keepers.append(office.at("director"))
    return list(dict.fromkeys(keepers))


def _card(client: Client, person: ClientPerson, keeper: Employee, rng: random.Random) -> str:
    own = keeper.post == client.seller
    name = person.name
    card = vobject.vCard()
    card.add("uid").value = f"{rng.getrandbits(128):032x}"
    card.add("fn").value = name.full if own or not name.patronymic else f"{name.io()} {name.last}"
    card.add("n").value = Name(family=name.last, given=name.first, additional=name.patronymic)
    card.add("org").value = [client.name]
    card.add("title").value = person.title
    _email(card, person.address, "WORK")
    if own and rng.random() < 0.12:
        # The whole address: what stands before the @ (buhgalteria) is the same at several clients.
        spelled = person.address.removesuffix(".example").replace("@", ".").replace(".", "-")
        _email(card, f"{spelled}@mail-ru.example", "HOME")
    _phone(card, person.phone, "WORK")
    if own or rng.random() < 0.5:
        _phone(card, person.mobile, "CELL")
    if own and rng.random() < 0.2:
        _phone(card, f"+7 910 555-{rng.randint(10, 99)}-{rng.randint(10, 99)}", "HOME")
    _address(card, client, client.street, "WORK", rng)
    if own and rng.random() < 0.2:
        _address(card, client, f"{rng.choice(client.city.streets)}, д. {rng.randint(2, 80)}", "HOME", rng)
    if own and rng.random() < 0.45:
        card.add("bday").value = date(rng.randint(1964, 2000), rng.randint(1, 12), rng.randint(1, 28)).isoformat()
    if note := _note(person, rng):
        card.add("note").value = note
    card.add("categories").value = list(_CATEGORIES[client.segment])
    if client.domain and own and rng.random() < 0.5:
        card.add("url").value = f"https://{client.domain}"
    return str(card.serialize())


def _note(person: ClientPerson, rng: random.Random) -> str:
    her, _, his = rng.choice(_NOTES[person.language]).partition("|")
    return his if his and person.name.gender == "m" else her


def _email(card: vobject.base.Component, address: str, kind: str) -> None:
    line = card.add("email")
    line.value, line.type_param = address, ["INTERNET", kind]


def _phone(card: vobject.base.Component, number: str, kind: str) -> None:
    line = card.add("tel")
    line.value, line.type_param = number, kind if kind == "CELL" else [kind, "VOICE"]


def _address(card: vobject.base.Component, client: Client, street: str, kind: str, rng: random.Random) -> None:
    line = card.add("adr")
    code = client.city.index + f"{rng.randint(1, 99):02}"
    line.value = Address(street=street, city=client.city.name, code=code, country="Россия")
    line.type_param = kind
