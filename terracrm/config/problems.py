"""What is wrong with the settings, in words a person can act on and without any value that could be a secret."""

from __future__ import annotations

import json
from collections.abc import Mapping
from difflib import get_close_matches
from typing import Any

from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from terracrm.config.files import CONFIG_VARIABLE, ENV_PREFIX, env_name, setting_fields

# Names with our prefix that are no settings: the file's own, and those the test suite reads.
RESERVED = frozenset({CONFIG_VARIABLE, f"{ENV_PREFIX}SHARED", f"{ENV_PREFIX}TEST_DATABASE_URL"})

WORDS = {
    "int_parsing": "must be a whole number",
    "int_type": "must be a whole number",
    "int_from_float": "must be a whole number",
    "string_type": "must be text in quotes",
    "list_type": "must be a list",
    "path_type": "must be a path in quotes",
    "greater_than_equal": "must be at least {ge}",
    "less_than_equal": "must be at most {le}",
    "too_short": "must not be empty",
    "literal_error": "must be {expected}",
}


def unknown_environment(settings: type[BaseModel], environment: Mapping[str, str]) -> list[str]:
    """One problem for each TERRACRM_ name that means nothing: a misspelt one would be ignored silently."""
    known = {env_name(section, name) for section, name in setting_fields(settings)}
    problems = []
    for name in sorted(environment):
        if name.startswith(ENV_PREFIX) and name.upper() not in known | RESERVED:
            near = get_close_matches(name.upper(), sorted(known | {CONFIG_VARIABLE}), n=1)
            hint = f"did you mean {near[0]}?" if near else f"names are {ENV_PREFIX}<SECTION>__<SETTING>"
            problems.append(f"{name}: unknown environment variable; {hint}")
    return problems


def describe(
    settings: type[BaseModel],
    error: ValidationError,
    contents: Mapping[str, Any],
    environment: Mapping[str, str],
) -> list[str]:
    """One line for each mistake: path, what is wrong, an example, and the environment variable if it came from one."""
    upper = {name.upper() for name in environment}
    lines = []
    for details in error.errors(include_url=False, include_input=False):
        location = _location(details)
        if details["type"] == "extra_forbidden":
            # What is not in the file came from the environment: `unknown_environment` has told of it.
            if _in_file(location, contents):
                lines.append(f"{'.'.join(location)}: {_unknown(settings, location)}")
            continue
        section, name = (*location, "", "")[:2]
        if not name:
            if section in contents:
                lines.append(f"{section}: must be a section: write [{section}] on a line of its own")
            continue
        origin = f" (from {env_name(section, name)})" if env_name(section, name) in upper else ""
        example = _example(settings, section, name)
        lines.append(f"{'.'.join(location)}: {_words(details)}{example}{origin}")
    return lines


def _location(details: ErrorDetails) -> tuple[str, ...]:
    """Section, setting and, in a list, the number of the entry, counted from 1."""
    parts = [str(part + 1) if isinstance(part, int) else part for part in details["loc"]]
    name = details.get("ctx", {}).get("name")
    return (*parts, *name.split(".")) if name else tuple(parts)


def _in_file(location: tuple[str, ...], contents: Mapping[str, Any]) -> bool:
    found: Any = contents
    for part in location:
        if not isinstance(found, Mapping) or part not in found:
            return False
        found = found[part]
    return True


def _unknown(settings: type[BaseModel], location: tuple[str, ...]) -> str:
    if len(location) == 1:
        kind, known = "section", list(settings.model_fields)
    else:
        kind = "setting"
        known = [name for section, name in setting_fields(settings) if section == location[0]]
    near = get_close_matches(location[-1], known, n=1)
    return f"unknown {kind}; " + (f"did you mean {near[0]}?" if near else f"there are: {', '.join(known)}")


def _words(details: ErrorDetails) -> str:
    context = details.get("ctx", {})
    if details["type"] in WORDS:
        return WORDS[details["type"]].format(**context)
    return details["msg"].removeprefix("Value error, ")


def _example(settings: type[BaseModel], section: str, name: str) -> str:
    field = field_of(settings, section, name)
    return f"; for example: {name} = {json.dumps(field.examples[0], ensure_ascii=False)}" if field.examples else ""


def field_of(settings: type[BaseModel], section: str, name: str) -> FieldInfo:
    """The declaration of a setting: its description, examples and default."""
    return section_model(settings, section).model_fields[name]


def section_model(settings: type[BaseModel], section: str) -> type[BaseModel]:
    """The model of a [section]."""
    model = settings.model_fields[section].annotation
    assert isinstance(model, type)
    assert issubclass(model, BaseModel)
    return model
