"""Meetings of the office as iCalendar: one event, one UID, in the calendar of each of our people who take part."""

from __future__ import annotations

import random
from collections import defaultdict
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from icalendar import Calendar, Event, vCalAddress, vRecur, vText

from connectors.simulator.office.agenda import (
    ABROAD_VISITS,
    EXHIBITIONS,
    OWN_AFFAIRS,
    REMARKS,
    VISITS,
)
from connectors.simulator.office.facts import Facts
from connectors.simulator.office.office import Client, Employee, Office, Person
from connectors.simulator.office.phrases import say
from connectors.simulator.office.workdays import is_workday, workday

_MOSCOW = ZoneInfo("Europe/Moscow")
_AHEAD = timedelta(days=21)


@dataclass
class Meeting:
    """A meeting before it is written down. `begins` is a date for all-day events; `answers` are by address."""

    summary: str
    begins: datetime | date
    length: timedelta
    organizer: Employee
    guests: list[Person] = field(default_factory=list)
    place: str = ""
    description: str = ""
    rule: dict[str, object] = field(default_factory=dict)
    skipped: list[datetime] = field(default_factory=list)
    moved: tuple[datetime, datetime] | None = None
    answers: dict[str, str] = field(default_factory=dict)
    status: str = "CONFIRMED"
    private: bool = False
    busy: str = "BUSY"


def make_calendars(office: Office, now: datetime, days: int = 90) -> dict[str, bytes]:
    """iCalendar bytes by mailbox address: meetings of the `days` before `now` and of the three weeks after it."""
    rng = random.Random(f"calendar {office.seed} {now.date()}")  # noqa: S311 - repeatable by design
    today = now.astimezone(_MOSCOW).date()
    first = workday(today - timedelta(days=days), 1)
    meetings = [*_recurring(office, first, rng), *_visits(office, first, today, rng)]
    meetings += [*_exhibition(office, first, today), *_own(office, first, today, rng)]
    calendars: dict[str, Calendar] = defaultdict(_empty)
    for meeting in sorted(meetings, key=lambda meeting: (str(meeting.begins), meeting.summary)):
        uid = f"{rng.getrandbits(128):032X}@{office.domain}"
        attending = [p for p in (meeting.organizer, *meeting.guests) if isinstance(p, Employee)]
        for event in _events(meeting, uid, now, today):
            for employee in attending:
                calendars[employee.address].add_component(event)
    for calendar in calendars.values():
        calendar.add_missing_timezones(first_date=first)
    return {person.address: calendars[person.address].to_ical() for person in office.people}


def _empty() -> Calendar:
    calendar = Calendar()
    calendar.add("prodid", "-//Microsoft Corporation//Outlook 16.0 MIMEDIR//EN")
    calendar.add("version", "2.0")
    return calendar


def _at(day: date, hour: int, minute: int = 0) -> datetime:
    return datetime(day.year, day.month, day.day, hour, minute, tzinfo=_MOSCOW)


def _recurring(office: Office, first: date, rng: random.Random) -> list[Meeting]:
    monday = first + timedelta(days=-first.weekday() % 7)
    sales = [p for p in office.people if p.team == "Продажи" and p.post != "head"]
    weekly = Meeting(
        "Планёрка отдела продаж",
        _at(monday, 9, 30),
        timedelta(hours=1),
        office.at("head"),
        [*sales, office.at("service")],
        "Переговорная «Сырная»",
        "1. Факт недели\n2. Остатки и сроки\n3. Дебиторка\n4. Рекламации",
        {"FREQ": ["WEEKLY"], "BYDAY": ["MO"], "COUNT": [26]},
        skipped=[_at(monday + timedelta(weeks=5), 9, 30)],
        moved=(_at(monday + timedelta(weeks=8), 9, 30), _at(monday + timedelta(weeks=8, days=1), 15)),
    )
    board = Meeting(
        "Совещание у директора",
        _at(monday + timedelta(days=3), 16),
        timedelta(hours=1, minutes=30),
        office.at("director"),
        [office.at("head"), office.at("service"), office.at("admin")],
        "Кабинет 301",
        rule={"FREQ": ["WEEKLY"], "INTERVAL": [2], "BYDAY": ["TH"], "COUNT": [14]},
    )
    calls = [
        _call(office, client, monday, rng) for client in office.clients if client.segment in ("chain", "international")
    ]
    return [weekly, board, *calls]


def _call(office: Office, client: Client, monday: date, rng: random.Random) -> Meeting:
    weekday = rng.randint(1, 4)
    person = client.people[0]
    english = person.language == "en"
    return Meeting(
        f"Call with {client.name}" if english else f"Созвон: {client.name}, заказы и остатки",
        _at(monday + timedelta(days=weekday, weeks=rng.randint(0, 1)), rng.randint(10, 16), rng.choice((0, 30))),
        timedelta(minutes=30),
        office.seller_of(client),
        [person],
        "Teams" if english else "По телефону",
        "Open orders, stock, claims" if english else "Открытые заказы, промо, рекламации.",
        {"FREQ": ["WEEKLY"], "INTERVAL": [2], "COUNT": [10]},
        answers={person.address: rng.choice(("ACCEPTED", "ACCEPTED", "TENTATIVE"))},
    )


