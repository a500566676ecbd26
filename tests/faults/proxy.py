"""A proxy to the homeserver that injects a fault into one request, or also into all later ones."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import os
import signal
import threading
import zlib
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING, Self
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from collections.abc import Callable

READING = frozenset({"GET", "HEAD"})
_JSON = "application/json"
_HTML = b"<!DOCTYPE html><html><head><title>Welcome</title></head><body>nginx</body></html>"
_BOMB = 512 * 1024 * 1024  # bytes that the bomb unpacks to
_FORWARDED_HEADERS = frozenset({"authorization", "content-type", "user-agent", "accept"})


@dataclass(frozen=True)
class Fault:
    """A fault that the proxy injects into a request.

    Attributes:
        name: its name in the table.
        lost: the request does not reach the server. Otherwise the server carries it out, and its answer is
            replaced or lost.
        lasting: every request from that one on gets the fault, until the command ends.
        status: an HTTP status instead of the answer.
        body: a body instead of the answer's.
        how: the fault of the answer: ``cut``, ``delay``, ``drip``, ``truncate``, ``redirect`` or ``bomb``.
        signal: a signal for the command. If the request is ``lost``, it is sent when the request arrives;
            otherwise after the server has answered, and before the command gets the answer.
    """

    name: str
    lost: bool = False
    lasting: bool = False
    status: int | None = None
    body: bytes | None = None
    how: str = ""
    signal: signal.Signals | None = None


def _error(status: int, errcode: str) -> bytes:
    return b'{"errcode": "%s", "error": "injected %d"}' % (errcode.encode(), status)


def _faults() -> list[Fault]:
    both = [(True, "before"), (False, "after")]
    return [
        *(Fault(f"drop-{when}", lost=lost, how="cut") for lost, when in both),
        *(Fault(f"delay-{when}", lost=lost, how="delay") for lost, when in both),
        Fault("drip", how="drip"),
        Fault("truncated", how="truncate"),
        *(
            Fault(f"{status}", lost=True, status=status, body=_error(status, errcode))
            for status, errcode in (
                (400, "M_UNKNOWN"),
                (401, "M_UNKNOWN_TOKEN"),
                (403, "M_FORBIDDEN"),
                (404, "M_NOT_FOUND"),
                (429, "M_LIMIT_EXCEEDED"),
            )
        ),
        *(
            # A 500 is Synapse's own; the others are those of a reverse proxy.
            Fault(f"{status}-{when}", lost=lost, status=status, body=body)
            for status, body in ((500, _error(500, "M_UNKNOWN")), (502, _HTML), (503, _HTML), (504, _HTML))
            for lost, when in both
        ),
        *(Fault(f"html-{when}", lost=lost, status=200, body=_HTML) for lost, when in both),
        Fault("list", status=200, body=b"[]"),
        Fault("null", status=200, body=b"null"),
        Fault("users-list", status=200, body=b'{"users": []}'),
        Fault("empty", lost=True, status=200, body=b"{}"),
        *(Fault(f"redirect-{when}", lost=lost, how="redirect") for lost, when in both),
        Fault("bomb", how="bomb"),
        Fault("down-502", lost=True, lasting=True, status=502, body=_HTML),
        Fault("down-drop", lost=True, lasting=True, how="cut"),
        *(
            Fault(f"{number.name}-{when}", lost=lost, signal=number)
            for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGKILL)
            for lost, when in both
        ),
    ]


FAULTS = {fault.name: fault for fault in _faults()}


@functools.cache
def _bomb() -> bytes:
    """Return JSON that is small only while it is compressed; it is made in parts to save memory."""
    part, compressor = b" " * 2**20, zlib.compressobj(9, wbits=31)
    parts = [compressor.compress(b"[")]
    parts += [compressor.compress(part) for _ in range(_BOMB // len(part))]
    return b"".join([*parts, compressor.compress(b"]"), compressor.flush()])


@dataclass(frozen=True)
class ProxiedRequest:
    """A request that the proxy has received."""

    method: str
    path: str

    @property
    def changes(self) -> bool:
        return self.method not in READING


@dataclass
class Answer:
    """An answer to the command."""

    status: int
    body: bytes
    kind: str = _JSON
    extra: str = ""

    def head(self) -> bytes:
        phrase = HTTPStatus(self.status).phrase
        return (
            f"HTTP/1.1 {self.status} {phrase}\r\nContent-Type: {self.kind}\r\n"
            f"Content-Length: {len(self.body)}\r\n{self.extra}\r\n"
        ).encode()


class FaultyProxy:
    """A proxy that forwards requests to a server from a separate thread, until its context ends."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self._upstream = parts.hostname or "", parts.port or 80
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self.client_timeout = 2.0  # seconds that the command waits for an answer
        self.set_fault(None, lambda _requests, _request: False)

    def set_fault(
        self, fault: Fault | None, is_target: Callable[[list[ProxiedRequest], ProxiedRequest], bool]
    ) -> None:
        """Forget the requests, and set the next fault; ``is_target`` says which request gets it."""
        self.fault, self._is_target = fault, is_target
        self.requests: list[ProxiedRequest] = []
        self.fault_count = 0
        self.faulted: list[ProxiedRequest] = []
        self.pid: int | None = None

    def __enter__(self) -> Self:
        _bomb()  # cached now: making it takes longer than a command waits
        self._thread.start()
        starting = asyncio.start_server(self._serve, "127.0.0.1", 0, limit=2**20)
        self._server = asyncio.run_coroutine_threadsafe(starting, self._loop).result()
        self.url = f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"
        return self

    def __exit__(self, *_: object) -> None:
        asyncio.run_coroutine_threadsafe(self._stop(), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    async def _stop(self) -> None:
        self._server.close()
        while others := asyncio.all_tasks() - {asyncio.current_task()}:
            for task in others:
                task.cancel()
            await asyncio.gather(*others, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while await self._handle_request(reader, writer):
                pass
        except (OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass
        finally:
            writer.transport.abort()

    async def _handle_request(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        method, path, _ = head[0].split(" ", 2)
        headers = {
            name.lower(): value.strip() for name, _, value in (line.partition(":") for line in head[1:])
        }
        body = await reader.readexactly(int(headers.get("content-length", 0)))
        fault = self._fault_of(ProxiedRequest(method, path))
        if fault is not None and fault.lost:
            self._send_signal(fault)
            if fault.signal is None:
                return await self._answer(writer, fault, Answer(200, b"{}"))
            if fault.signal == signal.SIGKILL:
                return False
        # The server carries out the request even if the command ends.
        answer = await asyncio.shield(self._forward(method, path, headers, body))
        if fault is None or fault.lost:
            return await self._write(writer, answer)
        self._send_signal(fault)
        return await self._answer(writer, fault, answer)

    def _fault_of(self, request: ProxiedRequest) -> Fault | None:
        fault = self.fault
        self.requests.append(request)
        if fault is None or (self.fault_count and not fault.lasting):
            return None
        if not self.fault_count and not self._is_target(self.requests, request):
            return None
        self.fault_count += 1
        self.faulted.append(request)
        return fault

    def _send_signal(self, fault: Fault) -> None:
        if fault.signal is not None and self.pid is not None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, fault.signal)

    async def _forward(self, method: str, path: str, headers: dict[str, str], body: bytes) -> Answer:
        reader, writer = await asyncio.open_connection(*self._upstream, limit=2**26)
        try:
            # HTTP/1.0: the answer comes in one piece and ends with the connection.
            lines = [
                f"{method} {path} HTTP/1.0",
                *(f"{name}: {headers[name]}" for name in _FORWARDED_HEADERS & set(headers)),
            ]
            if body or method not in READING:
                lines.append(f"content-length: {len(body)}")
            writer.write("\r\n".join([*lines, "", ""]).encode("latin-1") + body)
            await writer.drain()
            head, _, content = (await reader.read(-1)).partition(b"\r\n\r\n")
        finally:
            writer.close()
        first, *rest = head.decode("latin-1").split("\r\n")
        kinds = [line.partition(":")[2].strip() for line in rest if line.lower().startswith("content-type:")]
        dates = [f"{line}\r\n" for line in rest if line.lower().startswith("date:")]
        return Answer(int(first.split(" ")[1]), content, (kinds or [_JSON])[0], "".join(dates))

    async def _answer(self, writer: asyncio.StreamWriter, fault: Fault, answer: Answer) -> bool:
        if fault.status is not None:
            kind = "text/html" if fault.body == _HTML else _JSON
            return await self._write(writer, Answer(fault.status, fault.body or b"", kind))
        if fault.how == "cut":
            return False
        if fault.how == "delay":
            await asyncio.sleep(self.client_timeout + 1.5)
        if fault.how == "redirect":
            here = f"Location: {self.url}/somewhere/else\r\n"
            return await self._write(writer, Answer(302, b"", extra=here))
        if fault.how == "truncate":
            writer.write(answer.head() + answer.body[: len(answer.body) // 2])
            await writer.drain()
            return False
        if fault.how == "bomb":
            return await self._write(writer, Answer(200, _bomb(), extra="Content-Encoding: gzip\r\n"))
        if fault.how == "drip":
            for byte in answer.head() + answer.body:
                writer.write(bytes([byte]))
                await writer.drain()
                await asyncio.sleep(1)
        return await self._write(writer, answer)

    async def _write(self, writer: asyncio.StreamWriter, answer: Answer) -> bool:
        writer.write(answer.head() + answer.body)
        await writer.drain()
        return True
