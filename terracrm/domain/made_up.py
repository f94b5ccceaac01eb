"""Made-up people, companies and sentences, Russian and English, for offices that nobody works in.

Words are used as often as in real texts: the second most common one half as often as the first, and so on.
"""

from __future__ import annotations

from itertools import accumulate
from random import Random

GIVEN = """
Анна Борис Вера Галина Дмитрий Елена Жанна Игорь Кирилл Лариса Мария Николай Ольга Павел Роман Светлана Тимур Ульяна
Фёдор Юлия Alice Brian Carol David Emma Frank Grace Henry Irene James Karen Louis Megan Nina Oscar Peter Rita Simon
"""
SURNAMES = """
Соколенко Орленко Гриценко Лебеденко Волошин Крылач Журавко Мельник Дорош Савченко Ткачук Бондарь Кравец Шевчук
Harper Mason Fletcher Turner Walker Cooper Barker Carter Dawson Foster Gardner Hunter Mercer Potter Sawyer Thorne
"""
SUBJECTS = """
Заказ Договор Счёт Накладная Претензия Прайс Отгрузка Доставка Встреча Презентация Возврат Сверка Тендер Образцы
Order Contract Invoice Waybill Claim Prices Shipment Delivery Meeting Presentation Return Statement Tender Samples
"""
RUSSIAN = """
просим прислать договор поставка молоко сметана кефир творог сыр масло йогурт склад магазин сеть цена скидка счёт
оплата срок день неделя месяц завтра сегодня понедельник машина водитель накладная партия качество сертификат анализ
образец заказ ящик палета коробка литр килограмм остаток план отчёт сумма рублей банк реквизиты подпись печать
документ копия оригинал почта письмо звонок встреча офис менеджер директор бухгалтер закупщик клиент партнёр рынок
регион город область доставка отгрузка возврат претензия замена брак упаковка этикетка срочно важно согласен
подтверждаю уточните пожалуйста спасибо вопрос ответ решение условия отсрочка акция выкладка полка ассортимент
"""
ENGLISH = """
please send contract delivery milk cream kefir cheese butter yogurt stock store chain price discount invoice payment
term day week month tomorrow today monday truck driver waybill batch quality certificate analysis sample order box
pallet carton litre balance plan report amount bank details signature document copy original mail letter call meeting
office manager director accountant buyer client partner market region city delivery shipment return claim package
replacement label urgent important agreed confirm thanks question answer decision condition offer shelf assortment
"""
SYLLABLES = {
    "ru": "ба ве го ду жи ка ле мо ну пи ра се то фи хо ча ши ям",
    "en": "ba ve go du ji ka le mo nu pi ra se to fi ho cha shi yam",
}


class Writer:
    """Makes things up; the same Random makes the same. `rare_words` are made of syllables, for each language."""

    def __init__(self, random: Random, rare_words: int) -> None:
        self._random = random
        self._words = {}
        for language, common in (("ru", RUSSIAN.split()), ("en", ENGLISH.split())):
            random.shuffle(common)
            self._words[language] = [*common, *(self._word(language) for _ in range(rare_words))]
        self._weights = {key: list(accumulate(1 / n for n in range(2, len(w) + 2))) for key, w in self._words.items()}

    def sentence(self, words: int) -> str:
        """A sentence of so many words in one of the two languages."""
        language = self._random.choice(("ru", "ru", "en"))
        chosen = self._random.choices(self._words[language], cum_weights=self._weights[language], k=words)
        return f"{' '.join(chosen).capitalize()}."

    def subject(self) -> str:
        """A subject: what it is about, and two words."""
        return f"{self._random.choice(SUBJECTS.split())}: {self.sentence(2)[:-1].lower()}"

    def person(self) -> str:
        """A full name."""
        return f"{self._random.choice(GIVEN.split())} {self._random.choice(SURNAMES.split())}"

    def companies(self, count: int) -> list[str]:
        """So many different names in Latin letters, without a legal form."""
        found: dict[str, None] = {}
        while len(found) < count:
            found[self._word("en").capitalize()] = None
        return list(found)

    def _word(self, language: str) -> str:
        return "".join(self._random.choices(SYLLABLES[language].split(), k=self._random.randint(3, 5)))
