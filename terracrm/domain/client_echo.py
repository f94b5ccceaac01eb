"""Our own words coming back from Outlook, told from those of its people (W1, invariant 3)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from terracrm.domain.client_slots import cells, key_of, same, tidy
from terracrm.domain.contact_merge import SCALARS, Snapshot


def acknowledged(
    base: Snapshot, sent: Snapshot, remote: Snapshot, writing: Mapping[str, Any]
) -> tuple[Snapshot, Snapshot]:
    """`base` and `sent` as they are once it is known what of an unfinished write has got through.

    `writing` are the fields that were being written when the answer was lost or the worker was killed. What the card
    (`remote`) says of them, and did not say before, both sides agreed on then: it is no change of its people, who could
    otherwise win with it over what is said here since.
    """
    before, now, wrote = tidy(base), tidy(remote), tidy(writing)
    new_base, new_sent = dict(base), dict(sent)
    for field in writing:
        if field in SCALARS:
            if not same(now[field], before[field]) and same(now[field], wrote[field]):
                new_base[field], new_sent[field] = remote[field], wrote[field]
            continue
        was, said, ours = cells(field, before[field]), cells(field, now[field]), cells(field, wrote[field])
        arrived = {
            key for key in (was | said | ours) if said.get(key) != was.get(key) and said.get(key) == ours.get(key)
        }
        new_base[field] = _with(field, base[field], remote[field], arrived)
        new_sent[field] = _with(field, sent[field], wrote[field], arrived)
    return new_base, new_sent


def _with(field: str, entries: list[Any], others: list[Any], keys: set[str]) -> list[Any]:
    """The entries, with those of these identities as the others have them."""
    stay = [entry for entry in entries if key_of(field, entry, {}) not in keys]
    return stay + [entry for entry in others if key_of(field, entry, {}) in keys]
