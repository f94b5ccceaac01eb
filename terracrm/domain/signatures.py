"""What the signature below a person's own mail says of them: phones, position, company, website (S11).

Precision over recall: each fact is a suggestion that somebody has to look at, and a wrong one costs more than one
that is missing. What is not understood for certain is left out.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from urllib.parse import urlsplit

import phonenumbers
from phonenumbers import Leniency, PhoneNumberFormat, PhoneNumberMatcher, PhoneNumberType

from terracrm.domain.closings import courtesy
from terracrm.domain.names import company_key
from terracrm.domain.transliteration import is_initial_of, likeness, words

MAX_CHARS = 3000
MAX_POSITION = 80
MAX_POSITION_WORDS = 9
_NEAR_NAME = 4
MAX_PHONES = 4  # more are those of all offices

_POSITION = re.compile(
    r"\b(?:(?:вице-|со)?(?:директор|президент)\w{0,3}|менеджер|начальник|руководитель|(?:глав)?бухгалтер|специалист"
    r"|инженер\w{0,3}|заместитель|зам\.|юрист|юрисконсульт|адвокат|логист|закупщик|товаровед|мерчанда[йи]зер"
    r"|аналитик|администратор|секретарь|помощник|ассистент|экономист|технолог|координатор|представитель|кладовщик"
    r"|заведующ(?:ий|ая)|управляющ(?:ий|ая)|партн[её]р|эксперт|консультант|супервайзер|оператор|диспетчер"
    r"|маркетолог|программист|разработчик|собственник|учредитель|продавец"
    r"|director|manager|head of|chief|[CV][EFIOTP]O|officer|engineer|accountant|buyer|specialist|analyst|assistant"
    r"|co-?ordinator|president|partner|consultant|representative|supervisor|administrator|secretary|counsel|lawyer"
    r"|attorney|owner|founder|developer|trader|merchandiser|planner|controller|treasurer|team lead(?:er)?|VP)\b",
    re.IGNORECASE,
)
_NO_POSITION = re.compile(r"[@\d:?!]|https?|www\.|\b(?:ваш|наш|your|our|обращайтесь|свяжется|please|просьба)\b", re.I)

_FORMS = "ООО|ОАО|ЗАО|ПАО|НАО|АО|ТОО|ТД|ТК|ГК|НПО|НПП|ПКФ|Группа компаний|Торговый дом|Торговая компания|Компания"
_QUOTED_COMPANY = re.compile(rf"(?<!\w)(?:{_FORMS})\s*[«\"“„'][^«»\"“”„\n]{{2,60}}[»\"”“'](?!\w)")
_BARE_COMPANY = re.compile(rf"(?<!\w)(?:{_FORMS})\s+[А-ЯЁA-Z][\w-]+(?:[ -][А-ЯЁA-Z][\w-]+){{0,3}}(?=\s*(?:[,|•·;/]|$))")
_SOLE_TRADER = re.compile(r"(?<!\w)ИП\s+[А-ЯЁ][а-яё-]+(?:\s+[А-ЯЁ](?:[а-яё]+|\.)){0,2}\s*(?:[А-ЯЁ]\.)?")
_LATIN_COMPANY = re.compile(
    r"(?:^|(?<=[,|•·;/] ))(?:[A-Z0-9][\w&.'’-]*,? (?:& )?){1,6}"
    r"(?:Ltd|LLC|L\.L\.C|Inc|GmbH|Corp|Corporation|Limited|PLC|LLP|S\.A|B\.V|N\.V|AG|Oy|AB|S\.?r\.?l|s\.r\.o"
    r"|Co\., Ltd)\b\.?"
)
_COMPANIES = (_QUOTED_COMPANY, _BARE_COMPANY, _SOLE_TRADER, _LATIN_COMPANY)

_SITE = re.compile(r"(?:https?://|www\.)[^\s<>()\"«»,;|]{3,100}", re.IGNORECASE)
_NO_SITES = re.compile(
    r"(?:^|\.)(?:t\.me|telegram\.\w+|wa\.me|whatsapp\.com|vk\.(?:com|ru)|ok\.ru|facebook\.com|fb\.com|instagram\.com"
    r"|linkedin\.com|youtube\.com|youtu\.be|twitter\.com|x\.com|avast\.com|kaspersky\.\w+|aka\.ms|google\.\w+"
    r"|yandex\.\w+|ya\.ru|mail\.ru|microsoft\.com|apple\.com|zoom\.us|skype\.com|bit\.ly|goo\.gl|dzen\.ru|rutube\.ru)$",
    re.IGNORECASE,
)
_EMAIL = re.compile(r"[\w.+-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63}){1,5}")
_PHONE_WORD = re.compile(
    r"(?<![\w@.])(?:тел|телефон|моб|мобильный|факс|сот|раб|tel|phone|mob|mobile|cell|fax|direct|office|whatsapp"
    r"|[тмфtmfdpcoтмф])\b[.:)/\s]{0,4}\s*[+(]?\d|(?<!\w)\+\d[\d\s()-]{8,}|(?<!\d)8[\s(-]{1,2}\d{3}[\s)-]{1,2}\d",
    re.IGNORECASE,
)
_BARE_NUMBER = re.compile(r"^\s*\+?(?:[().\s-]{0,3}\d){7,15}\s*$")
_SEPARATORS = re.compile(r"[|•·;│\t]|\s{3,}|\s/\s|\s[–—]\s")
# Numbers that are no phone numbers, however much they look like ones, and phones of others.
_NO_PHONES = re.compile(
    r"(?<!\w)(?:ИНН|КПП|ОГРН(?:ИП)?|ОКПО|БИК|р/с|р/сч|к/с|IBAN|SWIFT|VAT|HRB|EDRPOU|ЕГРПОУ|договор\w*|счет\w*|заказ\w*"
    r"|invoice|order|по вопросам|бухгалтери\w*|при[её]мная|секретар\w*|reception|hotline|горячая|поддержк\w*|support"
    r"|склад\w*|диспетчер\w*|ассистент\w*|assistant)(?!\w)|№",
    re.IGNORECASE,
)
_INNER = re.compile(
    r"(?:(?<=\d)[\s,(]*(?:вн(?:утр)?\.?|внутренний|доб(?:авочный)?\.?|ext\.?)\s*[:.№]?\s*|(?<=\d)\s?[*#]\s?)(?=\d{1,6}(?!\d))",
    re.I,
)
_KINDS = (
    ("business_fax", re.compile(r"(?<!\w)(?:факс|ф|fax|f)(?!\w)", re.IGNORECASE)),
    ("mobile", re.compile(r"(?<!\w)(?:моб\w*|сот\w*|м|mob\w*|cell\w*|m|c|whatsapp|viber)(?!\w)", re.IGNORECASE)),
    (
        "business",
        re.compile(r"(?<!\w)(?:тел\w*|раб\w*|т|tel|phone|ph|office|direct|d|t|p|o|w|work)(?!\w)", re.IGNORECASE),
    ),
)
_MOBILE_PHONE = re.compile(r"(?:моб|сот|mob|cell)\w*\W{0,3}(?:тел|phone)?\w*\W{0,4}$", re.IGNORECASE)
_CYRILLIC = re.compile("[А-Яа-яЁё]")
_WORD = re.compile(r"[^\W\d_]+")
_NO_NAME = re.compile(r"[\d@:]")
# Two spellings of one name are more alike than this, two names less.
_SAME_NAME = 0.8


@dataclass(frozen=True, slots=True)
class FoundPhone:
    """A phone number: `number` as people write it with its extension, `e164` without; `label` as Outlook's kinds."""

    number: str
    e164: str
    label: str


