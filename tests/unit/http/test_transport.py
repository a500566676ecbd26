"""The transport over real sockets: its requests, its retries, and the result of each answer."""

from __future__ import annotations

import gzip
import traceback
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from synadmin.errors import (
    ConnectError,
    JournalError,
    MatrixError,
    NotAuthenticatedError,
    NotFoundError,
    NotPermittedError,
    NotSupportedError,
    RateLimitedError,
    ReplyError,
    ServerError,
    SettingsError,
    SynadminError,
    UnknownOutcomeError,
    UsageError,
)
from synadmin.http.connection import checked_homeserver
from synadmin.http.endpoint import Empty, Endpoint, Record
from synadmin.http.transport import DryRunStop, Transport
from synadmin.ids import UserId
from synadmin.journal import Journal, entries
from tests.unit.http.ways import way_to
from tests.unit.stub import (
    ADMIN,
    BROKEN,
    EMPTY,
    HTML,
    SILENT,
    WHOAMI,
    Reply,
    Request,
    Stub,
    certificate,
    json_reply,
    nobody_there,
    refused,
)

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

TOKEN = "syt_c2VjcmV0_donotshowthis"


class Door(Record, frozen=True, kw_only=True):
    name: str


GET = Endpoint("GET", "/look", Door)
PUT = Endpoint("PUT", "/door", Empty)
POST = Endpoint("POST", "/door", Empty)
IDEMPOTENT_POST = Endpoint("POST", "/door", Empty, idempotent=True)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "journal.sqlite3"


@pytest.fixture
def transport(stub: Stub, file: Path, naps: list[float]) -> Iterator[Transport]:
    del naps
    with way_to(stub.url, TOKEN, timeout=2.0, journal=Journal(file)) as transport:
        yield transport


# Requests


def test_request_has_token_and_user_agent(stub: Stub, transport: Transport) -> None:
    stub.on("/look", json_reply({"name": "door"}))
    assert transport.send(GET) == Door(name="door")
    (request,) = stub.requests
    assert (request.method, request.target, request.body) == ("GET", "/look", b"")
    assert request.headers["authorization"] == f"Bearer {TOKEN}"
    assert request.headers["user-agent"].startswith("synadmin/")
    assert request.headers["accept"] == "application/json"


@pytest.mark.parametrize(
    ("identifier", "segment"),
    [
        (".", "%2E"),
        ("..", "%2E%2E"),
        ("a/../b", "a%2F..%2Fb"),
        ("a+b", "a%2Bb"),
        ("=2f", "%3D2f"),
        ("@alice:example.org", "%40alice%3Aexample.org"),
        ("#Köln ✓:example.org", "%23K%C3%B6ln%20%E2%9C%93%3Aexample.org"),
        ("%2e%2e", "%252e%252e"),
        ("a?b#c;d&e\\f", "a%3Fb%23c%3Bd%26e%5Cf"),
        ("a\nb", "a%0Ab"),
        ("~!*'()", "~%21%2A%27%28%29"),
    ],
)
def test_id_arrives_as_one_segment(identifier: str, segment: str, stub: Stub, transport: Transport) -> None:
    stub.on("*", json_reply({}))
    transport.send(Endpoint("GET", "/v1/{id}/end", Empty), {"id": identifier})
    assert stub.targets == [f"GET /v1/{segment}/end"]


def test_query_is_encoded_without_none_values(stub: Stub, transport: Transport) -> None:
    stub.on("*", json_reply({}))
    transport.send(
        Endpoint("GET", "/look", Empty),
        query={"s": "a b+c&d=e/ü", "n": 5, "yes": True, "no": False, "none": None, "via": ["x.org", "y.org"]},
    )
    transport.send(Endpoint("GET", "/look", Empty), query={"none": None})
    assert stub.targets == [
        "GET /look?s=a%20b%2Bc%26d%3De%2F%C3%BC&n=5&yes=true&no=false&via=x.org&via=y.org",
        "GET /look",
    ]


