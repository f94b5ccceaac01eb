"""Message brokers of our own, on ports of their own, that may be killed: Redis, which forgets all, and RabbitMQ."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import time
from contextlib import suppress
from pathlib import Path
from shutil import which

from tests.ports import free_port

START_SECONDS = 90
RABBITMQ = Path("/usr/lib/rabbitmq/bin/rabbitmq-server")  # the one in the path wants to be root


class Broker:
    """A broker that is running; `url` is its address."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.port = folder, free_port()
        self.url = ""
        self._process: subprocess.Popen[bytes] | None = None

    @staticmethod
    def missing() -> str:
        """Why it cannot be started here; "" when it can."""
        raise NotImplementedError

    def start(self) -> None:
        """Start it, and wait until it listens."""
        self.folder.mkdir(exist_ok=True)
        with (self.folder / "broker.log").open("ab") as log:
            self._process = subprocess.Popen(
                self._command(), env=os.environ | self._environment(), stdout=log, stderr=log, start_new_session=True
            )
        deadline = time.monotonic() + START_SECONDS
        while not _listens(self.port):
            assert time.monotonic() < deadline, (self.folder / "broker.log").read_text(errors="replace")[-2000:]
            time.sleep(0.1)

    def kill(self) -> None:
        """SIGKILL to all its processes."""
        if self._process is not None:
            with suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()

    def _command(self) -> list[str]:
        raise NotImplementedError

    def _environment(self) -> dict[str, str]:
        return {}


class Redis(Broker):
    """Keeps nothing on the disk."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.url = f"redis://:pass%2Fword@127.0.0.1:{self.port}/0"

    @staticmethod
    def missing() -> str:
        return "" if which("redis-server") else "needs redis-server"

    def _command(self) -> list[str]:
        options = {"port": str(self.port), "bind": "127.0.0.1", "save": "", "requirepass": "pass/word"}
        return ["redis-server", *(part for name, value in options.items() for part in (f"--{name}", value))]


class RabbitMQ(Broker):
    """A node of its own, with files of its own."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.url = f"amqp://guest:guest@127.0.0.1:{self.port}//"
        self._between = free_port()

    @staticmethod
    def missing() -> str:
        return "" if RABBITMQ.exists() else "needs rabbitmq-server"

    def _command(self) -> list[str]:
        (self.folder / "rabbit.conf").write_text(f"listeners.tcp.1 = 127.0.0.1:{self.port}\n")
        return [str(RABBITMQ)]

    def _environment(self) -> dict[str, str]:
        return {
            "HOME": str(self.folder),
            "RABBITMQ_NODENAME": f"terracrm_{self.port}@localhost",
            "RABBITMQ_CONFIG_FILE": str(self.folder / "rabbit.conf"),
            "RABBITMQ_DIST_PORT": str(self._between),
            "RABBITMQ_MNESIA_BASE": str(self.folder / "data"),
            "RABBITMQ_LOG_BASE": str(self.folder / "log"),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(self.folder / "plugins"),
        }


BROKERS: dict[str, type[Broker]] = {"redis": Redis, "rabbitmq": RabbitMQ}


def _listens(port: int) -> bool:
    with socket.socket() as trying:
        trying.settimeout(1)
        return trying.connect_ex(("127.0.0.1", port)) == 0
