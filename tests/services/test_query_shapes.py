"""How the databases read a profile, its history and the search: by ranges of indexes, however long the history is."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from sqlalchemy import Engine, event
from sqlalchemy.orm import Session

from terracrm.domain.addresses import DomainPolicy
from terracrm.services import companies, contacts, matching, search, timeline
from terracrm.services.access import Viewer, viewer_of
from tests.office import NOW, Office

Reading = Callable[[Session, Viewer, Office], object]
AFTER = timeline.Cursor(NOW, 10)


def of_contact(office: Office) -> int:
    return office.contacts["maria@market.example"].id


def of_company(office: Office) -> int:
    return office.companies["market.example"].id


READINGS: dict[str, Reading] = {
    "contact": lambda session, viewer, office: contacts.profile(session, viewer, of_contact(office)),
    "company": lambda session, viewer, office: companies.profile(session, viewer, of_company(office)),
    "history": lambda session, viewer, office: timeline.of_client(
        session, viewer, "contact", of_contact(office), timeline.Filters()
    ),
    "later page": lambda session, viewer, office: timeline.of_client(
        session, viewer, "contact", of_contact(office), timeline.Filters(), AFTER
    ),
    "history of a company": lambda session, viewer, office: timeline.of_client(
        session, viewer, "company", of_company(office), timeline.Filters(), AFTER
    ),
    "everywhere": lambda session, viewer, office: timeline.everywhere(session, viewer, after=AFTER),
    "search": lambda session, viewer, office: search.history(session, viewer, "договор сметана", None),
}


@pytest.fixture
def asked(engine: Engine) -> Iterator[list[tuple[str, Any]]]:
    found: list[tuple[str, Any]] = []

    def note(_connection: Any, _cursor: Any, statement: str, parameters: Any, *_: Any) -> None:
        if statement.startswith(("SELECT", "WITH")):
            found.append((statement, parameters))

    event.listen(engine, "before_cursor_execute", note)
    yield found
    event.remove(engine, "before_cursor_execute", note)


@pytest.mark.parametrize("name", ["anna", "viktor"])
@pytest.mark.parametrize("reading", READINGS)
def test_no_history_is_read_as_a_whole_or_sorted(
    office: Office, asked: list[tuple[str, Any]], reading: str, name: str
) -> None:
    viewer = viewer_of(office.session, office.users[name])
    office.session.expunge_all()
    asked.clear()
    READINGS[reading](office.session, viewer, office)
    of_history = [each for each in asked if "activities" in each[0] or "timeline" in each[0] or "_search" in each[0]]
    assert of_history
    for statement, parameters in of_history:
        plan = plan_of(office.session, statement, parameters)
        for table in ("activities", "contact_timeline", "company_timeline", "participants", "activity_search_rows"):
            assert f"SCAN {table}\n" not in plan, f"{statement}\n{plan}"
            assert f"Seq Scan on {table}" not in plan, f"{statement}\n{plan}"
        if "occurred_at" in statement.rpartition("ORDER BY")[2] and "MATERIALIZED" not in statement:
            assert "TEMP B-TREE" not in plan, f"{statement}\n{plan}"
            assert "Sort" not in plan, f"{statement}\n{plan}"


@pytest.mark.parametrize("reading", ["later page", "history of a company", "everywhere"])
def test_a_later_page_begins_where_the_one_before_ended(
    office: Office, asked: list[tuple[str, Any]], reading: str
) -> None:
    viewer = viewer_of(office.session, office.users["anna"])
    asked.clear()
    READINGS[reading](office.session, viewer, office)
    plan = plan_of(office.session, *next(each for each in asked if "occurred_at" in each[0]))
    sought = [line for line in plan.splitlines() if line.startswith("SEARCH") or "Index Cond" in line]
    assert any("occurred_at" in line for line in sought), plan


def test_whose_addresses_these_are_is_looked_up_by_them(office: Office, asked: list[tuple[str, Any]]) -> None:
    asked.clear()
    matching.match(office.session, DomainPolicy(), [f"a{number}@b{number}.example" for number in range(500)])
    (people,) = (each for each in asked if each[0].startswith("SELECT contact_addresses"))
    # PostgreSQL chooses by how many there are of each.
    if office.session.get_bind().dialect.name == "sqlite":
        assert "ix_contact_addresses_address" in plan_of(office.session, *people)


def plan_of(session: Session, statement: str, parameters: Any) -> str:
    """How it is done; PostgreSQL is told that the tables are not as small as they are."""
    if session.get_bind().dialect.name == "sqlite":
        rows = session.connection().exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters)
        return "\n".join(row[-1] for row in rows) + "\n"
    for what in ("seqscan", "bitmapscan", "sort", "incremental_sort"):
        session.connection().exec_driver_sql(f"SET LOCAL enable_{what} = off")
    rows = session.connection().exec_driver_sql(f"EXPLAIN {statement}", parameters)
    return "\n".join(row[0] for row in rows)
