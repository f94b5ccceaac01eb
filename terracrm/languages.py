"""Texts, days and hours in a person's language where there is no page around them: what is written into Outlook.

The catalogues are those of the portal. A text is written in the code in English, in the call of something named
`gettext`, `pgettext` or `ngettext`, so that `tools/translations.py` finds it; what is put into it follows with `%`.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, tzinfo
from functools import cached_property, lru_cache
from gettext import NullTranslations, translation
from pathlib import Path

from babel.dates import format_date, format_datetime, format_time

from terracrm.config import Settings
from terracrm.models import User

CATALOGUES = Path(__file__).parent / "translations"


@dataclass(frozen=True)
class Language:
    """One language of the settings, by its code."""

    code: str

    def gettext(self, text: str) -> str:
        """The text in this language, or as it is where nobody has translated it."""
        return self._texts.gettext(text)

    def pgettext(self, context: str, text: str) -> str:
        """The same for a text that says different things in different places."""
        return self._texts.pgettext(context, text)

    def ngettext(self, one: str, many: str, number: int) -> str:
        """The form of the text that goes with the number."""
        return self._texts.ngettext(one, many, number)

    def day(self, when: date) -> str:
        """23 Nov 2026."""
        return format_date(when, "d MMM y", locale=self.code)

    def day_and_time(self, when: datetime, zone: tzinfo) -> str:
        """23 Nov 2026, 14:05, by the clocks of the zone."""
        return format_datetime(when, "d MMM y, HH:mm", tzinfo=zone, locale=self.code)

    def time_of_day(self, when: datetime, zone: tzinfo) -> str:
        """14:05, by the clocks of the zone."""
        return format_time(when, "HH:mm", tzinfo=zone, locale=self.code)

    @cached_property
    def _texts(self) -> NullTranslations:
        return translation("messages", str(CATALOGUES), languages=[self.code], fallback=True)


def language_of(settings: Settings, user: User | None) -> Language:
    """What a person reads: their own choice while it is on offer, else the default; nobody's is the default."""
    chosen = user.language if user else ""
    return _language(chosen if chosen in settings.web.languages else settings.web.default_language)


@lru_cache
def _language(code: str) -> Language:
    return Language(code)
