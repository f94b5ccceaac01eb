"""What a ranked search sorts by: where, how often and how close the words stand."""

from __future__ import annotations

import pytest

from terracrm.domain.relevance import relevance


@pytest.mark.parametrize(
    ("words", "more", "less"),
    [
        pytest.param("milk", ("milk", ""), ("", "milk"), id="the subject counts more than the text"),
        pytest.param("milk", ("", "milk and milk"), ("", "milk and tea"), id="twice is more than once"),
        pytest.param("milk", ("milk", "milk"), ("milk", ""), id="both are more than one"),
        pytest.param("milk", ("", "milk"), ("", ""), id="what is shown counts more than what is not"),
        pytest.param("milk", ("milk", ""), ("milkshake", ""), id="a word counts more than a beginning"),
        pytest.param("milk", ("milkshake", ""), ("tea", ""), id="a beginning counts"),
        pytest.param("milk tea", ("milk tea", ""), ("milk for the green tea", ""), id="close words"),
        pytest.param("milk tea", ("", "tea milk"), ("", "tea is here and so is the milk"), id="in any order"),
        pytest.param("milk tea", ("", "milk tea"), ("", "milk milk milk"), id="all words count more than one"),
        pytest.param("milk tea", ("milk", "tea"), ("milk", ""), id="in several places"),
    ],
)
def test_what_is_more_relevant(words: str, more: tuple[str, str], less: tuple[str, str]) -> None:
    assert relevance(words.split(), *more) > relevance(words.split(), *less) >= 0


@pytest.mark.parametrize(
    ("words", "said"),
    [
        pytest.param("milk tea", "smilk tea", id="the middle of a word is no word"),
        pytest.param("mil tea", "milk tea", id="only the last word is a beginning"),
    ],
)
def test_what_does_not_count(words: str, said: str) -> None:
    assert relevance(words.split(), said, "") == relevance(words.split(), "tea", "")