def test_body_distinguishes_omitted_from_null(stub: Stub, transport: Transport) -> None:
    stub.on("*", json_reply({}))
    transport.send(PUT, body={"kept": msgspec.UNSET, "cleared": None, "name": "ü"})
    assert stub.requests[-1].json == {"cleared": None, "name": "ü"}
    assert stub.requests[-1].headers["content-type"] == "application/json"


def test_invalid_unicode_is_refused_before_the_journal(stub: Stub, transport: Transport, file: Path) -> None:
    for more in ({"body": {"name": "\udcff"}}, {"query": {"name": "\udcff"}}):
        with pytest.raises(UsageError, match="not valid Unicode"):
            transport.send(PUT, **more)
    assert stub.targets == []
    assert not file.exists()


def test_netrc_is_not_read(stub: Stub, transport: Transport, tmp_path: Path) -> None:
    for folder in (tmp_path, tmp_path / "home"):
        netrc = folder / ".netrc"
        netrc.write_text("default login root password hunter2\n")
        netrc.chmod(0o600)
    stub.on("/look", json_reply({"name": "door"}))
    transport.send(GET)
    with way_to(stub.url) as anonymous:
        anonymous.send(GET)
    assert [request.headers.get("authorization") for request in stub.requests] == [f"Bearer {TOKEN}", None]