@dataclass(frozen=True, slots=True)
class Facts:
    """What a signature says; "" and () for what it does not say for certain."""

    phones: tuple[FoundPhone, ...] = ()
    job_title: str = ""
    company_name: str = ""
    website: str = ""


def read(signature: str, sender: Iterable[str], own_domain: str = "") -> Facts:
    """What the signature says of the sender, whose names and addresses are `sender`.

    Nothing where it names somebody else or nobody, as below mail from a shared mailbox or by an assistant.
    `own_domain` is the domain of the sender's company, "" where the address tells none.
    """
    lines = [line.strip(" \t*_>|") for line in signature[:MAX_CHARS].splitlines()]
    lines = [line for each in lines if (line := after if (after := courtesy(each)) is not None else each)]
    known = name_words(sender)
    at = next((index for index, line in enumerate(lines) if is_name(line, known)), None)
    if at is None:
        return Facts()
    return Facts(
        phones=_phones(lines),
        job_title=_position(lines, at, known),
        company_name=_company(lines),
        website=_website(lines, own_domain),
    )


def is_contact_line(line: str) -> bool:
    """Whether a line gives contact data: a phone, an address, a website, a company or a position."""
    if len(line) > MAX_POSITION * 3:
        return False
    if _BARE_NUMBER.match(line) or _PHONE_WORD.search(line) or _EMAIL.search(line) or _SITE.search(line):
        return True
    return len(line) <= MAX_POSITION and (any(rule.search(line) for rule in _COMPANIES) or _is_position(line))


