"""Keys made once, and what they encrypt."""

from __future__ import annotations

import multiprocessing
from pathlib import Path

import pytest
from cryptography.fernet import Fernet
from pydantic import SecretStr

from terracrm.config import Settings
from terracrm.errors import ConfigError
from terracrm.secrets import decrypt, encrypt, new_key, session_key


def settings_in(folder: Path, *keys: str) -> Settings:
    return Settings(
        paths={"data_dir": folder},  # type: ignore[arg-type]
        security={"encryption_keys": [SecretStr(key) for key in keys]},  # type: ignore[arg-type]
    )


def test_what_was_encrypted_is_read_again_after_a_restart(tmp_path: Path) -> None:
    token = encrypt(settings_in(tmp_path), "пароль")
    assert "пароль" not in token
    assert decrypt(settings_in(tmp_path), token) == "пароль"


def test_made_keys_are_readable_by_their_owner_alone(tmp_path: Path) -> None:
    encrypt(settings_in(tmp_path / "data"), "x")
    session_key(settings_in(tmp_path / "data"))
    for name in ("encryption_keys", "secret_key"):
        assert (tmp_path / "data" / name).stat().st_mode & 0o777 == 0o600
    assert sorted(path.name for path in (tmp_path / "data").iterdir()) == ["encryption_keys", "secret_key"]
    assert (tmp_path / "data").stat().st_mode & 0o777 == 0o700


def test_processes_that_start_together_agree_on_one_key(tmp_path: Path) -> None:
    with multiprocessing.get_context("spawn").Pool(2) as pool:
        keys = pool.map(session_key, [settings_in(tmp_path)] * 8, chunksize=1)
    assert len(set(keys)) == 1
    assert len(keys[0]) >= 32


def test_the_first_key_encrypts_and_the_former_still_decrypts(tmp_path: Path) -> None:
    old, new = new_key(), new_key()
    token = encrypt(settings_in(tmp_path, old), "secret")
    assert decrypt(settings_in(tmp_path, new, old), token) == "secret"
    assert Fernet(new).decrypt(encrypt(settings_in(tmp_path, new, old), "secret")) == b"secret"


def test_a_lost_key_is_told_in_plain_words_and_without_the_secret(tmp_path: Path) -> None:
    token = encrypt(settings_in(tmp_path, new_key()), "secret")
    with pytest.raises(ConfigError, match=r"security\.encryption_keys: .*add the former key") as caught:
        decrypt(settings_in(tmp_path, new_key()), token)
    assert "secret:" not in str(caught.value)
    assert token not in str(caught.value)


def test_a_damaged_key_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "encryption_keys").write_text("half a key")
    with pytest.raises(ConfigError, match=r"encryption_keys in paths\.data_dir is damaged"):
        encrypt(settings_in(tmp_path), "x")
    (tmp_path / "encryption_keys").write_text("")
    with pytest.raises(ConfigError, match="is empty"):
        encrypt(settings_in(tmp_path), "x")


def test_a_data_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match=r"paths\.data_dir"):
        session_key(settings_in(tmp_path / "file" / "data"))
