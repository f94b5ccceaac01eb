# ruff: noqa: E501 - a table, one row a line
"""The client companies: invented names and domains in real cities, by kind of trade."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Segment = Literal["chain", "shop", "cafe", "canteen", "international"]


@dataclass(frozen=True)
class City:
    """A city with its dialling code, time zone, region of the sales office and some of its streets."""

    name: str
    prep: str  # «в Самаре»
    gen: str
    latin: str
    code: str
    zone: str
    region: str
    index: str
    streets: tuple[str, ...]


# fmt: off
CITIES = {
    city.name: city
    for city in (
        City("Москва", "Москве", "Москвы", "Moscow", "495", "Europe/Moscow", "Москва и область", "1151",
             ("ул. Трофимова", "Каширское шоссе", "ул. Авиамоторная", "ул. Бутырская", "Волоколамское шоссе", "ул. Лесная")),
        City("Подольск", "Подольске", "Подольска", "Podolsk", "4967", "Europe/Moscow", "Москва и область", "1421",
             ("ул. Кирова", "ул. Свердлова", "Революционный проспект")),
        City("Химки", "Химках", "Химок", "Khimki", "495", "Europe/Moscow", "Москва и область", "1414",
             ("ул. Молодёжная", "ул. Панфилова", "Юбилейный проспект")),
        City("Мытищи", "Мытищах", "Мытищ", "Mytishchi", "495", "Europe/Moscow", "Москва и область", "1410",
             ("ул. Мира", "Олимпийский проспект", "ул. Летная")),
        City("Тула", "Туле", "Тулы", "Tula", "4872", "Europe/Moscow", "Центр", "3000",
             ("проспект Ленина", "ул. Октябрьская", "ул. Металлургов")),
        City("Калуга", "Калуге", "Калуги", "Kaluga", "4842", "Europe/Moscow", "Центр", "2480",
             ("ул. Кирова", "ул. Московская", "Грабцевское шоссе")),
        City("Ярославль", "Ярославле", "Ярославля", "Yaroslavl", "4852", "Europe/Moscow", "Центр", "1500",
             ("ул. Свободы", "Московский проспект", "ул. Чкалова")),
        City("Нижний Новгород", "Нижнем Новгороде", "Нижнего Новгорода", "Nizhny Novgorod", "831", "Europe/Moscow",
             "Поволжье и Урал", "6030", ("ул. Белинского", "проспект Гагарина", "ул. Родионова")),
        City("Казань", "Казани", "Казани", "Kazan", "843", "Europe/Moscow", "Поволжье и Урал", "4200",
             ("ул. Декабристов", "проспект Победы", "ул. Чистопольская")),
        City("Самара", "Самаре", "Самары", "Samara", "846", "Europe/Samara", "Поволжье и Урал", "4430",
             ("ул. Ново-Садовая", "Московское шоссе", "ул. Победы")),
        City("Екатеринбург", "Екатеринбурге", "Екатеринбурга", "Yekaterinburg", "343", "Asia/Yekaterinburg",
             "Поволжье и Урал", "6200", ("ул. Малышева", "ул. 8 Марта", "Сибирский тракт")),
        City("Санкт-Петербург", "Санкт-Петербурге", "Санкт-Петербурга", "Saint Petersburg", "812", "Europe/Moscow",
             "Северо-Запад", "1960", ("Московский проспект", "ул. Савушкина", "Лиговский проспект")),
        City("Новосибирск", "Новосибирске", "Новосибирска", "Novosibirsk", "383", "Asia/Novosibirsk",
             "Поволжье и Урал", "6300", ("Красный проспект", "ул. Станционная", "ул. Кирова")),
    )
}

# brand, legal form, Latin domain part ("" = free mail), segment, city, seller's post
CLIENTS: tuple[tuple[str, str, str, Segment, str, str], ...] = (
    ("Пятый угол", "ООО «Пятый угол ритейл»", "pyatyugol", "chain", "Москва", "kam"),
    ("Сытый двор", "АО «Сытый двор»", "sytydvor", "chain", "Москва", "kam"),
    ("Выбор рядом", "ООО «ВВ-Маркет»", "vv-market", "chain", "Нижний Новгород", "kam"),
    ("Радуга вкуса", "ООО «Торговая сеть Радуга вкуса»", "raduga-vkusa", "chain", "Санкт-Петербург", "kam"),
    ("Волжанка", "ООО «Сеть Волжанка»", "volzhanka-set", "chain", "Самара", "kam"),
    ("Купеческий ряд", "АО «Купеческий ряд»", "kupryad", "chain", "Ярославль", "kam"),
    ("Добрая корзина", "ООО «Добрая корзина»", "dobrokorzina", "chain", "Казань", "kam"),
    ("Уральский гастроном", "ООО «Уралгастроном»", "uralgastronom", "chain", "Екатеринбург", "regions"),
    ("Nordmarkt", "ООО «Нордмаркт Рус»", "nordmarkt", "international", "Москва", "kam"),
    ("Bellini Gastronomia", "ООО «Беллини Гастрономия»", "bellini-gastro", "international", "Москва", "kam"),
    ("Harbour Hotels", "ООО «Харбор Отель Менеджмент»", "harbour-hotels", "international", "Санкт-Петербург", "kam"),
    ("Anadolu Foods", "ООО «Анадолу Фудс»", "anadolufoods", "international", "Москва", "kam"),
    ("Café Lumière", "ООО «Люмьер Групп»", "cafe-lumiere", "international", "Москва", "horeca"),
    ("Brandt & Sons Catering", "ООО «Брандт Кейтеринг»", "brandt-catering", "international", "Москва", "horeca"),
    ("Продукты у Веры", "ИП Савостина В. Н.", "", "shop", "Подольск", "retail"),
    ("Берёзка", "ООО «Берёзка-97»", "berezka97", "shop", "Химки", "retail"),
    ("Фермерская лавка «Пастушок»", "ИП Грибанов О. И.", "pastushok-lavka", "shop", "Москва", "retail"),
    ("Молочный дворик", "ООО «Молочный дворик»", "mdvorik", "shop", "Мытищи", "retail"),
    ("Гастроном на Кирова", "ООО «Кировский гастроном»", "kirova-gastronom", "shop", "Подольск", "retail"),
    ("Вкусная полка", "ООО «Вкусная полка»", "vkusnaya-polka", "shop", "Москва", "retail"),
    ("Соседский", "ИП Тюрина Л. А.", "", "shop", "Химки", "retail"),
    ("Сырная лавка «Дырка»", "ИП Мещеряков П. С.", "syrnaya-dyrka", "shop", "Москва", "retail"),
    ("Хлеб и молоко", "ООО «Хлеб и молоко»", "hlebimoloko", "shop", "Тула", "retail"),
    ("Универсам «Заря»", "ООО «Заря-Тула»", "zarya-tula", "shop", "Тула", "retail"),
    ("Минимаркет «Ромашка»", "ИП Лапшина И. Д.", "", "shop", "Калуга", "retail"),
    ("Калужский погребок", "ООО «Калужский погребок»", "kaluga-pogrebok", "shop", "Калуга", "retail"),
    ("Продсклад №7", "ООО «Продсклад №7»", "prodsklad7", "shop", "Мытищи", "retail"),
    ("Экомаркет «Росток»", "ООО «Росток»", "rostok-eco", "shop", "Москва", "retail"),
    ("Магазин «Ветеран»", "ИП Кочетова Т. М.", "", "shop", "Подольск", "retail"),
    ("Азбука завтрака", "ООО «Азбука завтрака»", "azbuka-zavtraka", "shop", "Москва", "retail"),
    ("Волга-продукт", "ООО «Волга-продукт»", "volgaprod", "shop", "Самара", "regions"),
    ("Самарский дворик", "ООО «Самарский дворик»", "samdvorik", "shop", "Самара", "regions"),
    ("Сөт юлы", "ООО «Сют юлы»", "sut-yuly", "shop", "Казань", "regions"),
    ("Ак Калфак", "ИП Гиззатуллина Г. Р.", "", "shop", "Казань", "regions"),
    ("Нижегородский разносол", "ООО «Разносол-НН»", "raznosol-nn", "shop", "Нижний Новгород", "regions"),
    ("Продмаг на Родионова", "ИП Шувалова Е. К.", "", "shop", "Нижний Новгород", "regions"),
    ("Уралочка", "ООО «Уралочка-маркет»", "uralochka-market", "shop", "Екатеринбург", "regions"),
    ("Сибирский погребок", "ООО «Сибпогребок»", "sibpogrebok", "shop", "Новосибирск", "regions"),
    ("Обь-гастроном", "ООО «Обь-гастроном»", "ob-gastronom", "shop", "Новосибирск", "regions"),
    ("Волжский бриз", "ООО «Волжский бриз»", "volzhsky-briz", "shop", "Ярославль", "regions"),
    ("Кофейня «Зерно и пена»", "ООО «Зерно и пена»", "zernopena", "cafe", "Москва", "horeca"),
    ("Пекарня «Тёплый угол»", "ООО «Тёплый угол»", "teply-ugol", "cafe", "Москва", "horeca"),
    ("Пиццерия «Тесто и печь»", "ООО «Тесто и печь»", "testoipech", "cafe", "Химки", "horeca"),
    ("Кафе «Сырники»", "ИП Рязанцева А. О.", "", "cafe", "Москва", "horeca"),
    ("Ресторан «Усадьба»", "ООО «Усадьба-Н»", "usadba-rest", "cafe", "Мытищи", "horeca"),
    ("Кондитерская «Мадлен»", "ООО «Мадлен»", "madlen-cake", "cafe", "Москва", "horeca"),
    ("Вареничная «Галушка»", "ООО «Галушка»", "galushka-cafe", "cafe", "Подольск", "horeca"),
    ("Хачапурная «Мимино дом»", "ООО «Мимино дом»", "mimino-dom", "cafe", "Москва", "horeca"),
    ("Бистро «Утро»", "ИП Чистяков М. В.", "", "cafe", "Москва", "horeca"),
    ("Кофейня «Третья волна»", "ООО «Третья волна»", "volna3", "cafe", "Санкт-Петербург", "horeca"),
    ("Блинная «Масленица»", "ООО «Масленица»", "blin-maslenitsa", "cafe", "Тула", "horeca"),
    ("Траттория «Базилик»", "ООО «Базилик»", "bazilik-trattoria", "cafe", "Санкт-Петербург", "horeca"),
    ("Чайхана «Плов и мёд»", "ИП Юнусов Т. А.", "", "cafe", "Казань", "horeca"),
    ("Отель «Старый город»", "ООО «Старый город»", "oldtown-hotel", "cafe", "Ярославль", "horeca"),
    ("Пекарня «Булочка с маслом»", "ООО «БСМ»", "bulochka-bsm", "cafe", "Калуга", "horeca"),
    ("Школьное питание «Большая перемена»", "ООО «Большая перемена»", "bolshaya-peremena", "canteen", "Москва", "horeca"),
    ("Комбинат питания «Заречье»", "АО «Заречье»", "kp-zarechye", "canteen", "Тула", "regions"),
    ("Столовая №1", "ООО «Столовая №1»", "stolovaya1", "canteen", "Нижний Новгород", "regions"),
    ("Санаторий «Сосновый бор»", "АО «Сосновый бор»", "sosnovybor-san", "canteen", "Самара", "regions"),
    ("Детский центр «Солнышко»", "АНО «Солнышко»", "solnyshko-center", "canteen", "Казань", "regions"),
)
# fmt: on

# name, Latin name, domain
COMPANIES = (
    ("Молочный меридиан", "Dairy Meridian", "moloko-opt.example"),
    ("Белая река", "White River Dairy", "belaya-reka.example"),
    ("Сливочный путь", "Cream Route", "slivki-put.example"),
)
# Stand-ins for the public mail services that small shop owners use: nobody is mailed by accident.
FREE_MAIL_DOMAINS = ("mail-ru.example", "yandex-ru.example", "gmail-com.example")

# post, title in Russian, in English, role in the portal, team, region
# fmt: off
POSTS = (
    ("director", "генеральный директор", "General Director", "controller", "Руководство", "Все регионы"),
    ("head", "руководитель отдела продаж", "Head of Sales", "manager", "Продажи", "Все регионы"),
    ("kam", "менеджер по работе с сетями", "Key Account Manager", "manager", "Продажи", "Федеральные сети"),
    ("retail", "менеджер по продажам, розница", "Sales Manager, Retail", "manager", "Продажи", "Москва и область"),
    ("horeca", "менеджер по продажам, HoReCa", "Sales Manager, HoReCa", "manager", "Продажи", "Москва и Северо-Запад"),
    ("regions", "менеджер по региональным продажам", "Regional Sales Manager", "manager", "Продажи", "Поволжье и Урал"),
    ("service", "руководитель службы сервиса и качества", "Head of Service and Quality", "manager", "Сервис", "Все регионы"),
    ("admin", "офис-менеджер, документооборот и ИТ", "Office and Documents Manager", "admin", "Администрация", "Все регионы"),
)
# fmt: on
