"""Plays a scenario between people: a chain of letters with working-hour delays."""

from __future__ import annotations

import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from connectors.simulator.office.enclosures import enclosed
from connectors.simulator.office.facts import Facts
from connectors.simulator.office.letters import Letter, signature
from connectors.simulator.office.office import Client, Employee, Language, Office, Person
from connectors.simulator.office.phrases import say
from connectors.simulator.office.scenario import Fork, Scenario, Turn
from connectors.simulator.office.workdays import is_workday

_DUTIES = {"client": ("buyer", "owner"), "accountant": ("accountant",), "store": ("store",)}


def play(
    office: Office, client: Client | None, scenario: Scenario, start: datetime, rng: random.Random
) -> list[Letter]:
    """The letters of one conversation, the oldest first; `start` is when the first is written."""
    people = _parts(office, client, scenario, rng)
    first = next(_turns(scenario, random.Random(0)))  # noqa: S311 - only to look at the first turn
    start = next_working_moment(start, people[first.by], rng)
    facts = Facts(rng, office, client, people, start.astimezone(ZoneInfo("Europe/Moscow")).date())
    thread = _Thread(office, client, scenario, facts, rng)
    for turn in _turns(scenario, rng):
        if turn.chance < 1 and rng.random() > turn.chance:
            if turn.forward:
                continue
            break
        thread.add(turn, start)
    return thread.letters


def next_working_moment(moment: datetime, person: Person, rng: random.Random) -> datetime:
    """The same moment, or the next one at which this person works. Owners of shops also write in the evening."""
    local = moment.astimezone(ZoneInfo(person.zone))
    owner = person.formal is False and getattr(person, "duty", "") == "owner"
    opens, closes = (8, 21) if owner else (9, 18)
    while not (is_workday(local) or (owner and rng.random() < 0.5)) or local.hour >= closes:
        local = (local + timedelta(days=1)).replace(hour=opens, minute=rng.randint(1, 59))
    if local.hour < opens:
        local = local.replace(hour=opens, minute=rng.randint(1, 59))
    return local.astimezone(UTC)


def message_id(author: Person, rng: random.Random) -> str:
    """A Message-ID in the manner of the author's mail program."""
    domain = author.address.partition("@")[2]
    if author.mailer == "outlook":
        return f"<{rng.getrandbits(128):032x}@{domain}>"
    if author.mailer == "gmail":
        return f"<CA{rng.getrandbits(150):038x}@mail.{domain}>"
    return f"<{rng.randint(10**8, 10**9)}.{rng.getrandbits(48):012x}@{domain}>"


def _parts(office: Office, client: Client | None, scenario: Scenario, rng: random.Random) -> dict[str, Person]:
    posts = {"service": "service", "office": "admin", "head": "head", "director": "director"}
    parts: dict[str, Person] = {part: office.at(post) for part, post in posts.items()}
    if client is None:
        sellers = [person for person in office.people if person.team == "Продажи" and person.post != "head"]
        parts["seller"], parts["seller2"] = rng.sample(sellers, 2)
        return parts
    parts["seller"] = office.seller_of(client)
    for part, duties in _DUTIES.items():
        able = [person for person in client.people if person.duty in duties]
        able = [person for person in able if person.language == scenario.language] or able
        parts[part] = rng.choice(able) if able else client.people[0]
    return parts


def _turns(scenario: Scenario, rng: random.Random) -> Iterator[Turn]:
    for step in scenario.turns:
        if isinstance(step, Fork):
            yield from rng.choice(step.ways)
        else:
            yield step


