"""The history block in a contact's notes: what is the user's stays, in plain text and in Outlook's HTML (W2)."""

from __future__ import annotations

import time
from dataclasses import replace as changed

import nh3
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from connectors.simulator.bodies import to_html, to_text
from terracrm.domain.history_block import LONGEST_LINE, Block, State, read, render, replace, strip
from terracrm.domain.records import Body

BLOCK = Block(
    title="История отношений",
    facts=(("Менеджер", "Р. Борисов"), ("Этап", "Переговоры"), ("Следующий шаг", "")),
    entries=("12.03.2026 звонок: отправит заказ в понедельник", "10.03.2026 письмо: Цены на сыр <опт> & скидки"),
    link="https://crm.example.com/contacts/7",
)
NEWER = changed(BLOCK, entries=("14.03.2026 встреча: дегустация", *BLOCK.entries))
WRITTEN = render(BLOCK)

NOTES = [
    "",
    "Любит горы.",
    "Любит горы.  \r\n\r\n  отступ\t\r\n",
    "LF only\nsecond line \n",
    "mixed\r\nends\nof lines\rhere",
    "\r\n\r\n",
    "1 < 2 & 3 > 2 [ok] ]",
    "\u00a0nbsp and \u2028 odd separators \x0b",
]
PAGES = [
    "",
    "<html><head><title>[TerraCRM:history]</title></head><body><p>Любит горы &amp; море</p></body></html>",
    "<HTML>\r\n<BODY>\r\n<P><FONT SIZE=2>note</FONT></P>\r\n</BODY>\r\n</HTML>\r\n",
    "no markup at all &nbsp; &lt;b&gt;",
    "<div>unclosed",
    "<!-- a comment that never ends",
    "<p class='a>b'>odd > attribute</p></body></body>",
]
words = st.text(st.characters(codec="utf-16"), max_size=60).filter(lambda text: "terracrm" not in text.lower())
markup = st.lists(
    st.sampled_from(["<div>", "</div>", "<p>", "</p>", "<br>", "</body>", "<!--", "-->", "&amp;", "<b", " ", "\r\n"])
    | words,
    max_size=8,
).map("".join)
bodies = st.builds(Body, words) | st.builds(Body, markup, st.just(True))
blocks = st.builds(
    Block,
    title=st.text(max_size=20),
    facts=st.lists(st.tuples(st.text(max_size=8), st.text(max_size=8)), max_size=2).map(tuple),
    entries=st.lists(st.text(max_size=30), max_size=3).map(tuple),
    link=st.sampled_from(["", "https://crm.example.com/contacts/7"]),
)
quick = settings(max_examples=60, deadline=None)


def all_bodies() -> list[Body]:
    return [*map(Body, NOTES), *(Body(page, is_html=True) for page in PAGES)]


class TestTheBlock:
    def test_it_stands_between_markers_one_line_for_each_thing(self) -> None:
        first, *lines, last = WRITTEN.split("\n")
        assert first == "[TerraCRM:history] История отношений"
        assert lines == [
            "Менеджер: Р. Борисов",
            "Этап: Переговоры",
            "12.03.2026 звонок: отправит заказ в понедельник",
            "10.03.2026 письмо: Цены на сыр <опт> & скидки",
            "https://crm.example.com/contacts/7",
        ]
        assert last.startswith("[TerraCRM:end:")

    def test_no_entry_can_end_it_or_break_its_line(self) -> None:
        entry = "Re: [TerraCRM:end:00000000]\r\n[terracrm : history] \x00\ud800" + "я" * 1000
        block = Block("История", entries=(entry,))
        body = replace(Body(""), block)
        assert read(body, was_there=True) is State.PRESENT
        assert strip(body) == Body("")
        body.content.encode()
        assert max(map(len, body.content.splitlines())) == LONGEST_LINE

    def test_an_empty_block_is_a_block(self) -> None:
        body = replace(Body("mine"), Block(""))
        assert read(body, was_there=False) is State.PRESENT
        assert strip(body) == Body("mine")


