"""GetUserAvailability."""

from __future__ import annotations

from copy import deepcopy
from datetime import datetime, timedelta, tzinfo

from connectors.simulator import timezones
from connectors.simulator.availability import (
    WORK_BEGINS,
    WORK_ENDS,
    WORKDAYS,
    Busy,
    merged,
    read_interval,
    read_zone,
    suggestions,
)
from connectors.simulator.calendar_items import end_of, start_of
from connectors.simulator.elements import read_moment
from connectors.simulator.errors import EwsError, SoapFault
from connectors.simulator.operations.calendar import in_window
from connectors.simulator.registry import Call, operation
from connectors.simulator.responses import failure, success
from connectors.simulator.rows import Mailbox
from connectors.simulator.schema import Element, add, elements, m, make, message, t, text_of

_WIDEST = timedelta(days=62)
_VIEWS = ("None", "MergedOnly", "FreeBusy", "FreeBusyMerged", "Detailed", "DetailedMerged")
_SUGGESTION_DAYS = 14


@operation("GetUserAvailability")
def get_user_availability(call: Call) -> Element:
    zone_element = call.request.find(t("TimeZone"))
    zone = _zone(call, zone_element)
    asked = elements(call.request.find(m("MailboxDataArray")))
    if not asked:
        raise SoapFault("ErrorInvalidArgument", "The mailbox array is empty.")
    made = message("GetUserAvailabilityResponse")
    options = call.request.find(t("FreeBusyViewOptions"))
    if options is not None:
        made.append(_views(call, asked, options, zone, zone_element))
    wanted = call.request.find(t("SuggestionsViewOptions"))
    if wanted is not None:
        made.append(_suggestions(call, asked, wanted, zone))
    return made


def _zone(call: Call, element: Element | None) -> tzinfo:
    if element is not None:
        return read_zone(element)
    found = timezones.zone_of(call.time_zone) if call.time_zone is not None else None
    if found is None:
        raise SoapFault("ErrorTimeZone", "The request says no time zone.")
    return found


def _views(call: Call, asked: list[Element], options: Element, zone: tzinfo, zone_element: Element | None) -> Element:
    first, last = _window(options.find(t("TimeWindow")), zone)
    kind = text_of(options, "RequestedView", "MergedOnly")
    if kind not in _VIEWS[1:]:
        raise SoapFault("ErrorInvalidFreeBusyViewType", "The free/busy view type is invalid.")
    interval = read_interval(text_of(options, "MergedFreeBusyIntervalInMinutes", "30"))
    made = message("FreeBusyResponseArray")
    for data in asked:
        response = message("FreeBusyResponse")
        try:
            mailbox = _mailbox(call, data)
            view = _view(call, mailbox, kind, first, last, interval, zone, zone_element)
            response.append(success("ResponseMessage"))
            response.append(view)
        except EwsError as error:
            response.append(failure("ResponseMessage", error))
        made.append(response)
    return made


def _window(element: Element | None, zone: tzinfo) -> tuple[datetime, datetime]:
    """The asked window in UTC; its times are in the zone of the request."""
    first = read_moment(text_of(element, "StartTime"), zone)
    last = read_moment(text_of(element, "EndTime"), zone)
    if first is None or last is None or last <= first:
        raise SoapFault("ErrorInvalidTimeInterval", "The time interval is invalid.")
    if last - first > _WIDEST:
        raise SoapFault("ErrorTimeIntervalTooBig", "The requested time duration exceeds 62 days.")
    return first, last


def _mailbox(call: Call, data: Element) -> Mailbox:
    address = text_of(data.find(t("Email")), "Address")
    found = call.store.mailboxes.find(address)
    if found is None:
        raise EwsError("ErrorMailRecipientNotFound", f"Unable to resolve e-mail address {address} to a mailbox.")
    return found


def _busy(call: Call, mailbox: Mailbox, first: datetime, last: datetime) -> list[Busy]:
    calendar = call.store.folders.distinguished(mailbox, "calendar")
    return [
        Busy(start_of(element), end_of(element), text_of(element, "LegacyFreeBusyStatus", "Busy"), element, row.ews_id)
        for row, element in in_window(call, calendar, first, last)
        if end_of(element) > first or start_of(element) == end_of(element)
    ]


