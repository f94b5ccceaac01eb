"""What meetings are about."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Visit:
    """A meeting with a client: a summary phrase, where, for how long, and who of ours comes along."""

    summary: str
    place: Literal["theirs", "ours", "call"]
    minutes: int
    with_ours: str = ""


VISITS = (
    Visit("Визит: {shop}, [выкладка и остатки|план на {next_month}|новинки]", "theirs", 60),
    Visit("Встреча с {client.whole_ins}: [договор {contract}|условия на {next_month}|график поставок]", "theirs", 60),
    Visit("Переговоры, {shop}: [цены|годовой контракт|отсрочка]", "ours", 90, "head"),
    Visit("Дегустация, {shop}: {p1}, {p2}", "theirs", 90),
    Visit("Разбор рекламации, {shop}", "call", 30, "service"),
    Visit("Созвон с {client.first_ins} ({shop})", "call", 30),
    Visit("Аудит полки: {shop}, {street}", "theirs", 45),
    Visit("Презентация новинок: {shop}", "ours", 60),
    Visit("Осмотр холодильного оборудования, {shop}", "theirs", 60, "service"),
)
ABROAD_VISITS = (
    Visit("Quarterly review with {shop_en}", "call", 60, "head"),
    Visit("Tasting: {p1.en} and {p2.en}", "theirs", 90),
    Visit("Call: menu planning, {next_month_en}", "call", 30),
    Visit("Warehouse tour for {shop_en}", "ours", 90, "service"),
)
REMARKS = (
    "[Взять образцы: {p1}, {p2}.|Взять договор и спецификацию.]",
    "Обсудить: [просрочку|объём на {next_month}|график], затем [новинки|промо].",
    "Контакт на месте: {store.whole}, {store.mobile}.",
    "",
)
# name, month, day (the first Tuesday from there), length in days, place
EXHIBITIONS = (
    ("Продэкспо", 2, 5, 5, "Москва, выставочный комплекс, павильон 2"),
    ("Выставка «Дни молока»", 4, 12, 3, "Москва, павильон 75"),
    ("Форум поставщиков HoReCa", 6, 8, 2, "Санкт-Петербург"),
    ("Ярмарка «Вкус региона»", 8, 20, 2, "Казань"),
    ("Осенняя продовольственная выставка", 9, 14, 4, "Москва, павильон 3"),
    ("Закупочная сессия сетей", 11, 16, 2, "Москва, конгресс-центр"),
)
# summary, minutes, private
OWN_AFFAIRS = (
    ("Стоматолог", 90, True),
    ("Родительское собрание", 60, True),
    ("Медосмотр, санкнижка", 60, True),
    ("Отчёт по дебиторке", 60, False),
    ("Обновить прайс", 60, False),
    ("Инвентаризация склада", 120, False),
    ("Обучение: «Честный ЗНАК»", 90, False),
    ("Шиномонтаж", 60, True),
    ("Подготовить предложение для тендера", 120, False),
)
