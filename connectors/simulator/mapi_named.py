"""Named MAPI properties (MS-OXPROPS) that are another view of what EWS names itself.

Those of a contact's e-mail entries can be written, too: clients take an entry off by deleting its properties.
"""

from __future__ import annotations

from collections.abc import Callable

from connectors.simulator.schema import Element, add, t, text_of

_APPOINTMENT = "00062002-0000-0000-c000-000000000046"
_COMMON = "00062008-0000-0000-c000-000000000046"
_TASK = "00062003-0000-0000-c000-000000000046"
_ADDRESS = "00062004-0000-0000-c000-000000000046"
_PUBLIC_STRINGS = "00020329-0000-0000-c000-000000000046"
_BUSY = ("Free", "Tentative", "Busy", "OOF", "WorkingElsewhere")
_RESPONSES = ("Unknown", "Organizer", "Tentative", "Accept", "Decline", "NoResponseReceived")
_STATUS = ("NotStarted", "InProgress", "Completed", "WaitingOnOthers", "Deferred")
_SERIES = ("Single", "RecurringMaster", "Occurrence", "Exception")
# The properties of an e-mail entry (PidLidEmail1...): from 0x8080, 0x8090 and 0x80A0.
_PLACE_OF_ADDRESS, _PLACE_OF_ORIGINAL_NAME = 3, 4
_ATTRIBUTES = {0: "Name", 2: "RoutingType"}

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


def _entry(element: Element, number: int) -> Element | None:
    entries = element.iterfind(f"{t('EmailAddresses')}/{t('Entry')}")
    return next((entry for entry in entries if entry.get("Key") == f"EmailAddress{number}"), None)


def _email(number: int, attribute: str = "") -> Reader:
    def read(element: Element) -> str | None:
        entry = _entry(element, number)
        return None if entry is None else entry.get(attribute) if attribute else entry.text

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
        **{(_ADDRESS, 0x8080 + 0x10 * index): _email(index + 1, "Name") for index in range(3)},
        **{(_ADDRESS, 0x8082 + 0x10 * index): _email(index + 1, "RoutingType") for index in range(3)},
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


def write(element: Element, key: tuple, value: str) -> bool:
    """Set what a named property of a contact is another view of; False where it is a property of its own."""
    part = _email_part(key)
    if part is None:
        return False
    number, place = part
    entry = _entry(element, number)
    if place == _PLACE_OF_ADDRESS:
        if entry is None:
            container = element.find(t("EmailAddresses"))
            entry = add(add(element, "EmailAddresses") if container is None else container, "Entry")
            entry.set("Key", f"EmailAddress{number}")
        entry.text = value
        return True
    if entry is None:
        return False
    if place in _ATTRIBUTES:
        entry.set(_ATTRIBUTES[place], value)
        return True
    return place == _PLACE_OF_ORIGINAL_NAME and value == entry.text


def erase(element: Element, key: tuple) -> bool:
    """Take off what a named property of a contact is another view of; False where it is a property of its own.

    Without its address an e-mail entry is gone, whatever is left of it.
    """
    part = _email_part(key)
    entry = _entry(element, part[0]) if part is not None else None
    if part is None or entry is None:
        return False
    container = entry.getparent()
    if part[1] == _PLACE_OF_ADDRESS and container is not None:
        container.remove(entry)
        if not len(container):
            element.remove(container)
        return True
    if part[1] in _ATTRIBUTES:
        entry.attrib.pop(_ATTRIBUTES[part[1]], None)
        return True
    return False


def _email_part(key: tuple) -> tuple[int, int] | None:
    """Which e-mail entry a named property belongs to (1, 2, 3), and its place among the properties of the entry."""
    if key[0] != _ADDRESS or not isinstance(key[1], int) or not 0x8080 <= key[1] < 0x80B0:
        return None
    return (key[1] - 0x8080) // 0x10 + 1, key[1] % 0x10
