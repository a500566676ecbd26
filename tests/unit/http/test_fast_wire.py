from __future__ import annotations

import gc
import gzip
import socket
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from synadmin.client import Synapse
from synadmin.errors import ConnectError, NotFoundError, NotPermittedError, ReplyError
from synadmin.http.connection import Connection
from synadmin.http.reader import read
from tests.unit.stub import BROKEN, SILENT, Reply, Stub, certificate, json_reply, refused

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

VERSION = "/_synapse/admin/v1/server_version"
TOKEN = "syt_c2VjcmV0_donotshowthis"
JSON = b'{"server_version": "1.163.2"}'
HEAD = b"HTTP/1.1 200 OK\r\n"


class CountingServer:
    """A server that sends the same bytes to every request, and counts connections and requests."""

    def __init__(self, answer: bytes) -> None:
        self.answer = answer
        self.connections = 0
        self.requests: list[bytes] = []

    def serve(self, listener: socket.socket) -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            self.connections += 1
            threading.Thread(target=self._handle, args=(connection,), daemon=True).start()

    def _handle(self, connection: socket.socket) -> None:
        with connection:
            received = b""
            while data := connection.recv(65536):
                received += data
                while b"\r\n\r\n" in received:
                    request, _, received = received.partition(b"\r\n\r\n")
                    self.requests.append(request)
                    connection.sendall(self.answer)
                    if b"close" in self.answer or b"content-length" not in self.answer.lower():
                        if b"chunked" in self.answer:
                            continue
                        return


@contextmanager
def fast_client(answer: bytes, *, timeout: float = 30) -> Iterator[tuple[Synapse, CountingServer]]:
    """Yield a client with fast wires, and the server that sends it this answer."""
    server = CountingServer(answer)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=server.serve, args=(listener,), daemon=True).start()
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        with Synapse(url, token=TOKEN, timeout=timeout) as synapse, synapse.fast() as fast:
            yield fast, server
        listener.shutdown(socket.SHUT_RDWR)


def _sized(body: bytes = JSON, *headers: bytes) -> bytes:
    return HEAD + b"".join(headers) + b"Content-Length: %d\r\n\r\n" % len(body) + body


def _chunked(*chunks: bytes) -> bytes:
    parts = b"".join(b"%x\r\n%s\r\n" % (len(chunk), chunk) for chunk in chunks)
    return HEAD + b"Transfer-Encoding: chunked\r\n\r\n" + parts + b"0\r\n\r\n"


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(_sized(), id="with a length"),
        pytest.param(_sized(JSON, b"X-A: b\r\n" * 50), id="many headers"),
        pytest.param(_chunked(JSON), id="in one chunk"),
        pytest.param(_chunked(JSON[:1], JSON[1:20], JSON[20:]), id="in several chunks"),
        pytest.param(_chunked(JSON).replace(b"\r\n{", b";name=value\r\n{"), id="a chunk with an extension"),
    ],
)
def test_many_answers_use_one_connection(answer: bytes) -> None:
    with fast_client(answer) as (synapse, server):
        assert [synapse.server.version().server_version for _ in range(3)] == ["1.163.2"] * 3
    assert (server.connections, len(server.requests)) == (1, 3)
    assert server.requests[0].startswith(b"GET /_synapse/admin/v1/server_version HTTP/1.1\r\n")
    assert f"Authorization: Bearer {TOKEN}".encode() in server.requests[0]


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(_sized(JSON, b"Connection: close\r\n"), id="that closes the connection"),
        pytest.param(HEAD + b"Connection: close\r\n\r\n" + JSON, id="that ends with the connection"),
        pytest.param(_sized().replace(b"HTTP/1.1", b"HTTP/1.0"), id="in HTTP 1.0"),
        pytest.param(_sized(JSON, b"Content-Encoding: identity\r\n"), id="with identity encoding"),
    ],
)
def test_rare_forms_of_answers_are_read(answer: bytes) -> None:
    with fast_client(answer) as (synapse, _):
        assert synapse.server.version().server_version == "1.163.2"
        assert synapse.server.version().server_version == "1.163.2"


@pytest.mark.parametrize(
    "answer",
    [
        b"SSH-2.0-OpenSSH_9.2\r\n",
        HEAD + b"Content-Length: -5\r\n\r\n" + JSON,
        HEAD + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n",
        HEAD + b"Content-Length: 9999\r\n\r\n",
        _sized(b"<!doctype html>"),
        b"",
    ],
)
def test_invalid_answers_are_classified(answer: bytes, naps: list[float]) -> None:
    with (
        fast_client(answer, timeout=0.5) as (synapse, _),
        pytest.raises((ConnectError, ReplyError)) as caught,
    ):
        synapse.server.version()
    assert TOKEN not in str(caught.value)
    assert all(nap < 60 for nap in naps)


