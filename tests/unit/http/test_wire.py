"""Both wires: one deadline for an answer, a limit for its unpacked size, and one line for any error."""

from __future__ import annotations

import gzip
import json
import time
import tracemalloc
import zlib
from typing import TYPE_CHECKING

import pytest
import requests
import urllib3

from synadmin.errors import ConnectError, ReplyError, SettingsError, SynadminError
from synadmin.http import reader, wire
from synadmin.http.connection import Connection, checked_homeserver
from synadmin.http.endpoint import Endpoint, Record
from synadmin.http.fast_wire import FastWire
from synadmin.http.no_answer import no_answer
from synadmin.http.transport import Transport
from synadmin.http.wire import RequestsWire
from tests.unit.http.raw import answering, listening

if TYPE_CHECKING:
    import socket
    from pathlib import Path

    WireType = type[RequestsWire | FastWire]

HEAD = b"HTTP/1.1 200 OK\r\n"
JSON = b'{"name": "door"}'
BOTH_WIRES = pytest.mark.parametrize("wire_type", [RequestsWire, FastWire])


class Door(Record, frozen=True, kw_only=True):
    name: str


GET = Endpoint("GET", "/look", Door)


def transport_to(url: str, wire_type: WireType, *, timeout: float = 5.0) -> Transport:
    connection = Connection(url, token="t", timeout=timeout)
    return Transport(connection, wire_type(connection))


def sized(body: bytes, *headers: bytes) -> bytes:
    return HEAD + b"".join(headers) + b"Content-Length: %d\r\n\r\n" % len(body) + body


# One deadline for a whole answer


@BOTH_WIRES
@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(HEAD + b"X-Header: value\r\n" * 50, id="headers"),
        pytest.param(HEAD + b"Content-Length: 100\r\n\r\n" + b" " * 100, id="body"),
        pytest.param(HEAD + b"Transfer-Encoding: chunked\r\n\r\n" + b"1\r\n \r\n" * 100, id="chunks"),
        pytest.param(HEAD + b"Connection: close\r\n\r\n" + b" " * 100, id="body without length"),
    ],
)
def test_slow_answer_ends_after_the_timeout(answer: bytes, wire_type: WireType, naps: list[float]) -> None:
    with (
        listening(answering(answer, drip=0.05)) as url,
        transport_to(url, wire_type, timeout=0.5) as transport,
    ):
        began = time.monotonic()
        with pytest.raises(ConnectError, match=r"did not answer within 0\.5 s") as caught:
            transport.send(GET)
        took = time.monotonic() - began
    # The whole answer takes more than 5 s; the margin is for a busy machine. There is no second attempt.
    assert (took < 4, naps) == (True, [])
    assert caught.value.sent


@BOTH_WIRES
def test_plain_http_port_is_asked_once(wire_type: WireType, naps: list[float]) -> None:
    # Synapse's plain http port reads the start of TLS as a line without an end.
    with (
        listening(_read_until_closed) as url,
        transport_to(url.replace("http:", "https:"), wire_type, timeout=0.5) as transport,
    ):
        with pytest.raises(
            ConnectError, match=r"TLS handshake within 0\.5 s: it may use http, or be overloaded$"
        ) as caught:
            transport.send(GET)
        assert naps == []
    assert not caught.value.sent


def _read_until_closed(connection: socket.socket) -> None:
    while connection.recv(1000):
        pass


@BOTH_WIRES
def test_slow_answer_within_the_timeout_is_read(wire_type: WireType) -> None:
    with listening(answering(sized(JSON), drip=0.002)) as url, transport_to(url, wire_type) as transport:
        assert transport.send(GET).name == "door"


# Compressed answers


