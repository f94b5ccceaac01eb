"""Russian and foreign names with their cases, so that a sentence can say who without guessing at grammar.

The first names carry their cases as data. Patronymics and the surnames chosen here follow two regular
patterns, so their cases are formed. Surnames are common ones and every combination is drawn at random.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import Literal

Gender = Literal["m", "f"]
Case = Literal["nom", "gen", "dat", "acc", "ins"]
CASES: tuple[Case, ...] = ("nom", "gen", "dat", "acc", "ins")

# nominative, genitive, dative, accusative, instrumental, Latin spelling
WOMEN = {
    row[0]: row
    for row in (
        ("Анна", "Анны", "Анне", "Анну", "Анной", "Anna"),
        ("Елена", "Елены", "Елене", "Елену", "Еленой", "Elena"),
        ("Ольга", "Ольги", "Ольге", "Ольгу", "Ольгой", "Olga"),
        ("Наталья", "Натальи", "Наталье", "Наталью", "Натальей", "Natalia"),
        ("Ирина", "Ирины", "Ирине", "Ирину", "Ириной", "Irina"),
        ("Светлана", "Светланы", "Светлане", "Светлану", "Светланой", "Svetlana"),
        ("Марина", "Марины", "Марине", "Марину", "Мариной", "Marina"),
        ("Татьяна", "Татьяны", "Татьяне", "Татьяну", "Татьяной", "Tatiana"),
        ("Юлия", "Юлии", "Юлии", "Юлию", "Юлией", "Yulia"),
        ("Екатерина", "Екатерины", "Екатерине", "Екатерину", "Екатериной", "Ekaterina"),
        ("Людмила", "Людмилы", "Людмиле", "Людмилу", "Людмилой", "Lyudmila"),
        ("Галина", "Галины", "Галине", "Галину", "Галиной", "Galina"),
        ("Дарья", "Дарьи", "Дарье", "Дарью", "Дарьей", "Daria"),
        ("Алина", "Алины", "Алине", "Алину", "Алиной", "Alina"),
        ("Надежда", "Надежды", "Надежде", "Надежду", "Надеждой", "Nadezhda"),
        ("Виктория", "Виктории", "Виктории", "Викторию", "Викторией", "Victoria"),
        ("Ксения", "Ксении", "Ксении", "Ксению", "Ксенией", "Ksenia"),
        ("Полина", "Полины", "Полине", "Полину", "Полиной", "Polina"),
        ("Лариса", "Ларисы", "Ларисе", "Ларису", "Ларисой", "Larisa"),
        ("Вера", "Веры", "Вере", "Веру", "Верой", "Vera"),
        ("Гульнара", "Гульнары", "Гульнаре", "Гульнару", "Гульнарой", "Gulnara"),
        ("Алёна", "Алёны", "Алёне", "Алёну", "Алёной", "Alyona"),
    )
}
MEN = {
    row[0]: row
    for row in (
        ("Алексей", "Алексея", "Алексею", "Алексея", "Алексеем", "Alexey"),
        ("Андрей", "Андрея", "Андрею", "Андрея", "Андреем", "Andrey"),
        ("Дмитрий", "Дмитрия", "Дмитрию", "Дмитрия", "Дмитрием", "Dmitry"),
        ("Сергей", "Сергея", "Сергею", "Сергея", "Сергеем", "Sergey"),
        ("Игорь", "Игоря", "Игорю", "Игоря", "Игорем", "Igor"),
        ("Олег", "Олега", "Олегу", "Олега", "Олегом", "Oleg"),
        ("Павел", "Павла", "Павлу", "Павла", "Павлом", "Pavel"),
        ("Роман", "Романа", "Роману", "Романа", "Романом", "Roman"),
        ("Максим", "Максима", "Максиму", "Максима", "Максимом", "Maxim"),
        ("Артём", "Артёма", "Артёму", "Артёма", "Артёмом", "Artyom"),
        ("Николай", "Николая", "Николаю", "Николая", "Николаем", "Nikolay"),
        ("Виктор", "Виктора", "Виктору", "Виктора", "Виктором", "Viktor"),
        ("Константин", "Константина", "Константину", "Константина", "Константином", "Konstantin"),
        ("Денис", "Дениса", "Денису", "Дениса", "Денисом", "Denis"),
        ("Антон", "Антона", "Антону", "Антона", "Антоном", "Anton"),
        ("Евгений", "Евгения", "Евгению", "Евгения", "Евгением", "Evgeny"),
        ("Руслан", "Руслана", "Руслану", "Руслана", "Русланом", "Ruslan"),
        ("Тимур", "Тимура", "Тимуру", "Тимура", "Тимуром", "Timur"),
        ("Георгий", "Георгия", "Георгию", "Георгия", "Георгием", "Georgy"),
        ("Вадим", "Вадима", "Вадиму", "Вадима", "Вадимом", "Vadim"),
    )
}
FATHERS = (
    ("Александрович", "Александровна"),
    ("Алексеевич", "Алексеевна"),
    ("Андреевич", "Андреевна"),
    ("Борисович", "Борисовна"),
    ("Викторович", "Викторовна"),
    ("Владимирович", "Владимировна"),
    ("Геннадьевич", "Геннадьевна"),
    ("Дмитриевич", "Дмитриевна"),
    ("Евгеньевич", "Евгеньевна"),
    ("Иванович", "Ивановна"),
    ("Игоревич", "Игоревна"),
    ("Михайлович", "Михайловна"),
    ("Николаевич", "Николаевна"),
    ("Олегович", "Олеговна"),
    ("Петрович", "Петровна"),
    ("Сергеевич", "Сергеевна"),
    ("Юрьевич", "Юрьевна"),
)
SURNAMES = """
    Абрамов Авдеев Агафонов Аксёнов Анисимов Антипов Артемьев Афанасьев Баранов Беспалов Блинов Бобылёв
    Большаков Борисов Брагин Бурмистров Быстров Вавилов Ведерников Верещагин Виноградов Вишняков Воробьёв
    Гаврилов Голубев Горбунов Горшков Грачёв Гусев Давыдов Дементьев Денисов Дорофеев Евдокимов Егоров
    Елисеев Ермаков Ерофеев Ершов Ефимов Жданов Журавлёв Зайцев Зимин Зыков Игнатьев Исаев Казаков Калашников
    Капустин Карпов Кириллов Киселёв Климов Князев Кожевников Колесников Комаров Кондратьев Копылов Корнилов
    Коротков Котов Кошелев Крылов Кудрявцев Кузьмин Кулагин Лапин Ларионов Лебедев Логинов Лукин Лыткин
    Мамонтов Маслов Матвеев Мельников Миронов Моисеев Мухин Назаров Нестеров Никитин Носков Овчинников
    Одинцов Орехов Осипов Панов Пахомов Пестов Платонов Поляков Пономарёв Потапов Прохоров Рогов Родионов
    Рожков Рябов Савельев Сазонов Самойлов Селезнёв Сидоров Симонов Ситников Соболев Сорокин Стрелков Суханов
    Сысоев Тарасов Тимофеев Токарев Третьяков Уваров Устинов Фадеев Филатов Фомин Фролов Харитонов Хохлов
    Чернов Шилов Широков Щербаков Юдин Яковлев Ясинский Белинский Вишневский Залесский Островский Полянский
