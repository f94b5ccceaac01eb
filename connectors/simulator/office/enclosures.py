"""What is attached to a letter of a conversation, made of the facts of that conversation."""

from __future__ import annotations

from connectors.simulator.office import attachments
from connectors.simulator.office.attachments import File
from connectors.simulator.office.facts import Facts
from connectors.simulator.office.names import latin


def enclosed(kind: str, facts: Facts) -> list[File]:
    """The files of a kind: a workbook, pictures or a text of those below, else a page of those in `_page`."""
    start = facts.start
    number = facts.fact("upd")
    match kind:
        case "prices":
            rows = [["Наименование", "Фасовка", "Цена"], *_rows(facts.fact("prices"))]
            return [attachments.workbook(f"Прайс_{start:%d.%m.%Y}.xlsx", rows)]
        case "order":
            rows = [["Наименование", "Фасовка", "Количество"], *_rows(facts.fact("order"))]
            return [attachments.workbook(f"Заказ_{start:%d.%m}.xlsx", rows)]
        case "act":
            rows = [["Документ", "Дебет", "Кредит"], [f"УПД {number}", facts.fact("sum"), ""]]
            return [attachments.workbook(f"Акт_сверки_{start:%m.%Y}.xlsx", rows)]
        case "spec":
            rows = [["Товар", "Цена по договору"], *_rows(facts.fact("prices"))]
            return [attachments.workbook(f"Спецификация к договору {_safe(facts.fact('contract'))}.xlsx", rows)]
        case "photo":
            first = facts.rng.randint(1020, 9870)
            shots = facts.rng.randint(1, 3)
            return [attachments.picture(f"IMG_{first + n}.png", first + n) for n in range(shots)]
        case "scan":
            return [attachments.picture(f"scan_{start:%Y%m%d}.png", 3)]
        case "note":
            text = f"Пропуск на въезд\r\nТранспорт: {facts.fact('plate')}\r\nДата: {facts.fact('num_day1')}\r\n"
            return [attachments.text(f"Пропуск_{facts.fact('num_day1')}.txt", text)]
    return [_page(kind, facts)]


def _page(kind: str, facts: Facts) -> File:
    titles = {
        "invoice": f"Счёт {facts.fact('invoice')}",
        "upd": f"УПД_{facts.fact('upd')}",
        "payment": f"Платёжное поручение {facts.start:%d.%m.%Y}",
        "contract": f"Договор поставки {_safe(facts.fact('contract'))}",
        "vet": f"ВСД_партия_{facts.fact('lot')}",
        "thermogram": f"Термограмма_{facts.fact('num_past')}",
        "deck": f"Презентация ассортимента {facts.start.year}",
        "letter": f"Письмо исх. {facts.fact('order_no')}",
        "claim": f"Акт_ТОРГ-2_{_safe(facts.fact('claim_no'))}",
    }
    title = titles[kind]
    return attachments.page(f"{title}.pdf", [latin(title), latin(facts.fact("legal")), f"{facts.start:%d.%m.%Y}"])


def _rows(table: str) -> list[list[str]]:
    return [line.split("\t") for line in table.splitlines()]


def _safe(number: str) -> str:
    return number.replace("/", "-")
