"""Russian working days, and dates as Russian and English sentences say them."""

from __future__ import annotations

from datetime import date, timedelta

HOLIDAYS = frozenset([(1, day) for day in range(1, 9)] + [(2, 23), (3, 8), (5, 1), (5, 9), (6, 12), (11, 4), (12, 31)])
# first day of the holidays, genitive, dative: «график до праздников», «к праздникам»
SEASONS = (
    ((1, 1), "новогодних праздников", "новогодним праздникам", "the New Year holidays"),
    ((2, 23), "23 февраля", "23 февраля", "the 23 February holiday"),
    ((3, 8), "8 Марта", "8 Марта", "the 8 March holiday"),
    ((5, 1), "майских праздников", "майским праздникам", "the May holidays"),
    ((6, 12), "Дня России", "Дню России", "the Russia Day holiday"),
    ((9, 1), "1 сентября", "1 сентября", "the school season"),
    ((11, 4), "Дня народного единства", "Дню народного единства", "the November holiday"),
)
MONTHS = [
    "январь",
    "февраль",
    "март",
    "апрель",
    "май",
    "июнь",
    "июль",
    "август",
    "сентябрь",
    "октябрь",
    "ноябрь",
    "декабрь",
]
MONTHS_GEN = [
    "января",
    "февраля",
    "марта",
    "апреля",
    "мая",
    "июня",
    "июля",
    "августа",
    "сентября",
    "октября",
    "ноября",
    "декабря",
]
MONTHS_PREP = [
    "январе",
    "феврале",
    "марте",
    "апреле",
    "мае",
    "июне",
    "июле",
    "августе",
    "сентябре",
    "октябре",
    "ноябре",
    "декабре",
]
MONTHS_EN = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
]
WEEKDAYS = ["понедельник", "вторник", "среда", "четверг", "пятница", "суббота", "воскресенье"]
WEEKDAYS_ACC = ["понедельник", "вторник", "среду", "четверг", "пятницу", "субботу", "воскресенье"]
WEEKDAYS_SHORT = ["пн", "вт", "ср", "чт", "пт", "сб", "вс"]
WEEKDAYS_EN = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"]


def is_workday(day: date) -> bool:
    """Whether offices work on this day."""
    return day.weekday() < 5 and (day.month, day.day) not in HOLIDAYS


def workday(day: date, steps: int) -> date:
    """The working day `steps` working days after `day` (before it, where negative)."""
    step = timedelta(days=1 if steps > 0 else -1)
    for _ in range(abs(steps)):
        day += step
        while not is_workday(day):
            day += step
    return day


def next_season(day: date) -> tuple[str, str, str]:
    """The holidays that come next after a day: genitive, dative, English."""
    ahead = [row for row in SEASONS if row[0] > (day.month, day.day)]
    return (ahead or SEASONS)[0][1:]


def days_to_season(day: date) -> int:
    """Days until the next holidays."""
    starts = [date(day.year + later, *row[0]) for row in SEASONS for later in (0, 1)]
    return min((start - day).days for start in starts if start > day)


def on_day(day: date) -> str:
    """«в среду, 14 мая»."""
    preposition = "во" if day.weekday() == 1 else "в"
    return f"{preposition} {for_day(day)}"


def for_day(day: date) -> str:
    """«среду, 14 мая»: accusative, to follow «на»."""
    return f"{WEEKDAYS_ACC[day.weekday()]}, {day_month(day)}"


def day_month(day: date) -> str:
    """«14 мая»."""
    return f"{day.day} {MONTHS_GEN[day.month - 1]}"


def day_english(day: date) -> str:
    """«Wednesday, 14 May»."""
    return f"{WEEKDAYS_EN[day.weekday()]}, {day.day} {MONTHS_EN[day.month - 1]}"
