"""Mail that keeps coming while the demo runs: answers to conversations that are open, and new ones."""

from __future__ import annotations

import random
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from connectors.simulator.office.letters import Letter
from connectors.simulator.office.mail import Delivery, choose, deliver, written
from connectors.simulator.office.office import Office
from connectors.simulator.office.threads import message_id, play

_OPEN_FOR = timedelta(days=4)


def next_mail(office: Office, rng: random.Random, now: datetime) -> list[Delivery]:
    """The copies of the first mail of a new conversation, written at `now`, with a Message-ID of its own."""
    return _sent_now(_conversation(office, rng, now)[0], now, rng)


class Arrivals:
    """The mail after `started`: what `make_mail(office, started)` left unanswered gets its answers, one at a time."""

    def __init__(self, office: Office, rng: random.Random, started: datetime, days: int = 90) -> None:
        """`days` must be that of the `make_mail` whose conversations go on here."""
        self._office = office
        self._rng = rng
        planned = written(office, started, days)
        begun = {letter for letter in planned if started - _OPEN_FOR < letter.at <= started}
        self._due: list[Letter] = []
        for letter in sorted(planned, key=lambda letter: letter.at):
            if letter.at > started and letter.parent in begun:
                begun.add(letter)
                self._due.append(letter)

    def next_mail(self, now: datetime) -> list[Delivery]:
        """The copies of one more mail dated `now`: an answer that is due, or the first of a new conversation."""
        if self._due and self._rng.random() < 0.6:
            return _sent_now(self._due.pop(0), now, self._rng)
        first, *answers = _conversation(self._office, self._rng, now)
        self._due += answers
        return _sent_now(first, now, self._rng)


def _conversation(office: Office, rng: random.Random, now: datetime) -> list[Letter]:
    client, scenario = choose(office, now, rng)
    return play(office, client, scenario, now, rng)


def _sent_now(letter: Letter, now: datetime, rng: random.Random) -> list[Delivery]:
    letter.at = now.astimezone(UTC)
    letter.message_id = message_id(letter.author, rng)
    return [copy if copy.folder == "sentitems" else replace(copy, is_read=False) for copy in deliver(letter, now, rng)]
