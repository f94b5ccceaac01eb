"""Ninety days of the office's mail: conversations with clients and inside, newsletters, notices."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from connectors.simulator.office.envelope import mime
from connectors.simulator.office.facts import Facts
from connectors.simulator.office.letters import Letter, signature
from connectors.simulator.office.names import PersonName
from connectors.simulator.office.office import Client, ClientPerson, Employee, Office, Person
from connectors.simulator.office.phrases import say
from connectors.simulator.office.scenario import Scenario
from connectors.simulator.office.scenarios import INSIDE, WITH_CLIENTS
from connectors.simulator.office.scenarios.inside import PRIVATE_WITH_CLIENT
from connectors.simulator.office.scenarios.newsletters import AWAY_EN, AWAY_RU, SENDERS, Sender
from connectors.simulator.office.strangers import strangers
from connectors.simulator.office.threads import message_id, play
from connectors.simulator.office.workdays import days_to_season, is_workday

CONVERSATIONS_A_DAY = 10.5
INSIDE_A_DAY = 1.1
_SEASON = {
    1: 0.75,
    2: 1.0,
    3: 1.05,
    4: 1.0,
    5: 0.9,
    6: 0.95,
    7: 0.85,
    8: 0.9,
    9: 1.05,
    10: 1.05,
    11: 1.1,
    12: 1.25,
}
_WEEKDAY = (1.25, 1.05, 1.0, 1.1, 0.9, 0.07, 0.03)
_SIZE = {"chain": 2.6, "international": 2.4, "canteen": 1.2, "cafe": 1.1, "shop": 1.0}


@dataclass(frozen=True)
class Delivery:
    """One copy of a mail: `mime` in the folder (`inbox`, `sentitems`, or a folder's name) of a mailbox."""

    mailbox: str
    folder: str
    mime: bytes
    is_read: bool


def make_mail(office: Office, now: datetime, days: int = 90) -> Iterator[Delivery]:
    """All mail of the `days` before `now`, in the order of its dates. The same for the same office and `now`."""
    rng = random.Random(f"reading {office.seed}")  # noqa: S311 - repeatable by design
    for letter in sorted(written(office, now, days), key=lambda letter: (letter.at, letter.message_id)):
        if letter.at <= now:
            yield from deliver(letter, now, rng)


def written(office: Office, now: datetime, days: int) -> list[Letter]:
    """Every letter of the conversations that began in the `days` before `now`, with those due after it."""
    rng = random.Random(f"mail {office.seed} {now.date()}")  # noqa: S311 - repeatable by design
    now = now.astimezone(UTC)
    letters: list[Letter] = []
    for back in range(days, -1, -1):
        midnight = (now - timedelta(days=back)).replace(hour=0, minute=0, second=0, microsecond=0)
        letters += _conversations(office, midnight, rng)
        letters += _bulk(office, midnight, rng)
    letters += _private(office, now, days, rng)
    letters += strangers(office, now)
    begin = now - timedelta(days=days)
    return [letter for letter in letters if letter.at >= begin]


def choose(office: Office, moment: datetime, rng: random.Random) -> tuple[Client, Scenario]:
    """A client and a kind of conversation that suits it in this season."""
    client = rng.choices(office.clients, [_SIZE[client.segment] for client in office.clients])[0]
    fitting = [
        scenario
        for scenario in WITH_CLIENTS
        if client.segment in scenario.segments and (not scenario.before_holidays or days_to_season(moment.date()) < 25)
    ]
    return client, rng.choices(fitting, [scenario.weight for scenario in fitting])[0]


def deliver(letter: Letter, now: datetime, rng: random.Random) -> list[Delivery]:
    """The copies of a letter: in Sent Items of who wrote it, and in the inbox of each of our people it reached."""
    source = mime(letter)
    old = now - letter.at > timedelta(hours=30)
    copies = []
    if isinstance(letter.author, Employee):
        copies.append(Delivery(letter.author.address, "sentitems", source, True))
    for person in (*letter.to, *letter.cc):
        if isinstance(person, Employee):
            folder = "Рассылки" if "List-Unsubscribe" in letter.headers and rng.random() < 0.4 else "inbox"
            copies.append(Delivery(person.address, folder, source, rng.random() < (0.97 if old else 0.45)))
    return copies


def _conversations(office: Office, midnight: datetime, rng: random.Random) -> list[Letter]:
    busy = _WEEKDAY[midnight.weekday()] if is_workday(midnight) else 0.05
    busy *= _SEASON[midnight.month] * rng.uniform(0.85, 1.15)
    letters: list[Letter] = []
    for _ in range(_rounded(CONVERSATIONS_A_DAY * busy, rng)):
        moment = midnight + timedelta(minutes=_minute(rng))
        client, scenario = choose(office, moment, rng)
        thread = play(office, client, scenario, moment, rng)
        letters += thread
        if rng.random() < 0.02:
            letters += away(office, client, thread, rng)
    for _ in range(_rounded(INSIDE_A_DAY * busy, rng)):
        scenario = rng.choices(INSIDE, [scenario.weight for scenario in INSIDE])[0]
        letters += play(office, None, scenario, midnight + timedelta(minutes=_minute(rng)), rng)
    return letters


def _rounded(value: float, rng: random.Random) -> int:
    return int(value) + (rng.random() < value % 1)


def _minute(rng: random.Random) -> int:
    """Minute of the day in UTC: mostly the Moscow morning, with a second wave after lunch."""
    centre, spread = rng.choice(((10.2, 1.1), (10.2, 1.1), (14.5, 1.6), (16.8, 1.0)))
    return round(60 * (rng.gauss(centre, spread) - 3)) % 1440


def _private(office: Office, now: datetime, days: int, rng: random.Random) -> list[Letter]:
    letters: list[Letter] = []
    owners = [client for client in office.clients if client.segment in ("shop", "cafe")]
    for _ in range(2):
        begin = now - timedelta(days=rng.uniform(4, max(5, days - 4)))
        letters += play(office, rng.choice(owners), PRIVATE_WITH_CLIENT, begin, rng)
    return letters


def away(office: Office, client: Client, thread: list[Letter], rng: random.Random) -> list[Letter]:
    """An automatic reply of somebody at the client to the first letter that we wrote in a conversation."""
    for letter in thread:
        absent = letter.to[0]
        if isinstance(letter.author, Employee) and isinstance(absent, ClientPerson):
            english = absent.language == "en"
            facts = Facts(rng, office, client, {"seller": letter.author}, letter.at.date())
            reply = Letter(
                at=letter.at + timedelta(seconds=rng.randint(20, 90)),
                author=absent,
                to=[letter.author],
                subject=f"{'Automatic reply' if english else 'Автоответ'}: {letter.subject}",
                text=say(AWAY_EN if english else AWAY_RU, rng, facts),
                language=absent.language,
                message_id=message_id(absent, rng),
                signature=signature(absent, client.legal_name, absent.language, first=False),
                headers={
                    "Auto-Submitted": "auto-replied",
                    "X-Auto-Response-Suppress": "All",
                    "In-Reply-To": letter.message_id,
                },
                reads_html=False,
            )
            return [reply]
    return []


def _bulk(office: Office, midnight: datetime, rng: random.Random) -> list[Letter]:
    letters = []
    for sender in SENDERS:
        if not is_workday(midnight) or rng.random() > 1.3 / sender.days:
            continue
        letters.append(_issue(office, sender, midnight + timedelta(hours=rng.uniform(4, 12)), rng))
    return letters


def _issue(office: Office, sender: Sender, moment: datetime, rng: random.Random) -> Letter:
    posts = {"office": "admin"}
    readers: list[Person] = [office.at(posts.get(post, post)) for post in sender.posts]
    facts = Facts(rng, office, rng.choice(office.clients), {}, moment.date())
    author = _machine(sender, office)
    headers = {
        "Precedence": "bulk",
        "List-Unsubscribe": f"<https://{_domain(author)}/unsubscribe?u={rng.getrandbits(32):08x}>",
    }
    if sender.automatic:
        headers = {"Auto-Submitted": "auto-generated"}
    subject, text = rng.choice(sender.issues)
    return Letter(
        at=moment,
        author=author,
        to=readers,
        subject=say(subject, rng, facts),
        text=say(text, rng, facts),
        language="ru",
        message_id=message_id(author, rng),
        headers=headers,
        reads_html=not sender.automatic,
    )


def _machine(sender: Sender, office: Office) -> ClientPerson:
    """A mail program in the place of a person: it writes, and has no phone."""
    name = PersonName(sender.name, "", "", "m")
    person = office.clients[0].people[0]
    return replace(person, address=sender.address, name=name, phone="", mobile="", mailer="gmail", zone="Europe/Moscow")


def _domain(author: Person) -> str:
    return author.address.partition("@")[2]
