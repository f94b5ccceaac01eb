"""Meetings on pages: how they repeat in words, their other occurrences, and whole days."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta

import pytest
from flask import Flask, g
from lxml import html
from sqlalchemy.orm import Session

from terracrm.models import Activity, ActivityMailbox, CompanyTimeline, Mailbox, Meeting, Sharing, utcnow
from tests.web.conftest import SignIn
from web import recurrences

START = datetime(2026, 3, 3, 7, tzinfo=UTC)  # Tuesday, ten o'clock in Moscow
WORDS = [
    ("FREQ=DAILY", "Every day"),
    ("FREQ=DAILY;INTERVAL=3;COUNT=1", "Every 3 days, 1 time"),
    ("FREQ=WEEKLY", "Every week on Tuesday"),
    ("FREQ=WEEKLY;BYDAY=TU,TH;UNTIL=20260505T070000Z", "Every week on Tuesday and Thursday, until 5 May 2026"),
    ("FREQ=WEEKLY;BYDAY=MO,TU,WE,TH,FR;WKST=SU", "Every working day"),
    ("FREQ=WEEKLY;INTERVAL=2;BYDAY=MO;COUNT=10", "Every 2 weeks on Monday, 10 times"),
    ("FREQ=MONTHLY;BYMONTHDAY=15", "Every month on day 15"),
    ("FREQ=MONTHLY;BYMONTHDAY=28,29,30,31;BYSETPOS=-1", "Every month on the last day"),
    ("FREQ=MONTHLY;BYMONTHDAY=28,29,30;BYSETPOS=-1", "Every month on day 30"),
    ("FREQ=MONTHLY;BYDAY=-1FR", "Every month on the last Friday"),
    ("FREQ=MONTHLY;INTERVAL=3;BYDAY=MO,TU,WE,TH,FR;BYSETPOS=1", "Every 3 months on the first working day"),
    ("FREQ=MONTHLY;BYDAY=SU,SA;BYSETPOS=2", "Every month on the second day off"),
    ("FREQ=YEARLY;BYMONTH=3;BYMONTHDAY=8", "Every year on 8 March"),
    ("FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=28,29;BYSETPOS=-1", "Every year on 29 February"),
    ("FREQ=YEARLY;BYMONTH=5;BYDAY=2SU", "Every year on the second Sunday of May"),
    ("FREQ=MOON", "Repeats"),
    ("FREQ=WEEKLY;BYDAY=XX", "Repeats"),
]


@pytest.mark.parametrize(("rule", "expected"), WORDS)
def test_a_series_says_how_it_repeats(portal: Flask, rule: str, expected: str) -> None:
    with portal.test_request_context():
        g.language = "en"
        series = Meeting(recurrence=rule, start_at=START, zone="Russian Standard Time")
        assert recurrences.repetition(series) == expected


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        ("FREQ=DAILY", "Каждый день"),
        ("FREQ=DAILY;INTERVAL=21", "Каждый 21 день"),
        ("FREQ=WEEKLY;INTERVAL=2;BYDAY=WE;COUNT=3", "Каждые 2 недели: среда, 3 раза"),
        ("FREQ=MONTHLY;BYMONTHDAY=15", "Каждый месяц, 15-го числа"),
        ("FREQ=MONTHLY;BYDAY=-1FR", "Каждый месяц: последняя пятница"),
        ("FREQ=MONTHLY;BYDAY=MO,TU,WE,TH,FR;BYSETPOS=1", "Каждый месяц: первый рабочий день"),
        ("FREQ=YEARLY;BYMONTH=3;BYDAY=2SU", "Каждый год: второе воскресенье марта"),
    ],
)
def test_a_series_says_in_russian_how_it_repeats(portal: Flask, rule: str, expected: str) -> None:
    with portal.test_request_context():
        g.language = "ru"
        series = Meeting(recurrence=rule, start_at=START, zone="Russian Standard Time")
        assert recurrences.repetition(series) == expected


@pytest.mark.parametrize("language", ["en", "ru"])
def test_every_pattern_has_words_in_every_language(portal: Flask, language: str) -> None:
    days = ["MO", "TU", "WE", "TH", "FR", "SA", "SU", "MO,TU", "MO,TU,WE,TH,FR", "MO,TU,WE,TH,FR,SA,SU", "SA,SU"]
    with portal.test_request_context():
        g.language = language
        for nth in (1, 2, 3, 4, -1):
            for day in days:
                of_month = f"BYDAY={day};BYSETPOS={nth}"
                for rule in (f"FREQ=MONTHLY;{of_month}", f"FREQ=YEARLY;BYMONTH=5;{of_month}"):
                    said = recurrences.repetition(Meeting(recurrence=rule, start_at=START, zone=""))
                    assert len(said) > len("Repeats")
                    assert "%" not in said


@pytest.mark.usefixtures("in_moscow")
def test_the_clocks_of_another_zone_are_told_where_they_differ(portal: Flask) -> None:
    def said(zone: str, start: datetime = START) -> str:
        return recurrences.in_own_zone(Meeting(start_at=start, end_at=start + timedelta(hours=1), zone=zone))

    with portal.test_request_context():
        g.language = "en"
        assert said("Vladivostok Standard Time") == "17:00–18:00, Vladivostok"
        assert said("Pacific Standard Time") == "2 Mar 2026, 23:00–00:00, Los Angeles"
        assert said("Russian Standard Time") == said("Belarus Standard Time") == said("UTC") == said("") == ""
        assert said("Лунное время") == "Лунное время"


def test_whole_days_are_dates(portal: Flask) -> None:
    with portal.test_request_context():
        g.language = "en"
        three = Meeting(start_date=date(2025, 3, 10), end_date=date(2025, 3, 13))
        assert re.sub(r"\s", " ", recurrences.days_of(three)) == "Mar 10 – 12, 2025"
        one = Meeting(start_date=date(2025, 3, 10), end_date=date(2025, 3, 11))
        assert recurrences.days_of(one) == "Monday, 10 March 2025"


def repeat(rows: Session, activity_id: int) -> list[int]:
    """Make a meeting one of a weekly series of nine: the next changed, then one cancelled, the fourth Boris's own."""
    first = rows.query(Meeting).filter_by(activity_id=activity_id).one()
    company_id = rows.query(CompanyTimeline.company_id).filter_by(activity_id=activity_id).scalar()
    holder = rows.query(ActivityMailbox.mailbox_id).filter_by(activity_id=activity_id).limit(1).scalar()
    other = rows.query(Mailbox.id).filter(Mailbox.address.startswith("boris@")).scalar()
    first.start_at = utcnow().replace(microsecond=0) - timedelta(days=1)
    series = Meeting(
        meeting_key="series/", uid="series", kind="master", subject=first.subject, start_at=first.start_at,
        recurrence="FREQ=WEEKLY", zone="Vladivostok Standard Time", body_text="Agenda of the series",
    )  # fmt: skip
    rows.add(series)
    rows.flush()
    first.series_id, first.kind, first.zone, first.body_text = series.id, "occurrence", series.zone, ""
    made = [activity_id]
    for week in range(1, 9):
        when = first.start_at + timedelta(weeks=week)
        subject = "Retro" if week == 1 else first.subject
        sharing = Sharing.PRIVATE if week == 4 else Sharing.EVERYONE
        activity = Activity(kind="meeting", occurred_at=when, subject=subject, is_matched=True, sharing=sharing)
        rows.add(activity)
        rows.flush()
        rows.add_all(
            [
                Meeting(
                    meeting_key=f"series/{week}", uid="series", occurrence=str(week), activity_id=activity.id,
                    kind="exception" if week == 1 else "occurrence", series_id=series.id, start_at=when,
                    end_at=when + timedelta(hours=1), subject=activity.subject, is_cancelled=week == 2,
                ),
                ActivityMailbox(activity_id=activity.id, mailbox_id=other if week == 4 else holder),
                CompanyTimeline(company_id=company_id, activity_id=activity.id, occurred_at=when, kind="meeting"),
            ]
        )  # fmt: skip
        made.append(activity.id)
    rows.commit()
    return made