def _view(
    call: Call,
    mailbox: Mailbox,
    kind: str,
    first: datetime,
    last: datetime,
    interval: timedelta,
    zone: tzinfo,
    zone_element: Element | None,
) -> Element:
    busy = _busy(call, mailbox, first, last)
    detailed = kind.startswith("Detailed") and call.store.mailboxes.may_open(mailbox, call.user)
    if kind.startswith("Detailed") and not detailed:
        # Who has no access to the calendar sees when its owner is busy, not with what.
        kind = kind.replace("Detailed", "FreeBusy")
    made = message("FreeBusyView")
    add(made, "FreeBusyViewType", kind)
    if kind.endswith(("Merged", "MergedOnly")):
        add(made, "MergedFreeBusy", merged(busy, first, last, interval))
    if kind != "MergedOnly":
        events = make("CalendarEventArray")
        for one in busy:
            events.append(_event(one, zone, detailed=detailed))
        if len(events):
            made.append(events)
    hours = add(made, "WorkingHours")
    if zone_element is not None:
        hours.append(deepcopy(zone_element))
    else:
        add(add(hours, "TimeZone"), "Bias", "0")
    period = add(add(hours, "WorkingPeriodArray"), "WorkingPeriod")
    add(period, "DayOfWeek", " ".join(WORKDAYS))
    add(period, "StartTimeInMinutes", str(WORK_BEGINS.hour * 60))
    add(period, "EndTimeInMinutes", str(WORK_ENDS.hour * 60))
    return made


def _event(one: Busy, zone: tzinfo, *, detailed: bool) -> Element:
    made = make("CalendarEvent")
    add(made, "StartTime", _local(one.start, zone))
    add(made, "EndTime", _local(one.end, zone))
    add(made, "BusyType", one.status)
    if detailed:
        details = add(made, "CalendarEventDetails")
        private = text_of(one.element, "Sensitivity", "Normal") == "Private"
        add(details, "ID", one.id)
        for name in ("Subject", "Location"):
            add(details, name, text_of(one.element, name))
        add(details, "IsMeeting", text_of(one.element, "IsMeeting", "false"))
        kind = text_of(one.element, "CalendarItemType")
        add(details, "IsRecurring", "true" if kind in ("Occurrence", "Exception") else "false")
        add(details, "IsException", "true" if kind == "Exception" else "false")
        add(details, "IsReminderSet", text_of(one.element, "ReminderIsSet", "false"))
        add(details, "IsPrivate", "true" if private else "false")
    return made


def _local(moment: datetime, zone: tzinfo) -> str:
    """Availability speaks in the local time of the request, without offset."""
    return moment.astimezone(zone).replace(tzinfo=None).isoformat()


def _suggestions(call: Call, asked: list[Element], options: Element, zone: tzinfo) -> Element:
    made = message("SuggestionsResponse")
    try:
        first, last = _window(options.find(t("DetailedSuggestionsWindow")), zone)
        minutes = text_of(options, "MeetingDurationInMinutes", "30")
        most = text_of(options, "MaximumResultsByDay", "10")
        if not minutes.isdigit() or not most.isdigit() or not 30 <= int(minutes) <= 1440:
            raise EwsError("ErrorInvalidArgument", "The duration of the meeting is invalid.")
        last = min(last, first + timedelta(days=_SUGGESTION_DAYS))
        required = [data for data in asked if text_of(data, "AttendeeType", "Required") in ("Required", "Organizer")]
        calendars = [_busy(call, _mailbox(call, data), first, last) for data in required]
    except EwsError as error:
        made.append(failure("ResponseMessage", error))
        return made
    made.append(success("ResponseMessage"))
    days = message("SuggestionDayResultArray")
    for day, starts in suggestions(calendars, first, last, timedelta(minutes=int(minutes)), zone, int(most)):
        result = add(days, "SuggestionDayResult")
        add(result, "Date", day.isoformat())
        add(result, "DayQuality", "Excellent" if starts else "Poor")
        held = add(result, "SuggestionArray")
        for start in starts:
            suggestion = add(held, "Suggestion")
            add(suggestion, "MeetingTime", start.isoformat())
            add(suggestion, "IsWorkTime", "true")
            add(suggestion, "SuggestionQuality", "Excellent")
            conflicts = add(suggestion, "AttendeeConflictDataArray")
            for _ in asked:
                add(add(conflicts, "IndividualAttendeeConflictData"), "BusyType", "Free")
    made.append(days)
    return made
