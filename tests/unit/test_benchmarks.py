"""The yardsticks of the benchmarks say what they claim to say."""

from __future__ import annotations

import importlib
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from benchmarks import fetching, first_mirror, mirroring, recording, soap
from benchmarks.__main__ import NAMES
from benchmarks.alike import require_same
from benchmarks.first_mirror import Told
from benchmarks.letters import OWNER
from benchmarks.recording import Recorded, Recording
from benchmarks.replay import Replay, serving
from benchmarks.report import Bench
from connectors.exchange_ews import ExchangeEWS
from terracrm.domain.records import MessageRecord

COUNT = 60
PAGE = Path(__file__).resolve().parents[2] / "docs/performance.md"


@pytest.fixture(scope="module")
def simulator() -> Iterator[Recorded]:
    made = recording.filled(COUNT)
    with made:
        yield made


@pytest.fixture(scope="module")
def recorded(simulator: Recorded) -> Recording:
    return recording.listen(simulator)


@pytest.fixture(scope="module")
def kept(recorded: Recording, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("benchmarks") / "recording"
    recorded.save(path)
    return path


@pytest.mark.parametrize("size", [1, 7, COUNT])
def test_items_are_replayed_as_the_simulator_answers_them(simulator: Recorded, recorded: Recording, size: int) -> None:
    replay = Replay(recorded, COUNT)
    for start in range(0, COUNT, size):
        request = soap.get_items(recorded.ids[start : start + size])
        assert replay.answer(request, OWNER) == simulator.ask(request)


@pytest.mark.parametrize("size", [7, COUNT, 512])
def test_changes_are_replayed_as_the_simulator_answers_them(
    simulator: Recorded, recorded: Recording, size: int
) -> None:
    replay = Replay(recorded, COUNT)
    told, known = "", ""
    for _ in range(0, COUNT + 1, size):
        told, replayed = _split_state(replay.answer(soap.sync_items(recorded.inbox, told, size), OWNER))
        known, answered = _split_state(simulator.ask(soap.sync_items(recorded.inbox, known, size)))
        assert _words(replayed) == _words(answered)


@pytest.mark.parametrize("offset", [0, 10])
def test_a_listing_is_replayed_as_the_simulator_answers_it(
    simulator: Recorded, recorded: Recording, offset: int
) -> None:
    request = soap.find_items(recorded.inbox, offset, 20)
    assert Replay(recorded, COUNT).answer(request, OWNER) == simulator.ask(request)


def test_the_connector_reads_larger_mailboxes_than_were_recorded_and_others_than_the_recorded_one(kept: Path) -> None:
    with serving(kept, 150) as server:
        ours, others = (_read(server.url, address) for address in (OWNER, "boss@firma.example"))
    assert len(ours) == len(others) == 150
    assert len(ours | others) == 300, "each letter is another one"


@pytest.mark.parametrize("name", NAMES)
def test_each_benchmark_can_be_run_by_its_name(name: str) -> None:
    assert callable(importlib.import_module(f"benchmarks.{name}").measure)
    assert f"| `{name}` |" in PAGE.read_text(encoding="utf-8"), "docs/performance.md explains it"


def test_what_is_measured_tells_figures_and_stores_what_the_product_stores(
    kept: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def run(side: str, url: str, database: Path, template: Path | None) -> Told:
        if template is not None:
            shutil.copy(template, database)
        return first_mirror.run_here(side, url, database)

    monkeypatch.setattr(first_mirror, "run", run)  # a process for each takes its seconds
    bench = Bench(tmp_path, quick=True, kept={"recording": kept})
    fetching.measure(bench)
    mirroring.measure(bench)
    assert [figure.number for figure in bench.figures] == [1, 1, 2, 2, 3]
    require_same(tmp_path / "product.db", tmp_path / "limit.db")
    with pytest.raises(RuntimeError, match=r"differ in: texts, full text"):
        require_same(tmp_path / "product.db", tmp_path / "limit-unsplit.db")


def _read(url: str, address: str) -> set[str]:
    """The Message-IDs of an inbox."""
    connector = ExchangeEWS(recording.account(url, address))
    inbox = next(folder for folder in connector.folders() if folder.well_known == "inbox")
    assert inbox.item_count == 150
    changes = [change for page in connector.changes(inbox, None, 100) for change in page.changes]
    listed = {each.remote_id for each in connector.listing(inbox)}
    connector.close()
    assert listed == {change.remote_id for change in changes}
    assert all(isinstance(change.record, MessageRecord) for change in changes)
    return {each.record.message_id for each in changes if isinstance(each.record, MessageRecord)}


def _split_state(answer: bytes | None) -> tuple[str, bytes]:
    assert answer is not None
    found = re.search(rb"<m:SyncState>([^<]*)</m:SyncState>", answer)
    assert found is not None
    return found[1].decode(), answer.replace(found[0], b"")


def _words(answer: bytes) -> bytes:
    """An empty list is written in two ways."""
    return answer.replace(b"<m:Changes/>", b"<m:Changes></m:Changes>")