@pytest.mark.usefixtures("in_moscow")
def test_an_occurrence_shows_its_series_and_the_others_near(
    signed_in: SignIn, rows: Session, ids: dict[str, int]
) -> None:
    made = repeat(rows, ids["tasting"])
    anna = signed_in("anna")
    page = html.fromstring(anna.get(f"/meetings/{ids['tasting']}").text)
    text = page.text_content()
    for fact in ("Every week on", "Vladivostok", "Agenda of the series"):
        assert fact in text
    near = page.xpath("//section[@aria-labelledby='near']//li")
    readable = [made[1], made[2], made[3], made[5]]
    assert [one.xpath(".//a/@href")[0] for one in near] == [f"/meetings/{one}" for one in readable]
    assert "changed" in near[0].text_content()
    assert "Retro" in near[0].text_content()
    assert "cancelled" in near[1].text_content()
    assert anna.get(f"/meetings/{made[4]}").status_code == 404


def test_meetings_ahead_do_not_hide_what_was(signed_in: SignIn, rows: Session, ids: dict[str, int]) -> None:
    repeat(rows, ids["tasting"])
    company_id = rows.query(CompanyTimeline.company_id).filter_by(activity_id=ids["tasting"]).scalar()
    page = html.fromstring(signed_in("anna").get(f"/companies/{company_id}").text)
    [ahead] = page.xpath("//li[@class='ahead']")
    assert ahead.xpath(".//summary")[0].text_content().strip() == "8 meetings ahead"
    assert len(ahead.xpath(".//li[contains(@class, 'entry-meeting')]")) == 8
    assert len(ahead.xpath(".//i[contains(@class, 'bi-arrow-repeat')]")) == 8
    outside = page.xpath("//ol[@id='timeline']/li[contains(@class, 'entry')]")
    assert outside
    assert not ahead.xpath(".//details/@open")