class _Thread:
    def __init__(
        self, office: Office, client: Client | None, scenario: Scenario, facts: Facts, rng: random.Random
    ) -> None:
        self.letters: list[Letter] = []
        self._office = office
        self._client = client
        self._scenario = scenario
        self._facts = facts
        self._rng = rng

    def add(self, turn: Turn, start: datetime) -> None:
        rng, facts = self._rng, self._facts
        author = facts.people[turn.by]
        parent = self._answered(turn)
        to, cc = self._addressees(turn, author, parent)
        at = self._moment(turn, author, start)
        facts.me, facts.you = author, to[0]
        language = self._language(author, to)
        text = say(turn.text.removeprefix("~"), rng, facts)
        if not turn.text.startswith("~") and (parent is None or turn.forward or rng.random() < 0.6):
            text = f"{greeting(author, to, at, language, rng)}\n\n{text}"
        known = any(letter.author == author for letter in self.letters)
        internal = all(isinstance(person, Employee) for person in (*to, *cc, author))
        letter = Letter(
            at=at,
            author=author,
            to=to,
            cc=cc,
            subject=self._subject(author, parent, turn),
            text=text,
            language=language,
            message_id=message_id(author, rng),
            parent=parent,
            forward=turn.forward,
            files=[file for kind in turn.files.split() for file in enclosed(kind, facts)],
            signature=author.name.first
            if internal
            else signature(author, self._company(author, language), language, first=not known),
            headers=self._headers(),
            reads_html=author.mailer != "thebat",
        )
        self.letters.append(letter)

    def _answered(self, turn: Turn) -> Letter | None:
        if not turn.answers:
            return self.letters[-1] if self.letters else None
        wanted = self._facts.people[turn.answers]
        own = [letter for letter in self.letters if letter.author == wanted]
        return own[-1] if own else self.letters[-1]

    def _addressees(self, turn: Turn, author: Person, parent: Letter | None) -> tuple[list[Person], list[Person]]:
        people = self._facts.people
        if turn.to:
            to = [people[part] for part in turn.to.split()]
        elif parent is None:
            to = [people["seller" if turn.by in _DUTIES else "client"]]
        else:
            to = [parent.author] if parent.author != author else list(parent.to)
        to = [person for person in dict.fromkeys(to) if person != author] or [
            person for person in (people["seller"], people["head"]) if person != author
        ][:1]
        cc = [people[part] for part in turn.cc.split()]
        if parent is not None and not turn.forward and not turn.to:
            cc += [person for person in (*parent.to, *parent.cc) if person not in cc]
        return to, [person for person in dict.fromkeys(cc) if person not in to and person != author]

    def _moment(self, turn: Turn, author: Person, start: datetime) -> datetime:
        if not self.letters:
            return start
        before = self.letters[-1].at
        hours = self._rng.uniform(*turn.hours)
        at = before + timedelta(days=hours // 9, hours=hours % 9, seconds=self._rng.randint(1, 59))
        return max(next_working_moment(at, author, self._rng), before + timedelta(minutes=2))

    def _language(self, author: Person, to: list[Person]) -> Language:
        inside = all(isinstance(person, Employee) for person in (author, *to))
        return "ru" if inside else self._scenario.language

    def _subject(self, author: Person, parent: Letter | None, turn: Turn) -> str:
        if parent is None:
            return say(self._scenario.subject, self._rng, self._facts)
        bare = parent.subject
        for prefix in ("RE: ", "Re: ", "FW: "):
            bare = bare.removeprefix(prefix)
        outlook = author.mailer == "outlook"
        return f"{'FW' if turn.forward else 'RE' if outlook else 'Re'}: {bare}"

    def _company(self, author: Person, language: Language) -> str:
        if isinstance(author, Employee):
            return self._office.name_en if language == "en" else f"«{self._office.name_ru}»"
        assert self._client is not None
        return self._client.name if language == "en" else self._client.legal_name

    def _headers(self) -> dict[str, str]:
        headers: dict[str, str] = {}
        if self._scenario.urgent and not self.letters:
            headers |= {"Importance": "high", "X-Priority": "1"}
        if self._scenario.private:
            headers["Sensitivity"] = "Private"
        return headers


def greeting(author: Person, to: list[Person], at: datetime, language: Language, rng: random.Random) -> str:
    """How a letter begins: by the time of day, by how formal the two are, by their language."""
    reader = to[0]
    if language == "en":
        return rng.choice(("Hi {0},", "Hello {0},", "Dear {0},", "Good afternoon {0},")).format(reader.name.first_latin)
    if len(to) > 1:
        return rng.choice(("Коллеги, добрый день!", "Коллеги, здравствуйте!", "Добрый день, коллеги!"))
    inside = isinstance(author, Employee) and isinstance(reader, Employee)
    formal = author.formal or reader.formal
    name = reader.name.io() if formal else reader.name.first
    if inside and not formal:
        return rng.choice(("{0}, привет!", "{0}, привет.", "Привет, {0}!", "{0},")).format(name)
    morning = at.astimezone(ZoneInfo(reader.zone)).hour < 11
    openings = ["{0}, добрый день!", "Добрый день, {0}!", "{0}, здравствуйте!", "Здравствуйте, {0}!"]
    if morning:
        openings += ["{0}, доброе утро!", "Доброе утро, {0}!"]
    return rng.choice(openings).format(name)
