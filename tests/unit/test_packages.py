"""The import names of TerraCRM lead to TerraCRM."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from terracrm.cli.packages import ForeignPackage, foreign_packages, require_own_packages


def test_our_names_lead_to_our_own_distribution() -> None:
    assert foreign_packages() == []
    require_own_packages()


def test_a_foreign_package_of_our_name_is_named_with_its_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "sync").mkdir()
    (tmp_path / "sync/__init__.py").write_text("")
    for name in [name for name in sys.modules if name == "sync" or name.startswith("sync.")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.syspath_prepend(str(tmp_path))
    [problem] = foreign_packages()
    assert problem.startswith(f"the package sync leads to {tmp_path}/sync, not to ")
    with pytest.raises(ForeignPackage, match="an environment of its own"):
        require_own_packages()
