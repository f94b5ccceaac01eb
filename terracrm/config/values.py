"""How the values of settings are read and checked: each function takes one value and returns it in its one spelling.

A ValueError says what to do and never repeats a value that could be a secret.
"""

from __future__ import annotations

import os
from ipaddress import ip_address
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import idna
from cryptography.fernet import Fernet
from pydantic import AfterValidator, BeforeValidator, SecretStr, StringConstraints

SESSION_KEY_LENGTH = 32


def split_commas(value: object) -> object:
    """A list in an environment variable is written with commas; TOML brings a real list."""
    if not isinstance(value, str):
        return value
    return [part.strip() for part in value.split(",") if part.strip()]


def mail_domain(value: str) -> str:
    """A mail domain in the one form that is compared: lower case, IDNA, without a leading @."""
    name = value.strip().lower().removeprefix("@").strip(".")
    if "@" in name:
        raise ValueError("write only the part of the address after the @")
    try:
        return idna.encode(name, uts46=True).decode("ascii")
    except idna.IDNAError:
        raise ValueError("is not a domain name; write it like romashka.example") from None


def mail_address(value: str) -> str:
    """An e-mail address in lower case, its domain in IDNA; empty stays empty."""
    local, at, domain = value.strip().lower().rpartition("@")
    if not value.strip():
        return ""
    if not at or not local or any(char.isspace() or char in "<>,;" for char in local):
        raise ValueError("is not an e-mail address; write it like admin@romashka.example")
    return f"{local}@{mail_domain(domain)}"


def absolute_path(value: Path) -> Path:
    """The path from the root, so that a later change of folder cannot move it."""
    return Path(os.path.abspath(value.expanduser()))


def read_secret(value: object) -> object:
    """The text of the file that `value` names; says in plain words why it cannot be read."""
    if not isinstance(value, str | os.PathLike) or not os.fspath(value):
        raise ValueError("must be the path of a file")
    path = absolute_path(Path(value))
    try:
        text = path.read_text(encoding="utf-8-sig").strip()
    except FileNotFoundError:
        raise ValueError(f"there is no file {path}") from None
    except PermissionError:
        raise ValueError(f"{path} may not be read by this user: check its owner and mode") from None
    except IsADirectoryError:
        raise ValueError(f"{path} is a folder, not a file") from None
    except (OSError, UnicodeDecodeError):
        raise ValueError(f"{path} cannot be read as text") from None
    if not text:
        raise ValueError(f"{path} is empty")
    return text


def read_secrets(value: object) -> object:
    """The lines of the file that `value` names, without empty lines and # comments."""
    lines = str(read_secret(value)).splitlines()
    return [line.strip() for line in lines if line.strip() and not line.lstrip().startswith("#")]


def session_key(value: SecretStr) -> SecretStr:
    """The key, when it is long enough to sign with."""
    if len(value.get_secret_value()) < SESSION_KEY_LENGTH:
        raise ValueError(f"must be at least {SESSION_KEY_LENGTH} characters; make one with: terracrm config key")
    return value


def fernet_keys(values: list[SecretStr]) -> list[SecretStr]:
    """The keys, when each is one that Fernet takes: 32 bytes in URL-safe base64."""
    for number, value in enumerate(values, start=1):
        try:
            Fernet(value.get_secret_value())
        except ValueError:
            raise ValueError(f"key {number} is not usable; make one with: terracrm config key") from None
    return values


def database_url(value: str) -> str:
    """One spelling per database: sqlite:////file or postgresql+psycopg://..."""
    scheme, colon, rest = value.strip().partition("://")
    if colon and scheme in {"postgres", "postgresql", "postgresql+psycopg"} and rest:
        return f"postgresql+psycopg://{rest}"
    if colon and scheme == "sqlite" and rest.startswith("/") and len(rest) > 1:
        return f"sqlite:///{absolute_path(Path(rest[1:]))}"
    raise ValueError("must be sqlite:////path/to/file or postgresql+psycopg://user:password@host/database")


def base_url(value: str) -> str:
    """An http or https address without the slash at its end; empty stays empty."""
    try:
        parts = urlsplit(value)
        usable = parts.scheme in {"http", "https"} and bool(parts.hostname) and not (parts.query or parts.fragment)
    except ValueError:
        usable = False
    if value and not usable:
        raise ValueError("must start with http:// or https:// and name a host")
    return value.rstrip("/")


def webhook_url(value: SecretStr) -> SecretStr:
    """An http or https address; it may carry a secret, in a query too."""
    try:
        parts = urlsplit(value.get_secret_value())
        is_usable = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.username is None
    except ValueError:
        is_usable = False
    if not is_usable:
        raise ValueError("must start with http:// or https://, name a host and no user")
    return value


def broker_url(value: SecretStr) -> SecretStr:
    """The address of RabbitMQ (amqp, amqps) or Redis (redis, rediss)."""
    try:
        parts = urlsplit(value.get_secret_value())
        is_usable = parts.scheme in {"amqp", "amqps", "redis", "rediss"} and bool(parts.hostname)
    except ValueError:
        is_usable = False
    if not is_usable:
        raise ValueError("must start with amqp://, amqps://, redis:// or rediss://, and name a host")
    return value


def listen_host(value: str) -> str:
    """An IP address (IPv6 without brackets) or a host name."""
    try:
        return str(ip_address(value.strip("[]")))
    except ValueError:
        pass
    try:
        return mail_domain(value)
    except ValueError:
        raise ValueError("must be an IP address or the name of this machine") from None


def time_zone(value: str) -> str:
    """The name of a time zone as the IANA database writes it."""
    try:
        return ZoneInfo(value).key
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ValueError("is not a time zone; write it like Europe/Moscow") from None


def lower_case(value: object) -> object:
    """A choice is the same in capitals."""
    return value.strip().lower() if isinstance(value, str) else value


Domains = Annotated[list[Annotated[str, AfterValidator(mail_domain)]], BeforeValidator(split_commas)]
MailAddress = Annotated[str, AfterValidator(mail_address)]
MailAddresses = Annotated[list[MailAddress], BeforeValidator(split_commas)]
Names = Annotated[list[str], BeforeValidator(split_commas)]
FolderPath = Annotated[Path, AfterValidator(absolute_path)]
DatabaseUrl = Annotated[str, AfterValidator(database_url)]
BaseUrl = Annotated[str, AfterValidator(base_url)]
TimeZone = Annotated[str, AfterValidator(time_zone)]
ListenHost = Annotated[str, AfterValidator(listen_host)]
SecretFile = Annotated[SecretStr | None, BeforeValidator(read_secret)]
WebhookUrl = Annotated[SecretStr, AfterValidator(webhook_url)]
WebhookUrlFile = Annotated[WebhookUrl | None, BeforeValidator(read_secret)]
BrokerUrl = Annotated[SecretStr, AfterValidator(broker_url)]
BrokerUrlFile = Annotated[BrokerUrl | None, BeforeValidator(read_secret)]
SessionKey = Annotated[SecretStr, AfterValidator(session_key)]
SessionKeyFile = Annotated[SessionKey | None, BeforeValidator(read_secret)]
EncryptionKeys = Annotated[list[SecretStr], BeforeValidator(split_commas), AfterValidator(fernet_keys)]
EncryptionKeysFile = Annotated[
    Annotated[list[SecretStr], AfterValidator(fernet_keys)] | None, BeforeValidator(read_secrets)
]
Category = Annotated[str, StringConstraints(strip_whitespace=True)]
Choice = BeforeValidator(lower_case)
Language = Literal["en", "ru"]
Languages = Annotated[list[Language], BeforeValidator(split_commas)]
