"""Named MAPI properties (MS-OXPROPS) that are another view of what EWS names itself: read only."""

from __future__ import annotations

from collections.abc import Callable

from connectors.simulator.schema import Element, t, text_of

_APPOINTMENT = "00062002-0000-0000-c000-000000000046"
_COMMON = "00062008-0000-0000-c000-000000000046"
_TASK = "00062003-0000-0000-c000-000000000046"
_ADDRESS = "00062004-0000-0000-c000-000000000046"
_PUBLIC_STRINGS = "00020329-0000-0000-c000-000000000046"
_BUSY = ("Free", "Tentative", "Busy", "OOF", "WorkingElsewhere")
_RESPONSES = ("Unknown", "Organizer", "Tentative", "Accept", "Decline", "NoResponseReceived")
_STATUS = ("NotStarted", "InProgress", "Completed", "WaitingOnOthers", "Deferred")
_SERIES = ("Single", "RecurringMaster", "Occurrence", "Exception")

Reader = Callable[[Element], str | None]


def _text(name: str) -> Reader:
    return lambda element: element.findtext(t(name)) or None


def _truth(name: str) -> Reader:
    return lambda element: text_of(element, name, "false")


def _rank(name: str, order: tuple[str, ...]) -> Reader:
    def read(element: Element) -> str | None:
        word = text_of(element, name)
        return str(order.index(word)) if word in order else None

    return read


def _email(number: int) -> Reader:
    def read(element: Element) -> str | None:
        entries = element.iterfind(f"{t('EmailAddresses')}/{t('Entry')}")
        return next((entry.text for entry in entries if entry.get("Key") == f"EmailAddress{number}"), None)

    return read


def _percent(element: Element) -> str | None:
    percent = element.findtext(t("PercentComplete"))
    return f"{float(percent) / 100:g}" if percent else None


_KINDS: dict[str, dict[tuple[str, int | str], Reader]] = {
    "CalendarItem": {
        (_APPOINTMENT, 0x8205): _rank("LegacyFreeBusyStatus", _BUSY),
        (_APPOINTMENT, 0x8208): _text("Location"),
        (_APPOINTMENT, 0x820D): _text("Start"),
        (_APPOINTMENT, 0x820E): _text("End"),
        (_APPOINTMENT, 0x8215): _truth("IsAllDayEvent"),
        (_APPOINTMENT, 0x8217): _text("AppointmentState"),
        (_APPOINTMENT, 0x8218): _rank("MyResponseType", _RESPONSES),
        (_APPOINTMENT, 0x8223): _truth("IsRecurring"),
        (_COMMON, 0x8516): _text("Start"),
        (_COMMON, 0x8517): _text("End"),
        (_PUBLIC_STRINGS, "urn:schemas:calendar:instancetype"): _rank("CalendarItemType", _SERIES),
    },
    "Task": {
        (_TASK, 0x8101): _rank("Status", _STATUS),
        (_TASK, 0x8102): _percent,
        (_TASK, 0x8104): _text("StartDate"),
        (_TASK, 0x8105): _text("DueDate"),
        (_TASK, 0x810F): _text("CompleteDate"),
        (_TASK, 0x811C): _truth("IsComplete"),
        (_TASK, 0x8126): _truth("IsRecurring"),
    },
    "Contact": {
        (_ADDRESS, 0x8005): _text("FileAs"),
        **{(_ADDRESS, 0x8083 + 0x10 * index): _email(index + 1) for index in range(3)},
        **{(_ADDRESS, 0x8084 + 0x10 * index): _email(index + 1) for index in range(3)},
    },
}
_EVERY: dict[tuple[str, int | str], Reader] = {
    (_COMMON, 0x8501): _text("ReminderMinutesBeforeStart"),
    (_COMMON, 0x8502): _text("ReminderDueBy"),
    (_COMMON, 0x8503): _truth("ReminderIsSet"),
    (_COMMON, 0x8506): lambda element: str(text_of(element, "Sensitivity") in ("Private", "Personal")).lower(),
}


def read(kind: str, element: Element, key: tuple) -> str | None:
    """The value of a named property of an item of that kind; None when the item has no such value."""
    reader = _KINDS.get(kind, {}).get(key[:2]) or _EVERY.get(key[:2])
    return reader(element) if reader is not None else None
