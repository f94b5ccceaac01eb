"""The pool of worker processes: what waits, in what order, and that no process is missing when its time is over."""

from __future__ import annotations

import multiprocessing
import os
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ProcessPoolExecutor
from functools import partial
from pathlib import Path

import pytest

from sync.pool import Pool


def note(folder: Path, stream_id: int) -> None:
    """What a worker does: say that it was here."""
    (folder / f"{stream_id}-{time.monotonic_ns()}").touch()


def die(folder: Path, stream_id: int) -> None:
    """Die of the first stream, the first time."""
    if stream_id == 1 and not list(folder.iterdir()):
        note(folder, 1)
        os._exit(1)
    note(folder, stream_id)


def wait_for(what: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not what():
        assert time.monotonic() < deadline, "it did not happen within a minute"
        time.sleep(0.02)


def processes(runs: int) -> ProcessPoolExecutor:
    return ProcessPoolExecutor(2, mp_context=multiprocessing.get_context("spawn"), max_tasks_per_child=runs)


def test_workers_that_have_done_their_runs_are_replaced_while_others_wait(tmp_path: Path) -> None:
    pool = Pool(2, lambda: processes(3), partial(note, tmp_path), lambda: None)
    try:
        pool.run(range(12), is_all=True)
        wait_for(lambda: len(list(tmp_path.iterdir())) == 12)
    finally:
        pool.close()


def test_after_a_process_died_the_others_go_on_with_the_next_tick(tmp_path: Path) -> None:
    pool = Pool(2, lambda: processes(9), partial(die, tmp_path), lambda: None)
    try:
        pool.run([1], is_all=True)
        wait_for(lambda: not pool._running)
        pool.run([1, 2, 3], is_all=True)
        wait_for(lambda: len(list(tmp_path.iterdir())) == 4)
    finally:
        pool.close()


class Threads:
    """Stands for the processes: its tasks end when they are told to."""

    def __init__(self) -> None:
        self.begun: list[tuple[int, Future[None]]] = []

    def submit(self, _work: object, stream_id: int) -> Future[None]:
        self.begun.append((stream_id, Future()))
        return self.begun[-1][1]

    def end(self, place: int) -> None:
        self.begun[place][1].set_result(None)

    def shutdown(self, **_: object) -> None:
        """Nothing to do."""


def test_what_was_woken_goes_before_what_waits_and_nothing_runs_twice() -> None:
    tasks, done = Threads(), threading.Event()
    pool = Pool(2, lambda: tasks, lambda _: None, done.set)  # type: ignore[arg-type, return-value]
    pool.run([1, 2, 3, 4, 5], is_all=True)
    pool.run([5, 1], is_all=False)
    assert not done.is_set()
    for place in range(3):
        tasks.end(place)
    assert done.is_set()
    assert [stream_id for stream_id, _ in tasks.begun] == [1, 2, 5, 3, 4]
    pool.run([6], is_all=True)
    pool.close()
    tasks.end(3)
    assert len(tasks.begun) == 5


def test_a_run_that_could_not_be_started_keeps_no_place() -> None:
    class Full(Threads):
        """A machine that has no room for a process, once."""

        is_full = True

        def submit(self, work: object, stream_id: int) -> Future[None]:
            if self.is_full:
                self.is_full = False
                raise OSError("no memory")
            return super().submit(work, stream_id)

    tasks = Full()
    pool = Pool(1, lambda: tasks, lambda _: None, lambda: None)  # type: ignore[arg-type, return-value]
    with pytest.raises(OSError, match="no memory"):
        pool.run([1], is_all=True)
    pool.run([1], is_all=True)
    assert [stream_id for stream_id, _ in tasks.begun] == [1]
