"""Settings: defaults < config.toml < environment (G2).

Every mistake is reported at once, with its path (`web.port`) and what to do. No message carries a value that could be
a secret. A relative path counts from the folder of config.toml, or from the current one when it comes from the
environment. Secrets may be given directly or by `<name>_file`.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic import model_validator as check_together
from pydantic_core import PydanticCustomError
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from terracrm.config.files import ENV_PREFIX, anchor_paths, drop_overridden_twins, find_config, read_toml
from terracrm.config.free_mail import FREE_MAIL_DOMAINS
from terracrm.config.problems import describe, unknown_environment
from terracrm.config.values import (
    BaseUrl,
    BrokerUrl,
    BrokerUrlFile,
    Category,
    Choice,
    DatabaseUrl,
    Domains,
    EncryptionKeys,
    EncryptionKeysFile,
    FolderPath,
    Language,
    Languages,
    ListenHost,
    MailAddress,
    MailAddresses,
    Names,
    SecretFile,
    SessionKey,
    SessionKeyFile,
    TimeZone,
    WebhookUrl,
    WebhookUrlFile,
    absolute_path,
    database_url,
)
from terracrm.errors import ConfigError

DATABASE_FILE = "terracrm.db"


class Section(BaseModel):
    """One [section] of config.toml."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    def only_one_of(self, name: str) -> None:
        """Raise when both `name` and its `<name>_file` are set."""
        if getattr(self, name) and getattr(self, f"{name}_file"):
            raise PydanticCustomError("twins", "set either {name} or {name}_file, not both", {"name": name})


class Database(Section):
    """Where the data is kept."""

    url: DatabaseUrl = Field(
        default="",
        repr=False,
        description="The database: SQLite for one machine, PostgreSQL for more. When not set: the SQLite file "
        f"{DATABASE_FILE} in paths.data_dir.",
        examples=["postgresql+psycopg://terracrm:password@db.example/terracrm"],
    )
    url_file: SecretFile = Field(
        default=None,
        description="A file that holds the URL, when it carries a password.",
        examples=["/etc/terracrm/database_url"],
    )

    @check_together(mode="after")
    def _take_file(self) -> Database:
        self.only_one_of("url")
        if self.url_file:
            try:
                self.url = database_url(self.url_file.get_secret_value())
            except ValueError as error:
                raise PydanticCustomError("in_file", "{why}", {"name": "url_file", "why": str(error)}) from None
        return self


class Paths(Section):
    """Folders."""

    data_dir: FolderPath = Field(
        default_factory=lambda: absolute_path(Path("var")),
        description="Where TerraCRM keeps what is not in the database: generated keys, logs and, by default, the "
        "SQLite database. When not set: the folder var beside config.toml.",
        examples=["/var/lib/terracrm"],
    )


class Security(Section):
    """Keys."""

    secret_key: SessionKey | None = Field(
        default=None,
        description="Signs the sessions of the portal. When not set it is made once and kept in paths.data_dir.",
        examples=["(the output of: terracrm config key)"],
    )
    secret_key_file: SessionKeyFile = Field(
        default=None, description="A file that holds secret_key.", examples=["/etc/terracrm/secret_key"]
    )
    encryption_keys: EncryptionKeys = Field(
        default_factory=list,
        description="Encrypt the mailbox passwords in the database. The first key encrypts, all of them decrypt: to "
        "change the key, put the new one first and keep the old one. When not set, one is made and kept in "
        "paths.data_dir: back it up, without it every password has to be entered again.",
        examples=[["(the output of: terracrm config key)"]],
    )
    encryption_keys_file: EncryptionKeysFile = Field(
        default=None,
        description="A file that holds encryption_keys, one on each line.",
        examples=["/etc/terracrm/encryption_keys"],
    )

    @check_together(mode="after")
    def _take_files(self) -> Security:
        self.only_one_of("secret_key")
        self.only_one_of("encryption_keys")
        self.secret_key = self.secret_key or self.secret_key_file
        self.encryption_keys = self.encryption_keys or self.encryption_keys_file or []
        return self


