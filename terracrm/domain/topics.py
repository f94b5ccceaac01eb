"""What a conversation is about, and how its messages come by that: a reply inherits it from what it answers (M3). Pure.

A topic that a message has of its own, by hand or by a token in its subject, is that of the whole conversation. And
what a stranger writes in the conversation with one client is about that client; with two it is about nobody, since
it would be a guess.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from terracrm.domain.groups import Groups

Topic = tuple[str, int]
"""An entity, "company" or "contact", and its id."""

MANUAL, TOKEN = "manual", "token"
REPLY, CONVERSATION, SUBJECT = "reply", "conversation", "subject"
OWN = (MANUAL, TOKEN)
# From the surest to the least sure way to inherit.
INHERITED = (REPLY, CONVERSATION, SUBJECT)

COMPANY, CONTACT = "company", "contact"
TOKEN_LETTERS = {"C": COMPANY, "P": CONTACT}
_TOKEN = re.compile(r"\[#\s?([CP])-(\d{1,9})\s?\]", re.IGNORECASE)
_CYRILLIC = str.maketrans("СсРр", "CcPp")


def tokens(subject: str) -> list[Topic]:
    """The topics that a subject names: "[#C-12]" is company 12, "[#P-7]" is contact 7, in Cyrillic letters, too."""
    found = _TOKEN.findall(subject.translate(_CYRILLIC))
    return list(dict.fromkeys((TOKEN_LETTERS[letter.upper()], int(number)) for letter, number in found))


@dataclass(frozen=True, slots=True)
class Member:
    """A message of a conversation. `clients` are those whom its people are; `is_strange`: nobody from outside is known.

    `answers` is the key of the message that it names, "" where it names none; `strand` as in `domain.threads`.
    """

    id: int
    key: str
    answers: str
    strand: int
    at: datetime
    clients: frozenset[Topic] = frozenset()
    is_strange: bool = False


@dataclass(frozen=True, slots=True)
class Gift:
    """How a message came by a topic, and which message it has it from."""

    method: str
    giver: int


def inherited(
    members: Sequence[Member], own: Iterable[tuple[int, Topic]], barred: Iterable[tuple[Topic, int]] = ()
) -> dict[tuple[int, Topic], Gift]:
    """The topics that the messages of one conversation inherit, given those that some have of their own.

    `barred` names messages that a topic does not reach. Any order of what is given leads to the same.
    """
    own, barred = set(own), set(barred)
    ties = _Ties(members)
    found = {
        (member.id, topic): ties.best(member, [other for other in members if (other.id, topic) in own])
        for member in members
        for topic in {topic for _, topic in own}
        if (member.id, topic) not in own and (topic, member.id) not in barred
    }
    clients = frozenset[Topic]().union(*(member.clients for member in members))
    if len(clients) == 1:
        (client,) = clients
        givers = [member for member in members if client in member.clients]
        for member in members:
            if member.is_strange and (member.id, client) not in own:
                found.setdefault((member.id, client), ties.best(member, givers))
    return found


class _Ties:
    """By what two messages of a conversation belong together."""

    def __init__(self, members: Sequence[Member]) -> None:
        self._named: Groups[str] = Groups()
        for member in members:
            self._named.join([member.key, member.answers] if member.answers else [member.key])

    def best(self, member: Member, givers: Sequence[Member]) -> Gift:
        """The surest way to a giver; of several the oldest gives."""
        method, giver = min(
            ((self._method(member, giver), giver) for giver in givers),
            key=lambda way: (INHERITED.index(way[0]), way[1].at, way[1].key),
        )
        return Gift(method, giver.id)

    def _method(self, one: Member, other: Member) -> str:
        if one.strand != other.strand:
            return SUBJECT
        is_named = self._named.root(one.key) == self._named.root(other.key)
        # A mail that names one which nobody mirrors is tied by it, or by what stands before it in the references.
        return REPLY if is_named or one.answers or other.answers else CONVERSATION
