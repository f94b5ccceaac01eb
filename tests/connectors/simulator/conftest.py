"""A simulator for each module of tests, every answer of which is held against Microsoft's schema."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from connectors.simulator.simulator import Simulator
from tests.connectors.simulator.soap_client import Client, Validator


@pytest.fixture(scope="module")
def simulator() -> Iterator[Simulator]:
    """An Exchange with the mailboxes anna, boris and the shared mailbox info."""
    with Simulator() as running:
        running.add_mailbox("anna@example.test", "Anna Petrova")
        running.add_mailbox("boris@example.test", "Boris Ivanov")
        running.add_mailbox("info@example.test", "Information", shared=True)
        yield running


@pytest.fixture(autouse=True)
def _answers_validate(request: pytest.FixtureRequest) -> Iterator[None]:
    if "simulator" not in request.fixturenames:
        yield
        return
    watched: Simulator = request.getfixturevalue("simulator")
    validator = Validator()
    watched.on_answer.append(validator)
    yield
    watched.on_answer.remove(validator)
    watched.faults.clear()
    assert not validator.problems, "\n\n".join(validator.problems[:5])


@pytest.fixture
def anna(simulator: Simulator) -> Client:
    """A client that signs in as Anna."""
    return Client(simulator, "anna@example.test")


@pytest.fixture
def boris(simulator: Simulator) -> Client:
    """A client that signs in as Boris."""
    return Client(simulator, "boris@example.test")
