"""The words that mail ends with: courtesies, what a phone adds by itself, legal notices, postscripts (S11)."""

from __future__ import annotations

import re

_COURTESIES = (
    r"[сc]\s+ув(?:аж)?\.|[сc]о?\s+(?:(?:глубоким|огромным|большим|неизменным|искренним)\s+)?уважением"
    r"|с\s+(?:наилучшими|лучшими|добрыми|теплыми|тёплыми|самыми лучшими)\s+пожеланиями|с\s+наилучшими"
    r"|всего\s+(?:вам\s+)?(?:самого\s+)?(?:доброго|хорошего|наилучшего)|искренне\s+ваш\w?|с\s+приветом"
    r"|хорошего\s+(?:вам\s+)?(?:дня|вечера)|удачного\s+(?:вам\s+)?дня|до\s+встречи|до\s+связи|з\s+повагою|из\s+уважением"
    r"|(?:(?:with|my|all)\s+)*(?:(?:the\s+)?(?:very\s+)?(?:best|kind|kindest|warm|warmest|many)\s+)*regards"
    r"|(?:thanks|thank\s+you)\s*(?:,|and|&|with)\s*(?:best\s+|kind\s+|warm\s+)*regards|best\s+wishes"
    r"|(?:yours|very)\s+(?:sincerely|faithfully|truly)(?:\s+yours)?|sincerely(?:\s+yours)?|cordially|respectfully"
    r"|all\s+the\s+best|cheers|take\s+care|(?:(?:all\s+)?best|yours)(?=\s*(?:[,.!–-]|$))|w?br|rgds|brgds"
    r"|mit\s+(?:freundlichen|besten|herzlichen|lieben)\s+gr(?:ü|ue)(?:ß|ss)en|(?:viele|liebe|beste|freundliche)\s+gr(?:ü|ue)(?:ß|ss)e|mfg"
    r"|(?:bien\s+)?cordialement|bien\s+à\s+vous|(?:un\s+)?(?:cordial(?:es)?\s+)?saludos?(?:\s+cordial(?:es)?)?|atentamente"
    r"|cordiali\s+saluti|distinti\s+saluti|atenciosamente|met\s+vriendelijke\s+groet(?:en)?|z\s+poważaniem|pozdrawiam"
    r"|s\s+pozdravem|med\s+vänliga\s+hälsningar"
)
# After the courtesy only a name may follow on its line, or words that belong to it.
_COURTESY = re.compile(
    rf"^[\s*_–—-]*(?:(?:спасибо|благодарю|заранее\s+спасибо|thanks|thank\s+you)\s*[,.!]?\s*)?(?:{_COURTESIES})(?!\w)"
    r"(?P<rest>.{0,100})$",
    re.IGNORECASE,
)
_REST = re.compile(
    r"^\s*(?:и\s+(?:надежд\w+|наилучшими|пожелани\w+|благодарност\w+).{0,60}|к\s+вам.{0,40}|[,.!:;/–—-]*\s*"
    r"(?:[A-ZА-ЯЁ«\"(][^.!?]{0,20}\.?[^!?]{0,60}|(?:ваш\w?|your|директор|менеджер)\b.{0,60})?)[\s.,!*_]*$"
)
_THANKS = re.compile(
    r"^[\s*_]*(?:(?:заранее\s+)?(?:спасибо|благодарю)(?:\s+(?:вам|заранее|большое|за\s+понимание))*"
    r"|(?:many\s+)?thanks(?:\s+(?:in\s+advance|again|a\s+lot|so\s+much))?|thank\s+you(?:\s+(?:in\s+advance|very\s+much))?|thx)[\s,.!*_]*$",
    re.IGNORECASE,
)
# What phones and mail programs sign with; only these, for things are sent by many other ways that people tell of.
_PROGRAMS = (
    r"(?:i(?:phone|pad|pod|os)|айфон\w*|android|андроид\w*|blackberry|samsung|galaxy|huawei|honor|xiaomi|redmi|nokia|htc|sony|lg"
    r"|outlook|microsoft|windows|gmail|yahoo|proton\w*|spark|my\s?mail|mailbird|airmail|bluemail|typeapp|aquamail|thunderbird|zoho"
    r"|mail\.ru|mail\s+(?:for|app|\.?ru)|apple\s+mail|yandex|яндекс\w*|rambler|рамблер\w*|sparrow|the\s+bat|em\s+client)"
)
_DEVICES = r"(?:мобильн\w+|смартфон\w*|телефон\w*|планшет\w*|коммуникатор\w*|устройств\w*|почты|приложения)"
_BY_MACHINE = re.compile(
    rf"^[\s*_]*(?:"
    rf"sent\s+from\s+(?:my|a|the)\s+(?:\w+\s+){{0,3}}?(?:{_PROGRAMS}|phone|smartphone|mobile|tablet|device|handheld)\b.{{0,80}}"
    rf"|sent\s+(?:from|with|via|using)\s+(?:\w+\s+){{0,2}}?{_PROGRAMS}(?!\w).{{0,80}}|sent\s+from\s+mail[\s.]*"
    rf"|(?:get|download)\s+outlook\s+for\s+.{{2,60}}"
    rf"|(?:отправлено|послано|написано|надіслано)\s+(?:с|со|c|из|от|з|із|через|при\s+помощи|с\s+помощью)\s+"
    rf"(?:(?:моего|моей|мого|приложения|приложение|мобильн\w+|веб-версии|нового|новой)\s+){{0,2}}[\"«]?{_PROGRAMS}.{{0,60}}"
    rf"|(?:отправлено|послано|написано|надіслано)\s+(?:с|со|c|из|з|із)\s+(?:моего\s+|моей\s+|мого\s+)?{_DEVICES}(?!\w).{{0,60}}"
    rf"|(?:скачать|скачайте|загрузить|получите|получить)\s+outlook\s+для\s+.{{2,60}}"
    rf"|von\s+meinem\s+(?:iphone|ipad|android|samsung).{{0,40}}gesendet.{{0,20}}|gesendet\s+von\s+(?:mail|meinem|outlook).{{0,50}}"
    rf"|envoyé\s+de(?:puis)?\s+mon\s+.{{2,40}}|enviado\s+desde\s+mi\s+.{{2,40}}|inviato\s+da(?:l)?\s+mio\s+.{{2,40}}"
    rf"|virus-?free\.?(?:\s*www\..{{2,40}})?|без\s+вирусов\.?(?:\s*www\..{{2,40}})?"
    rf"|(?:это\s+(?:сообщение|письмо)|this\s+e-?mail)\s+(?:проверено|has\s+been\s+(?:checked|scanned)).{{0,120}}"
    rf")[\s.]*$",
    re.IGNORECASE,
)
_NOTICE = re.compile(
    r"^[\s*_\"«(]*(?:"
    r"(?:this|the\s+information\s+(?:contained\s+)?in\s+this|the\s+contents?\s+of\s+this)\s+(?:e-?mail|message|communication|transmission)"
    r"\b(?=.{0,200}\b(?:confidential|intended|privileged|recipient))"
    r"|(?:confidentiality|legal|privacy)\s+(?:notice|note|disclaimer)\b|disclaimer\b\s*[:.]"
    r"|please\s+(?:consider|think\s+of)\s+the\s+environment|before\s+printing\b.{0,60}environment"
    r"|(?:данное|настоящее|это)\s+(?:электронное\s+)?(?:сообщение|письмо)\b(?=.{0,200}(?:конфиденциальн|предназначен|адресат|коммерческ))"
    r"|(?:информация|сведения),?\s+содержащ\w+ся\s+в\s+(?:данном|настоящем|этом)\s+(?:электронном\s+)?(?:сообщении|письме)"
    r"|уведомление\s+о\s+конфиденциальности|внимание!?\s+(?:данное|настоящее|это)\s+(?:сообщение|письмо)\s+.{0,60}конфиденциальн"
    r"|(?:пожалуйста,?\s+)?(?:подумайте|позаботьтесь|берегите)\b.{0,20}\b(?:окружающей\s+сред|природ|лес)"
    r"|прежде\s+чем\s+(?:рас)?печатать"
    r")",
    re.IGNORECASE,
)
_POSTSCRIPT = re.compile(r"^\s*(?:P\.?\s?P?\.?\s?S\b|З\.?\s?Ы\b|П\.?\s?С\b|Постскриптум)\s*[.:,–—-]?\s*", re.IGNORECASE)
_LONGEST = 300


def courtesy(line: str) -> str | None:
    """What follows «С уважением,» or "Best regards," on its line; None for a line that is no such courtesy."""
    found = _COURTESY.match(line) if len(line) < _LONGEST else None
    if found is None or not _REST.match(found["rest"]):
        return None
    return found["rest"].strip(" ,.!:;–—-*_")


def is_thanks(line: str) -> bool:
    """Whether the line only thanks: it is said, but a signature may follow."""
    return len(line) < _LONGEST and _THANKS.match(line) is not None


def is_by_machine(line: str) -> bool:
    """Whether a mail program or a virus scanner added the line by itself."""
    return len(line) < _LONGEST and _BY_MACHINE.match(line) is not None


def is_notice(line: str) -> bool:
    """Whether a legal notice begins with this line."""
    return _NOTICE.match(line[:_LONGEST]) is not None


def is_postscript(line: str) -> bool:
    """Whether the writer goes on after the signature."""
    return _POSTSCRIPT.match(line[:_LONGEST]) is not None
