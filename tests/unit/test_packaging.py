"""What is installed is what is here, and nothing of the machine it was made on."""

from __future__ import annotations

import configparser
import json
import os
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
TOP = ("terracrm", "connectors", "sync", "web")


def setup_cfg() -> configparser.ConfigParser:
    parser = configparser.ConfigParser(interpolation=None)
    parser.read(ROOT / "setup.cfg", encoding="utf-8")
    return parser


def listed_packages() -> list[str]:
    return setup_cfg()["options"]["packages"].split()


def test_every_package_is_listed_in_setup_cfg() -> None:
    folders = {path.parent for top in TOP for path in (ROOT / top).rglob("*.py")}
    packages = {".".join(folder.relative_to(ROOT).parts) for folder in folders}
    assert listed_packages() == sorted(packages | {"web.templates"})


def test_every_package_says_what_it_is() -> None:
    for name in listed_packages():
        folder = "templates" if name == "web.templates" else name.replace(".", "/")
        assert (ROOT / folder / "__init__.py").read_text(encoding="utf-8").startswith('"""'), name


def test_the_lock_pins_everything_with_hashes_and_names_no_place() -> None:
    text = (ROOT / "requirements.lock").read_text(encoding="utf-8")
    assert not re.search(r"file:/|https?:|--(extra-)?index-url|--find-links|(?<![\w.])/\w+/", text)
    pinned = set()
    for block in re.split(r"\n(?=\S)", re.sub(r"(?m)^#.*\n|^\s+#.*\n", "", text).strip()):
        name, version = block.split()[0].split("==")
        assert version, block
        assert "--hash=sha256:" in block, block
        pinned.add(re.sub(r"[-_.]+", "-", name.lower()))
    options = setup_cfg()["options"]["install_requires"]
    extras = setup_cfg()["options.extras_require"]
    for line in "\n".join([options, *extras.values()]).split("\n"):
        if line:
            name = re.split(r"[\[<>=]", line)[0]
            assert re.sub(r"[-_.]+", "-", name.lower()) in pinned, f"run make lock: {name} is not in requirements.lock"


def test_the_front_end_lock_names_no_place_and_pins_what_is_asked_for() -> None:
    lock = json.loads((ROOT / "package-lock.json").read_text(encoding="utf-8"))
    asked = json.loads((ROOT / "package.json").read_text(encoding="utf-8"))["dependencies"]
    assert lock["packages"][""]["dependencies"] == asked
    for name, package in lock["packages"].items():
        if name:
            assert "resolved" not in package
            assert package["integrity"].startswith("sha512-")


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A wheel built from a copy of what is here, with a stand-in where the front-end files were not fetched."""
    copy = tmp_path_factory.mktemp("project")
    for name in ("setup.cfg", "pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, copy)
    for name in (*TOP, "templates", "tools"):
        shutil.copytree(ROOT / name, copy / name, ignore=shutil.ignore_patterns("__pycache__", "*.mo"))
    vendor = copy / "web/static/vendor"
    if not vendor.exists():
        vendor.mkdir(parents=True)
        (vendor / "stand-in.css").write_text("")
    built = subprocess.run(
        [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", "dist"],
        cwd=copy,
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | {"PYTHONWARNINGS": "ignore"},
    )
    assert built.returncode == 0, built.stdout + built.stderr
    [path] = (copy / "dist").glob("*.whl")
    return path


def test_the_wheel_carries_code_pages_migrations_translations_and_front_end(wheel: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    expected = {str(path.relative_to(ROOT)) for top in TOP for path in (ROOT / top).rglob("*.py")}
    expected |= {f"web/{path.relative_to(ROOT)}" for path in (ROOT / "templates").rglob("*.html")}
    expected |= {
        str(path.relative_to(ROOT).with_suffix(".mo")) for path in (ROOT / "terracrm/translations").rglob("*.po")
    }
    expected |= {str(path.relative_to(ROOT)) for path in (ROOT / "web/static").rglob("*") if path.is_file()}
    expected |= {"terracrm/migrations/script.py.mako"}
    assert {name for name in expected if "__pycache__" not in name and "/." not in name} - names == set()
    assert {name.split("/")[0] for name in names if "dist-info" not in name} == set(TOP)


def test_a_wheel_without_the_front_end_files_is_refused(tmp_path: Path) -> None:
    (tmp_path / "tools").mkdir()
    shutil.copy(ROOT / "tools/build_backend.py", tmp_path / "tools")
    code = "import build_backend; build_backend.build_wheel('dist')"
    ran = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path / "tools", capture_output=True, text=True, check=False
    )
    assert ran.returncode == 1
    assert "run `make assets` first" in ran.stderr
