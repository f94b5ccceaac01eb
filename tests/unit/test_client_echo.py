"""What of an unfinished write has got through (invariant 3)."""

from __future__ import annotations

from typing import Any

import pytest

from terracrm.domain.client_echo import acknowledged
from terracrm.domain.client_merge import differing
from terracrm.domain.client_slots import BLANK

OLD = {"label": "1", "address": "old@firm.example"}
NEW = {"label": "1", "address": "new@firm.example"}
THEIRS = {"label": "2", "address": "theirs@firm.example"}


@pytest.mark.parametrize(
    ("base", "remote", "writing", "agreed"),
    [
        ("A", "A", "B", "A"),  # it did not get through
        ("A", "B", "B", "B"),  # it did
        ("A", "C", "B", "A"),  # somebody said something else
        ("A", "B ", "B", "B"),  # the server keeps it in its own way
        ([OLD], [OLD], [NEW], [OLD]),
        ([OLD], [NEW], [NEW], [NEW]),
        ([OLD], [], [], []),
        ([OLD], [NEW, THEIRS], [NEW], [NEW]),
        ([OLD], [OLD, THEIRS], [OLD, NEW], [OLD]),
    ],
)
def test_what_came_back_as_it_was_written_is_agreed_on(base: Any, remote: Any, writing: Any, agreed: Any) -> None:
    field = "emails" if isinstance(base, list) else "job_title"
    said = BLANK | {field: base}
    new_base, new_sent = acknowledged(said, said, BLANK | {field: remote}, {field: writing})
    assert not differing(new_sent, BLANK | {field: agreed})
    assert not differing(new_base, BLANK | {field: agreed})


def test_fields_that_were_not_written_stay_as_they_were() -> None:
    said = BLANK | {"surname": "A", "emails": [OLD]}
    assert acknowledged(said, said, said | {"surname": "B"}, {}) == (said, said)
