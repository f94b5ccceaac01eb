"""Settings: precedence, mistakes and secrets."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest
from cryptography.fernet import Fernet
from hypothesis import given
from hypothesis import strategies as st

from terracrm.config import Settings, load
from terracrm.config.example import example_toml, reference
from terracrm.config.files import env_name, setting_fields
from terracrm.config.values import mail_domain
from terracrm.errors import ConfigError

ROOT = Path(__file__).resolve().parents[2]
KEY = "k" * 40


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder to be in, and an environment that says nothing about us."""
    import os

    for name in list(os.environ):
        if name.upper().startswith("TERRACRM_"):
            monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def write(folder: Path, text: str) -> Path:
    path = folder / "settings.toml"
    path.write_text(text, encoding="utf-8")
    return path


def problems(path: Path | None = None) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        load(path)
    return caught.value.problems


def test_no_file_gives_the_defaults(folder: Path) -> None:
    settings = load()
    assert settings.web.port == 8000
    assert settings.paths.data_dir == folder / "var"
    assert settings.database.url == f"sqlite:///{folder}/var/terracrm.db"
    assert settings.mirror.internal_domains == []
    assert {"gmail.com", "mail.ru", "yandex.ru"} <= set(settings.mirror.free_mail_domains)


def test_the_file_wins_over_defaults_and_the_environment_over_the_file(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write(folder, "[web]\nport = 8001\nthreads = 3\n")
    monkeypatch.setenv("TERRACRM_WEB__PORT", "8002")
    settings = load(path)
    assert (settings.web.port, settings.web.threads, settings.web.session_hours) == (8002, 3, 12)


def test_the_file_is_found_by_argument_then_by_environment_then_here(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "config.toml").write_text("[web]\nport = 1001\n")
    (folder / "named.toml").write_text("[web]\nport = 1002\n")
    assert load().web.port == 1001
    monkeypatch.setenv("TERRACRM_CONFIG", "named.toml")
    assert load().web.port == 1002
    assert load(write(folder, "[web]\nport = 1003\n")).web.port == 1003


def test_a_named_file_that_is_not_there_is_a_mistake(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "no such file (--config names it)" in problems(folder / "absent.toml")[0]
    monkeypatch.setenv("TERRACRM_CONFIG", str(folder / "absent.toml"))
    assert "no such file (TERRACRM_CONFIG names it)" in problems()[0]


def test_every_mistake_is_reported_at_once_with_its_path(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERRACRM_WEB__THREADS", "many")
    path = write(
        folder,
        """
        [web]
        port = "eighty"
        prot = 8000
        default_language = "fr"
        [mirror]
        page_size = 513
        internal_domains = ["romashka.example", "anna@romashka.example"]
        [secuirty]
        secret_key = "x"
        [sync]
        retry_base_seconds = 60
        retry_max_seconds = 30
        """,
    )
    found = {line.split(":")[0]: line for line in problems(path)}
    assert set(found) == {
        "web.port",
        "web.prot",
        "web.threads",
        "web.default_language",
        "mirror.page_size",
        "mirror.internal_domains.2",
        "secuirty",
        "sync.retry_max_seconds",
    }
    assert "did you mean port?" in found["web.prot"]
    assert "did you mean security?" in found["secuirty"]
    assert "must be a whole number; for example: port = 8000" in found["web.port"]
    assert found["web.threads"].endswith("(from TERRACRM_WEB__THREADS)")
    assert "must be at most 512" in found["mirror.page_size"]


@pytest.mark.parametrize("name", ["TERRACRM_WEB__PROT", "TERRACRM_WEB_PORT", "TERRACRM_WEBB__PORT", "TERRACRM_WEB"])
def test_a_misspelt_environment_name_is_a_mistake(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv(name, "8000")
    [line] = problems()
    assert line.startswith(f"{name}: unknown environment variable")
    assert "TERRACRM_WEB__PORT" in line


def test_a_file_that_is_not_toml_says_where_and_the_environment_is_still_checked(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TERRACRM_WEB__PORT", "no")
    broken, environment = problems(write(folder, "[web]\nport 8000\n"))
    assert "not TOML" in broken
    assert "line 2" in broken
    assert environment.startswith("web.port")


def test_the_distributed_engine_says_what_it_needs(folder: Path) -> None:
    sync = '[sync]\nengine = "celery"\n'
    [line] = problems(write(folder, sync))
    assert line.startswith("sync.broker_url: is needed with engine celery")
    [line] = problems(write(folder, f'{sync}broker_url = "amqp://mq.example"\n'))
    assert line.startswith("database.url: must be PostgreSQL with engine celery")


def test_a_section_that_is_no_section_is_a_mistake(folder: Path) -> None:
    assert problems(write(folder, "web = 8000\n")) == ["web: must be a section: write [web] on a line of its own"]


def test_a_file_saved_by_notepad_is_read(folder: Path) -> None:
    path = folder / "settings.toml"
    path.write_bytes(b"\xef\xbb\xbf[web]\r\nport = 8003\r\n")
    assert load(path).web.port == 8003
    path.write_bytes("[web]\nhost = 'сервер'".encode("utf-16"))
    assert "save it as UTF-8" in problems(path)[0]


def test_no_mistake_repeats_a_secret(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / "keys").write_text("s3cret-in-file\n")
    monkeypatch.setenv("TERRACRM_DATABASE__URL", "mysql://user:s3cret@host/x")
    path = write(
        folder,
        '[security]\nsecret_key = "s3cret"\nencryption_keys_file = "keys"\n[web]\nbase_url = "ftp://u:s3cret@h"\n',
    )
    found = problems(path)
    assert {line.split(":")[0] for line in found} == {
        "database.url",
        "security.secret_key",
        "security.encryption_keys_file",
        "web.base_url",
    }
    assert "s3cret" not in "\n".join(found)


def test_printing_the_settings_shows_no_secret(folder: Path) -> None:
    key = Fernet.generate_key().decode()
    path = write(
        folder,
        f'[security]\nsecret_key = "{KEY}"\nencryption_keys = ["{key}"]\n'
        '[database]\nurl = "postgresql://u:s3cret@host/crm"\n',
    )
    settings = load(path)
    assert settings.database.url == "postgresql+psycopg://u:s3cret@host/crm"
    for text in (repr(settings), str(settings)):
        assert KEY not in text
        assert key not in text
        assert "s3cret" not in text


def test_secrets_are_read_from_files_beside_the_settings(folder: Path) -> None:
    keys = [Fernet.generate_key().decode() for _ in range(2)]
    (folder / "session").write_text(f"{KEY}\n")
    (folder / "keys").write_text(f"# the new one\n{keys[0]}\n\n{keys[1]}\n")
    (folder / "url").write_text("postgres://u:p@host/crm\n")
    settings = load(
        write(
            folder,
            '[security]\nsecret_key_file = "session"\nencryption_keys_file = "keys"\n[database]\nurl_file = "url"\n',
        )
    )
    assert settings.security.secret_key
    assert settings.security.secret_key.get_secret_value() == KEY
    assert [key.get_secret_value() for key in settings.security.encryption_keys] == keys
    assert settings.database.url == "postgresql+psycopg://u:p@host/crm"


def test_a_secret_file_that_cannot_be_used_says_why(folder: Path) -> None:
    (folder / "empty").write_text("\n")
    path = write(
        folder,
        '[security]\nsecret_key_file = "absent"\nencryption_keys_file = "empty"\n[database]\nurl_file = "."\n',
    )
    found = "\n".join(problems(path))
    assert f"security.secret_key_file: there is no file {folder}/absent" in found
    assert f"security.encryption_keys_file: {folder}/empty is empty" in found
    assert f"database.url_file: {folder} is a folder" in found


def test_a_secret_given_twice_in_one_place_is_a_mistake(folder: Path) -> None:
    (folder / "session").write_text(KEY)
    [line] = problems(write(folder, f'[security]\nsecret_key = "{KEY}"\nsecret_key_file = "session"\n'))
    assert line.startswith("security.secret_key: set either secret_key or secret_key_file, not both")


def test_a_secret_of_the_environment_wins_over_a_secret_file_of_the_file(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TERRACRM_SECURITY__SECRET_KEY", KEY)
    settings = load(write(folder, '[security]\nsecret_key_file = "absent"\n'))
    assert settings.security.secret_key
    assert settings.security.secret_key.get_secret_value() == KEY


def test_relative_paths_count_from_the_folder_of_the_file(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / "etc").mkdir()
    path = write(folder / "etc", '[paths]\ndata_dir = "../data"\n[database]\nurl = "sqlite:///crm.db"\n')
    settings = load(path)
    assert settings.paths.data_dir == folder / "data"
    assert settings.database.url == f"sqlite:///{folder}/etc/crm.db"
    monkeypatch.setenv("TERRACRM_PATHS__DATA_DIR", "here")
    assert load(path).paths.data_dir == folder / "here"


def test_lists_in_the_environment_are_written_with_commas(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERRACRM_MIRROR__INTERNAL_DOMAINS", "@Romashka.Example, ромашка.рф")
    monkeypatch.setenv("TERRACRM_MIRROR__FREE_MAIL_DOMAINS", "")
    mirror = load().mirror
    assert mirror.internal_domains == ["romashka.example", "xn--80aa3agjl3d.xn--p1ai"]
    assert mirror.free_mail_domains == []


@given(st.from_regex(r"[a-z]{1,9}\.[a-z]{2,5}", fullmatch=True), st.sampled_from(["", "@", " @"]), st.booleans())
def test_a_domain_has_one_form_however_it_is_written(domain: str, prefix: str, upper: bool) -> None:
    assert mail_domain(prefix + (domain.upper() if upper else domain) + " ") == domain
    assert mail_domain(mail_domain(domain)) == domain


@pytest.mark.parametrize("value", ["", "a b", "user@host.example", "-.example", "x" * 64 + ".example"])
def test_what_is_no_domain_is_refused(value: str) -> None:
    with pytest.raises(ValueError):
        mail_domain(value)


def test_alerts_have_the_channels_that_are_set(folder: Path) -> None:
    assert load().alerts.channels == []
    path = write(
        folder,
        """
        [alerts]
        mail_to = ["Admin@Romashka.example", "duty@Пример.рф"]
        mail_from = "CRM@romashka.example"
        webhook_url = "https://chat.example/hooks/kept-secret"
        """,
    )
    found = load(path).alerts
    assert found.channels == ["mail", "webhook"]
    assert found.mail_to == ["admin@romashka.example", "duty@xn--e1afmkfd.xn--p1ai"]
    assert found.mail_from == "crm@romashka.example"
    assert "kept-secret" not in repr(found)


@pytest.mark.parametrize(
    ("lines", "mistake"),
    [
        ('mail_to = ["admin"]\nmail_from = "a@b.example"', "alerts.mail_to.1: is not an e-mail address"),
        ('mail_to = ["a, b@c.example"]\nmail_from = "a@b.example"', "alerts.mail_to.1: is not an e-mail address"),
        ('mail_to = ["a@b.example"]', "alerts.mail_from: is needed with mail_to"),
        ('webhook_url = "chat.example/kept-secret"', "alerts.webhook_url: must start with http:// or https://"),
        ('webhook_url = "https://u:kept-secret@chat.example"', "alerts.webhook_url: must start with http://"),
    ],
)
def test_alerts_that_could_not_be_sent_are_a_mistake(folder: Path, lines: str, mistake: str) -> None:
    [line] = problems(write(folder, f"[alerts]\n{lines}"))
    assert line.startswith(mistake)
    assert "kept-secret" not in line


def test_the_address_of_the_portal_follows_base_url_host_and_port(folder: Path) -> None:
    assert load().web.address == "http://127.0.0.1:8000"
    assert load(write(folder, '[web]\nhost = "::1"\nport = 80\n')).web.address == "http://[::1]:80"
    assert load(write(folder, '[web]\nbase_url = "https://crm.example/"\n')).web.address == "https://crm.example"


def test_the_committed_example_is_the_generated_one() -> None:
    assert (ROOT / "config.example.toml").read_text(encoding="utf-8") == example_toml(), "run make docs"


def test_the_documentation_describes_every_setting_as_the_settings_do() -> None:
    page = (ROOT / "docs/configuration.md").read_text(encoding="utf-8")
    assert page == reference(), "run make docs"
    for section, name in setting_fields(Settings):
        assert f"### {section}.{name}\n" in page
        assert env_name(section, name) in page


def test_the_example_changes_nothing_until_a_line_is_uncommented(folder: Path) -> None:
    assert load(write(folder, example_toml())) == load()


def test_every_setting_of_the_example_is_toml_when_uncommented() -> None:
    lines = [line[1:] if line.startswith("#") and line[1:2] != " " else line for line in example_toml().splitlines()]
    lines = [line.removeprefix("#") if line.startswith("#    ") else line for line in lines]
    parsed = tomllib.loads("\n".join(lines))
    assert {(section, name) for section, values in parsed.items() for name in values} == set(setting_fields(Settings))


def test_every_setting_has_a_description_and_an_example() -> None:
    for section, name in setting_fields(Settings):
        field = Settings.model_fields[section].annotation.model_fields[name]  # type: ignore[union-attr]
        assert field.description, f"{section}.{name}"
        assert field.examples, f"{section}.{name}"