class Mirror(Section):
    """What is taken from the mailboxes, and how it is matched."""

    internal_domains: Domains = Field(
        default_factory=list,
        description="The domains of the own company. Mail among only these is not mirrored. Empty: no domain is "
        "internal.",
        examples=[["romashka.example", "romashka-service.example"]],
    )
    free_mail_domains: Domains = Field(
        default_factory=lambda: list(FREE_MAIL_DOMAINS),
        description="Domains where anybody gets a mailbox: such an address never leads to a company. A list here "
        "replaces the default one.",
        examples=[["gmail.com", "yandex.ru", "mail.ru"]],
    )
    page_size: int = Field(
        default=200,
        ge=1,
        le=512,
        description="How many changes are fetched and committed at a time. Exchange gives 512 at most. More take a "
        "little less time in all and more memory, and let others who write to the database wait for longer.",
        examples=[200],
    )
    excluded_folders: Names = Field(
        default_factory=lambda: ["Drafts", "Outbox", "Junk Email", "Deleted Items", "Sync Issues"],
        description="Mail folders that are not mirrored, with all their subfolders. The names of Outlook's own "
        "folders count in every language.",
        examples=[["Drafts", "Outbox", "Junk Email", "Deleted Items", "Sync Issues", "Personal"]],
    )
    full_text_chars: int = Field(
        default=2000,
        ge=0,
        le=100_000,
        description="How many characters of a message are found by the search. More makes the mirror slower.",
        examples=[2000],
    )
    capture: Annotated[Literal["all", "known", "replies", "category", "none"], Choice] = Field(
        default="all",
        description="Which mail with people outside is mirrored: all of it, that with known contacts and companies "
        "(known), what we sent and the replies to it (replies), what carries the tracking category (category), or "
        "none. A mailbox may differ: terracrm mailbox rules.",
        examples=["known"],
    )
    detail: Annotated[Literal["full", "headers"], Choice] = Field(
        default="full",
        description="What is kept of a mail: all (full), or who wrote to whom and when, without subject, text and "
        "attachments (headers). A mailbox may differ.",
        examples=["headers"],
    )
    tracking_category: Category = Field(
        default="TerraCRM",
        description="The category in Outlook by which a person has an item mirrored, whatever the rules above say. "
        "Removing it there ends that; what was mirrored stays. A mailbox may differ. Empty: there is none.",
        examples=["Client"],
    )
    calendar_past_days: int = Field(
        default=730,
        ge=0,
        le=36_500,
        description="How many days back the occurrences of a recurring meeting are shown when it is first read. Those "
        "that were shown once stay.",
        examples=[730],
    )
    calendar_future_days: int = Field(
        default=90,
        ge=1,
        le=1830,
        description="How many days ahead the occurrences of a recurring meeting are shown. The days go on by "
        "themselves.",
        examples=[90],
    )
    create_contacts: Annotated[Literal["off", "sent", "all"], Choice] = Field(
        default="sent",
        description="Make contacts of unknown people in the mail: off, of those we wrote to (sent), or of all. "
        "Bulk and no-reply mail never makes one.",
        examples=["sent"],
    )
    unmatched_days: int = Field(
        default=30,
        ge=0,
        le=36_500,
        description="After how many days without new mail a sender whom nobody knows leaves the tray; 0: never. "
        "The mail stays, is found by the search, and joins the history as soon as its sender becomes known.",
        examples=[30],
    )
    attachments: Annotated[Literal["on_demand", "all", "none"], Choice] = Field(
        default="on_demand",
        description="Which attachments are fetched from the mailbox: the images in the text at once and any other when "
        "somebody asks for it (on_demand), all of new mail, or none. A mailbox may differ: terracrm mailbox "
        "attachments.",
        examples=["all"],
    )
    attachment_max_mb: int = Field(
        default=25,
        ge=1,
        le=250,
        description="The largest attachment that is fetched, in megabytes. A larger one stays in the mailbox.",
        examples=[25],
    )


class Outlook(Section):
    """What is written into Outlook. Nothing is, until a mailbox is told to: terracrm mailbox outlook."""

    clients_folder: Annotated[str, Field(max_length=255)] = Field(
        default="",
        description="The contacts folder that is made in the mailbox for its clients. When not set: TerraCRM "
        "Clients, in the language of its owner. A mailbox may differ.",
        examples=["Our clients"],
    )
    scope: Annotated[Literal["mine", "team", "region"], Choice] = Field(
        default="mine",
        description="Whose clients are put into that folder: those of the mailbox's owner (mine), of the owner's team, "
        "or of all teams of the region. Of a shared mailbox, mine are the team's. A mailbox may differ.",
        examples=["team"],
    )
    conflict: Annotated[Literal["crm", "outlook", "latest"], Choice] = Field(
        default="latest",
        description="Who wins when the same field of a client was changed here and in Outlook since both last agreed: "
        "the CRM, Outlook, or the later change. Both values are kept, and the other one is a click away.",
        examples=["outlook"],
    )
    on_delete: Annotated[Literal["unlink", "archive"], Choice] = Field(
        default="unlink",
        description="What deleting a client in Outlook does: the client leaves that folder and nothing else (unlink), "
        "or is archived in the CRM for everybody (archive).",
        examples=["archive"],
    )
    history_entries: int = Field(
        default=5,
        ge=0,
        le=50,
        description="How many of the latest entries of the relationship history stand in the notes of a client in "
        "Outlook. 0: the notes are left alone.",
        examples=[10],
    )
    write_delay_seconds: int = Field(
        default=20,
        ge=0,
        le=3600,
        description="How long a change waits before it is written into Outlook, so that several become one write.",
        examples=[60],
    )
    give_up_after: int = Field(
        default=10,
        ge=1,
        le=100,
        description="After how many failed attempts a write is given up. It stays on the list and can be tried again.",
        examples=[10],
    )
    posts_folder: Annotated[str, Field(max_length=255)] = Field(
        default="",
        description="The folder of a shared mailbox that gets the history as posts, in a folder for each company, "
        "where a mailbox is told to keep posts. When not set: TerraCRM History, in the language of the office.",
        examples=["Client history"],
    )