def test_proxy_is_not_used_for_loopback(stub: Stub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", nobody_there())
    monkeypatch.setenv("no_proxy", "")
    stub.on("/look", json_reply({"name": "door"}))
    with way_to(stub.url, TOKEN) as transport:
        assert transport.send(GET).name == "door"


def test_proxy_is_used_for_other_machines(stub: Stub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", stub.url)
    monkeypatch.setenv("no_proxy", "")
    stub.on("*", json_reply({"name": "door"}))
    with way_to("http://matrix.invalid", TOKEN) as transport:
        assert transport.send(GET).name == "door"
    assert stub.targets == ["GET http://matrix.invalid/look"]


# Retries


@pytest.mark.parametrize(
    "endpoint", [GET, PUT, IDEMPOTENT_POST], ids=["GET", "PUT", "POST that may be repeated"]
)
@pytest.mark.parametrize("failure", [BROKEN, Reply(502, b"<html>"), Reply(503), Reply(504)])
def test_idempotent_request_is_retried_after_a_lost_answer(
    endpoint: Endpoint[Any], failure: Reply, stub: Stub, transport: Transport, naps: list[float]
) -> None:
    stub.on(endpoint.path, failure, failure, json_reply({"name": "door"}))
    transport.send(endpoint, body={} if endpoint.changes else None)
    assert len(stub.targets) == 3
    assert len(naps) == 2
    assert 0 < naps[0] < naps[1]


@pytest.mark.parametrize("failure", [BROKEN, Reply(502, b"<html>"), Reply(503), Reply(504)])
def test_post_that_may_have_been_carried_out_is_not_repeated(
    failure: Reply, stub: Stub, transport: Transport, naps: list[float]
) -> None:
    stub.on("/door", failure)
    with pytest.raises(SynadminError):
        transport.send(POST, body={})
    assert stub.targets == ["POST /door"]
    assert naps == []


NOT_FOUND = refused(404, "M_NOT_FOUND", "No such token")
GET_DOOR = Endpoint("GET", "/door/{id}", Door)
DELETE = Endpoint("DELETE", "/doors/{id}", Empty)
DELETE_VERIFIED = Endpoint("DELETE", "/doors/{id}", Empty, absent=GET_DOOR)


@pytest.mark.parametrize("lost", [BROKEN, Reply(502, b"<html>"), Reply(504)])
@pytest.mark.parametrize("endpoint", [DELETE, Endpoint("PUT", "/doors/{id}", Empty)])
def test_not_found_after_a_lost_answer_may_mean_done(
    endpoint: Endpoint[Any], lost: Reply, stub: Stub, transport: Transport, file: Path
) -> None:
    stub.on("/doors/a", lost, NOT_FOUND)
    with pytest.raises(UnknownOutcomeError, match="may have been carried out") as caught:
        transport.send(endpoint, {"id": "a"})
    assert caught.value.sent
    assert caught.value.answer.reason == "No such token"
    # The outcome is unknown, so the journal has no refusal.
    assert [(line["status"], line["errcode"]) for line in entries(file)] == [(None, None)]


def test_deletion_with_a_lost_answer_is_verified_with_get(
    stub: Stub, transport: Transport, file: Path
) -> None:
    stub.on("/doors/a", BROKEN, NOT_FOUND)
    stub.on("/door/a", NOT_FOUND)
    assert transport.send(DELETE_VERIFIED, {"id": "a"}) == Empty()
    assert [line["status"] for line in entries(file)] == [200]
    stub.on("/doors/a", BROKEN, NOT_FOUND)
    for still_there in (json_reply({"name": "a"}), refused(500, "M_UNKNOWN")):
        stub.on("/door/a", still_there)
        stub.on("/doors/a", BROKEN, NOT_FOUND)
        with pytest.raises(UnknownOutcomeError):
            transport.send(DELETE_VERIFIED, {"id": "a"})


def test_unknown_target_is_not_found_without_a_lost_answer(stub: Stub, transport: Transport) -> None:
    stub.on("/doors/a", refused(429, "M_LIMIT_EXCEEDED", retry_after_ms=1), NOT_FOUND)
    with pytest.raises(NotFoundError):
        transport.send(DELETE_VERIFIED, {"id": "a"})


@pytest.mark.parametrize("endpoint", [GET, POST])
def test_retries_are_bounded(endpoint: Endpoint[Any], naps: list[float]) -> None:
    with (
        way_to(nobody_there(), TOKEN) as transport,
        pytest.raises(ConnectError, match="refuses the connection") as caught,
    ):
        transport.send(endpoint)
    assert not caught.value.sent
    assert len(naps) == 3


@pytest.mark.parametrize("status", [500, 501, 400, 404, 401])
def test_answered_request_is_not_repeated(status: int, stub: Stub, transport: Transport) -> None:
    stub.on("/look", refused(status, "M_UNKNOWN"))
    with pytest.raises(MatrixError):
        transport.send(GET)
    assert len(stub.targets) == 1


def test_timeout_ends_the_request_and_a_post_is_not_repeated(stub: Stub, file: Path) -> None:
    stub.on("/door", SILENT)
    with (
        way_to(stub.url, TOKEN, timeout=0.3, journal=Journal(file)) as transport,
        pytest.raises(ConnectError, match=r"did not answer within 0\.3 s") as caught,
    ):
        transport.send(POST, body={})
    assert caught.value.sent
    assert stub.targets == ["POST /door"]
    assert [(line["status"], line["errcode"]) for line in entries(file)] == [(None, None)]


# Rate limits


def test_rate_limit_waits_as_long_as_the_server_asks(stub: Stub, naps: list[float]) -> None:
    stub.on(
        "/door",
        refused(429, "M_LIMIT_EXCEEDED", retry_after_ms=1500),
        json_reply({"errcode": "M_LIMIT_EXCEEDED"}, 429, Retry_After="7"),
        refused(429, "M_LIMIT_EXCEEDED", retry_after_ms=250),
        json_reply({}),
    )
    messages: list[str] = []
    with way_to(stub.url, TOKEN, notify=messages.append) as transport:
        transport.send(IDEMPOTENT_POST, body={})
    assert naps == [1.5, 7.0, 0.25]
    assert messages == [
        f"the server asks to wait {seconds} s before the next request: waiting"
        for seconds in ("2", "7", "0.2")
    ]


@pytest.mark.parametrize("first", [0, 20_000])
def test_rate_limit_wait_is_bounded(first: int, stub: Stub, naps: list[float]) -> None:
    stub.on(
        "/door",
        refused(429, "M_LIMIT_EXCEEDED", retry_after_ms=first),
        refused(429, "M_LIMIT_EXCEEDED", "Too Many Requests", retry_after_ms=45_000),
    )
    with (
        way_to(stub.url, TOKEN, longest_wait=44.0 if not first else 60.0) as transport,
        pytest.raises(RateLimitedError, match="Too Many Requests") as caught,
    ):
        transport.send(IDEMPOTENT_POST, body={})
    assert caught.value.retry_after == 45.0
    assert sum(naps) <= 20.1


@pytest.mark.parametrize("retry_after", [0, -5, "soon", None, True, 1e-9])
def test_rate_limit_without_a_time_ends(retry_after: object, stub: Stub, naps: list[float]) -> None:
    stub.on("/door", refused(429, "M_LIMIT_EXCEEDED", retry_after_ms=retry_after))
    with way_to(stub.url, TOKEN, longest_wait=3.0) as transport, pytest.raises(RateLimitedError):
        transport.send(IDEMPOTENT_POST, body={})
    assert len(stub.targets) <= 31
    assert all(nap >= 0.1 for nap in naps)


@pytest.mark.parametrize("number", ["1" + "0" * 400, "1e400", "NaN", "Infinity"])
def test_invalid_rate_limit_time_is_not_awaited(number: str, stub: Stub, naps: list[float]) -> None:
    body = f'{{"errcode": "M_LIMIT_EXCEEDED", "error": "no", "retry_after_ms": {number}}}'
    stub.on("/door", Reply(429, body.encode()))
    with way_to(stub.url, TOKEN, longest_wait=1.0) as transport, pytest.raises(RateLimitedError):
        transport.send(IDEMPOTENT_POST, body={})
    assert sum(naps) <= 1.0


def test_post_is_not_repeated_after_429(stub: Stub, transport: Transport) -> None:
    stub.on("/door", refused(429, "M_LIMIT_EXCEEDED", retry_after_ms=1))
    with pytest.raises(RateLimitedError):
        transport.send(POST, body={})
    assert stub.targets == ["POST /door"]


# Redirects


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308, 304])
@pytest.mark.parametrize(
    "location", ["/elsewhere", "https://evil.example/steal", "http://[::1", "\u2713", ""]
)
def test_redirects_are_not_followed(status: int, location: str, stub: Stub, transport: Transport) -> None:
    stub.on("/door", Reply(status, b"", {"Location": location.encode().decode("latin-1")}))
    with pytest.raises(
        ReplyError, match=rf"POST /door: the server redirects to .*\(HTTP {status}\)"
    ) as caught:
        transport.send(POST, body={"a": 1})
    assert stub.targets == ["POST /door"]
    assert caught.value.hint == "set the homeserver to where it redirects; redirects are not followed"


