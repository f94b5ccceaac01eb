"""Figure 12: the newest page of what has any one or two words, among a million activities, and the most relevant page.

Words are drawn by how often they occur: rare, middling and common ones, alone and in pairs of each. What is timed is
the service call that gives the page's activities, under the access policy; `told` says what the whole page takes.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from functools import partial
from itertools import product
from random import Random

from sqlalchemy import select
from sqlalchemy.orm import Session

from benchmarks.reading import Seeded, databases, milliseconds, p95
from benchmarks.report import Bench, Figure
from terracrm.domain.words import stem
from terracrm.models import Activity
from terracrm.services import search
from terracrm.services.access import Viewer

LIMITS = {"SQLite": "<= 3 ms", "PostgreSQL": "<= 15 ms"}
RANKED_LIMIT = "<= 25 ms"
# In how many of the activities a word occurs at least.
CLASSES = {"common": 0.02, "middling": 0.0005, "rare": 0.0}
QUERIES = 10  # of each class and pair
SAMPLE = 40
READERS = (("controller", "who reads all"), ("manager1", "who reads a part"))


def measure(bench: Bench) -> None:
    """Tell figure 12 for each database and reader."""
    for database in databases(bench):
        queries = _queries(database)
        for name, reader in READERS:
            viewer = database.viewer(name)
            ids = _times(database, queries, partial(_newest, viewer))
            pages = _times(database, queries, partial(_page, viewer))
            told = f"{len(queries)} queries; with all that the page shows {p95(pages):.1f} ms"
            title = f"search newest-first, {database.name}, {reader}"
            bench.tell(Figure(12, title, p95(ids), "ms", p95(ids), LIMITS[database.name], told))
            best = _times(database, queries, partial(_ranked, viewer))
            title = f"search ranked, {database.name}, {reader}"
            told = f"{len(queries)} queries, of each the newest {search.RANKED} at most; with all that the page shows"
            bench.tell(Figure(12, title, p95(best), "ms", p95(best), RANKED_LIMIT, told))


def _times(database: Seeded, queries: list[str], read: Callable[[Session, str], object]) -> list[float]:
    with Session(database.engine) as session:
        return [milliseconds(partial(read, session, query)) for query in queries]


def _newest(viewer: Viewer, session: Session, query: str) -> None:
    search.newest(session, viewer, query)


def _page(viewer: Viewer, session: Session, query: str) -> None:
    session.expunge_all()
    search.history(session, viewer, query)


def _ranked(viewer: Viewer, session: Session, query: str) -> None:
    session.expunge_all()
    search.ranked(session, viewer, query)


def _queries(database: Seeded) -> list[str]:
    """One word of each class, and two of each pair of classes."""
    with Session(database.engine) as session:
        said = select(Activity.subject, Activity.snippet).where(Activity.id % SAMPLE == 0)
        texts = [stem(f"{subject} {snippet}").split() for subject, snippet in session.execute(said)]
    counted = Counter(word for text in texts for word in set(text))
    classes: dict[str, list[str]] = {name: [] for name in CLASSES}
    for word, times in sorted(counted.items()):
        classes[next(name for name, least in CLASSES.items() if times / len(texts) >= least)].append(word)
    random, there = Random(12), [name for name, words in classes.items() if words]
    groups = [(name,) for name in there] + list(product(there, repeat=2))
    drawn = [[random.choice(classes[name]) for name in group] for group in groups for _ in range(QUERIES)]
    return [" ".join(words) for words in drawn]
