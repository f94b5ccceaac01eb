"""Conversations in English with international clients."""

from connectors.simulator.office.scenario import Fork, Scenario, Turn

_ABROAD = ("international",)

SCENARIOS = (
    Scenario(
        "import_cheese",
        "[Availability of {p1.en}|{P1.en} - availability and lead time|Enquiry: {p1.en}, {p2.en}]",
        (
            Turn(
                "client",
                "[We are putting together the new menu|We are changing our range for the coming season] "
                "and need {p1.en} and {p2.en} on a regular basis. [What origins can you offer, and what "
                "is the lead time?|Could you let me know what is in stock and the minimum shelf life on "
                "delivery?]",
            ),
            Turn(
                "seller",
                "Thank you for the enquiry. {P1.en} is in stock, {p1.eless} at the price below; {p2.en} "
                "comes [from Serbia|from Belarus|from Argentina] with a lead time of about {days} "
                "days.\n\n"
                "{prices_en}\n\n"
                "[Shelf life on delivery is at least 60%.|All lots come with veterinary certificates.]",
                files="prices",
            ),
            Turn(
                "client",
                "[Thanks, that is helpful.|Clear, thank you.] Could we have samples of both before we "
                "commit? [And is there any room in the price for regular orders?|]",
            ),
            Turn(
                "seller",
                "Samples will be on the truck on {en_day1}, free of charge. [With a monthly plan I can "
                "take off {percent}%.|] [Please let me know who should receive them.|Shall I prepare "
                "the specification?]",
            ),
            Turn(
                "client",
                "~[Perfect, leave them with the kitchen, please.|Thank you, our chef will receive "
                "them.|Great, thank you.]",
                chance=0.8,
            ),
        ),
        weight=8,
        segments=_ABROAD,
        language="en",
    ),
    Scenario(
        "order_en",
        "[Order for {en_day1}|PO {order_no}|Weekly order - {city_en}]",
        (
            Turn(
                "client",
                "Please find our order for {en_day1} below:\n\n"
                "{order_en}\n\n"
                "[Delivery before 10 am as usual, please.|Please confirm by return.|The loading bay is "
                "closed after noon.]",
            ),
            Fork(
                (
                    (
                        Turn(
                            "seller",
                            "[Confirmed, order number {order_no}.|Thank you, all items are in stock.] "
                            "Delivery {en_day1}, truck {plate}.",
                        ),
                        Turn("client", "~[Thanks!|Received in full, thank you.]", chance=0.5, hours=(3, 12)),
                    ),
                    (
                        Turn(
                            "seller",
                            "Thank you. We are short of {p1.en}: {p1.eless} available now, the rest on "
                            "{en_day2}. [Shall I ship what we have?|Would {p2.en} work as a "
                            "replacement?]",
                        ),
                        Turn(
                            "client",
                            "~[Please ship what you have.|Fine, send the balance later.|No replacement "
                            "please, we will wait.]",
                        ),
                        Turn("seller", "~[Done. Updated confirmation to follow.|Understood, thank you.]"),
                    ),
                )
            ),
        ),
        weight=16,
        segments=_ABROAD,
        language="en",
    ),
    Scenario(
        "damaged_en",
        "[Quality issue: {p1.en}, lot {lot}|Damaged delivery on {en_past}]",
        (
            Turn(
                "client",
                "In the delivery of {en_past} we found {p1.eless} of {p1.en} with [broken seals|visible "
                "mould although well within date|crushed packaging]. Photos are attached. [Our chef "
                "will not use them.|Please advise how to proceed.]",
                files="photo",
            ),
            Turn(
                "seller",
                "I am sorry about this. I have passed it to our head of service, {service.en}, who is "
                "in copy. [Please keep the goods chilled until the driver collects them.|We will "
                "replace them on {en_day1}.]",
                cc="service",
            ),
            Turn(
                "service",
                "The claim is registered as R-{order_no}. The replacement leaves with your next "
                "delivery; a credit note will follow. [Could you also tell me the temperature on "
                "arrival?|Thank you for the clear pictures.]",
                answers="client",
                cc="seller",
            ),
            Turn(
                "client",
                "~[It was +5 at the door.|Replacement arrived, all good. Thank you for the quick response.]",
                hours=(5, 18),
                chance=0.8,
            ),
        ),
        weight=6,
        segments=_ABROAD,
        language="en",
    ),
    Scenario(
        "contract_en",
        "[Supply agreement {next_year}|Draft supply agreement|Annual terms]",
        (
            Turn(
                "seller",
                "Our current agreement runs until {en_far}. I attach a draft for the next term: same "
                "payment terms, updated price annex. [I would be glad to walk you through it on a "
                "call.|The only change is in the return clause.]",
                files="contract spec",
            ),
            Turn(
                "client",
                "Thank you. Legal has [two comments: the penalty cap and the notice period.|asked for a "
                "force majeure clause in line with our group standard.] [We would also need a bilingual "
                "version.|Payment in 45 days would help us as well.]",
                hours=(9, 36),
            ),
            Turn(
                "seller",
                "~{head.first}, иностранцы прислали правки к договору. По отсрочке просят больше, чем "
                "мы даём сетям. Моё мнение: 30 дней и ни днём больше. Согласуешь?",
                to="head",
                forward=True,
            ),
            Turn(
                "head",
                "~[Согласована отсрочка 30 дней. Двуязычный текст пусть готовят их юристы.|30 дней, да. "
                "По форс-мажору возражений нет.]",
            ),
            Turn(
                "seller",
                "We can accept the legal comments. On payment, 30 days is what we can offer. [A "
                "bilingual version is fine if your team prepares it.|The updated draft is attached.]",
                answers="client",
                files="contract",
            ),
            Turn("client", "~[Agreed, please send it for signature.|That works for us. Thank you.]", chance=0.8),
        ),
        weight=4,
        segments=_ABROAD,
        language="en",
    ),
    Scenario(
        "invoice_en",
        "[Invoice query|Invoice {order_no}: amount differs|Statement of account]",
        (
            Turn(
                "client",
                "Our accounts team cannot match invoice {order_no}: the amount is {esum}, but the goods "
                "receipt shows less. [Probably the returned {p1.en}?|Could you check the discount?]",
            ),
            Turn(
                "office",
                "You are right, the return of {en_past} had not been posted. A corrected document is "
                "attached. [Please disregard the previous one.|Sorry for the inconvenience.]",
                to="client",
                cc="seller",
                files="upd",
            ),
            Turn("client", "~[Matched now, payment goes out on {en_day2}.|Thank you, all clear.]", chance=0.8),
        ),
        weight=6,
        segments=_ABROAD,
        language="en",
    ),
    Scenario(
        "event_catering",
        "[Banquet on {en_far}: dairy list|Event order]",
        (
            Turn(
                "client",
                "We are catering for {few}00 guests on {en_far}. Could you reserve {p1.eqty} of {p1.en} "
                "and {p2.eqty} of {p2.en}? Delivery the evening before would be ideal.",
            ),
            Turn(
                "seller",
                "[Reserved.|That is fine with our warehouse.] An evening delivery is possible until 8 "
                "pm. [Please confirm the final numbers a week before.|Do you need chilled storage on "
                "site? We can lend a cabinet.]",
            ),
            Turn(
                "client",
                "~[Will do.|A cabinet would be a great help, thank you.|Final numbers by {en_day2}.]",
                chance=0.9,
            ),
            Turn("seller", "~[Noted.|Excellent, it is in the plan.]", chance=0.5),
        ),
        weight=5,
        segments=_ABROAD,
        language="en",
    ),
    Scenario(
        "visit_en",
        "[Visit of our food director|Meeting on {en_day2}|Catching up next week]",
        (
            Turn(
                "client",
                "Our regional food director will be in Moscow and would like to see your warehouse and "
                "taste the new range. Would {en_day2} at {time} suit you?",
            ),
            Turn(
                "seller",
                "With pleasure. [{time} works, I will arrange passes.|Could we make it {time2}? Our "
                "head of quality can then join.] Please send me the names of the visitors.",
                cc="head",
            ),
            Turn(
                "client",
                "~[{time2} is fine, there will be three of us.|Three visitors, names to follow. Any "
                "dress code for the cold store?]",
            ),
            Turn(
                "seller",
                "~[Closed shoes, we provide the coats. See you then!|Wonderful, see you on {en_day2}.]",
            ),
        ),
        weight=4,
        segments=_ABROAD,
        language="en",
    ),
    Scenario(
        "price_change_en",
        "[Price adjustment from {en_far}|New prices for {next_month_en}]",
        (
            Turn(
                "seller",
                "Please note that from {en_far} our prices will change by {percent}% on average, due to "
                "raw milk and logistics costs. The new list is attached. [{P1.en} stays at the current "
                "price.|Orders placed before that date ship at the old prices.]",
                files="prices",
            ),
            Turn(
                "client",
                "[Thank you for the early notice.|That is a significant step for us.] [We would ask you "
                "to hold {p1.en} until the end of the quarter.|Can we discuss it before it takes "
                "effect?]",
                hours=(3, 16),
            ),
            Turn(
                "seller",
                "~[We can hold it for one more month as a gesture.|Of course. I will call you on {en_day1} at {time}.]",
                chance=0.9,
            ),
            Turn("client", "~[Appreciated.|Good, talk then.]", chance=0.6),
        ),
        weight=4,
        segments=_ABROAD,
        language="en",
    ),
    Scenario(
        "documents_intl",
        "[Документы для проверки|Нет УПД № {upd}]",
        (
            Turn(
                "accountant",
                "Прошу направить [УПД № {upd} от {num_past}|закрывающие документы за {last_month}]. "
                "[Головной офис требует до {date_day1}.|В ЭДО пока не видим.]",
                to="office",
                cc="seller",
            ),
            Turn("office", "~Отправлено через ЭДО, копия во вложении.", files="upd"),
            Turn("accountant", "~Спасибо, получили.", chance=0.7),
        ),
        weight=5,
        segments=_ABROAD,
    ),
)