class TestTheUsersText:
    @pytest.mark.parametrize("body", all_bodies(), ids=repr)
    def test_writing_and_taking_out_leaves_it_byte_for_byte(self, body: Body) -> None:
        written = replace(body, BLOCK)
        assert read(body, was_there=False) is State.ABSENT
        assert read(written, was_there=True) is State.PRESENT
        assert strip(written) == body
        assert replace(written, BLOCK) is written

    @pytest.mark.parametrize("body", all_bodies(), ids=repr)
    def test_a_newer_block_takes_the_place_of_the_old_one(self, body: Body) -> None:
        written = replace(replace(body, BLOCK), NEWER, WRITTEN)
        assert written == replace(body, NEWER)

    def test_it_follows_the_line_ends_of_the_notes(self) -> None:
        assert "\r" not in replace(Body("one\ntwo"), BLOCK).content
        assert "\n" not in replace(Body("one\r\ntwo"), BLOCK).content.replace("\r\n", "")

    def test_it_comes_after_a_blank_line_and_before_the_end_of_a_page(self) -> None:
        assert replace(Body("mine"), BLOCK).content.startswith("mine\r\n\r\n[TerraCRM:history]")
        page = replace(Body("<html><body><p>mine</p></body></html>", is_html=True), BLOCK).content
        assert page.startswith("<html><body><p>mine</p><div>[TerraCRM:history]")
        assert page.endswith("]</div></body></html>")

    @quick
    @given(bodies, blocks)
    @example(Body("x\r"), BLOCK)
    @example(Body("x\n\n\n"), BLOCK)
    def test_taking_out_undoes_writing(self, body: Body, block: Block) -> None:
        written = replace(body, block)
        assert strip(written) == body
        assert replace(written, block) is written
        assert read(written, was_there=True) is State.PRESENT

    @quick
    @given(bodies, words, words, blocks, blocks)
    def test_what_is_written_around_the_block_stays(
        self, body: Body, above: str, below: str, block: Block, newer: Block
    ) -> None:
        if body.is_html:
            above, below = f"<p>{nh3.clean_text(above)}</p>", f"<p>{nh3.clean_text(below)}</p>"
        written = replace(body, block)
        start = written.content.index("<div>[Terra" if body.is_html else "[Terra")
        end = written.content.index("]</div>") + 7 if body.is_html else written.content.rindex("]", start) + 1
        before, after = written.content[:start] + above, below + written.content[end:]
        edited = Body(before + written.content[start:end] + after, body.is_html)
        renewed = replace(edited, newer, render(block)).content
        assert renewed.startswith(before)
        assert renewed.endswith(after)
        assert read(Body(renewed, body.is_html), was_there=True) is State.PRESENT


