"""Keys, and the secrets they protect: mailbox passwords in the database (A5), sessions of the portal.

Keys that nobody has set are made once and kept in the data folder, readable by its owner alone.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from secrets import token_hex, token_urlsafe

from cryptography.fernet import Fernet, InvalidToken, MultiFernet

from terracrm.config import Settings, ensure_data_dir
from terracrm.errors import ConfigError

SECRET_KEY_FILE = "secret_key"  # noqa: S105 the name of a file
ENCRYPTION_KEYS_FILE = "encryption_keys"


def encrypt(settings: Settings, text: str) -> str:
    """`text` as a Fernet token under the first encryption key."""
    return _fernet(_encryption_keys(settings)).encrypt(text.encode()).decode("ascii")


def decrypt(settings: Settings, token: str) -> str:
    """The text of a token made by `encrypt` with any of the keys; ConfigError when its key is not among them."""
    try:
        return _fernet(_encryption_keys(settings)).decrypt(token.encode()).decode()
    except InvalidToken:
        raise ConfigError(
            [
                "security.encryption_keys: a stored secret was encrypted with a key that is not here; "
                f"add the former key to the list (a made one is in {_kept(settings, ENCRYPTION_KEYS_FILE)}), "
                "or enter the mailbox passwords again"
            ]
        ) from None


def session_key(settings: Settings) -> str:
    """The key that signs the sessions of the portal: the same in every process and after every start."""
    if settings.security.secret_key:
        return settings.security.secret_key.get_secret_value()
    return _kept_or_made(settings, SECRET_KEY_FILE, lambda: token_urlsafe(48))


def new_key() -> str:
    """A fresh key, good for encryption_keys and for secret_key."""
    return Fernet.generate_key().decode("ascii")


def _encryption_keys(settings: Settings) -> tuple[str, ...]:
    if settings.security.encryption_keys:
        return tuple(key.get_secret_value() for key in settings.security.encryption_keys)
    return tuple(_kept_or_made(settings, ENCRYPTION_KEYS_FILE, new_key).split())


@lru_cache(maxsize=4)
def _fernet(keys: tuple[str, ...]) -> MultiFernet:
    try:
        return MultiFernet([Fernet(key) for key in keys])
    except ValueError:
        raise ConfigError(
            [f"security.encryption_keys: the file {ENCRYPTION_KEYS_FILE} in paths.data_dir is damaged: restore it"]
        ) from None


def _kept(settings: Settings, name: str) -> Path:
    return settings.paths.data_dir / name


def _kept_or_made(settings: Settings, name: str, make: Callable[[], str]) -> str:
    path = _kept(settings, name)
    if not path.exists():
        _keep(ensure_data_dir(settings) / name, make())
    try:
        text = path.read_text(encoding="utf-8").strip()
    except OSError as error:
        raise ConfigError([f"paths.data_dir: {path} cannot be read: {error.strerror}"]) from None
    if not text:
        raise ConfigError([f"paths.data_dir: {path} is empty: restore it from a backup, or delete it"])
    return text


def _keep(path: Path, text: str) -> None:
    """Write the key whole or not at all; when another process was first, its key stays."""
    draft = path.with_name(f"{path.name}.{os.getpid()}.{token_hex(4)}")
    try:
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(text + "\n")
            file.flush()
            os.fsync(file.fileno())
        try:
            os.link(draft, path)
        except FileExistsError:
            pass
        finally:
            draft.unlink()
    except OSError as error:
        raise ConfigError([f"paths.data_dir: {path} cannot be written: {error.strerror}"]) from None