def _visits(office: Office, first: date, today: date, rng: random.Random) -> list[Meeting]:
    meetings = []
    sellers = [p for p in office.people if p.post in ("kam", "retail", "horeca", "regions")]
    day = first
    while day <= today + _AHEAD:
        for seller in sellers:
            if rng.random() < 0.36:
                meetings.append(_visit(office, seller, day, rng))
        day = workday(day, 1)
    return meetings


def _visit(office: Office, seller: Employee, day: date, rng: random.Random) -> Meeting:
    client = rng.choice([client for client in office.clients if client.seller == seller.post])
    person = client.people[0]
    english = person.language == "en"
    visit = rng.choice(ABROAD_VISITS if english else VISITS)
    parts: dict[str, Person] = {"client": person, "seller": seller, "store": client.people[-1]}
    facts = Facts(rng, office, client, parts, day, me=seller, you=person)
    guests: list[Person] = [person]
    if visit.with_ours:
        guests.append(office.at(visit.with_ours))
    if rng.random() < 0.3 and len(client.people) > 1:
        guests.append(client.people[1])
    places = {"theirs": f"{client.name}, {client.address}", "ours": "Наш офис, переговорная «Сырная»", "call": "Teams"}
    answers = {p.address: rng.choice(("ACCEPTED",) * 6 + ("TENTATIVE", "DECLINED", "NEEDS-ACTION")) for p in guests}
    return Meeting(
        say(visit.summary, rng, facts),
        _at(day, rng.choice((10, 11, 12, 14, 15, 16)), rng.choice((0, 0, 30))),
        timedelta(minutes=visit.minutes),
        seller,
        guests,
        places[visit.place],
        "" if english else say(rng.choice(REMARKS), rng, facts),
        answers=answers,
        status="CANCELLED" if rng.random() < 0.04 else "CONFIRMED",
        busy="TENTATIVE" if rng.random() < 0.1 else "BUSY",
    )


def _exhibition(office: Office, first: date, today: date) -> list[Meeting]:
    """The trade fairs whose usual season falls into the days shown."""
    meetings = []
    for year in {first.year, today.year, (today + _AHEAD).year}:
        for name, month, day, length, place in EXHIBITIONS:
            begins = date(year, month, day)
            begins += timedelta(days=-begins.weekday() % 7 + 1)
            if first <= begins <= today + _AHEAD:
                guests: list[Person] = [office.at("kam"), office.at("horeca"), office.at("director")]
                meetings.append(
                    Meeting(
                        name,
                        begins,
                        timedelta(days=length),
                        office.at("head"),
                        guests,
                        place,
                        "Стенд, дегустация, встречи с сетями.",
                        answers={office.at("director").address: "TENTATIVE"},
                        busy="OOF",
                    )
                )
    return meetings


def _own(office: Office, first: date, today: date, rng: random.Random) -> list[Meeting]:
    meetings = []
    for employee in office.people:
        for summary, minutes, private in rng.sample(OWN_AFFAIRS, 3):
            day = workday(first, rng.randint(1, 70))
            meetings.append(
                Meeting(
                    summary, _at(day, rng.choice((9, 13, 17))), timedelta(minutes=minutes), employee, private=private
                )
            )
    resting = office.at("retail")
    begins = today - timedelta(days=today.weekday() + 42)
    meetings.append(Meeting("Отпуск", begins, timedelta(days=7), resting, busy="OOF"))
    return [meeting for meeting in meetings if is_workday(_day(meeting))]


def _day(meeting: Meeting) -> date:
    return meeting.begins.date() if isinstance(meeting.begins, datetime) else meeting.begins


def _events(meeting: Meeting, uid: str, now: datetime, today: date) -> list[Event]:
    event = _event(meeting, uid, now, today)
    event.add("dtstart", meeting.begins)
    event.add("dtend", meeting.begins + meeting.length)
    if meeting.rule:
        event.add("rrule", vRecur(meeting.rule))
    if meeting.skipped:
        event.add("exdate", meeting.skipped)
    if meeting.moved is None:
        return [event]
    exception = _event(meeting, uid, now, today)
    exception.add("recurrence-id", meeting.moved[0])
    exception.add("dtstart", meeting.moved[1])
    exception.add("dtend", meeting.moved[1] + meeting.length)
    return [event, exception]


def _event(meeting: Meeting, uid: str, now: datetime, today: date) -> Event:
    event = Event()
    event.add("uid", uid)
    written = min(datetime.combine(_day(meeting), datetime.min.time(), _MOSCOW), now) - timedelta(days=3)
    event.add("dtstamp", written.astimezone(ZoneInfo("UTC")).replace(microsecond=0))
    event.add("summary", meeting.summary)
    if meeting.place:
        event.add("location", meeting.place)
    if meeting.description:
        event.add("description", meeting.description)
    event.add("status", meeting.status)
    event.add("class", "PRIVATE" if meeting.private else "PUBLIC")
    event.add("x-microsoft-cdo-busystatus", meeting.busy)
    event.add("transp", "OPAQUE")
    if meeting.guests:
        event.add("organizer", _address(meeting.organizer))
        for guest in meeting.guests:
            attendee = _address(guest)
            attendee.params["PARTSTAT"] = vText(meeting.answers.get(guest.address, "ACCEPTED"))
            attendee.params["ROLE"] = vText("REQ-PARTICIPANT")
            event.add("attendee", attendee)
    return event


def _address(person: Person) -> vCalAddress:
    address = vCalAddress(f"mailto:{person.address}")
    address.params["CN"] = vText(person.name.full)
    return address
