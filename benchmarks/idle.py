"""Figure 8: what it costs to find that nothing has changed."""

from __future__ import annotations

import time
from datetime import timedelta

from sqlalchemy import func, select

from benchmarks.office import DOMAIN, Exchange, Office, cpu_seconds, exchange, mail, make
from benchmarks.report import Bench, Figure
from sync.connecting import connect
from sync.engine import run_stream
from terracrm.models import Mailbox, Stream, SyncRun, utcnow

FOLDERS = 40
RUNS = 20


def measure(bench: Bench) -> None:
    """One folder more or less in a run of a mailbox, and a daemon that keeps 200 mailboxes."""
    _one_folder(bench)
    _daemon(bench, 20 if bench.quick else 200, 10 if bench.quick else 30)


def _one_folder(bench: Bench) -> None:
    few, many = f"few@{DOMAIN}", f"many@{DOMAIN}"
    with exchange((few, many)) as server:
        names = [f"Folder {number}" for number in range(FOLDERS)]
        server.fill([(many, name) for name in names], _mails([few, many]))
        office = make(bench.folder / "folders", server.url, (few, many))
        with office.sessions() as session:
            streams = {
                address: session.scalars(
                    select(Stream.id).join(Mailbox).where(Mailbox.address == address, Stream.kind == "mail")
                ).one()
                for address in (few, many)
            }
        cost = dict.fromkeys(streams, 0.0)
        for number in range(RUNS):
            for address, stream_id in streams.items():
                before = time.process_time()
                summary = run_stream(office.settings, office.sessions, stream_id, connect)
                assert summary
                assert not summary.error, summary
                if number >= RUNS // 4:  # the first ones have something to read
                    cost[address] += time.process_time() - before
    runs = RUNS - RUNS // 4
    one = (cost[many] - cost[few]) / runs / FOLDERS * 1000
    told = f"each of {FOLDERS} more folders in a run; a run of an ordinary mailbox: {cost[few] / runs * 1000:.1f} ms"
    bench.tell(Figure(8, "idle poll of one folder, CPU", one, "ms", one, "<= 1 ms", told))


def _daemon(bench: Bench, count: int, seconds: float) -> None:
    addresses = [f"user{number}@{DOMAIN}" for number in range(count)]
    with exchange(addresses) as server:
        server.fill([], _mails(addresses))
        office = make(bench.folder / "idle", server.url, addresses)
        with office.serving("daemon") as (group,):
            office.wait_until_read()
            time.sleep(2)  # the last wake-ups of the first mirror
            office.spread()
            used, runs = _used(office, server, group, seconds)
    share = used / seconds
    told = f"{count} mailboxes with notifications, {runs / seconds:.1f} runs/s by the default interval"
    bench.tell(Figure(8, f"idle daemon with {count} mailboxes", share * 100, "% of a core", share, "< 5 %", told))


def _used(office: Office, server: Exchange, group: int, seconds: float) -> tuple[float, int]:
    """The CPU seconds of the daemon and all its processes over some time, and the runs in it."""
    began, before = utcnow(), cpu_seconds(group)
    time.sleep(seconds)
    used = cpu_seconds(group) - before
    with office.sessions() as session:
        runs = session.scalar(
            select(func.count()).where(SyncRun.started_at.between(began, began + timedelta(seconds=seconds)))
        )
    return used, runs or 0


def _mails(addresses: list[str]) -> list[tuple[bytes, list[str], str]]:
    return [
        (mail(number * 10 + place, f"client{number}@client.example", address), [address], "inbox")
        for number, address in enumerate(addresses)
        for place in range(3)
    ]
