"""What admins are told of: what is wrong now, what is over, and whether it reaches them (Y5)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from flask import Blueprint, render_template

from terracrm.languages import Language
from terracrm.models import Alert, utcnow
from terracrm.services import alert_texts, alerts
from web.configured import settings
from web.database import session
from web.languages import language
from web.signed_in import viewer

pages = Blueprint("alerts", __name__, url_prefix="/alerts")


@dataclass(frozen=True, slots=True)
class Shown:
    """An alert in the reader's words."""

    alert: Alert
    name: str
    stream: str
    title: str
    advice: str


@pages.get("")
def index() -> str:
    """All that is open, the last that are over, and the channels."""
    page = alerts.page(session(), viewer(), settings(), utcnow())
    return render_template("alerts/index.html", page=page, open=shown(page.open), ended=shown(page.ended))


def shown(found: Iterable[Alert]) -> list[Shown]:
    """These alerts for a page."""
    words = Language(language())
    return [
        Shown(
            alert,
            alert_texts.name(alert),
            alert_texts.stream_name(words, alert.stream.kind) if alert.stream else "",
            alert_texts.title(words, alert.rule, alert.count),
            alert_texts.advice(words, alert.rule),
        )
        for alert in found
    ]