def name_words(names: Iterable[str]) -> tuple[str, ...]:
    """The words of a person's names and of the local parts of their addresses, each in one spelling."""
    return _name_words(tuple(names))


@lru_cache(maxsize=1_000)  # a mail is asked for those of its sender more than once
def _name_words(names: tuple[str, ...]) -> tuple[str, ...]:
    found: list[str] = []
    for name in names:
        text = name.partition("@")[0] if "@" in name else name
        for word in words(text.replace("_", " ")):
            if len(word) > 2 and not any(likeness(word, other) > _SAME_NAME for other in found):
                found.append(word)
    return tuple(found)


def is_name(line: str, known: Sequence[str]) -> bool:
    """Whether a line begins with the name of the sender: «Иван Петров», "I. Petrov, Sales Manager", «Иван».

    One word in common is not enough where two could be: «Мария Петрова» is not Иван Петров.
    """
    before = line[:MAX_POSITION].partition(",")[0].partition("(")[0]
    begins = _WORD.search(before) if known else None
    if begins is None or not begins[0][0].isupper():
        return False
    space, second = before[begins.end() : begins.end() + 1], before[begins.end() + 1 : begins.end() + 2]
    if space == " " and second.isalpha() and not second.isupper():  # prose, as most lines are
        return False
    first = _SEPARATORS.split(before, maxsplit=1)[0]
    found = _WORD.findall(first)
    if not 0 < len(found) <= 5 or not all(word[0].isupper() for word in found) or _NO_NAME.search(first):
        return False
    same = [word for word in words(first) if any(_is_same(word, other) for other in known)]
    return any(len(word) > 2 for word in same) and len(same) >= min(2, len(found), len(known))


def _is_same(word: str, known: str) -> bool:
    return is_initial_of(word, known) if len(word) <= 2 else likeness(word, known) > _SAME_NAME


def _phones(lines: list[str]) -> tuple[FoundPhone, ...]:
    region = "RU" if any(_CYRILLIC.search(line) for line in lines) else None
    found: dict[str, FoundPhone] = {}
    for line in lines:
        if _NO_PHONES.search(line):
            continue
        for segment in _SEPARATORS.split(_EMAIL.sub(" ", line)):
            for phone in _phones_of(segment, region):
                found.setdefault(phone.e164, phone)
    return tuple(found.values()) if len(found) <= MAX_PHONES else ()


