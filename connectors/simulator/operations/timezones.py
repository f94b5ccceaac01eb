"""GetServerTimeZones."""

from __future__ import annotations

from connectors.simulator import timezones
from connectors.simulator.registry import Call, operation
from connectors.simulator.responses import answer, flag, holding, success
from connectors.simulator.schema import Element, elements, m


@operation("GetServerTimeZones")
def get_server_time_zones(call: Call) -> Element:
    """Every zone, or those that were asked for by id; ids that nobody knows are left out, as Exchange does."""
    asked = [element.text or "" for element in elements(call.request.find(m("Ids")))]
    known = frozenset(timezones.windows_ids())
    # Exchange gives the whole definitions unless it is told not to.
    full = flag(call.request.get("ReturnFullTimeZoneData", "true").lower())
    names = [name for name in asked if name in known] if asked else timezones.windows_ids()
    found = [timezones.definition(name, full=full) for name in names]
    made = success("GetServerTimeZonesResponseMessage", [holding("TimeZoneDefinitions", *found)])
    return answer("GetServerTimeZones", [made])
