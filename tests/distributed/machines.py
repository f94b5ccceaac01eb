"""The programs of an installation as processes: `terracrm daemon` and `terracrm worker`, as on machines of their own.

They are forked from this process, which has everything imported and nothing open, so that starting one costs little.
What they say goes into one file.
"""

from __future__ import annotations

import os
import random
import signal
import sys
import traceback
from contextlib import suppress
from datetime import timedelta
from pathlib import Path

from sync import queue, servers
from terracrm.cli.run import main

QUEUED_SECONDS = 4
"""In place of a minute, so that what a killed worker leaves on the queue is put there again while we watch."""


class Program:
    """One process of `terracrm`, with the processes it forks."""

    def __init__(self, log: Path, config: Path, *words: str) -> None:
        self._log, self._words = log, ["--config", str(config), *words]
        self.name = words[0]
        self.pid = 0
        self.start()

    @property
    def is_running(self) -> bool:
        """Whether it has not ended."""
        if self.pid and os.waitpid(self.pid, os.WNOHANG) != (0, 0):
            self.pid = 0
        return bool(self.pid)

    def start(self) -> None:
        """Start it, in a session of its own."""
        sys.stdout.flush()
        sys.stderr.flush()
        self.pid = os.fork()
        if self.pid:
            return
        try:
            os.setsid()
            log = os.open(self._log, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
            for standard in (1, 2):
                os.dup2(log, standard)
            queue.QUEUED_FOR = timedelta(seconds=QUEUED_SECONDS)  # type: ignore[misc]
            servers.AGAIN = timedelta(seconds=1)  # type: ignore[misc]
            main(self._words)
        except SystemExit as end:
            sys.stderr.flush()
            os._exit(end.code if isinstance(end.code, int) else 1)
        except BaseException:  # noqa: BLE001 - the log has it
            traceback.print_exc()
        os._exit(1)

    def kill(self) -> None:
        """SIGKILL to it alone: what it has forked ends because it has."""
        if self.is_running:
            os.kill(self.pid, signal.SIGKILL)
            self._end()

    def kill_child(self, chance: random.Random) -> bool:
        """SIGKILL to one of the processes it has forked; whether there was one."""
        with suppress(OSError, IndexError):
            children = Path(f"/proc/{self.pid}/task/{self.pid}/children").read_text().split()
            os.kill(int(chance.choice(children)), signal.SIGKILL)
            return True
        return False

    def stop(self) -> None:
        """SIGTERM, and wait for its end."""
        if self.is_running:
            os.kill(self.pid, signal.SIGTERM)
            self._end()

    def _end(self) -> None:
        os.waitpid(self.pid, 0)
        self.pid = 0