""".split()  # noqa: SIM905 - a bank of words, to be read
FOREIGN = (
    ("Hannah", "f", "Keller"),
    ("Marco", "m", "Bellini"),
    ("James", "m", "Whitcombe"),
    ("Sofie", "f", "Lindqvist"),
    ("Aylin", "f", "Demirel"),
    ("Piotr", "m", "Wolski"),
    ("Claire", "f", "Morvan"),
    ("Daniel", "m", "Okafor"),
    ("Petra", "f", "Novotna"),
    ("Nikhil", "m", "Rao"),
    ("Emma", "f", "Harding"),
    ("Lukas", "m", "Brandt"),
    ("Mei", "f", "Lin"),
    ("Goran", "m", "Petrov"),
)

_LATIN = dict(
    zip(
        "абвгдеёжзийклмнопрстуфхцчшщъыьэюя",
        [
            "a",
            "b",
            "v",
            "g",
            "d",
            "e",
            "e",
            "zh",
            "z",
            "i",
            "y",
            "k",
            "l",
            "m",
            "n",
            "o",
            "p",
            "r",
            "s",
            "t",
            "u",
            "f",
            "kh",
            "ts",
            "ch",
            "sh",
            "shch",
            "_",
            "y",
            "_",
            "e",
            "yu",
            "ya",
        ],
        strict=True,
    )
)


def latin(text: str) -> str:
    """Spell Russian in Latin letters, as on a business card."""
    letters = []
    for letter in text:
        spelled = _LATIN.get(letter.lower(), letter).replace("_", "")
        letters.append(spelled.capitalize() if letter.isupper() else spelled)
    return "".join(letters)


@dataclass(frozen=True)
class PersonName:
    """A name that knows its cases; `patronymic` is empty for foreigners, whose names are not declined."""

    first: str
    patronymic: str
    last: str
    gender: Gender

    @property
    def full(self) -> str:
        """Name as a display name: «Анна Голубева»."""
        return f"{self.first} {self.last}".strip()

    @property
    def full_latin(self) -> str:
        """Name in Latin letters: Anna Golubeva."""
        return f"{self.first_latin} {latin(self.last)}".strip()

    @property
    def first_latin(self) -> str:
        """First name in Latin letters."""
        row = WOMEN.get(self.first) or MEN.get(self.first)
        return row[5] if row else self.first

    @property
    def mailbox(self) -> str:
        """The part before @ that an office would give this person: a.golubeva."""
        return f"{self.first_latin[0]}.{latin(self.last)}".lower()

    def io(self, case: Case = "nom") -> str:
        """First name and patronymic in a case; just the first name where there is no patronymic."""
        return f"{self.first_in(case)} {self._patronymic_in(case)}".strip()

    def whole(self, case: Case = "nom") -> str:
        """First name and surname in a case."""
        return f"{self.first_in(case)} {self._last_in(case)}"

    def first_in(self, case: Case) -> str:
        """First name in a case."""
        row = WOMEN.get(self.first) or MEN.get(self.first)
        return row[CASES.index(case)] if row else self.first

    def _patronymic_in(self, case: Case) -> str:
        if not self.patronymic:
            return ""
        if self.gender == "f":
            return self.patronymic[:-1] + ("а", "ы", "е", "у", "ой")[CASES.index(case)]
        return self.patronymic + ("", "а", "у", "а", "ем")[CASES.index(case)]

    def _last_in(self, case: Case) -> str:
        if not self.patronymic:
            return self.last
        at = CASES.index(case)
        if self.last.endswith("ский"):
            return self.last[:-2] + ("ий", "ого", "ому", "ого", "им")[at]
        if self.last.endswith("ская"):
            return self.last[:-2] + ("ая", "ой", "ой", "ую", "ой")[at]
        if self.gender == "f":
            return self.last[:-1] + ("а", "ой", "ой", "у", "ой")[at]
        return self.last + ("", "а", "у", "а", "ым")[at]


class NameDraw:
    """Draws names so that no surname comes twice in one office and its clients while the bank lasts."""

    def __init__(self, rng: random.Random) -> None:
        self._rng = rng
        self._surnames: list[str] = []
        self._foreign: list[tuple[str, str, str]] = []

    def russian(self, gender: Gender | None = None) -> PersonName:
        """A Russian name, of the given gender where one is given."""
        drawn: Gender = gender or ("f" if self._rng.random() < 0.6 else "m")
        if not self._surnames:
            self._surnames = self._rng.sample(SURNAMES, len(SURNAMES))
        surname = self._surnames.pop()
        if drawn == "f":
            surname = surname[:-2] + "ая" if surname.endswith("ский") else surname + "а"
        first = self._rng.choice(tuple(WOMEN if drawn == "f" else MEN))
        return PersonName(first, self._rng.choice(FATHERS)[drawn == "f"], surname, drawn)

    def foreign(self) -> PersonName:
        """A name of somebody abroad."""
        if not self._foreign:
            self._foreign = self._rng.sample(FOREIGN, len(FOREIGN))
        first, gender, last = self._foreign.pop()
        return PersonName(first, "", last, "f" if gender == "f" else "m")
