"""What a scenario of correspondence is: a subject and who writes what to whom, with choices and blanks."""

from __future__ import annotations

from dataclasses import dataclass

from connectors.simulator.office.office import Language


@dataclass(frozen=True)
class Turn:
    """One letter of a conversation.

    `by`, `to`, `cc` and `answers` name parts: client, accountant, store, seller, service, office, head, director.
    Without `to` it goes to whoever wrote the letter that it answers, by default the latest one. `hours` is the
    range of working hours since then. With `chance` below 1 the conversation may end before it; a forward is
    merely left out then. A text that begins with ~ has no greeting.
    """

    by: str
    text: str
    hours: tuple[float, float] = (0.3, 4.0)
    to: str = ""
    cc: str = ""
    answers: str = ""
    files: str = ""
    forward: bool = False
    chance: float = 1.0


@dataclass(frozen=True)
class Fork:
    """Ways in which a conversation may go on; one of them is taken."""

    ways: tuple[tuple[Turn, ...], ...]


@dataclass(frozen=True)
class Scenario:
    """A kind of conversation. `weight` says how often it happens; `before_holidays` ones only then."""

    name: str
    subject: str
    turns: tuple[Turn | Fork, ...]
    weight: int = 4
    segments: tuple[str, ...] = ("chain", "shop", "cafe", "canteen")
    language: Language = "ru"
    before_holidays: bool = False
    urgent: bool = False
    private: bool = False
