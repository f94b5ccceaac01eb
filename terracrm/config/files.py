"""Where the settings are read from: the file, and the names of the environment that override it."""

from __future__ import annotations

import os
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from terracrm.errors import ConfigError

ENV_PREFIX = "TERRACRM_"
CONFIG_VARIABLE = "TERRACRM_CONFIG"
DEFAULT_FILE = Path("config.toml")
SQLITE = "sqlite:///"


def find_config(path: Path | None) -> Path | None:
    """The settings file to read: `path`, TERRACRM_CONFIG or ./config.toml; None when there is none.

    A file that was asked for by name must be there: ConfigError otherwise.
    """
    named = path or (Path(os.environ[CONFIG_VARIABLE]) if os.environ.get(CONFIG_VARIABLE) else None)
    if named is None:
        return DEFAULT_FILE.absolute() if DEFAULT_FILE.is_file() else None
    if not named.is_file():
        asked = "--config" if path else CONFIG_VARIABLE
        raise ConfigError(
            [f"{named}: no such file ({asked} names it); make one with: terracrm config example > {named}"]
        )
    return named.absolute()


def read_toml(path: Path) -> tuple[dict[str, Any], list[str]]:
    """The contents of the file, and what is wrong with its form."""
    try:
        return tomllib.loads(path.read_text(encoding="utf-8-sig")), []
    except tomllib.TOMLDecodeError as error:
        return {}, [f"{path}: this is not TOML: {error}"]
    except UnicodeDecodeError:
        return {}, [f"{path}: is not UTF-8 text; save it as UTF-8"]
    except PermissionError:
        return {}, [f"{path}: may not be read by this user: check its owner and mode"]
    except OSError as error:
        return {}, [f"{path}: cannot be read: {error.strerror}"]


def setting_fields(settings: type[BaseModel]) -> Iterator[tuple[str, str]]:
    """(section, setting) of every setting, in the order of the model."""
    for section, field in settings.model_fields.items():
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            for name in field.annotation.model_fields:
                yield section, name


def env_name(section: str, name: str) -> str:
    """The environment variable that overrides a setting."""
    return f"{ENV_PREFIX}{section}__{name}".upper()


def anchor_paths(settings: type[BaseModel], contents: dict[str, Any], folder: Path) -> dict[str, Any]:
    """The contents with relative paths counted from `folder`, that of the file itself."""
    anchored: dict[str, Any] = {
        key: dict(value) if isinstance(value, dict) else value for key, value in contents.items()
    }
    for section, name in setting_fields(settings):
        values = anchored.get(section)
        if not isinstance(values, dict):
            continue
        value = values.get(name)
        if not isinstance(value, str) or not value:
            continue
        if name.endswith(("_file", "_dir")):
            values[name] = str(folder / Path(value).expanduser())
        elif name == "url" and value.startswith(SQLITE) and value != SQLITE:
            values[name] = SQLITE + str(folder / value.removeprefix(SQLITE))
    paths = anchored.setdefault("paths", {})
    if isinstance(paths, dict):
        paths.setdefault("data_dir", str(folder / "var"))
    return anchored


def drop_overridden_twins(contents: dict[str, Any], environment: Mapping[str, str]) -> dict[str, Any]:
    """The contents without the `x` and `x_file` of the file where the environment gives the other of the two.

    The environment overrides the file whichever way either of them gives the secret.
    """
    given = {name.upper() for name in environment}

    def overridden(section: str, name: str) -> bool:
        twin = name.removesuffix("_file") if name.endswith("_file") else f"{name}_file"
        return env_name(section, twin) in given

    return {
        section: {name: value for name, value in values.items() if not overridden(section, name)}
        if isinstance(values, dict)
        else values
        for section, values in contents.items()
    }