# Errors and malformed answers


@pytest.mark.parametrize(
    ("status", "errcode", "kind"),
    [
        (401, "M_UNKNOWN_TOKEN", NotAuthenticatedError),
        (401, "M_MISSING_TOKEN", NotAuthenticatedError),
        (401, "M_USER_LOCKED", NotAuthenticatedError),
        (403, "M_FORBIDDEN", NotPermittedError),
        (403, "M_UNKNOWN_TOKEN", NotAuthenticatedError),  # the errcode comes first
        (404, "M_NOT_FOUND", NotFoundError),
        (400, "M_NOT_FOUND", NotFoundError),
        (404, "M_UNRECOGNIZED", NotSupportedError),
        (405, "M_UNRECOGNIZED", NotSupportedError),
        (400, "M_UNKNOWN", MatrixError),
        (429, "M_LIMIT_EXCEEDED", RateLimitedError),
        (500, "M_UNKNOWN", ServerError),
    ],
)
def test_error_is_classified_by_errcode_then_status(
    status: int, errcode: str, kind: type[MatrixError], stub: Stub, transport: Transport
) -> None:
    stub.on("/door", refused(status, errcode, "the server's words"))
    with pytest.raises(MatrixError) as caught:
        transport.send(POST, body={})
    assert type(caught.value) is kind
    assert str(caught.value) == f"the server's words ({errcode}, HTTP {status})"