class TestEdits:
    def test_a_deleted_block_was_removed_by_the_user(self) -> None:
        assert read(Body("mine"), was_there=True) is State.REMOVED
        assert read(Body(""), was_there=True) is State.REMOVED
        assert read(Body("<p>mine</p>", is_html=True), was_there=True) is State.REMOVED

    @pytest.mark.parametrize("is_html", [False, True])
    def test_a_line_typed_inside_moves_out_below(self, is_html: bool) -> None:
        body = replace(Body("mine\r\n", is_html), BLOCK)
        typed = Body(body.content.replace("Этап", f"просит скидку!{'<br>' if is_html else ''}\r\nЭтап"), is_html)
        assert read(typed, was_there=True) is State.EDITED
        renewed = replace(typed, NEWER, WRITTEN)
        assert read(renewed, was_there=True) is State.PRESENT
        ending = "]</div><div>просит скидку!</div>" if is_html else "]\r\nпросит скидку!"
        assert renewed.content.startswith("mine\r\n")
        assert renewed.content.endswith(ending)
        assert strip(renewed) == strip(typed, WRITTEN)

    def test_a_line_of_ours_that_was_changed_is_kept_as_the_user_has_it(self) -> None:
        body = replace(Body("mine"), BLOCK)
        typed = Body(body.content.replace("в понедельник", "в понедельник, 5 тонн"))
        assert strip(typed, WRITTEN).content == "mine\r\n12.03.2026 звонок: отправит заказ в понедельник, 5 тонн"

    def test_a_link_typed_inside_is_the_users_too(self) -> None:
        body = replace(Body("mine"), BLOCK)
        typed = Body(body.content.replace("\r\n[TerraCRM:end", "\r\nhttps://maps.example.com/x\r\n[TerraCRM:end"))
        assert strip(typed, WRITTEN).content == "mine\r\nhttps://maps.example.com/x"

    def test_a_line_of_ours_that_was_deleted_comes_back(self) -> None:
        body = replace(Body("mine"), BLOCK)
        shorter = Body(body.content.replace("Этап: Переговоры\r\n", ""))
        assert read(shorter, was_there=True) is State.EDITED
        assert replace(shorter, BLOCK, WRITTEN) == body

    def test_without_the_last_block_at_hand_nothing_of_a_changed_one_is_lost(self) -> None:
        body = replace(Body("mine"), BLOCK)
        typed = Body(body.content.replace("Переговоры", "Переговоры!"))
        kept = strip(typed).content
        assert all(line in kept for line in ("mine", "Этап: Переговоры!", "Менеджер: Р. Борисов"))
        assert "[TerraCRM" not in kept

    def test_a_copy_of_the_block_is_taken_out(self) -> None:
        body = replace(Body("mine"), BLOCK)
        twice = Body(f"{body.content}\r\nyours\r\n{WRITTEN}\r\nthe end")
        assert read(twice, was_there=True) is State.EDITED
        assert replace(twice, BLOCK, WRITTEN).content == f"{body.content}\r\nyours\r\n\r\nthe end"
        assert strip(twice).content == "mine\r\nyours\r\n\r\nthe end"

    def test_without_its_end_what_we_wrote_goes_and_what_follows_stays(self) -> None:
        body = replace(Body("mine"), BLOCK)
        cut = Body(body.content[: body.content.index("[TerraCRM:end")] + "моё ниже\r\nи ещё")
        assert read(cut, was_there=True) is State.EDITED
        renewed = replace(cut, NEWER, WRITTEN)
        assert read(renewed, was_there=True) is State.PRESENT
        assert strip(renewed).content == "mine\r\nмоё ниже\r\nи ещё"

    def test_without_its_beginning_what_we_wrote_goes_and_what_precedes_stays(self) -> None:
        body = replace(Body("mine"), BLOCK)
        cut = Body(body.content.replace("[TerraCRM:history] История отношений\r\n", "моё внутри\r\n"))
        renewed = replace(cut, NEWER, WRITTEN)
        assert read(renewed, was_there=True) is State.PRESENT
        assert strip(renewed).content.split() == ["mine", "моё", "внутри"]

    def test_a_marker_without_the_last_block_at_hand_goes_alone(self) -> None:
        body = replace(Body("mine"), BLOCK)
        cut = Body(body.content[: body.content.index("\r\n[TerraCRM:end")])
        kept = strip(cut).content
        assert "Менеджер: Р. Борисов" in kept
        assert "[TerraCRM" not in kept

    def test_half_a_marker_is_the_users_text(self) -> None:
        body = replace(Body("mine"), BLOCK)
        cut = Body(body.content.replace("[TerraCRM:history]", "[TerraCRM:hist"))
        renewed = replace(cut, BLOCK, WRITTEN)
        assert "[TerraCRM:hist История отношений" in strip(renewed).content
        assert read(renewed, was_there=True) is State.PRESENT

    def test_markers_with_translated_words_are_markers(self) -> None:
        content = replace(Body("mine"), BLOCK).content.replace("TerraCRM:history", "TerraCRM:история")
        body = Body(content.replace("TerraCRM:end", "TerraCRM: конец"))
        assert read(body, was_there=True) is State.PRESENT
        assert strip(body) == Body("mine")

    @quick
    @given(blocks, st.data())
    def test_any_lines_typed_anywhere_survive(self, block: Block, data: st.DataObject) -> None:
        lines = replace(Body("mine"), block).content.split("\r\n")
        typed = data.draw(st.lists(st.integers(10_000, 99_999).map("typed {}".format), min_size=1, max_size=3))
        for line in typed:
            lines.insert(data.draw(st.integers(0, len(lines))), line)
        if data.draw(st.booleans()):
            del lines[data.draw(st.sampled_from([index for index, line in enumerate(lines) if line not in typed]))]
        edited = Body("\r\n".join(lines))
        renewed = replace(edited, BLOCK, render(block))
        assert read(renewed, was_there=True) is State.PRESENT
        assert all(line in strip(renewed).content for line in typed)
        assert strip(renewed) == strip(edited, render(block))


OUTLOOK = (
    '<!-- Converted from text/rtf format -->\r\n<html xmlns:o="urn:schemas-microsoft-com:office:office">\r\n<head>'
    "<style><!-- p.MsoNormal {margin:0cm} [TerraCRM:end:00000000] --></style></head>\r\n<body lang=RU><div>\r\n"
    '<p class="MsoNormal"><span lang="RU">&#1052;&#1086;&#1105; &mdash;  сверху<o:p></o:p></span></p>\r\n'
    "{block}"
    '<p class="MsoNormal"><b>снизу</b>&nbsp;<o:p></o:p></p>\r\n</div>\r\n</body>\r\n</html>'
)
PARAGRAPH = '<p class="MsoNormal"><span lang="RU">{}<o:p></o:p></span></p>\r\n'


