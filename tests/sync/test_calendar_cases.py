"""What the copies of a meeting say together: named cases, each in every order of the mailboxes (S3, S4, S9, S10)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date
from itertools import permutations

import pytest

from terracrm.domain.meeting_identity import recognised, without_secrets
from terracrm.domain.meetings import Copy, shown_at, tell
from terracrm.domain.records import MeetingKind, MeetingRecord, Response
from tests.sync.calendar_items import (
    ANNA,
    BORIS,
    MOSCOW,
    VERA,
    all_day,
    answered,
    answers,
    at,
    copy,
    exception,
    lines,
    meeting,
    series,
    theirs,
)

WEEKLY = series()
GOID = "040000008200E00074C5B7101A82E008{date}10A1B2C3D4E5F60100000000000000001000000012345678ABCDEF0012345678ABCDEF00"
SERIES_ID, INSTANCE_ID = GOID.format(date="00000000"), GOID.format(date="07EA0309")  # 2026-03-09


@dataclass(frozen=True)
class Case:
    """Items, and the lines that a calendar shows of them in a window, which is March 2026 unless said otherwise."""

    name: str
    copies: tuple[Copy, ...]
    shown: tuple[str, ...]
    first: str = "2026-03-01 00:00"
    until: str = "2026-04-01 00:00"


def case(name: str, *copies: Copy, shown: list[str], window: tuple[str, str] = ("2026-03-01", "2026-04-01")) -> Case:
    return Case(name, copies, tuple(shown), *(f"{day} 00:00" for day in window))


def at_ten(zone: str, first: str, **changes: object) -> Copy:
    """A daily meeting at ten by the clocks of a zone."""
    return copy(ANNA, series("FREQ=DAILY", f"{first} 10:00", zone=zone, **changes))


MONDAYS = [f"2026-03-{day:02} 10:00 Дегустация" for day in (2, 9, 16, 23, 30)]
MOVED = exception(WEEKLY, "2026-03-09 10:00", "2026-03-10 15:00", subject="Другое")
WITH_MOVED = replace(WEEKLY, exceptions=(MOVED,))
MOVED_SHOWN = [MONDAYS[0], "2026-03-10 15:00 Другое", *MONDAYS[2:]]
WITHOUT_NINTH = replace(WEEKLY, deleted_occurrences=(at("2026-03-09 10:00"),))
NINTH_CANCELLED = [MONDAYS[0], f"{MONDAYS[1]} cancelled", *MONDAYS[2:]]
SECRET = replace(WEEKLY, exceptions=(replace(MOVED, subject="Тайна", is_private=True),))
SINGLE = meeting()
INVITED = theirs(exception(WEEKLY, "2026-03-09 10:00", kind=MeetingKind.SINGLE))

RECURRENCE = [
    case("a weekly meeting is on each of its days", copy(ANNA, WEEKLY), shown=MONDAYS),
    case(
        "a window that begins and ends inside a series",
        copy(ANNA, WEEKLY),
        shown=MONDAYS[1:3],
        window=("2026-03-03", "2026-03-23"),
    ),
    case(
        "every second week on two days",
        copy(ANNA, series("FREQ=WEEKLY;INTERVAL=2;BYDAY=MO,FR;WKST=MO")),
        shown=[f"2026-03-{day:02} 10:00 Дегустация" for day in (2, 6, 16, 20, 30)],
    ),
    case(
        "every second week counted from Sunday",
        copy(ANNA, series("FREQ=WEEKLY;INTERVAL=2;BYDAY=SU,TU;WKST=SU", "2026-03-03 10:00")),
        shown=[f"2026-03-{day:02} 10:00 Дегустация" for day in (3, 15, 17, 29, 31)],
    ),
    case(
        "every second week counted from Monday",
        copy(ANNA, series("FREQ=WEEKLY;INTERVAL=2;BYDAY=SU,TU;WKST=MO", "2026-03-03 10:00")),
        shown=[f"2026-03-{day:02} 10:00 Дегустация" for day in (3, 8, 17, 22, 31)],
    ),
    case(
        "on the 31st, and on the last day of a shorter month",
        copy(ANNA, series("FREQ=MONTHLY;BYMONTHDAY=28,29,30,31;BYSETPOS=-1", "2026-01-31 10:00")),
        shown=[f"2026-{day} 10:00 Дегустация" for day in ("01-31", "02-28", "03-31", "04-30")],
        window=("2026-01-01", "2026-05-31"),
    ),
    case(
        "the last working day of the month",
        copy(ANNA, series("FREQ=MONTHLY;BYDAY=MO,TU,WE,TH,FR;BYSETPOS=-1", "2026-01-30 10:00")),
        shown=[f"2026-{day} 10:00 Дегустация" for day in ("01-30", "02-27", "03-31")],
        window=("2026-01-01", "2026-04-01"),
    ),
    case(
        "29 February, and the 28th in common years",
        copy(ANNA, series("FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=28,29;BYSETPOS=-1", "2024-02-29 10:00")),
        shown=[f"{day} 10:00 Дегустация" for day in ("2024-02-29", "2025-02-28", "2026-02-28")],
        window=("2024-01-01", "2027-01-01"),
    ),
    case("a series that has ended", copy(ANNA, series("FREQ=DAILY;COUNT=3", "2025-01-01 10:00")), shown=[]),
    case("a series of three", copy(ANNA, series("FREQ=WEEKLY;BYDAY=MO;COUNT=3")), shown=MONDAYS[:3]),
    case(
        "an end date counts with its day",
        copy(ANNA, series("FREQ=WEEKLY;BYDAY=MO;UNTIL=20260316T070000Z")),
        shown=MONDAYS[:3],
    ),
    case("a pattern that nobody can read leaves the first", copy(ANNA, series("FREQ=MOON")), shown=MONDAYS[:1]),
]
EXCEPTIONS = [
    case("an occurrence that was moved to another day", copy(ANNA, WITH_MOVED), shown=MOVED_SHOWN),
    case("an occurrence that was deleted is cancelled", copy(ANNA, WITHOUT_NINTH), shown=NINTH_CANCELLED),
    case(
        "an exception is cancelled alone",
        copy(ANNA, replace(WEEKLY, exceptions=(exception(WEEKLY, "2026-03-09 10:00", is_cancelled=True),))),
        shown=NINTH_CANCELLED,
    ),
    case(
        "an occurrence that was moved into the window",
        copy(ANNA, replace(WEEKLY, exceptions=(exception(WEEKLY, "2026-04-06 10:00", "2026-03-31 18:00"),))),
        shown=[*MONDAYS, "2026-03-31 18:00 Дегустация"],
    ),
    case(
        "an exception whose original start is an hour off is the one of its day",
        copy(ANNA, replace(WEEKLY, exceptions=(replace(MOVED, original_start=at("2026-03-09 11:00")),))),
        shown=MOVED_SHOWN,
    ),
    case(
        "two occurrences change places",
        copy(
            ANNA,
            replace(
                WEEKLY,
                exceptions=(
                    exception(WEEKLY, "2026-03-02 10:00", "2026-03-09 10:00", subject="Первая"),
                    exception(WEEKLY, "2026-03-09 10:00", "2026-03-02 10:00", subject="Вторая"),
                ),
            ),
        ),
        shown=["2026-03-02 10:00 Вторая", "2026-03-09 10:00 Первая", *MONDAYS[2:]],
    ),
    case("a private exception is not told", copy(ANNA, SECRET), shown=[MONDAYS[0], *MONDAYS[2:]]),
    case(
        "a private exception of the organizer is what an attendee still has of it",
        copy(ANNA, SECRET),
        copy(BORIS, theirs(WEEKLY)),
        shown=MONDAYS,
    ),
    case(
        "a private exception of an attendee hides nothing of the organizer's",
        copy(ANNA, WITH_MOVED),
        copy(BORIS, theirs(SECRET)),
        shown=MOVED_SHOWN,
    ),
]
ZONES = [
    case(
        "ten in Berlin is noon in Moscow in winter and eleven in summer",
        at_ten("W. Europe Standard Time", "2026-03-27"),
        shown=[f"2026-03-{d} {h}:00 Дегустация" for d, h in ((27, 12), (28, 12), (29, 11), (30, 11), (31, 11))],
    ),
    case(
        "autumn in Berlin",
        at_ten("Europe/Berlin", "2026-10-24"),
        shown=[f"2026-10-{d} {h}:00 Дегустация" for d, h in ((24, 11), (25, 12), (26, 12))],
        window=("2026-10-24", "2026-10-27"),
    ),
    case(
        "spring in Sydney is in October",
        at_ten("AUS Eastern Standard Time", "2026-10-03"),
        shown=["2026-10-03 03:00 Дегустация", "2026-10-04 02:00 Дегустация"],
        window=("2026-10-03", "2026-10-05"),
    ),
    case(
        "an occurrence in the hour that spring skips is an hour later",
        copy(ANNA, series("FREQ=DAILY", "2026-03-28 02:30", zone="W. Europe Standard Time")),
        shown=[f"2026-03-{d} {h}:30 Дегустация" for d, h in (("28", "04"), ("29", "04"), ("30", "03"))],
        window=("2026-03-28", "2026-03-31"),
    ),
    case(
        "ten in Moscow over 2011, when summer time stayed",
        at_ten("Russian Standard Time", "2011-03-26"),
        shown=[f"2011-03-{d} 10:00 Дегустация" for d in (26, 27, 28)],
        window=("2011-03-26", "2011-03-29"),
    ),
    case(
        "ten in Moscow over 2014, when winter time stayed",
        at_ten("Russian Standard Time", "2014-10-25"),
        shown=[f"2014-10-{d} 10:00 Дегустация" for d in (25, 26, 27)],
        window=("2014-10-25", "2014-10-28"),
    ),
    case(
        "ten in London over Moscow's change of 2014",
        at_ten("GMT Standard Time", "2014-10-24"),
        shown=[f"2014-10-{d} {h}:00 Дегустация" for d, h in ((24, 13), (25, 13), (26, 13), (27, 13))],
        window=("2014-10-24", "2014-10-28"),
    ),
    case(
        "a zone that only the item describes",
        copy(
            ANNA,
            replace(
                series("FREQ=DAILY", "2026-03-28 12:00"),
                zone="Customized Time Zone",
                zone_rule="STD-01:00DST-02:00,M3.5.0/02:00,M10.5.0/03:00",
            ),
        ),
        shown=["2026-03-28 12:00 Дегустация", "2026-03-29 11:00 Дегустация", "2026-03-30 11:00 Дегустация"],
        window=("2026-03-28", "2026-03-31"),
    ),
    case(
        "a zone that nobody knows goes by the clocks of UTC",
        copy(ANNA, replace(series("FREQ=DAILY;COUNT=2"), zone="Лунное время")),
        shown=["2026-03-02 10:00 Дегустация", "2026-03-03 10:00 Дегустация"],
    ),
]
WHOLE_DAYS = [
    case("a day", copy(ANNA, all_day(date(2026, 3, 10))), shown=["2026-03-10 Дегустация"]),
    case(
        "a day that was entered in Vladivostok is the same day in Moscow",
        copy(ANNA, all_day(date(2026, 3, 10), zone="Vladivostok Standard Time")),
        shown=["2026-03-10 Дегустация"],
    ),
    case(
        "three days that were entered in Los Angeles",
        copy(ANNA, all_day(date(2026, 3, 6), 3, zone="Pacific Standard Time")),
        shown=["2026-03-06..2026-03-08 Дегустация"],
    ),
    case(
        "a weekly day off in Vladivostok",
        copy(
            ANNA,
            replace(
                all_day(date(2026, 3, 2), zone="Vladivostok Standard Time"),
                kind=MeetingKind.MASTER,
                recurrence="FREQ=WEEKLY;BYDAY=MO;COUNT=2",
            ),
        ),
        shown=["2026-03-02 Дегустация", "2026-03-09 Дегустация"],
    ),
    case(
        "two days each month where the clocks change between them",
        copy(
            ANNA,
            replace(
                all_day(date(2026, 2, 28), 2, zone="Europe/Berlin"),
                kind=MeetingKind.MASTER,
                recurrence="FREQ=MONTHLY;BYMONTHDAY=28",
            ),
        ),
        shown=["2026-02-28..2026-03-01 Дегустация", "2026-03-28..2026-03-29 Дегустация"],
        window=("2026-02-01", "2026-04-01"),
    ),
]
CANCELLATIONS = [
    case(
        "a cancelled meeting says so once",
        copy(BORIS, theirs(replace(SINGLE, subject="Canceled: Дегустация", is_cancelled=True))),
        shown=["2026-03-02 10:00 Дегустация cancelled"],
    ),
    case(
        "a cancellation that only the subject tells, in Russian",
        copy(BORIS, theirs(replace(SINGLE, subject="Отменено: Дегустация"))),
        shown=["2026-03-02 10:00 Дегустация cancelled"],
    ),
    case(
        "a series is cancelled from then on",
        copy(BORIS, theirs(replace(WEEKLY, is_cancelled=True, changed_at=at("2026-03-12 09:00")))),
        shown=[*MONDAYS[:2], *(f"{line} cancelled" for line in MONDAYS[2:])],
    ),
    case(
        "a meeting that left the only calendar before it began is cancelled",
        copy(ANNA, SINGLE, gone="2026-03-01 12:00"),
        shown=["2026-03-02 10:00 Дегустация cancelled"],
    ),
    case(
        "a meeting that left the only calendar afterwards took place",
        copy(ANNA, SINGLE, gone="2026-03-05 12:00"),
        shown=["2026-03-02 10:00 Дегустация"],
    ),
    case(
        "a series that left one calendar of two goes on",
        copy(ANNA, WEEKLY, gone="2026-03-12 09:00"),
        copy(BORIS, theirs(WEEKLY)),
        shown=MONDAYS,
    ),
    case(
        "an attendee who deletes an occurrence cancels nothing",
        copy(ANNA, WEEKLY),
        copy(BORIS, theirs(WITHOUT_NINTH)),
        shown=MONDAYS,
    ),
    case(
        "an occurrence that one attendee of two deleted takes place",
        copy(BORIS, theirs(WITHOUT_NINTH)),
        copy(VERA, theirs(WEEKLY)),
        shown=MONDAYS,
    ),
    case(
        "an occurrence that every attendee deleted is cancelled",
        copy(BORIS, theirs(WITHOUT_NINTH)),
        copy(VERA, theirs(WITHOUT_NINTH)),
        shown=NINTH_CANCELLED,
    ),
]
COPIES = [
    case(
        "the organizer's time and place",
        copy(ANNA, replace(SINGLE, location="Склад")),
        copy(BORIS, theirs(replace(meeting("2026-03-02 12:00"), location="Офис", sequence=5))),
        shown=["2026-03-02 10:00 Дегустация Склад"],
    ),
    case(
        "of two attendees the one who has the later change",
        copy(BORIS, theirs(replace(SINGLE, sequence=1, location="Офис"))),
        copy(VERA, theirs(replace(SINGLE, sequence=2, location="Склад"))),
        shown=["2026-03-02 10:00 Дегустация Склад"],
    ),
    case(
        "of two attendees the one whose organizer wrote later",
        copy(BORIS, theirs(replace(SINGLE, changed_at=at("2026-02-02 10:00"), location="Склад"))),
        copy(VERA, theirs(replace(SINGLE, changed_at=at("2026-02-01 10:00"), location="Офис"))),
        shown=["2026-03-02 10:00 Дегустация Склад"],
    ),
    case(
        "an attendee's old copy of a series that is single now",
        copy(ANNA, SINGLE),
        copy(BORIS, theirs(WEEKLY)),
        shown=MONDAYS[:1],
    ),
    case(
        "the same item in two calendars of a mailbox",
        copy(ANNA, SINGLE, remote_id="a"),
        copy(ANNA, SINGLE, remote_id="b"),
        shown=MONDAYS[:1],
    ),
    case(
        "an item that was copied to another day and kept its id",
        copy(ANNA, SINGLE, remote_id="a"),
        copy(ANNA, meeting("2026-03-05 10:00"), remote_id="b"),
        shown=[MONDAYS[0], "2026-03-05 10:00 Дегустация"],
    ),
    case(
        "an item that was moved to another calendar and another day",
        copy(ANNA, SINGLE, remote_id="a", gone="2026-02-01 10:00"),
        copy(ANNA, meeting("2026-03-05 10:00"), remote_id="b"),
        shown=["2026-03-05 10:00 Дегустация"],
    ),
]
ORPHANS = [
    case("an invitation to one occurrence alone", copy(BORIS, INVITED), shown=MONDAYS[1:2]),
    case(
        "an invitation to one occurrence outside of the window",
        copy(BORIS, INVITED),
        shown=MONDAYS[1:2],
        window=("2020-01-01", "2020-02-01"),
    ),
    case("who was invited to one occurrence shares it", copy(ANNA, WEEKLY), copy(BORIS, INVITED), shown=MONDAYS),
    case(
        "Outlook's id of one occurrence is that of the series",
        copy(ANNA, replace(WITH_MOVED, uid=SERIES_ID)),
        copy(BORIS, theirs(replace(meeting("2026-03-09 15:00"), uid=INSTANCE_ID))),
        shown=MOVED_SHOWN,
    ),
    case(
        "two invitations to two occurrences",
        copy(BORIS, INVITED),
        copy(VERA, theirs(exception(WEEKLY, "2026-03-16 10:00"))),
        shown=MONDAYS[1:3],
    ),
]
CASES = [*RECURRENCE, *EXCEPTIONS, *ZONES, *WHOLE_DAYS, *CANCELLATIONS, *COPIES, *ORPHANS]


def stored(one: Copy) -> Copy:
    """The copy as the mirror keeps it."""
    return replace(one, record=without_secrets(recognised(one.record)))


@pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])
def test_a_calendar_shows(case: Case) -> None:
    for order in permutations(case.copies):
        told = tell(map(stored, order), at(case.first), at(case.until))
        assert tuple(lines(told)) == tuple(sorted(case.shown))


def responses(*copies: Copy) -> dict[str, str]:
    """What each attendee answered, the same in every order."""
    found = [answers(tell(map(stored, order), at("2026-03-01 00:00"), at("2026-03-03 00:00"))[-1]) for order in
             permutations(copies)]  # fmt: skip
    assert all(one == found[0] for one in found)
    return found[0]


YES, NO, PERHAPS = Response.ACCEPTED, Response.DECLINED, Response.TENTATIVE
ANSWERS = [
    ("the organizer knows all answers", [copy(ANNA, answered(SINGLE, boris=YES, olga=NO))], YES, NO),
    (
        "the organizer knows better than an attendee's own copy",
        [copy(ANNA, answered(SINGLE, boris=YES)), copy(BORIS, theirs(SINGLE, NO))],
        YES,
        "unknown",
    ),
    ("without the organizer each copy tells its owner's answer", [copy(BORIS, theirs(SINGLE, NO))], NO, "unknown"),
    (
        "an answer that was not sent to the organizer",
        [copy(ANNA, SINGLE), copy(BORIS, theirs(SINGLE, PERHAPS))],
        PERHAPS,
        "unknown",
    ),
    (
        "the answers to a series are those to its occurrences",
        [copy(ANNA, answered(WEEKLY, olga=YES)), copy(BORIS, theirs(WEEKLY, NO))],
        NO,
        YES,
    ),
    (
        "an answer to one occurrence alone",
        [
            copy(
                BORIS,
                theirs(
                    replace(WEEKLY, exceptions=(exception(WEEKLY, "2026-03-02 10:00"),)),
                    YES,
                    exceptions=(theirs(exception(WEEKLY, "2026-03-02 10:00"), NO),),
                ),
            )
        ],
        NO,
        "unknown",
    ),
    (
        "an attendee who is gone has answered all the same",
        [copy(BORIS, theirs(SINGLE, NO), gone="2026-03-05 10:00"), copy(VERA, theirs(SINGLE, YES))],
        NO,
        "unknown",
    ),
]


@pytest.mark.parametrize(("copies", "boris", "olga"), [case[1:] for case in ANSWERS], ids=[case[0] for case in ANSWERS])
def test_attendees_have_answered(copies: list[Copy], boris: str, olga: str) -> None:
    assert responses(*copies) == {"Борис": boris, "Ольга": olga}


def test_an_all_day_event_stands_on_its_date_in_the_history_of_readers_of_any_zone() -> None:
    shown = shown_at(all_day(date(2026, 3, 10), zone="Vladivostok Standard Time"))
    assert shown is not None
    assert shown.astimezone(MOSCOW).date() == date(2026, 3, 10)


IDS = [
    ("plain", "abc@google.com", "abc@google.com"),
    ("with space around it", " abc@google.com\n", "abc@google.com"),
    ("of Outlook", SERIES_ID.lower(), SERIES_ID),
    ("of one occurrence", INSTANCE_ID, SERIES_ID),
    (
        "of another system that Outlook wrapped",
        "040000008200E00074C5B7101A82E008" + "00" * 20 + "11000000" + b"vCal-Uid\x01\x00\x00\x00x@y\x00".hex(),
        "x@y",
    ),
    ("too short to be Outlook's", "040000008200E00074C5B7101A82E008", "040000008200E00074C5B7101A82E008"),
    ("not hexadecimal", "040000008200E00074C5B7101A82E008" + "Z" * 60, "040000008200E00074C5B7101A82E008" + "Z" * 60),
]


@pytest.mark.parametrize(("uid", "expected"), [case[1:] for case in IDS], ids=[case[0] for case in IDS])
def test_an_id(uid: str, expected: str) -> None:
    assert recognised(MeetingRecord(uid=uid)).uid == expected


def test_of_a_private_exception_nothing_but_its_place_is_kept() -> None:
    kept = without_secrets(SECRET).exceptions
    assert kept == (MeetingRecord(kind=MeetingKind.EXCEPTION, original_start=at("2026-03-09 10:00"), is_private=True),)