@pytest.mark.parametrize(
    ("reply", "kind"),
    [
        (Reply(404, b"<html>not here</html>"), NotSupportedError),  # a proxy's 404 says nothing about rooms
        (Reply(403, b"<html>go away</html>"), NotPermittedError),
        (Reply(400, b"[]"), MatrixError),
        (Reply(400, b'"text"'), MatrixError),
        (Reply(400, b'{"errcode": 5, "error": []}'), MatrixError),
        (Reply(400, b"\xff\xfe"), MatrixError),
        (Reply(400, b"[" * 100_000), MatrixError),
    ],
)
def test_malformed_error_is_one_line(
    reply: Reply, kind: type[MatrixError], stub: Stub, transport: Transport
) -> None:
    stub.on("/door", reply)
    with pytest.raises(MatrixError) as caught:
        transport.send(POST, body={})
    assert type(caught.value) is kind
    assert "\n" not in str(caught.value)
    assert "POST /door" in str(caught.value)
    assert len(str(caught.value)) < 200


@pytest.mark.parametrize("status", [500, 502, 503, 504])
def test_change_answered_by_a_proxy_may_have_been_carried_out(
    status: int, stub: Stub, transport: Transport, naps: list[float]
) -> None:
    del naps
    stub.on("*", Reply(status, b"<html>no</html>"))
    for change in (POST, PUT):
        with pytest.raises(UnknownOutcomeError, match="The server may have carried it out") as caught:
            transport.send(change, body={})
        assert caught.value.sent
        assert "\n" not in str(caught.value)
    with pytest.raises(ServerError):
        transport.send(GET)


@pytest.mark.parametrize("reply", [HTML, Reply(302, b"", {"Location": "https://elsewhere.example/"})])
def test_change_with_an_unusable_answer_may_have_been_carried_out(
    reply: Reply, stub: Stub, transport: Transport
) -> None:
    stub.on("*", reply)
    with pytest.raises(ReplyError, match="The server may have carried it out") as changed:
        transport.send(POST, body={})
    assert changed.value.sent
    with pytest.raises(ReplyError) as read_error:
        transport.send(GET)
    assert not read_error.value.sent


def test_error_text_of_the_server_is_bounded(stub: Stub, transport: Transport) -> None:
    stub.on("/door", refused(400, "M_UNKNOWN", "x" * 1_000_000))
    with pytest.raises(MatrixError) as caught:
        transport.send(POST, body={})
    assert len(str(caught.value)) < 1100


@pytest.mark.parametrize(
    ("reply", "words"),
    [
        (HTML, "the answer is a web page, not JSON"),
        (EMPTY, "the answer is empty"),
        (Reply(204, b""), "the answer is empty"),
        (Reply(200, b" \n"), "the answer is empty"),
        (json_reply([]), "the answer has another shape"),
        (json_reply({"title": "door"}), "the answer has another shape"),
        (json_reply({"name": None}), "the answer has another shape"),
        (json_reply({"name": ["door"]}), "the answer has another shape"),
        (Reply(200, b"null"), "the answer has another shape"),
        (Reply(200, b'{"name": "do'), "the answer has another shape"),
        (Reply(200, b'{"name": "\xff"}'), "the answer has another shape"),
        (Reply(200, b"[" * 100_000), "the answer has another shape"),
        (Reply(200, b'{"x":' + b"[" * 100_000 + b"]" * 100_000 + b"}"), "the answer has another shape"),
        (
            Reply(200, b"not gzip", {"Content-Encoding": "gzip"}),
            "the answer cannot be used: its compression is not valid",
        ),
    ],
)
def test_non_matrix_answer_is_named_in_one_line(
    reply: Reply, words: str, stub: Stub, transport: Transport
) -> None:
    stub.on("/look", reply)
    with pytest.raises((ReplyError, ConnectError), match=words) as caught:
        transport.send(GET)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 200


def test_compressed_answer_is_read(stub: Stub, transport: Transport) -> None:
    stub.on("/look", Reply(200, gzip.compress(b'{"name": "door"}'), {"Content-Encoding": "gzip"}))
    assert transport.send(GET).name == "door"