def test_errors_equal_those_of_the_default_wire() -> None:
    with Stub() as stub, Synapse(stub.url, token=TOKEN) as synapse, synapse.fast() as fast:
        stub.on(VERSION, refused(404, "M_NOT_FOUND"))
        with pytest.raises(NotFoundError):
            fast.server.version()
        stub.on(VERSION, refused(403, "M_FORBIDDEN", "You are not a server admin"))
        with pytest.raises(NotPermittedError, match="You are not a server admin"):
            fast.server.version()


def test_not_found_is_not_retried_and_keeps_the_connection() -> None:
    missing = b'{"errcode": "M_NOT_FOUND", "error": "User not found"}'
    answer = b"HTTP/1.1 404 Not Found\r\nContent-Length: %d\r\n\r\n" % len(missing) + missing
    with fast_client(answer) as (synapse, server):
        for _ in range(2):
            with pytest.raises(NotFoundError, match="User not found"):
                synapse.server.version()
    assert (server.connections, len(server.requests)) == (1, 2)


class CountingLimiter:
    """A limiter that counts the requests under way and the finished ones."""

    def __init__(self) -> None:
        self.active = 0
        self.finished = 0

    def begin(self) -> float:
        self.active += 1
        return float(self.active)

    def end(self, began: float) -> None:
        assert began == 1.0
        self.active -= 1
        self.finished += 1


def test_each_request_enters_and_leaves_the_limiter(naps: list[float]) -> None:
    limiter = CountingLimiter()
    with Stub() as stub, Synapse(stub.url, token=TOKEN) as synapse, synapse.fast(limiter) as fast:
        stub.on(VERSION, json_reply({"server_version": "1"}))
        fast.server.version()
        assert (limiter.active, limiter.finished) == (0, 1)
        stub.on(VERSION, refused(403, "M_FORBIDDEN"))
        with pytest.raises(NotPermittedError):
            fast.server.version()
        assert (limiter.active, limiter.finished) == (0, 2)
        stub.on(VERSION, BROKEN)
        with pytest.raises(ConnectError):
            fast.server.version()
    # Each attempt is counted separately: no request holds the limiter while it waits for the next one.
    assert (limiter.active, limiter.finished) == (0, 3 + len(naps))


def test_closed_connection_is_replaced() -> None:
    with Stub() as stub, Synapse(stub.url, token=TOKEN) as synapse, synapse.fast() as fast:
        stub.on(VERSION, json_reply({"server_version": "1"}))
        assert fast.server.version().server_version == "1"
        stub.hang_up()
        assert fast.server.version().server_version == "1"
        assert fast.server.version().server_version == "1"


def test_silent_server_ends_at_the_timeout(naps: list[float]) -> None:
    with Stub() as stub, Synapse(stub.url, token=TOKEN, timeout=0.2) as synapse:
        stub.on(VERSION, SILENT)
        with synapse.fast() as fast, pytest.raises(ConnectError, match=r"did not answer within 0\.2 s"):
            fast.server.version()
    assert naps == []


def test_certificates_are_verified_with_the_ca_file(tmp_path: Path) -> None:
    file = certificate(tmp_path)
    with Stub(file) as stub:
        stub.on(VERSION, json_reply({"server_version": "1"}))
        with Synapse(stub.url, token=TOKEN, ca_file=str(file)) as synapse, synapse.fast() as fast:
            assert fast.server.version().server_version == "1"
        untrusted = pytest.raises(ConnectError, match="certificate")
        with Synapse(stub.url, token=TOKEN) as synapse, synapse.fast() as fast, untrusted:
            fast.server.version()


@pytest.mark.parametrize("is_local", [True, False], ids=["this machine", "another machine"])
def test_answers_are_compressed_only_from_other_machines(
    stub: Stub, monkeypatch: pytest.MonkeyPatch, is_local: bool
) -> None:
    monkeypatch.setattr(Connection, "is_local", is_local)
    compressed = Reply(200, gzip.compress(JSON), {"Content-Encoding": "gzip"})
    stub.on(VERSION, json_reply({"server_version": "1.163.2"}) if is_local else compressed)
    with Synapse(stub.url, token=TOKEN) as synapse:
        for client in (synapse, synapse.fast()):
            assert client.server.version().server_version == "1.163.2"
    encodings = {request.headers["accept-encoding"] for request in stub.requests}
    assert encodings == {"identity" if is_local else "gzip"}


def test_answer_is_freed_without_the_garbage_collector() -> None:
    gc.collect()
    gc.disable()
    try:
        assert read(lambda: HEAD + b"Content-Length: 2\r\n\r\n{}").content == b"{}"
        assert not gc.collect(), "a reference cycle would keep the pages of a long list in memory"
    finally:
        gc.enable()