class Sync(Section):
    """When and how the mailboxes are read."""

    engine: Annotated[Literal["local", "celery"], Choice] = Field(
        default="local",
        description="What runs the streams that are due. local: worker processes of the daemon, on its machine. "
        "celery: the daemon only says which ones are due, and `terracrm worker` runs them on any number of machines; "
        "it needs PostgreSQL and sync.broker_url.",
        examples=["celery"],
    )
    broker_url: BrokerUrl | None = Field(
        default=None,
        description="The message broker of engine celery: RabbitMQ or Redis. It only carries which streams are due.",
        examples=["amqp://terracrm:password@mq.example:5672/terracrm", "redis://mq.example:6379/0"],
    )
    broker_url_file: BrokerUrlFile = Field(
        default=None,
        description="A file that holds broker_url, when it carries a password.",
        examples=["/etc/terracrm/broker_url"],
    )
    streams_per_server: int = Field(
        default=8,
        ge=1,
        le=10_000,
        description="How many streams of one Exchange server are run at a time, by all workers together; where all "
        "mailboxes are on one server, more workers than this have nothing to do. Exchange "
        "takes 27 requests at a time of one account, unless its administrator allows more.",
        examples=[8],
    )
    requests_in_flight: int = Field(
        default=3,
        ge=1,
        le=8,
        description="How many requests a stream has on their way to the server at a time while it reads.",
        examples=[3],
    )
    workers: int = Field(
        default=2,
        ge=1,
        le=64,
        description="How many mailboxes are read at a time, each in a process of its own. One for each processor "
        "core is a good number.",
        examples=[2],
    )
    interval_minutes: int = Field(default=5, ge=1, le=1440, description="How often each stream is read.", examples=[5])
    lease_seconds: int = Field(
        default=300,
        ge=30,
        le=86_400,
        description="How long a stream stays claimed when its worker has died without giving it back.",
        examples=[300],
    )
    retry_base_seconds: int = Field(
        default=30,
        ge=1,
        le=3600,
        description="The wait before the first retry of a stream that failed; it doubles with each failure.",
        examples=[30],
    )
    retry_max_seconds: int = Field(
        default=3600, ge=1, le=86_400, description="The longest wait between two retries.", examples=[3600]
    )
    brake_items: int = Field(
        default=25,
        ge=0,
        le=1_000_000,
        description="A run that would remove or change more items than this, and more than brake_percent of what its "
        "stream holds, stops before it does and waits for an admin. 0: nothing is held back.",
        examples=[25],
    )
    brake_percent: int = Field(
        default=10,
        ge=0,
        le=100,
        description="The share that goes with brake_items, in percent of the items of the stream.",
        examples=[10],
    )
    reconcile_hours: int = Field(
        default=24,
        ge=0,
        le=8760,
        description="How often the items of each stream are counted here and in the mailbox, so that no gap stays "
        "hidden. 0: only on command (terracrm sync reconcile).",
        examples=[24],
    )
    watch: bool = Field(
        default=True,
        description="Let Exchange tell at once when something has changed, besides reading each stream on schedule.",
        examples=[True],
    )

    @check_together(mode="after")
    def _broker(self) -> Sync:
        self.only_one_of("broker_url")
        self.broker_url = self.broker_url or self.broker_url_file
        if self.engine == "celery" and self.broker_url is None:
            raise PydanticCustomError("broker", "is needed with engine celery", {"name": "broker_url"})
        return self

    @property
    def broker(self) -> str:
        """Host and port of the broker, without its password; "" where there is none."""
        return urlsplit(self.broker_url.get_secret_value()).netloc.rpartition("@")[2] if self.broker_url else ""

    @check_together(mode="after")
    def _base_below_max(self) -> Sync:
        if self.retry_base_seconds > self.retry_max_seconds:
            raise PydanticCustomError(
                "order", "must not be less than retry_base_seconds", {"name": "retry_max_seconds"}
            )
        return self