@pytest.mark.parametrize(
    "raw",
    [
        b"this is no HTTP\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"HTTP/1.1 abc\r\n\r\n",
        b"\x16\x03\x01\x00",
        b"SSH-2.0-OpenSSH_9.2\r\n",
    ],
)
def test_peer_without_http_is_reported(raw: bytes, stub: Stub, transport: Transport) -> None:
    stub.on("/door", Reply(raw=raw))
    with pytest.raises(ConnectError) as caught:
        transport.send(POST, body={})
    assert caught.value.sent
    assert str(caught.value).startswith(stub.url.removeprefix("http://"))
    assert "\n" not in str(caught.value)
    assert stub.targets == ["POST /door"]


# Unreachable servers


def test_unresolved_name_means_not_sent(naps: list[float]) -> None:
    with (
        way_to("https://matrix.invalid", TOKEN) as transport,
        pytest.raises(ConnectError, match=r"matrix\.invalid cannot be found: DNS ") as caught,
    ):
        transport.send(GET)
    assert not caught.value.sent
    assert len(naps) == 3


@pytest.mark.parametrize("host", [".example.org", "a..b", "a" * 70 + ".example", "*.example.org"])
def test_invalid_host_is_a_settings_error(host: str, naps: list[float]) -> None:
    with way_to(f"https://{host}", TOKEN) as transport, pytest.raises(SettingsError, match="not a URL"):
        transport.send(GET)
    assert naps == []


def test_server_without_tls_is_one_clear_line(stub: Stub, naps: list[float]) -> None:
    del naps
    with (
        way_to(stub.url.replace("http://", "https://"), TOKEN) as transport,
        pytest.raises(ConnectError) as caught,
    ):
        transport.send(GET)
    assert "\n" not in str(caught.value)


def test_untrusted_certificate_is_reported_with_a_hint(tmp_path: Path, naps: list[float]) -> None:
    path = certificate(tmp_path)
    with Stub(path) as secure:
        secure.on("/look", json_reply({"name": "door"}))
        with (
            way_to(secure.url, TOKEN) as transport,
            pytest.raises(ConnectError, match="certificate") as caught,
        ):
            transport.send(POST)
        assert caught.value.hint == "a certificate of your own authority is named with SYNADMIN_CA_FILE"
        assert not caught.value.sent
        assert (secure.requests, naps) == ([], [])
        with way_to(secure.url, TOKEN, ca_file=str(path), owner=UserId(ADMIN)) as transport:
            assert transport.send(GET).name == "door"
            with transport.as_user(UserId("@bob:example.org"), "syt_bob") as other:
                assert other.send(GET).name == "door"


def test_earlier_error_is_not_reported_for_a_later_one(naps: list[float]) -> None:
    del naps
    with way_to(nobody_there(), TOKEN) as transport:
        try:
            message = "an earlier error"
            raise TimeoutError(message)  # noqa: TRY301
        except TimeoutError:
            with pytest.raises(ConnectError, match="refuses the connection") as caught:
                transport.send(POST)
    assert not caught.value.sent


# The token


@pytest.mark.parametrize("token", ["syt_a\nb", "syt_a\r\nX-Evil: 1", "syt a", "syt_ä", ""])
def test_invalid_token_is_refused_without_its_text(token: str, stub: Stub) -> None:
    with pytest.raises(SettingsError) as caught:
        way_to(stub.url, token)
    assert "syt" not in str(caught.value)
    assert stub.requests == []


@pytest.mark.parametrize("reply", [BROKEN, refused(401, "M_UNKNOWN_TOKEN"), HTML, Reply(301), SILENT])
def test_token_is_not_in_traceback_trace_or_repr(reply: Reply, stub: Stub, naps: list[float]) -> None:
    del naps
    stub.on("/look", reply)
    traced: list[str] = []
    with way_to(stub.url, TOKEN, timeout=0.2, trace=traced.append) as transport:
        with pytest.raises(SynadminError) as caught:
            transport.send(GET)
        text = "".join(traceback.format_exception(caught.value)) + repr(caught.value) + repr(transport)
    assert traced
    assert TOKEN not in text + "".join(traced)
    assert "requests.exceptions" not in text  # no exception of requests is raised, not even as a cause