@BOTH_WIRES
@pytest.mark.parametrize("encoding", ["gzip", "deflate"])
def test_gzip_bomb_is_refused_in_little_memory(
    wire_type: WireType, encoding: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in (reader, wire):
        monkeypatch.setattr(module, "LARGEST", 1_000_000)
    compressor = zlib.compressobj(wbits=31 if encoding == "gzip" else 15)
    part = b" " * 1_000_000
    compressed = b"".join(compressor.compress(part) for _ in range(50)) + compressor.flush()
    answer = sized(compressed, b"Content-Encoding: %s\r\n" % encoding.encode())
    with listening(answering(answer)) as url, transport_to(url, wire_type) as transport:
        tracemalloc.start()
        try:
            with pytest.raises(ReplyError, match="larger than"):
                transport.send(GET)
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
    assert peak < 10_000_000


def test_size_limit_allows_large_pages_and_states() -> None:
    room = {
        "room_id": "!" + "x" * 43,
        "name": "n" * 255,
        "canonical_alias": "#" + "a" * 254,
        "topic": "t" * 500,
    }
    content = {"membership": "join", "displayname": "d" * 100, "avatar_url": "mxc://example.org/" + "a" * 24}
    event = {
        "type": "m.room.member",
        "state_key": "@" + "u" * 100 + ":example.org",
        "sender": "@" + "u" * 100 + ":example.org",
        "event_id": "$" + "e" * 43,
        "room_id": "!" + "x" * 43,
        "content": content,
        "unsigned": {"prev_content": content, "age": 1_000_000, "replaces_state": "$" + "e" * 43},
    }
    assert len(json.dumps(room)) * 10_000 * 2 < reader.LARGEST
    assert len(json.dumps(event)) * 100_000 * 2 < reader.LARGEST


@BOTH_WIRES
@pytest.mark.parametrize("members", [1, 3])
def test_compressed_answer_is_read_completely(wire_type: WireType, members: int) -> None:
    size = len(JSON) // members + 1
    parts = [JSON[at : at + size] for at in range(0, len(JSON), size)]
    compressed = b"".join(map(gzip.compress, parts))
    with (
        listening(answering(sized(compressed, b"Content-Encoding: gzip\r\n"))) as url,
        transport_to(url, wire_type) as transport,
    ):
        assert transport.send(GET).name == "door"


# Malformed answers


@BOTH_WIRES
@pytest.mark.parametrize(
    "answer",
    [
        HEAD + b"Content-Length: 99999999999999999999\r\n\r\n" + JSON,
        HEAD + b"Content-Length: -1\r\n\r\n",
        HEAD + b"Content-Length: 100\r\n\r\n" + JSON,
        HEAD + b"Transfer-Encoding: chunked\r\n\r\n7fffffffffffffff\r\n" + JSON,
        HEAD + b"Transfer-Encoding: chunked\r\n\r\nffffffffffffffffffff\r\n" + JSON,
        HEAD + b"Transfer-Encoding: chunked\r\n\r\n-5\r\n" + JSON,
        HEAD + b"Content-Encoding: gzip\r\nContent-Length: 3\r\n\r\n\x1f\x8b\x08",
        HEAD + b"Content-Encoding: br\r\nContent-Length: 16\r\n\r\n" + JSON,
        HEAD + b"X: " + b"x" * 300_000,
        HEAD + b"X: y\r\n" * 100_000,
        b"HTTP/1.1 99999 OK\r\n\r\n",
        b"HTTP/9.9 200 OK\r\n\r\n",
        b"\x15\x03\x01\x00\x02\x02\x46",
        b"\x00" * 100,
        b"\xff\xfe",
        b"SSH-2.0-OpenSSH_9.2\r\n",
        b"",
        HEAD + b"Connection: close\r\n\r\n" + b'{"name": "door", "id": 1' + b"0" * 5000 + b"}}",
        sized(b'{"name": ["' + b"9" * 5000 + b'"]}'),
        sized(b'{"name": 1e99999}'),
        sized(b'{"name": "\\ud800"}'),
        sized(b'{"name": "do\xffr"}'),
        sized(b"[" * 100_000),
    ],
)
def test_error_for_any_bytes_is_one_clear_line(answer: bytes, wire_type: WireType, naps: list[float]) -> None:
    del naps
    with (
        listening(answering(answer)) as url,
        transport_to(url, wire_type, timeout=2) as transport,
        pytest.raises(SynadminError) as caught,
    ):
        transport.send(GET)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 250


@BOTH_WIRES
def test_invalid_text_in_an_unused_field_is_reported(wire_type: WireType) -> None:
    body = b'{"name": "door", "unknown": "\xff"}'
    not_text = pytest.raises(ReplyError, match="not UTF-8")
    with listening(answering(sized(body))) as url, transport_to(url, wire_type) as transport, not_text:
        transport.send(GET)


# Addresses


@BOTH_WIRES
def test_unix_socket_is_used_without_a_proxy(
    wire_type: WireType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("http_proxy", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    path = tmp_path / "main sock"
    with (
        listening(answering(sized(JSON), keep_open=True), path) as url,
        transport_to(url, wire_type) as transport,
    ):
        assert [transport.send(GET).name for _ in range(2)] == ["door", "door"]


@BOTH_WIRES
def test_missing_unix_socket_is_reported(wire_type: WireType, tmp_path: Path, naps: list[float]) -> None:
    del naps
    missing = pytest.raises(ConnectError, match=r"none\.sock does not exist")
    with transport_to(f"unix://{tmp_path}/none.sock", wire_type) as transport, missing as caught:
        transport.send(Endpoint("POST", "/look", Door))
    assert not caught.value.sent


@BOTH_WIRES
def test_base_path_precedes_each_request(wire_type: WireType) -> None:
    lines: list[bytes] = []

    def handle(connection: socket.socket) -> None:
        lines.append(connection.recv(65536).partition(b"\r\n")[0])
        connection.sendall(sized(JSON))

    with (
        listening(handle) as url,
        transport_to(checked_homeserver(f"{url}/matrix/a-b/"), wire_type) as transport,
    ):
        transport.send(GET)
    assert lines == [b"GET /matrix/a-b/look HTTP/1.1"]


@pytest.mark.parametrize(
    "url",
    [
        "unix:///run/synapse/main.sock",
        "unix:///run/a%20b.sock",
        "https://example.org/matrix",
        "https://example.org:8448/a/b_c~d",
    ],
)
def test_socket_and_base_path_are_base_urls(url: str) -> None:
    assert checked_homeserver(url) == url


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("unix://run/synapse.sock", "looks like unix:///run/synapse/main.sock"),
        ("unix:/run/synapse.sock", "looks like unix:///run/synapse/main.sock"),
        ("unix://", "looks like unix:///run/synapse/main.sock"),
        ("unix:///", "looks like unix:///run/synapse/main.sock"),
        ("unix:///run/" + "x" * 200, "at most 107 bytes"),
        ("unix:///run/a%00b", "looks like unix:///run/synapse/main.sock"),
        ("https://example.org/matrix/_matrix/client", "give the base URL alone, https://example.org/matrix"),
        ("https://example.org/_synapse/admin", "give the base URL alone, https://example.org"),
        ("https://example.org/a/../b", "has a path"),
        ("https://example.org/a//b", "has a path"),
        ("https://example.org/a%2Fb", "has a path"),
        ("https://example.org/matrix?x=1", "has a path"),
    ],
)
def test_invalid_base_path_is_refused(url: str, words: str) -> None:
    with pytest.raises(SettingsError, match=words):
        checked_homeserver(url)


def test_file_without_certificates_is_a_settings_error(tmp_path: Path) -> None:
    file = tmp_path / "ca.pem"
    file.write_text("none")
    connection = Connection("https://127.0.0.1:9", ca_file=str(file))
    with pytest.raises(SettingsError, match="holds no certificates"):
        RequestsWire(connection).exchange("GET", "/", None)
    with pytest.raises(SettingsError, match="holds no certificates"):
        FastWire(connection)


def test_timeout_that_connecting_has_used_up_is_no_answer() -> None:
    # On a busy machine connecting may take the whole timeout. urllib3 then raises this without a cause.
    read_timeout = urllib3.exceptions.ReadTimeoutError(None, "/", "Read timed out. (read timeout=0)")  # type: ignore[arg-type]
    connection = Connection("http://127.0.0.1:8008", timeout=0.5)
    error = no_answer(requests.exceptions.ReadTimeout(read_timeout), connection, "GET")
    assert str(error) == "127.0.0.1:8008 did not answer within 0.5 s"