class Alerts(Section):
    """Who is told when something needs an admin. The log and the portal are told in any case."""

    after_minutes: int = Field(
        default=30,
        ge=0,
        le=10_080,
        description="For how long something must be wrong that may mend itself (a server that does not answer, items "
        "set aside) before it is told, and how long it must be gone before its end is. What waits for a person, such "
        "as a wrong password, is told at once.",
        examples=[30],
    )
    repeat_hours: int = Field(
        default=24,
        ge=0,
        le=8760,
        description="How often it is told again while it lasts. 0: only once.",
        examples=[24],
    )
    mail_to: MailAddresses = Field(
        default_factory=list,
        description="Who gets a mail. It is sent through Exchange, from the mailbox mail_from, in "
        "web.default_language.",
        examples=[["admin@romashka.example"]],
    )
    mail_from: MailAddress = Field(
        default="",
        description="The mailbox, one of those under sync, that sends these mails. No copy stays in it.",
        examples=["crm@romashka.example"],
    )
    webhook_url: WebhookUrl | None = Field(
        default=None,
        description="Where alerts are posted as JSON; docs/administration.md says what is in it.",
        examples=["https://chat.romashka.example/hooks/terracrm"],
    )
    webhook_url_file: WebhookUrlFile = Field(
        default=None,
        description="A file that holds webhook_url, when it carries a secret.",
        examples=["/etc/terracrm/webhook_url"],
    )

    @check_together(mode="after")
    def _take_file(self) -> Alerts:
        self.only_one_of("webhook_url")
        self.webhook_url = self.webhook_url or self.webhook_url_file
        if self.mail_to and not self.mail_from:
            raise PydanticCustomError(
                "sender", "is needed with mail_to: the mailbox that sends the mails", {"name": "mail_from"}
            )
        return self

    @property
    def channels(self) -> list[str]:
        """How admins are told, beside the log."""
        return ["mail"] * bool(self.mail_to) + ["webhook"] * (self.webhook_url is not None)