def test_trace_has_method_path_status_and_time(stub: Stub) -> None:
    traced: list[str] = []
    stub.on("*", json_reply({}))
    with way_to(stub.url, TOKEN, trace=traced.append) as transport:
        transport.send(Endpoint("GET", "/x/{id}", Empty), {"id": "!a"}, query={"limit": 0})
    (line,) = traced
    assert line.startswith("GET /x/%21a?limit=0 -> 200 (")


def test_owner_of_the_token_is_requested_once(stub: Stub, transport: Transport) -> None:
    assert (transport.owner(), transport.owner()) == (ADMIN, ADMIN)
    assert len(stub.requests) == 1


@pytest.mark.parametrize("reply", [json_reply({}), json_reply({"user_id": 5}), json_reply([]), EMPTY, HTML])
def test_no_change_is_sent_without_a_known_owner(reply: Reply, stub: Stub, transport: Transport) -> None:
    stub.on(WHOAMI, reply)
    with pytest.raises(ReplyError):
        transport.send(POST, body={})
    assert stub.targets == []


# The journal


def test_change_is_on_disk_before_it_is_sent(stub: Stub, transport: Transport, file: Path) -> None:
    seen: list[dict[str, Any]] = []

    def read_journal(request: Request) -> None:
        if request.target == "/door":
            seen.extend(entries(file))

    stub.on_request = read_journal
    stub.on("/door", json_reply({}))
    transport.send(PUT, body={"name": "door", "password": "hunter2"})
    (before,) = seen
    assert before["status"] is None
    (after,) = entries(file)
    assert after == before | {"status": 200}
    assert (after["server"], after["user"], after["on_behalf_of"]) == (stub.url, ADMIN, None)
    assert (after["method"], after["path"]) == ("PUT", "/door")
    assert after["body"] == {"name": "door", "password": "(removed)"}
    assert TOKEN.encode() not in file.read_bytes()


def test_reading_is_not_journaled(stub: Stub, transport: Transport, file: Path) -> None:
    stub.on("*", json_reply({"name": "x"}))
    transport.send(GET)
    transport.send(Endpoint("POST", "/search", Door, reads=True), body={})
    assert not file.exists()


@pytest.mark.parametrize(
    ("reply", "recorded"),
    [
        (refused(403, "M_FORBIDDEN"), (403, "M_FORBIDDEN")),
        (refused(500, "M_UNKNOWN"), (500, "M_UNKNOWN")),
        (Reply(502, b"<html>"), (None, None)),
        (BROKEN, (None, None)),
        (HTML, (200, None)),
    ],
)
def test_journal_records_the_result_of_a_change(
    reply: Reply, recorded: tuple[int | None, str | None], stub: Stub, transport: Transport, file: Path
) -> None:
    stub.on("/door", reply)
    with pytest.raises(SynadminError):
        transport.send(POST, body={})
    assert [(line["status"], line["errcode"]) for line in entries(file)] == [recorded]


def test_unsent_change_differs_from_a_lost_answer(file: Path, naps: list[float]) -> None:
    del naps
    with (
        way_to(nobody_there(), TOKEN, journal=Journal(file), owner=UserId(ADMIN)) as transport,
        pytest.raises(ConnectError),
    ):
        transport.send(PUT, body={})
    assert [(line["status"], line["errcode"]) for line in entries(file)] == [(None, "NOT_SENT")]


def test_change_that_an_earlier_attempt_may_have_made_is_unknown(
    stub: Stub, transport: Transport, file: Path
) -> None:
    transport.owner()
    stub.on("/door", BROKEN)
    # After the first attempt the server is gone.
    stub.on_request = lambda _: stub.leave()
    with pytest.raises(ConnectError, match="refuses the connection") as caught:
        transport.send(PUT, body={})
    assert caught.value.sent
    assert [(line["status"], line["errcode"]) for line in entries(file)] == [(None, None)]


