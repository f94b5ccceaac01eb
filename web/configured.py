"""The settings that the portal runs with."""

from __future__ import annotations

from zoneinfo import ZoneInfo

from flask import current_app

from terracrm.config import Settings
from terracrm.domain.addresses import DomainPolicy


def settings() -> Settings:
    """All of them."""
    found: Settings = current_app.extensions["terracrm_settings"]
    return found


def time_zone() -> ZoneInfo:
    """The zone of the office's clocks; Babel's own object for it says the wrong time when it is put onto a day."""
    return ZoneInfo(settings().web.time_zone)


def domain_policy() -> DomainPolicy:
    """Which domains are our own, and which are anybody's."""
    mirror = settings().mirror
    return DomainPolicy.of(mirror.internal_domains, mirror.free_mail_domains)
