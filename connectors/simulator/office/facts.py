"""The facts of one conversation: who, which goods, how many, when, for how much. Each is drawn once and stays."""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta

from connectors.simulator.office import workdays
from connectors.simulator.office.names import CASES, Case
from connectors.simulator.office.office import Client, Office, Person
from connectors.simulator.office.products import Product, counted, products_of

_GROUPS = {
    "chain": ("fresh", "butter", "cheese", "dessert"),
    "shop": ("fresh", "butter", "cheese", "dessert"),
    "cafe": ("horeca", "butter", "import", "fresh"),
    "canteen": ("fresh", "butter", "horeca"),
    "international": ("import", "horeca", "butter", "cheese"),
}
_SCALE = {"chain": (40, 50, 60, 80, 96, 120, 150, 240), "canteen": (15, 20, 25, 30, 40)}
_SMALL_SCALE = (2, 3, 4, 5, 6, 8, 10, 12, 14)
_PRONOUN_ACC = {"он": "его", "она": "её", "оно": "его", "они": "их"}


@dataclass
class Facts:
    """Draws facts by name and remembers them. `people` maps seller, client, service, ... to persons."""

    rng: random.Random
    office: Office
    client: Client | None
    people: Mapping[str, Person]
    start: date
    me: Person | None = None
    you: Person | None = None
    _known: dict[str, str] = field(default_factory=dict)
    _products: list[Product] = field(default_factory=list)
    _days: dict[str, date] = field(default_factory=dict)

    def gender(self, who: str) -> str:
        """Gender of the writer (`me`), the reader (`you`) or a named person."""
        person = self.me if who == "me" else self.you if who == "you" else self.people[who]
        return person.name.gender if person else "f"

    def fact(self, name: str) -> str:
        """The text for a blank; the same each time it is asked for within the conversation."""
        head, _, part = name.partition(".")
        if head in self.people or head in ("me", "you"):
            return self._person(head, part)
        if head[0] == "p" and head[1:].isdigit():
            return self._product(int(head[1:]), part)
        if name not in self._known:
            self._known[name] = self._draw(name)
        return self._known[name]

    def _person(self, who: str, part: str) -> str:
        person = self.me if who == "me" else self.you if who == "you" else self.people[who]
        assert person is not None
        style, _, case = part.partition("_")
        wanted: Case = next((known for known in CASES if known == case), "nom")
        match style:
            case "io":
                return person.name.io(wanted)
            case "first":
                return person.name.first_in(wanted)
            case "en":
                return person.name.first_latin
            case "mobile":
                return person.mobile
            case "title":
                return person.title
            case _:
                return person.name.whole(wanted)

    def product(self, number: int) -> Product:
        """The product number 1, 2, ... of this conversation."""
        if not self._products:
            groups = _GROUPS[self.client.segment] if self.client else ("fresh", "butter", "cheese")
            choice = products_of(*groups)
            self._products = self.rng.sample(choice, min(12, len(choice)))
        return self._products[number - 1]

    def amount(self) -> int:
        """A quantity to order that suits the size of the client."""
        scale = _SCALE.get(self.client.segment, _SMALL_SCALE) if self.client else _SCALE["chain"]
        return self.rng.choice(scale)

    def _product(self, number: int, part: str) -> str:
        product = self.product(number)
        match part:
            case "gen" | "ins" | "acc" | "pack":
                return str(getattr(product, part))
            case "it":
                return product.pronoun
            case "him":
                return _PRONOUN_ACC[product.pronoun]
            case "en":
                return product.english
            case "price":
                return money(product.price)
            case "days":
                return str(product.days)
            case "qty" | "less" | "eqty" | "eless" | "qty_gen" | "less_gen":
                return self._quantity(product, number, part)
            case _:
                return product.name

    def _quantity(self, product: Product, number: int, part: str) -> str:
        less = part in ("less", "eless", "less_gen")
        key = f"p{number}.{'less' if less else 'qty'}"
        if key not in self._known:
            ordered = int(self._known.get(f"p{number}.qty", 0)) or self.amount()
            self._known[f"p{number}.qty"] = str(ordered)
            self._known[f"p{number}.less"] = str(max(2, ordered * self.rng.choice((2, 3, 4)) // 10))
        value = int(self._known[key])
        if part.endswith("_gen"):
            return f"{value} {product.unit[2]}"  # two and more: «до 2 коробок»
        return f"{value} {product.unit_en}" if part.startswith("e") else counted(value, product.unit)

    def day(self, name: str) -> date:
        """day1 and day2 are working days ahead, past is one before, far is some weeks ahead."""
        if name not in self._days:
            match name:
                case "day1":
                    drawn = workdays.workday(self.start, self.rng.randint(2, 4))
                case "day2":
                    drawn = workdays.workday(self.day("day1"), self.rng.randint(1, 3))
                case "past":
                    drawn = workdays.workday(self.start, -self.rng.randint(1, 4))
                case "long":
                    drawn = workdays.workday(self.start, -self.rng.randint(12, 30))
                case _:
                    drawn = workdays.workday(self.start, self.rng.randint(11, 21))
            self._days[name] = drawn
        return self._days[name]

    def _draw(self, name: str) -> str:
        for draw in (self._calendar, self._document, self._trade, self._table):
            drawn = draw(name)
            if drawn is not None:
                return drawn
        raise KeyError(f"A phrase asks for an unknown fact: {name}")

    def _calendar(self, name: str) -> str | None:
        month = self.start.month - 1
        word, _, which = name.partition("_")
        if word in ("on", "for", "date", "num", "en") and which in ("day1", "day2", "past", "long", "far"):
            day = self.day(which)
            return {
                "on": workdays.on_day,
                "for": workdays.for_day,
                "date": workdays.day_month,
                "num": lambda value: f"{value:%d.%m.%Y}",
                "en": workdays.day_english,
            }[word](day)
        season = workdays.next_season(self.start)
        return {
            "month": workdays.MONTHS[month],
            "month_gen": workdays.MONTHS_GEN[month],
            "month_prep": workdays.MONTHS_PREP[month],
            "month_en": workdays.MONTHS_EN[month],
            "next_month": workdays.MONTHS[(month + 1) % 12],
            "next_month_gen": workdays.MONTHS_GEN[(month + 1) % 12],
            "next_month_prep": workdays.MONTHS_PREP[(month + 1) % 12],
            "next_month_en": workdays.MONTHS_EN[(month + 1) % 12],
            "last_month": workdays.MONTHS[month - 1],
            "last_month_gen": workdays.MONTHS_GEN[month - 1],
            "last_month_prep": workdays.MONTHS_PREP[month - 1],
            "year": str(self.start.year),
            "next_year": str(self.start.year + 1),
            "quarter": ("I", "II", "III", "IV")[month // 3],
            "last_quarter": ("IV", "I", "II", "III")[month // 3],
            "season_gen": season[0],
            "season_dat": season[1],
            "season_en": season[2],
        }.get(name)

    def _document(self, name: str) -> str | None:
        rng = self.rng
        match name:
            case "order_no":
                return f"{rng.randint(1200, 9800)}"
            case "invoice":
                return f"СЧ-{rng.randint(1200, 9800)}"
            case "upd" | "upd2":
                return f"{rng.randint(2100, 9700)}"
            case "claim_no":
                return f"Р-{rng.randint(14, 380)}"
            case "lot" | "lot2":
                return f"{self.start - timedelta(days=rng.randint(3, 12)):%d%m}-{rng.randint(1, 9)}"
            case "contract":
                return self.client.contract if self.client else "ДП-100/25"
            case "plate":
                letters = [rng.choice("АВЕКМНОРСТУХ") for _ in range(3)]
                return f"{letters[0]}{rng.randint(101, 989)}{letters[1]}{letters[2]} {rng.choice((50, 750, 777))}"
            case "fridge_no":
                return f"ХШ-{rng.randint(1040, 1990)}"
        return None

    def _trade(self, name: str) -> str | None:
        rng = self.rng
        client = self.client
        match name:
            case "our":
                return f"«{self.office.name_ru}»"
            case "our_en":
                return self.office.name_en
            case "our_site":
                return self.office.domain
            case "shop":
                brand = client.name if client else ""
                return brand if "«" in brand or brand.isascii() else f"«{brand}»"
            case "shop_en":
                return client.name if client else ""
            case "legal":
                return client.legal_name if client else ""
            case "addr":
                return client.address if client else ""
            case "street":
                return client.street if client else ""
            case "city":
                return client.city.name if client else ""
            case "city_prep":
                return client.city.prep if client else ""
            case "city_en":
                return client.city.latin if client else ""
            case "sum" | "debt" | "sum2":
                scale = 9 if client and client.segment == "chain" else 1
                return money(rng.randint(18_000, 160_000) * scale + rng.choice((0, 0, 0.5, 0.4, 0.2)), kopecks=True)
            case "esum":
                return f"RUB {rng.randint(38, 410) * 1000 + rng.randint(10, 990):,}"
            case "percent":
                return str(rng.choice((3, 4, 5, 6, 7, 8)))
            case "discount":
                return str(rng.choice((5, 7, 10, 12, 15)))
            case "days":
                return str(rng.choice((7, 10, 14)))
            case "temp":
                return str(rng.choice((9, 10, 11, 12)))
            case "points":
                return counted(rng.choice((4, 6, 8, 12, 18, 24)), ("магазин", "магазина", "магазинов"))
            case "time" | "time2":
                return f"{rng.randint(9, 16)}:{rng.choice(('00', '15', '30'))}"
            case "dawn":
                return f"{rng.randint(6, 8)}:{rng.choice(('00', '30'))}"
            case "few":
                return str(rng.choice((2, 3, 4)))
        return None

    def _table(self, name: str) -> str | None:
        lines = self.rng.randint(3, 6)
        positions = [self.product(number) for number in range(1, lines + 1)]
        match name:
            case "order":
                rows = [f"{item.name}\t{item.pack}\t{self._product(n, 'qty')}" for n, item in enumerate(positions, 1)]
            case "order_en":
                rows = [f"{item.english}\t{self._product(n, 'eqty')}" for n, item in enumerate(positions, 1)]
            case "prices":
                rows = [f"{item.name}\t{item.pack}\t{money(item.price)}" for item in positions]
            case "prices_en":
                rows = [f"{item.english}\tRUB {item.price:,}" for item in positions]
            case "debts":
                days = [workdays.workday(self.start, -self.rng.randint(16, 30)) for _ in range(self.rng.randint(2, 3))]
                sums = [self.rng.randint(14_000, 96_000) for _ in days]
                self._known["debt"] = money(sum(sums))
                rows = [
                    f"УПД № {self.rng.randint(2100, 9700)} от {day:%d.%m.%Y}\t{money(owed)}"
                    for day, owed in zip(sorted(days), sums, strict=True)
                ]
            case _:
                return None
        return "\n".join(rows)


def money(value: float, *, kopecks: bool = False) -> str:
    """Roubles as a Russian writes them: «128 450,50 руб.» with no-break spaces between thousands."""
    whole = f"{int(value):,}".replace(",", "\u00a0")
    return f"{whole},{round(value % 1 * 100):02} руб." if kopecks else f"{whole} руб."
