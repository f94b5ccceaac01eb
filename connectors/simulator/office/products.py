# ruff: noqa: E501 - a table, one row a line
"""What the distributor sells, with the word forms that sentences need."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Forms = tuple[str, str, str]  # 1 коробка, 2 коробки, 5 коробок

BOX: Forms = ("коробка", "коробки", "коробок")
HEAD: Forms = ("головка", "головки", "головок")
PACK: Forms = ("упаковка", "упаковки", "упаковок")
CAN: Forms = ("ведро", "ведра", "вёдер")
CRATE: Forms = ("ящик", "ящика", "ящиков")
Group = Literal["fresh", "butter", "cheese", "dessert", "horeca", "import"]


def counted(number: int, forms: Forms) -> str:
    """A number with the form of the noun that Russian wants after it."""
    if 10 < number % 100 < 20:
        return f"{number} {forms[2]}"
    last = number % 10
    return f"{number} {forms[0] if last == 1 else forms[1] if 1 < last < 5 else forms[2]}"


@dataclass(frozen=True)
class Product:
    """One position of the price list. `price` is in roubles for one unit of sale; `days` is the shelf life."""

    name: str
    gen: str
    ins: str
    pronoun: str  # он, она, оно, они
    english: str
    pack: str
    unit: Forms
    unit_en: str
    price: int
    days: int
    group: Group

    @property
    def acc(self) -> str:
        """Accusative. Feminine names change their ending; the rest are like the nominative."""
        if self.pronoun != "она":
            return self.name
        head, _, rest = self.name.partition(" ")
        head = head[:-1] + "у" if head.endswith("а") else head
        return f"{head} {rest}".strip()


# fmt: off
PRODUCTS = (
    Product("творог 9%", "творога 9%", "творогом 9%", "он", "curd 9%", "пачка 180 г × 12", BOX, "boxes", 1190, 14, "fresh"),
    Product("творог 5%", "творога 5%", "творогом 5%", "он", "curd 5%", "пачка 180 г × 12", BOX, "boxes", 1110, 14, "fresh"),
    Product("творог весовой 18%", "творога весового 18%", "творогом весовым 18%", "он", "bulk curd 18%",
            "короб 5 кг", BOX, "boxes", 2150, 10, "horeca"),
    Product("сметана 20%", "сметаны 20%", "сметаной 20%", "она", "sour cream 20%", "стакан 300 г × 12", BOX, "boxes", 1020, 21, "fresh"),
    Product("сметана 15%", "сметаны 15%", "сметаной 15%", "она", "sour cream 15%", "стакан 300 г × 12", BOX, "boxes", 930, 21, "fresh"),
    Product("кефир 2,5%", "кефира 2,5%", "кефиром 2,5%", "он", "kefir 2.5%", "ПЭТ 900 г × 6", PACK, "packs", 495, 12, "fresh"),
    Product("ряженка 4%", "ряженки 4%", "ряженкой 4%", "она", "ryazhenka 4%", "стакан 450 г × 8", PACK, "packs", 540, 14, "fresh"),
    Product("молоко отборное 3,4–4,5%", "молока отборного 3,4–4,5%", "молоком отборным 3,4–4,5%", "оно",
            "whole milk 3.4–4.5%", "ПЭТ 900 мл × 6", PACK, "packs", 530, 10, "fresh"),
    Product("молоко ультрапастеризованное 3,2%", "молока ультрапастеризованного 3,2%", "молоком ультрапастеризованным 3,2%",
            "оно", "UHT milk 3.2%", "пакет 1 л × 12", BOX, "boxes", 1080, 180, "horeca"),
    Product("сливки 33%", "сливок 33%", "сливками 33%", "они", "whipping cream 33%", "пакет 1 л × 12", BOX, "boxes", 4380, 120, "horeca"),
    Product("сливки 10% порционные", "сливок 10% порционных", "сливками 10% порционными", "они", "coffee cream portions 10%",
            "10 г × 200", BOX, "boxes", 1240, 150, "horeca"),
    Product("масло «Традиционное» 82,5%", "масла «Традиционное» 82,5%", "маслом «Традиционное» 82,5%", "оно",
            "butter 82.5%", "пачка 180 г × 20", BOX, "boxes", 3960, 75, "butter"),
    Product("масло «Крестьянское» 72,5%", "масла «Крестьянское» 72,5%", "маслом «Крестьянское» 72,5%", "оно",
            "butter 72.5%", "пачка 180 г × 20", BOX, "boxes", 3520, 60, "butter"),
    Product("масло монолит 82,5%", "масла монолит 82,5%", "маслом монолит 82,5%", "оно", "butter block 82.5%",
            "короб 20 кг", BOX, "boxes", 16900, 180, "butter"),
    Product("сыр «Российский» 50%", "сыра «Российский» 50%", "сыром «Российский» 50%", "он", "Rossiysky cheese 50%",
            "головка 7,5 кг", HEAD, "wheels", 5180, 120, "cheese"),
    Product("сыр «Гауда» 45%", "сыра «Гауда» 45%", "сыром «Гауда» 45%", "он", "Gouda 45%", "брус 4 кг", BOX, "blocks", 2920, 120, "cheese"),
    Product("сыр «Тильзитер» 45%", "сыра «Тильзитер» 45%", "сыром «Тильзитер» 45%", "он", "Tilsiter 45%",
            "брус 4 кг", BOX, "blocks", 2840, 90, "cheese"),
    Product("моцарелла для пиццы 40%", "моцареллы для пиццы 40%", "моцареллой для пиццы 40%", "она", "pizza mozzarella 40%",
            "брус 2 кг × 4", BOX, "boxes", 4960, 90, "horeca"),
    Product("сыр творожный 60%", "сыра творожного 60%", "сыром творожным 60%", "он", "cream cheese 60%",
            "ведро 2,5 кг", CAN, "tubs", 1780, 90, "horeca"),
    Product("сулугуни 45%", "сулугуни 45%", "сулугуни 45%", "он", "suluguni 45%", "300 г × 10", BOX, "boxes", 2640, 45, "cheese"),
    Product("адыгейский сыр 45%", "адыгейского сыра 45%", "адыгейским сыром 45%", "он", "Adyghe cheese 45%",
            "300 г × 10", BOX, "boxes", 2310, 30, "cheese"),
    Product("сырки глазированные 23%", "сырков глазированных 23%", "сырками глазированными 23%", "они", "glazed curd bars 23%",
            "45 г × 28", BOX, "boxes", 1060, 30, "dessert"),
    Product("йогурт питьевой 2,5%", "йогурта питьевого 2,5%", "йогуртом питьевым 2,5%", "он", "drinking yoghurt 2.5%",
            "290 г × 9", PACK, "packs", 470, 30, "dessert"),
    Product("йогурт греческий 2%", "йогурта греческого 2%", "йогуртом греческим 2%", "он", "Greek yoghurt 2%",
            "140 г × 12", PACK, "packs", 780, 30, "dessert"),
    Product("сгущёнка 8,5%", "сгущёнки 8,5%", "сгущёнкой 8,5%", "она", "caramel condensed milk 8.5%",
            "банка 380 г × 20", CRATE, "crates", 2360, 365, "dessert"),
    Product("маскарпоне 80%", "маскарпоне 80%", "маскарпоне 80%", "он", "mascarpone 80%", "500 г × 6", BOX, "boxes", 2190, 90, "horeca"),
    Product("пармезан 40%", "пармезана 40%", "пармезаном 40%", "он", "aged hard cheese", "1/8 головки, 4 кг",
            PACK, "pieces", 7600, 240, "import"),
    Product("бри 60%", "бри 60%", "бри 60%", "он", "Brie 60%", "1 кг × 2", BOX, "boxes", 2880, 45, "import"),
    Product("камамбер 50%", "камамбера 50%", "камамбером 50%", "он", "Camembert 50%", "125 г × 8", BOX, "boxes", 1940, 45, "import"),
    Product("сыр с голубой плесенью 50%", "сыра с голубой плесенью 50%", "сыром с голубой плесенью 50%", "он", "blue cheese 50%",
            "1,2 кг × 2", BOX, "boxes", 3120, 60, "import"),
    Product("халуми 43%", "халуми 43%", "халуми 43%", "он", "halloumi 43%", "200 г × 12", BOX, "boxes", 2980, 120, "import"),
)
# fmt: on


def products_of(*groups: str) -> list[Product]:
    """The positions of the price list in these groups."""
    return [product for product in PRODUCTS if product.group in groups]