def _phones_of(segment: str, region: str | None) -> Iterable[FoundPhone]:
    text, last = _INNER.sub(" ext. ", segment), 0
    for match in PhoneNumberMatcher(text, region, leniency=Leniency.VALID):
        kind = phonenumbers.number_type(match.number)
        before, last = text[last : match.start], match.end
        if kind in (PhoneNumberType.TOLL_FREE, PhoneNumberType.PREMIUM_RATE, PhoneNumberType.SHARED_COST):
            continue
        yield FoundPhone(
            number=_written(match.number),
            e164=phonenumbers.format_number(match.number, PhoneNumberFormat.E164),
            label=_label(before, text[match.end : match.end + 12], kind),
        )


def _written(number: phonenumbers.PhoneNumber) -> str:
    bare = phonenumbers.PhoneNumber(
        country_code=number.country_code,
        national_number=number.national_number,
        italian_leading_zero=number.italian_leading_zero,
        number_of_leading_zeros=number.number_of_leading_zeros,
    )
    written = phonenumbers.format_number(bare, PhoneNumberFormat.INTERNATIONAL)
    return f"{written} ext. {number.extension}" if number.extension else str(written)


def _label(before: str, after: str, kind: int) -> str:
    """The kind of a number by the word before it, else by the one in brackets behind it, else by the number."""
    if _MOBILE_PHONE.search(before):
        return "mobile"
    said = {label: found[-1].start() for label, rule in _KINDS if (found := list(rule.finditer(before)))}
    if said:
        return max(said, key=lambda label: said[label])
    if after.lstrip().startswith("("):
        for label, rule in _KINDS:
            if rule.search(after):
                return label
    return "mobile" if kind == PhoneNumberType.MOBILE else "business"


def _position(lines: list[str], at: int, known: Sequence[str]) -> str:
    """The position beside the name: on its line, just below it, or just above it."""
    near = [*lines[at].split(","), *lines[at + 1 : at + _NEAR_NAME], *lines[max(at - 1, 0) : at]]
    for line in near:
        for segment in _SEPARATORS.split(line):
            position = _without_company(segment)
            if _is_position(position) and not is_name(position, known):
                return position
    return ""


def _is_position(text: str) -> bool:
    if len(text) > MAX_POSITION or _NO_POSITION.search(text):
        return False
    return _POSITION.search(text) is not None and len(text.split()) <= MAX_POSITION_WORDS


def _without_company(segment: str) -> str:
    for rule in _COMPANIES:
        segment = rule.sub("", segment)
    return segment.strip(" ,.-–—|")


def _company(lines: list[str]) -> str:
    """The one company that the signature names; "" where it names several."""
    found: dict[str, str] = {}
    for line in lines:
        if len(line) > MAX_POSITION * 2:
            continue
        for rule in _COMPANIES:
            if named := rule.search(line):
                name = named[0].strip(" ,")
                found.setdefault(company_key(name), name)
                break
    return next(iter(found.values())) if len(found) == 1 else ""


def _website(lines: list[str], own_domain: str) -> str:
    """The home page: of the sender's own domain where there is one, else the only one that is named."""
    hosts: dict[str, str] = {}
    for line in lines:
        for address in _SITE.findall(_EMAIL.sub(" ", line)):
            parts = urlsplit(address if "//" in address else f"https://{address}")
            host = (parts.netloc.rpartition("@")[2]).lower().rstrip(".")
            if parts.path.strip("/.") or parts.query or "." not in host or _NO_SITES.search(host):
                continue
            hosts.setdefault(host.removeprefix("www."), host)
    if own_domain in hosts:
        return hosts[own_domain]
    return next(iter(hosts.values())) if len(hosts) == 1 else ""


def host_key(website: str) -> str:
    """A website made comparable: its host without "www."."""
    address = website.strip().lower()
    try:
        return urlsplit(address if "//" in address else f"https://{address}").netloc.removeprefix("www.").rstrip(".")
    except ValueError:
        return address