def test_unwritable_journal_stops_changes_not_reads(stub: Stub, tmp_path: Path) -> None:
    stub.on("*", json_reply({"name": "door"}))
    with way_to(stub.url, TOKEN, journal=Journal(tmp_path)) as transport:
        with pytest.raises(JournalError, match="nothing was changed"):
            transport.send(PUT, body={})
        assert transport.send(GET).name == "door"
    assert stub.targets == ["GET /look"]


def test_impersonated_change_is_journaled_with_both_users(
    stub: Stub, transport: Transport, file: Path
) -> None:
    stub.on("*", json_reply({}))
    with transport.as_user(UserId("@bob:example.org"), "syt_bob") as other:
        other.send(PUT, body={})
    assert stub.requests[-1].headers["authorization"] == "Bearer syt_bob"
    (line,) = entries(file)
    assert (line["user"], line["on_behalf_of"]) == (ADMIN, "@bob:example.org")
    assert "syt_bob" not in file.read_text()


def test_dry_run_sends_and_journals_no_change(stub: Stub, transport: Transport, file: Path) -> None:
    with transport.dry_run() as dry_run:
        with pytest.raises(DryRunStop):
            dry_run.send(PUT, body={})
        with dry_run.as_user(UserId("@bob:example.org"), "syt_bob") as other, pytest.raises(DryRunStop):
            other.send(PUT, body={})
    assert stub.targets == []
    assert not file.exists()


# The homeserver's URL


@pytest.mark.parametrize(
    ("url", "base"),
    [
        ("https://matrix.example.org", "https://matrix.example.org"),
        ("https://matrix.example.org/", "https://matrix.example.org"),
        ("HTTPS://matrix.example.org:8448", "https://matrix.example.org:8448"),
        ("http://127.0.0.1:8008", "http://127.0.0.1:8008"),
        ("http://[::1]:8008", "http://[::1]:8008"),
        ("http://localhost:8008", "http://localhost:8008"),
        ("http://matrix.localhost", "http://matrix.localhost"),
    ],
)
def test_base_url_loses_its_trailing_slash(url: str, base: str) -> None:
    assert checked_homeserver(url) == base


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("", "is not a URL"),
        ("matrix.example.org", "is not a URL"),
        ("matrix.example.org:8448", "is not a URL"),
        ("//matrix.example.org", "is not a URL"),
        ("ftp://matrix.example.org", "is not a URL"),
        ("https://", "is not a URL"),
        ("https://[::1", "is not a URL"),
        ("https://example.org:port", "is not a URL"),
        ("https://example.org:99999", "is not a URL"),
        ("https://exämple.org", "is not a URL"),
        ("https://example.org\nX", "is not a URL"),
        ("https://exa mple.org", "is not a URL"),
        ("https://example.org/_matrix", "has a path: give the base URL alone, https://example.org"),
        ("https://example.org/?x=1", "has a path"),
        ("https://example.org#x", "has a path"),
        ("https://root:hunter2@example.org", "must not hold a user name or password"),
        ("ftp://root:hunter2@example.org", "must not hold a user name or password"),
        ("https://root:hunter2@example.org:99999", "must not hold a user name or password"),
    ],
)
def test_invalid_base_url_is_one_clear_line(url: str, words: str) -> None:
    with pytest.raises(SettingsError, match=words) as caught:
        checked_homeserver(url)
    assert "\n" not in str(caught.value)
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize(
    "host", ["matrix.example.org", "10.0.0.5", "127.evil.example", "localhost.example", "192.168.127.1"]
)
def test_token_over_plain_http_needs_a_setting(host: str) -> None:
    with pytest.raises(SettingsError, match="plain http would send the token readable") as caught:
        checked_homeserver(f"http://{host}")
    assert caught.value.hint is not None
    assert checked_homeserver(f"http://{host}", allow_plain_http=True) == f"http://{host}"
