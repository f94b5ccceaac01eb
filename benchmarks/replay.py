"""An EWS server that answers from a recording, so cheaply that no client ever waits for its work.

    python -m benchmarks.replay RECORDING [--count N] [--latency MS] [--gzip] [--port PORT]

Any mailbox that is asked for is there, with N letters: the recorded ones again and again, each time with other item,
conversation and Message-IDs, because these all say in one place whose they are (`recording.CORE`), and other subjects.
Answers are bytes put together; nothing is parsed but which ids are asked for. A mailbox never changes.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import gzip
import hashlib
import os
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from email.utils import formatdate
from pathlib import Path

from benchmarks.letters import OWNER, mark_of
from benchmarks.recording import CORE, Recording, payload

_MAILBOX = 36  # characters of a core that name the mailbox; the others tell its repetitions apart
_OPERATION = re.compile(rb"Body>\s*<(?:\w+:)?(\w+)")
_ADDRESS = re.compile(rb"<t:(?:EmailAddress|PrimarySmtpAddress)>([^<]+)<")
_FOLDER_ID = re.compile(rb'FolderId Id="([^"]+)"')
_ITEM_ID = re.compile(rb'ItemId Id="([^"]+)"')
_STATE = re.compile(rb"SyncState>([^<]+)<")
_MOST = re.compile(rb"MaxChangesReturned>(\d+)<")
_VIEW = re.compile(rb'MaxEntriesReturned="(\d+)" Offset="(\d+)"')
_NOT_FOUND = (
    b'<m:GetItemResponseMessage ResponseClass="Error"><m:MessageText>The specified object was not found in the store.'
    b"</m:MessageText><m:ResponseCode>ErrorItemNotFound</m:ResponseCode><m:DescriptiveLinkKey>0</m:DescriptiveLinkKey>"
    b"<m:Items/></m:GetItemResponseMessage>"
)


class Replay:
    """The answers of mailboxes of `count` letters each."""

    def __init__(self, recording: Recording, count: int) -> None:
        self._recording = recording
        self._count = count
        self._places = {each.encode(): place for place, each in enumerate(recording.ids)}
        self._core = recording.core.encode()
        self._mark = mark_of(self._core)
        self._inbox = recording.inbox.encode()
        self._owners: dict[bytes, bytes] = {}

    def answer(self, request: bytes, user: str) -> bytes | None:
        """The answer to a request of a user; None for what was not recorded."""
        operation = _OPERATION.search(request)
        match operation[1] if operation else b"":
            case b"GetItem":
                return self._items(request)
            case b"SyncFolderItems":
                return self._changes(request, user)
            case b"FindItem":
                return self._found(request, user)
        return self._plain(request, user)

    def _items(self, request: bytes) -> bytes:
        items = self._recording.items
        return b"".join((items.head, *map(self._item, _ITEM_ID.findall(request)), items.tail))

    def _item(self, item_id: bytes) -> bytes:
        core = item_id[CORE]
        place = self._places.get(item_id.replace(core, self._core))
        if place is None:
            return _NOT_FOUND
        part = self._recording.items.parts[place]
        if core == self._core:
            return part
        owner = self._owners.get(core[:_MAILBOX], OWNER.encode())
        return part.replace(self._core, core).replace(self._mark, mark_of(core)).replace(OWNER.encode(), owner)

    def _changes(self, request: bytes, user: str) -> bytes:
        told, folder = self._recording.told, self._folder(request, user)
        state, most = _STATE.search(request), _MOST.search(request)
        start = int(base64.b64decode(state[1])[4:]) if state else 0
        count = self._count if self._is_inbox(folder) else 0
        end = min(start + int(most[1]) if most else 512, count)
        parts = (self._told(folder, place) for place in range(start, end))
        head = re.sub(
            rb"<m:SyncState>.*</m:IncludesLastItemInRange>",
            b"<m:SyncState>%b</m:SyncState><m:IncludesLastItemInRange>%b</m:IncludesLastItemInRange>"
            % (base64.b64encode(b"H4sI%d" % end), b"true" if end == count else b"false"),
            told.head,
        )
        return b"".join((head, *parts, told.tail))

    def _told(self, folder: bytes, place: int) -> bytes:
        repetition, place = divmod(place, len(self._places))
        return self._recording.told.parts[place].replace(self._core, _core(folder[CORE], repetition))

    def _found(self, request: bytes, user: str) -> bytes:
        listed, folder, view = self._recording.listed, self._folder(request, user), _VIEW.search(request)
        count = self._count if self._is_inbox(folder) else 0
        most, start = map(int, view.groups()) if view else (1000, 0)
        end = min(start + most, count)
        # Newest first, as Exchange lists a folder that nobody sorts.
        parts = (
            self._told(folder, count - 1 - place)[len("<t:Create>") : -len("</t:Create>")]
            for place in range(start, end)
        )
        head = re.sub(
            rb"<m:RootFolder [^>]*>",
            b'<m:RootFolder IndexedPagingOffset="%d" TotalItemsInView="%d" IncludesLastItemInRange="%b">'
            % (end, count, b"true" if end == count else b"false"),
            listed.head,
        )
        return b"".join((head, *parts, listed.tail))

    def _plain(self, request: bytes, user: str) -> bytes | None:
        address = _address(request, user)
        ours = _mailbox_of(address, self._core)
        self._owners[ours] = address
        asked = payload(request).replace(ours, self._core[:_MAILBOX]).replace(address, OWNER.encode())
        made = self._recording.plain.get(asked)
        if made is None:
            return None
        counted = b"<t:TotalCount>%d</t:TotalCount>"
        made = made.replace(counted % len(self._places), counted % self._count)
        return made.replace(self._core[:_MAILBOX], ours).replace(OWNER.encode(), address)

    def _folder(self, request: bytes, user: str) -> bytes:
        """The id of the folder that is asked for; exchangelib names the inbox and leaves its id out."""
        folder = _FOLDER_ID.search(request)
        assert folder is not None, request
        if folder[1] != b"inbox":
            return folder[1]
        ours = _mailbox_of(_address(request, user), self._core)
        return self._inbox.replace(self._core[:_MAILBOX], ours)

    def _is_inbox(self, folder: bytes) -> bool:
        return folder[CORE.stop :] == self._inbox[CORE.stop :]


def _address(request: bytes, user: str) -> bytes:
    """Whose mailbox is asked for: one that is named, or that of who signs in."""
    named = _ADDRESS.search(request)
    return named[1] if named else user.encode()


def _mailbox_of(address: bytes, recorded: bytes) -> bytes:
    if address == OWNER.encode():
        return recorded[:_MAILBOX]
    return base64.b64encode(hashlib.sha256(address).hexdigest()[:27].encode())


def _core(folder: bytes, repetition: int) -> bytes:
    """The core of the ids of items of that repetition, of the folder with this one."""
    return folder[:_MAILBOX] + base64.b64encode(b"%06d" % repetition) if repetition else folder


class _Connection(asyncio.Protocol):
    """One connection of a client: one request after the other."""

    def __init__(self, replay: Replay, latency: float, gzip_level: int) -> None:
        self._replay = replay
        self._latency = latency
        self._gzip_level = gzip_level
        self._data = bytearray()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._data += data
        end = self._data.find(b"\r\n\r\n")
        if end < 0:
            return
        headers = _headers(bytes(self._data[:end]))
        size = end + 4 + int(headers.get("content-length", "0"))
        if len(self._data) < size:
            return
        body, self._data = bytes(self._data[end + 4 : size]), self._data[size:]
        made = self._answered(headers, body)
        if self._latency:
            asyncio.get_running_loop().call_later(self._latency, self._transport.write, made)
        else:
            self._transport.write(made)

    def _answered(self, headers: Mapping[str, str], body: bytes) -> bytes:
        scheme, _, token = headers.get("authorization", "").partition(" ")
        if scheme.lower() != "basic":
            return _response("401 Unauthorized", b"", 'WWW-Authenticate: Basic realm="exchange"')
        user = base64.b64decode(token).decode().partition(":")[0]
        made = self._replay.answer(body, user)
        if made is None:
            return _response("500 Internal Server Error", b"not recorded: " + payload(body)[:1000])
        if self._gzip_level and "gzip" in headers.get("accept-encoding", ""):
            return _response("200 OK", gzip.compress(made, self._gzip_level), "Content-Encoding: gzip")
        return _response("200 OK", made)


def _headers(head: bytes) -> dict[str, str]:
    lines = head.decode("latin-1").split("\r\n")[1:]
    return {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}


def _response(status: str, body: bytes, *more: str) -> bytes:
    lines = [
        f"HTTP/1.1 {status}",
        "Content-Type: text/xml; charset=utf-8",
        f"Date: {formatdate(usegmt=True)}",
        f"Content-Length: {len(body)}",
        *more,
    ]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


@dataclass(frozen=True, slots=True)
class Served:
    """A replayer that runs in a process of its own."""

    url: str
    pid: int

    @property
    def cpu(self) -> float:
        """The CPU seconds that it has taken so far."""
        fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@contextmanager
def serving(recording: Path, count: int, *, latency_ms: int = 0, compressed: bool = False) -> Iterator[Served]:
    """A replayer of mailboxes with `count` letters each, at an address of its own, until the block ends."""
    command = [sys.executable, "-m", "benchmarks.replay", str(recording), "--count", str(count)]
    command += ["--latency", str(latency_ms)] + ["--gzip"] * compressed
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            word, _, url = process.stdout.readline().strip().partition(" ")
            if word != "ready":
                raise RuntimeError("the replayer did not start")
            yield Served(url, process.pid)
        finally:
            ended = process.poll()
            process.terminate()
            if ended is not None:
                raise RuntimeError(f"the replayer ended before its time, with code {ended}")


async def _serve(replay: Replay, latency_ms: int, gzip_level: int, port: int) -> None:
    loop = asyncio.get_running_loop()
    server = await loop.create_server(
        lambda: _Connection(replay, latency_ms / 1000, gzip_level), "127.0.0.1", port, backlog=256
    )
    port = server.sockets[0].getsockname()[1]
    print(f"ready http://127.0.0.1:{port}/EWS/Exchange.asmx", flush=True)
    await server.serve_forever()


def main() -> None:
    """Serve until the process is ended."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.replay", description=__doc__.partition("\n")[0])
    parser.add_argument("recording", type=Path)
    parser.add_argument("--count", type=int, default=0, help="letters in each mailbox; as many as recorded")
    parser.add_argument("--latency", type=int, default=0, metavar="MS", help="how long each answer waits")
    parser.add_argument("--gzip", action="store_true", help="compress where the client takes it")
    parser.add_argument("--port", type=int, default=0)
    asked = parser.parse_args()
    recording = Recording.load(asked.recording)
    replay = Replay(recording, asked.count or len(recording.ids))
    asyncio.run(_serve(replay, asked.latency, 1 if asked.gzip else 0, asked.port))


if __name__ == "__main__":
    main()
