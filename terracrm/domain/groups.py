"""Disjoint sets: what is the same as something else is the same as all that is the same as that."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Iterable
from typing import Generic, TypeVar

T = TypeVar("T", bound=Hashable)


class Groups(Generic[T]):
    """Members in groups that can only grow together."""

    def __init__(self) -> None:
        self._parent: dict[T, T] = {}

    def root(self, member: T) -> T:
        """The member that stands for the group; a member that is new is a group of its own."""
        parent = self._parent.setdefault(member, member)
        while parent != (above := self._parent[parent]):
            self._parent[member] = parent = above
        return parent

    def join(self, members: Iterable[T]) -> None:
        """Make one group of all these."""
        first, *others = map(self.root, members)
        for other in others:
            self._parent[other] = first

    def all(self) -> list[list[T]]:
        """All groups, their members in the order in which they were named first."""
        found: dict[T, list[T]] = defaultdict(list)
        for member in list(self._parent):
            found[self.root(member)].append(member)
        return list(found.values())