class Web(Section):
    """The portal."""

    host: ListenHost = Field(
        default="127.0.0.1",
        description="The address the portal listens on. 0.0.0.0 makes it reachable from other machines: put a "
        "reverse proxy with TLS in front of it.",
        examples=["127.0.0.1"],
    )
    port: int = Field(default=8000, ge=1, le=65_535, description="The port the portal listens on.", examples=[8000])
    threads: int = Field(
        default=8, ge=1, le=256, description="How many requests the portal answers at a time.", examples=[8]
    )
    base_url: BaseUrl = Field(
        default="",
        description="The address people type, used in links. With https the session cookie is sent over TLS only. "
        "When not set: http://host:port.",
        examples=["https://crm.romashka.example"],
    )
    trusted_proxies: int = Field(
        default=0,
        ge=0,
        le=10,
        description="How many reverse proxies stand in front of the portal. Their X-Forwarded headers are believed.",
        examples=[1],
    )
    session_hours: int = Field(
        default=12,
        ge=1,
        le=720,
        description="After how many hours without use a person signs in again.",
        examples=[12],
    )
    login_attempts: int = Field(
        default=5, ge=1, le=100, description="After how many wrong passwords an account is locked.", examples=[5]
    )
    lockout_minutes: int = Field(default=15, ge=1, le=1440, description="For how long it is locked.", examples=[15])
    languages: Languages = Field(
        default=["en", "ru"],
        min_length=1,
        description="The languages people can choose from.",
        examples=[["en", "ru"]],
    )
    default_language: Annotated[Language, Choice] = Field(
        default="en",
        description="The language of a visitor whose browser asks for none of these.",
        examples=["ru"],
    )
    time_zone: TimeZone = Field(
        default="Europe/Moscow",
        description="The time zone of the office: days and hours in the portal are those of its clocks.",
        examples=["Asia/Yekaterinburg"],
    )
    metrics_token: SessionKey | None = Field(
        default=None,
        description="Whoever shows this token as a bearer token reads the numbers for Prometheus at /metrics, with the "
        "addresses of the mailboxes. When not set there is no such page.",
        examples=["(the output of: terracrm config key)"],
    )
    metrics_token_file: SessionKeyFile = Field(
        default=None, description="A file that holds metrics_token.", examples=["/etc/terracrm/metrics_token"]
    )

    @check_together(mode="after")
    def _take_file(self) -> Web:
        self.only_one_of("metrics_token")
        self.metrics_token = self.metrics_token or self.metrics_token_file
        return self

    @check_together(mode="after")
    def _default_is_offered(self) -> Web:
        if self.default_language not in self.languages:
            raise PydanticCustomError("choice", "must be one of web.languages", {"name": "default_language"})
        return self

    @property
    def address(self) -> str:
        """The address of the portal for links, without a slash at the end."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return self.base_url or f"http://{host}:{self.port}"


class Retention(Section):
    """How long it is kept what was done. What is older goes once a day, or with terracrm db tidy; 0 means never."""

    idle_runs_days: int = Field(
        default=7,
        ge=0,
        le=36_500,
        description="After how many days a run that went well and found nothing to do is forgotten.",
        examples=[7],
    )
    runs_days: int = Field(
        default=90,
        ge=0,
        le=36_500,
        description="After how many days any other run is forgotten, with what it removed. A run that brought "
        "something which is still here stays, and so does the last one of each stream. Plans that wait for nobody "
        "go then, too.",
        examples=[365],
    )
    moved_mail_days: int = Field(
        default=180,
        ge=0,
        le=36_500,
        description="After how many days it is forgotten where a mail was before it was moved within its mailbox.",
        examples=[180],
    )
    conflicts_days: int = Field(
        default=365,
        ge=0,
        le=36_500,
        description="After how many days a conflict that somebody has decided is forgotten. Open ones stay.",
        examples=[730],
    )
    audit_days: int = Field(
        default=0,
        ge=0,
        le=36_500,
        description="After how many days a line of the audit log goes. By default none ever does.",
        examples=[3650],
    )


class Log(Section):
    """What is written about the work itself, to standard error."""

    level: Annotated[Literal["debug", "info", "warning", "error"], Choice] = Field(
        default="info", description="How much is logged.", examples=["debug"]
    )
    format: Annotated[Literal["console", "json"], Choice] = Field(
        default="console",
        description="console for people, json (one object on each line) for log collectors.",
        examples=["json"],
    )


class Settings(BaseSettings):
    """All settings. `Settings()` reads the environment only; `load` reads the file, too."""

    model_config = SettingsConfigDict(
        env_prefix=ENV_PREFIX,
        env_nested_delimiter="__",
        enable_decoding=False,
        extra="forbid",
        hide_input_in_errors=True,
    )

    database: Database = Field(default_factory=Database)
    paths: Paths = Field(default_factory=Paths)
    security: Security = Field(default_factory=Security)
    mirror: Mirror = Field(default_factory=Mirror)
    outlook: Outlook = Field(default_factory=Outlook)
    sync: Sync = Field(default_factory=Sync)
    alerts: Alerts = Field(default_factory=Alerts)
    web: Web = Field(default_factory=Web)
    retention: Retention = Field(default_factory=Retention)
    log: Log = Field(default_factory=Log)

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """The environment wins over what is passed in, and that is the file."""
        return env_settings, init_settings

    @check_together(mode="after")
    def _default_database(self) -> Settings:
        if not self.database.url:
            self.database.url = f"sqlite:///{self.paths.data_dir / DATABASE_FILE}"
        if self.sync.engine == "celery" and self.database.url.startswith("sqlite"):
            raise PydanticCustomError("engine", "must be PostgreSQL with engine celery", {"name": "database.url"})
        return self


def load(path: Path | None = None) -> Settings:
    """The settings from `path`, else from where TERRACRM_CONFIG says, else ./config.toml if there is one.

    Raises ConfigError with every mistake of the file and of the environment.
    """
    found = find_config(path)
    contents, problems = read_toml(found) if found else ({}, [])
    problems += unknown_environment(Settings, os.environ)
    if found:
        contents = anchor_paths(Settings, drop_overridden_twins(contents, os.environ), found.parent)
    try:
        settings = Settings(**contents)
    except ValidationError as error:
        problems += describe(Settings, error, contents, os.environ)
    if problems:
        raise ConfigError(problems)
    return settings


def ensure_data_dir(settings: Settings) -> Path:
    """The data folder, made for this user alone when it is missing; raises ConfigError when it cannot be used."""
    folder = settings.paths.data_dir
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError as error:
        raise ConfigError([f"paths.data_dir: {folder} cannot be made: {error.strerror}"]) from None
    if not os.access(folder, os.W_OK | os.X_OK):
        raise ConfigError([f"paths.data_dir: this user may not write into {folder}"])
    return folder
