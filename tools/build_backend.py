"""setuptools' build backend, which first makes what is not in git: compiled translations.

A wheel must carry the portal's front-end files as well; they come from npm, and `make assets` fetches them.
"""

from __future__ import annotations

from pathlib import Path

from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po
from setuptools import build_meta
from setuptools.build_meta import (
    get_requires_for_build_editable,
    get_requires_for_build_sdist,
    get_requires_for_build_wheel,
    prepare_metadata_for_build_editable,
    prepare_metadata_for_build_wheel,
)

__all__ = [
    "build_editable",
    "build_sdist",
    "build_wheel",
    "get_requires_for_build_editable",
    "get_requires_for_build_sdist",
    "get_requires_for_build_wheel",
    "prepare_metadata_for_build_editable",
    "prepare_metadata_for_build_wheel",
]

ROOT = Path(__file__).resolve().parent.parent
Settings = dict[str, str | list[str] | None] | None


def build_wheel(wheel_directory: str, config_settings: Settings = None, metadata_directory: str | None = None) -> str:
    """Build the wheel, whole or not at all."""
    require_assets()
    compile_translations()
    return build_meta.build_wheel(wheel_directory, config_settings, metadata_directory)


def build_sdist(sdist_directory: str, config_settings: Settings = None) -> str:
    """Build the source archive, with the front-end files, so that a wheel can be built from it without npm."""
    require_assets()
    return build_meta.build_sdist(sdist_directory, config_settings)


def build_editable(
    wheel_directory: str, config_settings: Settings = None, metadata_directory: str | None = None
) -> str:
    """Install for development: the front-end files may come later."""
    compile_translations()
    return build_meta.build_editable(wheel_directory, config_settings, metadata_directory)


def require_assets() -> None:
    """Raise when the front-end files are not in place."""
    if not any((ROOT / "web/static/vendor").glob("*")):
        raise SystemExit("The front-end files are missing (web/static/vendor): run `make assets` first.")


def compile_translations() -> None:
    """Write messages.mo beside every messages.po that is newer."""
    for source in sorted((ROOT / "terracrm/translations").glob("*/LC_MESSAGES/*.po")):
        target = source.with_suffix(".mo")
        if target.exists() and target.stat().st_mtime >= source.stat().st_mtime:
            continue
        with source.open("rb") as file:
            catalogue = read_po(file, locale=source.parent.parent.name)
        with target.open("wb") as file:
            write_mo(file, catalogue)


if __name__ == "__main__":
    compile_translations()
