"""config.example.toml and docs/configuration.md, written from the descriptions of the settings themselves."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from terracrm.config.files import env_name
from terracrm.config.problems import section_model
from terracrm.config.settings import Settings

WIDTH = 100

TOML_INTRO = """\
# Settings of TerraCRM. Copy this file to config.toml and remove the # before what you change.
# The environment overrides the file: TERRACRM_WEB__PORT=8080 is port in [web]; lists are written a,b,c there.
# Relative paths count from the folder of the file. `terracrm config check` finds mistakes.
"""

DOCS_INTRO = """\
# Settings

Settings come from three places; later ones win: the defaults, `config.toml`, the environment.

- The file is the one that `--config FILE` names, else `TERRACRM_CONFIG`, else `config.toml` in the current folder.
  None is needed: the defaults work. `terracrm config example > config.toml` makes one to start from.
- The environment variable of a setting is `TERRACRM_<SECTION>__<SETTING>`, with two underscores in the middle:
  `TERRACRM_WEB__PORT=8080`. Lists are written with commas: `TERRACRM_MIRROR__INTERNAL_DOMAINS=a.example,b.example`.
- A secret may stand in a file of its own: `secret_key_file = "/etc/terracrm/secret_key"` instead of `secret_key`.
- Relative paths count from the folder of `config.toml`, those in the environment from the current folder.
- An unknown name, in the file or with the prefix `TERRACRM_`, is a mistake. `terracrm config check` reports all
  mistakes at once, each with its path, and never prints a secret.

This page is made from the settings themselves (`make docs`).
"""


def example_toml() -> str:
    """The example file: every setting with its description, commented out, at its default."""
    parts = [TOML_INTRO]
    for section, intro, fields in sections():
        parts.append(f"\n[{section}]\n# {intro}\n")
        for name, field in fields:
            parts.append("\n" + _commented(_prose(name, field)) + _commented_assignment(name, field))
    return "".join(parts)


def reference() -> str:
    """The page of the documentation: a heading for each section and one for each setting."""
    parts = [DOCS_INTRO]
    for section, intro, fields in sections():
        parts.append(f"\n## [{section}]\n\n{intro}\n")
        for name, field in fields:
            parts.append(
                f"\n### {section}.{name}\n\n{field.description}\n\n"
                f"- Default: {_default_words(name, field)}\n"
                f"- Example: `{_assignment(name, _example(field))}`\n"
                f"- Environment: `{env_name(section, name)}`\n"
            )
    return "".join(parts)


def sections() -> Iterator[tuple[str, str, list[tuple[str, FieldInfo]]]]:
    """Each section: its name, what it is about, and its settings."""
    for section in Settings.model_fields:
        model = section_model(Settings, section)
        yield section, str(model.__doc__), list(model.model_fields.items())


def default_of(name: str, field: FieldInfo) -> Any:
    """The default as config.toml would say it; None where there is no fixed one."""
    default = field.get_default(call_default_factory=True, validated_data={})
    if default in (None, "", PydanticUndefined) or isinstance(default, Path) or name == "encryption_keys":
        return None
    return default


def _example(field: FieldInfo) -> Any:
    assert field.examples, "every setting has an example"
    return field.examples[0]


def _prose(name: str, field: FieldInfo) -> str:
    text = str(field.description)
    default = default_of(name, field)
    if default is not None and _example(field) != default:
        text += f" Example: {_assignment(name, _example(field))}"
    return text


def _commented_assignment(name: str, field: FieldInfo) -> str:
    default = default_of(name, field)
    line = _assignment(name, _example(field) if default is None else default)
    if len(line) <= WIDTH:
        return f"#{line}\n"
    items = textwrap.fill(", ".join(map(json.dumps, default)) + ",", WIDTH - 4, break_on_hyphens=False)
    return f"#{name} = [\n" + textwrap.indent(items, "#    ") + "\n#]\n"


def _default_words(name: str, field: FieldInfo) -> str:
    default = default_of(name, field)
    if default is None:
        return "not set"
    if isinstance(default, list) and len(default) > 20:
        return f"{len(default)} domains, listed in config.example.toml"
    return f"`{json.dumps(default, ensure_ascii=False)}`"


def _assignment(name: str, value: Any) -> str:
    # JSON's numbers, strings and arrays are TOML's, too.
    return f"{name} = {json.dumps(value, ensure_ascii=False)}"


def _commented(text: str) -> str:
    return textwrap.fill(text, WIDTH - 2, initial_indent="# ", subsequent_indent="# ", break_on_hyphens=False) + "\n"
