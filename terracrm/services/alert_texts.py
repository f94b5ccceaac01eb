"""Alerts in words: what is wrong, what to do, and the mail and the posted JSON that tell it (Y5).

They name mailboxes, servers, counts and reasons; nothing of clients, and no secret.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby
from typing import Any
from zoneinfo import ZoneInfo

from terracrm.config import Settings
from terracrm.domain.alert_rules import Rule, What
from terracrm.languages import Language, language_of
from terracrm.models import Alert
from terracrm.services.alert_messages import Told

NAMED = 20
"""So many mailboxes of one trouble are named in a mail."""
JSON_ALERTS = 200
"""So many alerts are posted at a time."""


@dataclass(frozen=True, slots=True)
class Mail:
    """A mail of plain text."""

    subject: str
    text: str


def title(language: Language, rule: str, count: int = 0) -> str:
    """What is wrong, to stand behind the name of what it is about."""
    pgettext = language.pgettext
    words: dict[str, Callable[[], str]] = {
        Rule.CREDENTIALS: lambda: pgettext("alert", "cannot sign in"),
        Rule.APPROVAL: lambda: pgettext("alert", "waits for approval"),
        Rule.PAUSED: lambda: pgettext("alert", "has stopped"),
        Rule.FAILING: lambda: pgettext("alert", "fails again and again"),
        Rule.LATE: lambda: pgettext("alert", "is not run in time"),
        Rule.BROKEN_OFF: lambda: pgettext("alert", "its runs break off"),
        Rule.DISK: lambda: pgettext("alert", "the disk is almost full"),
        Rule.DATABASE: lambda: pgettext("alert", "the database cannot be used"),
        Rule.BROKER: lambda: pgettext("alert", "the message broker cannot be reached"),
        Rule.CHANNEL: lambda: pgettext("alert", "alerts do not get through"),
    }
    return words[rule]() if rule in words else _counted(language, rule, count)


def advice(language: Language, rule: str) -> str:
    """What to do about it."""
    gettext = language.gettext
    words: dict[str, Callable[[], str]] = {
        Rule.CREDENTIALS: lambda: gettext(
            "Nothing is tried until it is mended: set the password or the rights, then run terracrm mailbox enable."
        ),
        Rule.APPROVAL: lambda: gettext("A run would have removed or changed very much: look at its plan and decide."),
        Rule.PAUSED: lambda: gettext("Mend what the reason says, then run terracrm mailbox enable."),
        Rule.FAILING: lambda: gettext("It is tried again by itself; the reason says what is in the way."),
        Rule.LATE: lambda: gettext(
            "Run more streams at a time (sync.workers, or terracrm worker on more machines), or see what keeps them."
        ),
        Rule.BROKEN_OFF: lambda: gettext(
            "A worker dies while it runs: the log of the daemon and of the system says why."
        ),
        Rule.QUARANTINE: lambda: gettext(
            "They are tried again by themselves; the page of the mailbox says what is wrong."
        ),
        Rule.GAPS: lambda: gettext("Run terracrm sync reconcile: it lists them, and can mend them."),
        Rule.GIVEN_UP: lambda: gettext(
            "The list of what is to be written says why; terracrm outbox retry tries again."
        ),
        Rule.OUTBOX: lambda: gettext("See why they are not written: terracrm outbox list."),
        Rule.CLOCK: lambda: gettext("Set the clock of that server, or of this machine: times of mail would be wrong."),
        Rule.DISK: lambda: gettext("Make room in the data folder: nothing can be stored when it is full."),
        Rule.DATABASE: lambda: gettext("Nothing is read or written until it can be: terracrm db check says more."),
        Rule.BROKER: lambda: gettext("No mailbox is read until it can be: start it, or mend sync.broker_url."),
        Rule.CHANNEL: lambda: gettext("Mend what the reason says, then run terracrm alert test."),
    }
    return words[rule]()


def name(alert: Alert) -> str:
    """What it is about: a mailbox, a server, a channel, or all of it."""
    return alert.mailbox.address if alert.mailbox else alert.about or "TerraCRM"


def stream_name(language: Language, kind: str) -> str:
    """A kind of stream."""
    gettext = language.gettext
    words = {
        "contacts": gettext("Contacts"),
        "calendar": gettext("Calendar"),
        "mail": gettext("Mail"),
        "tasks": gettext("Tasks"),
        "posts": gettext("Posts"),
    }
    return words.get(kind, kind)


def link(settings: Settings, alert: Alert) -> str:
    """Where the portal says more."""
    return (
        f"{settings.web.address}/mailboxes/{alert.mailbox_id}" if alert.mailbox_id else f"{settings.web.address}/alerts"
    )


def mail(settings: Settings, told: Sequence[Told]) -> Mail:
    """What the admins get by mail, in the language of the office."""
    language = language_of(settings, None)
    groups = _groups(told)
    parts = [_part(settings, language, each) for each in groups]
    foot = language.gettext("All alerts: %(url)s") % {"url": f"{settings.web.address}/alerts"}
    return Mail(_subject(language, groups), "\n\n".join([*parts, foot]) + "\n")


def trial_mail(settings: Settings) -> Mail:
    """A mail that only shows that mails arrive."""
    language = language_of(settings, None)
    text = language.gettext("This is a trial, sent by terracrm alert test. Alerts arrive here.")
    return Mail(f"TerraCRM: {language.gettext('trial alert')}", f"{text}\n\n{settings.web.address}/alerts\n")


def posted(settings: Settings, told: Sequence[Told], now: datetime, *, is_trial: bool = False) -> dict[str, Any]:
    """What is posted as JSON; `text` is the same in a few words, for chats."""
    language = language_of(settings, None)
    text = trial_mail(settings).subject if is_trial else _subject(language, _groups(told))
    return {
        "source": "terracrm",
        "version": 1,
        "sent_at": now.isoformat(timespec="seconds"),
        "is_trial": is_trial,
        "text": text,
        "url": f"{settings.web.address}/alerts",
        "total": len(told),
        "alerts": [_as_json(settings, language, each) for each in told[:JSON_ALERTS]],
    }


def _counted(language: Language, rule: str, count: int) -> str:
    ngettext = language.ngettext
    words = {
        Rule.QUARANTINE: ngettext("%(num)d item is set aside", "%(num)d items are set aside", count),
        Rule.CLOCK: ngettext("its clock is wrong by %(num)d second", "its clock is wrong by %(num)d seconds", count),
        Rule.GAPS: ngettext("%(num)d gap between here and there", "%(num)d gaps between here and there", count),
        Rule.GIVEN_UP: ngettext(
            "%(num)d write into Outlook was given up", "%(num)d writes into Outlook were given up", count
        ),
        Rule.OUTBOX: ngettext(
            "%(num)d write has waited for Outlook for hours", "%(num)d writes have waited for Outlook for hours", count
        ),
    }
    return words[Rule(rule)] % {"num": count}


def _groups(told: Sequence[Told]) -> list[list[Told]]:
    """Those of one trouble together: new ones first, then what lasts, then what is over."""
    order = list(What)

    def key(each: Told) -> tuple[int, str, str]:
        return order.index(each.what), each.alert.rule, each.alert.message

    return [list(group) for _, group in groupby(sorted(told, key=key), key=key)]


def _subject(language: Language, groups: Sequence[Sequence[Told]]) -> str:
    if not groups:
        return "TerraCRM"
    first = groups[0][0]
    words = f"{name(first.alert)}: {title(language, first.alert.rule, first.alert.count)}"
    if first.what is What.ENDED:
        words = language.gettext("over: %(what)s") % {"what": words}
    about = {(name(each.alert), each.alert.rule) for group in groups for each in group}
    more = len(about) - 1
    if not more:
        return f"TerraCRM: {words}"
    others = language.ngettext("and %(num)d more", "and %(num)d more", more) % {"num": more}
    return f"TerraCRM: {words} ({others})"


def _part(settings: Settings, language: Language, group: Sequence[Told]) -> str:
    alert, what = group[0].alert, group[0].what
    heads = {
        What.RAISED: language.pgettext("alert", "New"),
        What.LASTS: language.pgettext("alert", "Still so"),
        What.ENDED: language.pgettext("alert", "Over"),
    }
    counts = {each.alert.count for each in group}
    words = title(language, alert.rule, alert.count if len(counts) == 1 else sum(each.alert.count for each in group))
    lines = [f"{heads[what]}: {words}"]
    if alert.message:
        lines.append(f"  {alert.message}")
    lines += _named(settings, language, group)
    if what is not What.ENDED:
        lines.append(f"  {advice(language, alert.rule)}")
    return "\n".join(lines)


def _named(settings: Settings, language: Language, group: Sequence[Told]) -> Iterator[str]:
    """A line for each mailbox with its streams, since when, and where to read on."""
    zone = ZoneInfo(settings.web.time_zone)
    by_name = sorted(group, key=lambda each: name(each.alert))
    named = [list(rows) for _, rows in groupby(by_name, key=lambda each: name(each.alert))]
    for rows in named[:NAMED]:
        alert = rows[0].alert
        kinds = [stream_name(language, each.alert.stream.kind) for each in rows if each.alert.stream]
        since = min(each.alert.since for each in rows)
        when = language.gettext("since %(when)s") % {"when": language.day_and_time(since, zone)}
        streams = f" ({', '.join(kinds)})" if kinds else ""
        yield f"  - {name(alert)}{streams}, {when}\n    {link(settings, alert)}"
    if len(named) > NAMED:
        left = len(named) - NAMED
        yield "  - " + language.ngettext("and %(num)d more", "and %(num)d more", left) % {"num": left}


def _as_json(settings: Settings, language: Language, told: Told) -> dict[str, Any]:
    alert = told.alert
    return {
        "id": alert.id,
        "event": str(told.what),
        "rule": alert.rule,
        "title": title(language, alert.rule, alert.count),
        "mailbox": alert.mailbox.address if alert.mailbox else None,
        "stream": alert.stream.kind if alert.stream else None,
        "about": alert.about or None,
        "count": alert.count,
        "reason": alert.message,
        "since": alert.since.isoformat(timespec="seconds"),
        "ended_at": alert.over_at.isoformat(timespec="seconds") if alert.over_at else None,
        "url": link(settings, alert),
    }
