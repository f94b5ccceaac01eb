"""One numbered page of a list, with the count of all that the viewer sees."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Generic, TypeVar

Row = TypeVar("Row")
PAGE_SIZE = 50
LAST_PAGE = 100_000


@dataclass(frozen=True, slots=True)
class Listing(Generic[Row]):
    """`rows` are those of page `page` (from 1); `total` counts all pages together."""

    rows: list[Row]
    total: int
    page: int

    @property
    def pages(self) -> int:
        """How many pages there are, at least one."""
        return max(1, -(-self.total // PAGE_SIZE))

    @property
    def first(self) -> int:
        """The number of the first row shown, from 1; 0 when there is none."""
        return (self.page - 1) * PAGE_SIZE + 1 if self.rows else 0

    @property
    def last(self) -> int:
        """The number of the last row shown."""
        return self.first + len(self.rows) - 1 if self.rows else 0
