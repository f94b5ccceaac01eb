"""Phrase banks: the kinds of conversations of the office, by topic."""

from connectors.simulator.office.scenario import Scenario
from connectors.simulator.office.scenarios import (
    assortment,
    claims,
    english,
    inside,
    logistics,
    orders,
    paperwork,
)

WITH_CLIENTS: tuple[Scenario, ...] = (
    *orders.SCENARIOS,
    *logistics.SCENARIOS,
    *claims.SCENARIOS,
    *paperwork.SCENARIOS,
    *assortment.SCENARIOS,
    *english.SCENARIOS,
)
INSIDE: tuple[Scenario, ...] = inside.SCENARIOS