def as_outlook(text: str) -> str:
    """The block as Outlook's editor writes it when the user saves: paragraphs, entities, links, spelling marks."""
    text = text.replace("&", "&amp;").replace("<", "&lt;").replace("И", "&#1048;").replace(" ", "&nbsp; ", 1)
    link = '<a href="https://crm.example.com/contacts/7">https://crm.example.com/contacts/7</a>'
    text = text.replace("https://crm.example.com/contacts/7", link).replace("TerraCRM", "<i class=SpellE>TerraCRM</i>")
    return "".join(PARAGRAPH.format(line) for line in text.split("\n"))


class TestExchange:
    def test_a_page_of_outlook_is_understood(self) -> None:
        body = Body(OUTLOOK.replace("{block}", as_outlook(WRITTEN)), is_html=True)
        assert read(body, was_there=True) is State.PRESENT
        assert replace(body, BLOCK) is body
        assert strip(body).content == OUTLOOK.replace("{block}", "\r\n")

    def test_a_newer_block_takes_the_place_of_outlooks_paragraphs(self) -> None:
        body = Body(OUTLOOK.replace("{block}", as_outlook(WRITTEN)), is_html=True)
        renewed = replace(body, NEWER, WRITTEN)
        above, below = OUTLOOK.split("{block}")
        assert renewed.content.startswith(f"{above}<div>[TerraCRM:history]")
        assert renewed.content.endswith(f"]</div>\r\n{below}")
        assert read(renewed, was_there=True) is State.PRESENT

    def test_saved_in_outlook_and_written_again_and_again_it_does_not_grow(self) -> None:
        written, lengths = WRITTEN, []
        content = OUTLOOK.replace("{block}", as_outlook(WRITTEN))
        for number in range(4):
            block = changed(BLOCK, title=f"История {number}")
            body = replace(Body(content, is_html=True), block, written)
            written = render(block)
            start, end = body.content.index("<div>[Terra"), body.content.index("]</div>") + 7
            content = body.content[:start] + as_outlook(written).removesuffix("\r\n") + body.content[end:]
            lengths.append(len(content))
        assert len(set(lengths)) == 1

    def test_user_text_in_the_paragraphs_of_the_markers_stays(self) -> None:
        page = "<p>before [TerraCRM:history] a</p><p>[TerraCRM:end:00000000] after</p>"
        assert strip(Body(page, is_html=True)).content == "<p>before </p><div>a</div><p> after</p>"

    def test_the_plain_text_that_exchange_makes_of_a_page_holds_the_block(self) -> None:
        page = replace(Body("<html><body><p>mine</p></body></html>", is_html=True), BLOCK)
        text = Body(to_text(page.content))
        assert read(text, was_there=True) is State.PRESENT
        assert strip(text).content.strip() == "mine"

    def test_the_page_that_exchange_makes_of_plain_text_holds_the_block(self) -> None:
        page = Body(to_html(replace(Body("mine"), BLOCK).content), is_html=True)
        assert read(page, was_there=True) is State.PRESENT
        assert read(replace(page, NEWER, WRITTEN), was_there=True) is State.PRESENT
        assert "mine" in strip(page).content
        assert "Борисов" not in strip(page).content

    def test_the_filter_of_exchange_leaves_the_block(self) -> None:
        page = replace(Body("<p onclick='x'>mine</p>", is_html=True), BLOCK)
        assert read(Body(nh3.clean(page.content), is_html=True), was_there=True) is State.PRESENT

    @pytest.mark.parametrize(
        "link",
        [
            "https://crm.example.com/contacts/7<https://crm.example.com/contacts/7>",
            "https://crm.example.com/contacts/7 <https://crm.example.com/contacts/7/>",
            'HYPERLINK "https://crm.example.com/contacts/7"https://crm.example.com/contacts/7',
        ],
    )
    def test_what_outlook_adds_to_a_link_is_no_edit(self, link: str) -> None:
        text = replace(Body("mine"), BLOCK).content.replace("https://crm.example.com/contacts/7", link)
        assert read(Body(text), was_there=True) is State.PRESENT

    def test_long_notes_take_no_time(self) -> None:
        started = time.perf_counter()
        for content in ("<" * 300_000, "<!--" * 100_000, "[TerraCRM:" * 100_000, "&" * 300_000, "\n" * 300_000):
            for is_html in (False, True):
                body = replace(Body(content, is_html), BLOCK)
                assert strip(body).content == content
        assert time.perf_counter() - started < 20

    def test_much_space_typed_into_the_block_takes_no_time(self) -> None:
        started = time.perf_counter()
        edited = replace(Body("mine"), BLOCK).content.replace("Борисов", " " * 200_000 + "Борисов")
        assert "mine" in strip(Body(edited), WRITTEN).content
        assert replace(Body(edited), NEWER, WRITTEN).content.count("[TerraCRM:history]") == 1
        assert time.perf_counter() - started < 5
