"""Where operations and the calendar's special cases plug in.

An operation is a function `(call) -> answer element`, registered by its EWS name:

    @operation("GetServerTimeZones")
    def get_server_time_zones(call: Call) -> Element: ...

The answer is the complete `{messages}...Response` element. For operations that answer once per item use
`responses.batch`. Every module in `operations/` is imported by `operations.load()`, nothing else is needed.

What the calendar does differently is asked of `hooks`; a module sets what it provides when it is imported
(`hooks.calendar_view = ...`). While a hook is None the core treats a calendar item like any other item.

A row is a `rows.ItemRow`; its properties are `call.store.items.element(row)`, an EWS element without the ids
and other properties that `render.py` computes. An occurrence of a series is the row of its master with
`occurrence` set to its number, counted from 1 (`dataclasses.replace(master, occurrence=3)`).
Writing: `store.items.create / rewrite / delete / move`. Mail: `delivery.deliver(store, element, ...)`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from connectors.simulator.rows import FolderRow, ItemRow, Mailbox
    from connectors.simulator.schema import Element
    from connectors.simulator.store import Store


@dataclass
class Call:
    """One request: what was asked, who asks, and on whose behalf.

    `user` is the mailbox that acts (after impersonation), `caller` the one that signed in. `time_zone` is the
    TimeZoneDefinition of a TimeZoneContext header, or None. `version` is the asked RequestServerVersion. `gone` says
    whether the client has hung up meanwhile.
    """

    store: Store
    name: str
    request: Element
    user: Mailbox
    caller: Mailbox
    version: str = "Exchange2016"
    time_zone: Element | None = None
    simulator: Any = None
    url: str = ""
    striking: list[Any] = field(default_factory=list)
    gone: Callable[[], bool] = lambda: False


Handler = Callable[[Call], "Element"]
OPERATIONS: dict[str, Handler] = {}


def operation(name: str) -> Callable[[Handler], Handler]:
    """Register the decorated function under the name of the operation's request element."""

    def register(handler: Handler) -> Handler:
        OPERATIONS[name] = handler
        return handler

    return register


@dataclass
class Hooks:
    """What another module may take over. Every hook may raise EwsError, which becomes that item's answer."""

    # (call, folder, CalendarView element) -> rows and their properties, in order of start, before MaxEntries
    calendar_view: Callable[[Call, FolderRow, Element], list[tuple[ItemRow, Element]]] | None = None
    # (call, occurrence row) -> the properties of that occurrence; ErrorItemNotFound when there is none
    occurrence: Callable[[Call, ItemRow], Element] | None = None
    # (call, row of an occurrence, Updates element's children, send) -> the row that then stands for it
    update_occurrence: Callable[[Call, ItemRow, list[Element], str], ItemRow] | None = None
    # (call, row of an occurrence, send): delete one occurrence
    delete_occurrence: Callable[[Call, ItemRow, str], None] | None = None
    # (store, element, owner of the folder): fill what the server sets on a CalendarItem before it is stored
    complete_calendar: Callable[[Store, Element, Mailbox], None] | None = None
    # (call, row, send): after a CalendarItem was created; send is SendToNone, SendOnlyToAll, ...
    calendar_created: Callable[[Call, ItemRow, str], None] | None = None
    # (call, row, properties before, properties now, send): after a CalendarItem was updated; may rewrite it
    calendar_updated: Callable[[Call, ItemRow, Element, Element, str], None] | None = None
    # (call, row, send): before a CalendarItem is deleted
    calendar_deleted: Callable[[Call, ItemRow, str], None] | None = None
    # (call, AcceptItem/TentativelyAcceptItem/DeclineItem/CancelCalendarItem element, referenced row,
    #  message disposition) -> the rows that were created (the caller answers with their ids)
    respond: Callable[[Call, Element, ItemRow, str], list[ItemRow]] | None = None
    # (store, mailbox, row): a meeting message has arrived in a mailbox (place it on the calendar)
    meeting_arrived: Callable[[Store, Mailbox, ItemRow], None] | None = None


hooks = Hooks()
