"""Bulk and automatic mail: newsletters, notices of services, automatic replies. Nobody writes it by hand."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Sender:
    """A sender of bulk mail, with subject and text phrases and the posts that get it, every `days` days."""

    name: str
    address: str
    subject: str
    text: str
    posts: tuple[str, ...]
    days: int
    automatic: bool = False


SENDERS = (
    Sender(
        "Молочный вестник",
        "digest@moloko-vestnik.example",
        "[Цены на сырое молоко: обзор недели|Дайджест отрасли: {month}|Что происходит на рынке масла]",
        "Главное за неделю:\n\n"
        "- закупочная цена сырого молока [выросла на 1,2%|почти не изменилась|снизилась на 0,8%];\n"
        "- производство сыров [прибавило {percent}%|идёт с опережением прошлого года];\n"
        "- [новые правила маркировки обсуждают в отрасли|экспорт сухого молока растёт].\n\n"
        "Читайте полностью на сайте. Вы получили это письмо, потому что подписаны на рассылку. "
        "Отписаться можно по ссылке внизу.",
        ("head", "kam", "retail", "director"),
        7,
    ),
    Sender(
        "Клуб продаж",
        "news@klub-prodazh.example",
        "[Вебинар: как вести переговоры с сетями|5 ошибок в коммерческом предложении|Скидка {discount}% "
        "на курс до конца недели]",
        "[Приглашаем на бесплатный вебинар.|Новый выпуск нашей рассылки.] [Разберём реальные диалоги с "
        "закупщиками и ответим на вопросы.|Читать пять минут, пользы на год.]\n\n"
        "Регистрация на сайте. Отписаться от рассылки — одно нажатие.",
        ("kam", "retail", "horeca", "regions"),
        9,
    ),
    Sender(
        "Горэнергобанк, уведомления",
        "no-reply@gorenergobank.example",
        "[Поступление средств на расчётный счёт|Выписка за {date_past}|Платёж исполнен]",
        "Уважаемый клиент! [На ваш счёт *4471 зачислено {sum}.|Выписка за {date_past} доступна в личном "
        "кабинете.|Платёжное поручение исполнено.]\n\n"
        "Это автоматическое сообщение, отвечать на него не нужно.",
        ("office",),
        2,
        True,
    ),
    Sender(
        "ЭДО Поток",
        "noreply@edo-potok.example",
        "[Документ подписан: УПД № {upd}|Входящий документ от контрагента|Отказ в подписи: УПД № {upd}]",
        "[Контрагент подписал документ УПД № {upd}.|Поступил новый документ, требуется "
        "подпись.|Контрагент отклонил документ. Причина: «неверная дата».]\n\n"
        "Сообщение создано автоматически. Не отвечайте на него.",
        ("office", "service"),
        2,
        True,
    ),
    Sender(
        "Шторм-логистика",
        "robot@shtorm-logistika.example",
        "[Рейс завершён: {plate}|Маршрутный лист на {date_day1}|Отклонение температуры: {plate}]",
        "[Рейс закрыт, все точки посещены.|Маршрутный лист сформирован: {points}.|Датчик зафиксировал "
        "+{temp} в течение 6 минут.]\n\n"
        "Автоматическое уведомление системы мониторинга транспорта.",
        ("service",),
        2,
        True,
    ),
    Sender(
        "Выставочный центр «Сокол»",
        "promo@expo-sokol.example",
        "[Ваш билет на отраслевую выставку|Программа деловых встреч|Места на стенде заканчиваются]",
        "[Зарегистрируйтесь до {date_far} и получите бесплатный билет.|Опубликована деловая программа: "
        "закупочные сессии сетей, конкурс сыроваров, дегустации.]\n\n"
        "Если письмо пришло по ошибке, отпишитесь по ссылке.",
        ("head", "kam", "director"),
        16,
    ),
    Sender(
        "Global Dairy Brief",
        "newsletter@dairybrief.example",
        "[Dairy markets this week|Butter firms, powder steady|Cheese trade outlook, {month_en}]",
        "This week in dairy: [butter prices edged up again|powder auctions were flat|hard cheese demand "
        "stayed strong in Asia].\n\n"
        "You receive this newsletter because you subscribed. Unsubscribe at any time.",
        ("kam", "director"),
        7,
    ),
    Sender(
        "Канцтовары-онлайн",
        "sale@kanctovary-online.example",
        "[Бумага А4 по старой цене|Только три дня: минус {discount}%|Мы скучаем!]",
        "[Запаситесь бумагой и картриджами со скидкой {discount}%.|Бесплатная доставка в офис от 3 000 "
        "руб.]\n\n"
        "Отписаться от рассылки.",
        ("office", "retail", "horeca"),
        11,
    ),
)

AWAY_RU = (
    "[Нахожусь в отпуске до {date_day2}|Меня не будет на месте до {date_day2}], доступ к почте ограничен. "
    "[По срочным вопросам звоните на общий номер компании.|Отвечу по возвращении.]"
)
AWAY_EN = (
    "I am out of the office until {en_day2} [with limited access to mail|and will reply on my return]. For "
    "urgent matters please call our main number."
)
