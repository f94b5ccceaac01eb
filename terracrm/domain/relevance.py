"""How much an entry is about the words that were asked for: what a ranked search sorts by (P5).

The same on every database, of what is shown of an entry: its subject and how its text begins. A word counts more in the
subject, and more often is more, but less and less so (as in BM25); a whole word counts more than a beginning; and words
that stand close together say more than the same words far apart.
"""

from __future__ import annotations

from collections.abc import Sequence

IN_SUBJECT, IN_TEXT = 3.0, 1.0
ONLY_BEGINNING = 0.5
ENOUGH = 1.2  # the weight with which a word has half of what it can have


def relevance(words: Sequence[str], subject: str, text: str) -> float:
    """A number without unit, 0 at least. `words` are stems, the last one may be a beginning; so are those of the texts,
    joined by spaces, as `words.stem` gives them.
    """
    fields = [(weight, _places(words, said)) for weight, said in ((IN_SUBJECT, subject), (IN_TEXT, text))]
    met = [(weight, places) for weight, places in fields if any(places)]
    if not met:
        return 0.0
    found = 0.0
    for number in range(len(words)):
        weight = sum(weight * sum(worth for _, worth in places[number]) for weight, places in met)
        found += weight / (weight + ENOUGH)
    if len(words) > 1:
        found += max(weight / IN_SUBJECT * _closeness(places) for weight, places in met)
    return found


def _places(words: Sequence[str], said: str) -> list[list[tuple[int, float]]]:
    """For each word where it stands, and what it is worth there."""
    spaced, found = f" {said} ", list[list[tuple[int, float]]]()
    for word in words[:-1]:
        found.append(_of(spaced, said, f" {word} ", 1.0))
    last = words[-1]
    whole = _of(spaced, said, f" {last} ", 1.0)
    return [*found, whole or _of(spaced, said, f" {last}", ONLY_BEGINNING)]


def _of(spaced: str, said: str, wanted: str, worth: float) -> list[tuple[int, float]]:
    if wanted not in spaced:  # which is so for most
        return []
    word = wanted[1:]
    return [(place, worth) for place, one in enumerate(said.split()) if f"{one} ".startswith(word)]


def _closeness(places: Sequence[Sequence[tuple[int, float]]]) -> float:
    """1 where all words stand side by side, the less the farther apart; 0 where one is missing."""
    if not all(places):
        return 0.0
    latest, shortest = dict[int, int](), 0
    for place, number in sorted((place, number) for number, found in enumerate(places) for place, _ in found):
        latest[number] = place
        if len(latest) == len(places):
            length = place - min(latest.values()) + 1
            shortest = min(shortest, length) if shortest else length
    return min(1.0, len(places) / shortest)
