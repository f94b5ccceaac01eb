"""A few letters of people whom the office does not know yet, or not by this address. Nobody has answered them."""

from __future__ import annotations

import random
from dataclasses import replace
from datetime import datetime, timedelta

from connectors.simulator.office.clientele import FREE_MAIL_DOMAINS
from connectors.simulator.office.letters import Letter
from connectors.simulator.office.names import PersonName
from connectors.simulator.office.office import Client, ClientPerson, Office
from connectors.simulator.office.threads import message_id


def strangers(office: Office, now: datetime) -> list[Letter]:
    """What they wrote in the days before `now`."""
    rng = random.Random(f"strangers {office.seed}")  # noqa: S311 - repeatable by design
    owners = [client for client in office.clients if client.domain and client.people[0].language == "ru"]
    key_accounts = [client for client in owners if client.seller == "kam"]
    private, travelling, sister = rng.sample(key_accounts, 2) + rng.sample(owners, 1)
    letters = []
    for days, client, author, subject, text, signature in (
        (1.1, private, _from_a_phone(private), "Заказ на субботу", _ORDER, "Отправлено с телефона"),
        (1.6, private, _from_a_phone(private), "Ещё вопрос по остаткам", _STOCK, "Отправлено с телефона"),
        (2.3, travelling, _while_travelling(travelling), "Прошу перезвонить", _CALL, _phones(travelling)),
        (3.2, sister, _sister_company(sister), "Запрос прайс-листа", _PRICES, "Отдел закупок"),
        (4.4, private, _newcomer(private), "Хотим работать с вами", _CAFE, "Тимур Зарипов, кофейня «Полдень»"),
        (5.5, sister, _applicant(sister), "Резюме: торговый представитель", _JOB, "Лариса Кочеткова"),
    ):
        letters.append(
            Letter(
                at=now - timedelta(days=days),
                author=author,
                to=[office.seller_of(client)],
                subject=subject,
                text=text,
                language="ru",
                message_id=message_id(author, rng),
                signature=signature,
                reads_html=False,
            )
        )
    return letters


_ORDER = "Добрый день! Пишу с личной почты, рабочая не открывается. Привезите, пожалуйста, в субботу как обычно."
_STOCK = "И ещё: сметана в ведёрках осталась? Нам бы шесть штук."
_CALL = "Здравствуйте! Я в командировке, почта чужая. Перезвоните мне, пожалуйста, по поводу договора."
_PRICES = "Добрый день! Пришлите, пожалуйста, прайс-лист на сыры и масло. Сертификаты тоже нужны."
_CAFE = "Здравствуйте! Открываем кофейню, ищем поставщика молока и сливок. С кем можно обсудить условия?"
_JOB = "Добрый день! Ищу работу торгового представителя, опыт девять лет. Резюме пришлю по запросу."


def _phones(client: Client) -> str:
    return f"тел. {client.people[0].phone}\nмоб. {client.people[0].mobile}"


def _from_a_phone(client: Client) -> ClientPerson:
    """Somebody whom the office knows, by a private address and in Latin letters."""
    person = client.people[0]
    name = PersonName(person.name.first_latin, "", person.name.full_latin.rpartition(" ")[2], person.name.gender)
    local = f"{name.last}.{name.first}".casefold().replace("'", "")
    return _author(client, name, f"{local}@{FREE_MAIL_DOMAINS[2]}")


def _while_travelling(client: Client) -> ClientPerson:
    """Somebody whom the office knows, by the mailbox of a hotel: only the phone tells."""
    return _author(client, PersonName("Ресепшен", "", "", "f"), "reception@hotel-zarya.example")


def _sister_company(client: Client) -> ClientPerson:
    """Another domain of a company that the office knows."""
    return _author(client, PersonName(f"Отдел закупок ({client.name})", "", "", "m"), "zakupki@filial-sever.example")


def _newcomer(client: Client) -> ClientPerson:
    return _author(client, PersonName("Тимур", "", "Зарипов", "m"), "t.zaripov@kofe-polden.example")


def _applicant(client: Client) -> ClientPerson:
    return _author(client, PersonName("Лариса", "", "Кочеткова", "f"), f"lara.kochetkova@{FREE_MAIL_DOMAINS[1]}")


def _author(client: Client, name: PersonName, address: str) -> ClientPerson:
    return replace(client.people[0], address=address, name=name, mailer="gmail", formal=False)
