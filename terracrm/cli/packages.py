"""Whether the import names of TerraCRM lead to TerraCRM: `web`, `sync` and `connectors` are plain names that another
distribution could take (docs/decisions/0001)."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import terracrm
from terracrm.errors import TerraCRMError

NAMES = ("terracrm", "connectors", "sync", "web")


class ForeignPackage(TerraCRMError):
    """Another distribution has taken one of our import names."""


def foreign_packages() -> list[str]:
    """One line for each of our names that leads elsewhere, with where; empty when all is well."""
    home = Path(str(terracrm.__file__)).resolve().parent.parent
    problems = []
    for name in NAMES:
        spec = find_spec(name)
        places = [] if spec is None else [Path(place).resolve() for place in spec.submodule_search_locations or []]
        if spec is not None and spec.origin and not places:
            places = [Path(spec.origin).resolve()]
        if home / name not in places:
            found = places[0] if places else "nowhere"
            problems.append(
                f"the package {name} leads to {found}, not to {home / name}: "
                "install TerraCRM into an environment of its own"
            )
    return problems


def require_own_packages() -> None:
    """Raise ForeignPackage before a service starts with somebody else's code."""
    if problems := foreign_packages():
        raise ForeignPackage("; ".join(problems))
