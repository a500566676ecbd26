from __future__ import annotations

import pytest

from synadmin.delegation.https_files import Fetched
from synadmin.delegation.well_known import FileKind, cache_seconds, client_file, server_file
from synadmin.http.reader import Answer

URL = "https://example.org/.well-known/matrix/server"


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"cache-control": "max-age=600"}, 600),
        ({"cache-control": 'public, MAX-AGE="600"'}, 600),
        ({"cache-control": "no-store"}, 0),
        ({"cache-control": "private, no-cache"}, 0),
        ({"cache-control": "max-age=soon"}, None),
        ({"cache-control": "max-age=٣"}, None),
        (
            {"expires": "Sun, 01 Mar 2026 01:00:00 GMT", "date": "Sun, 01 Mar 2026 00:00:00 GMT"},
            3600,
        ),
        ({"expires": "Sun, 01 Mar 2026 01:00:00 GMT", "date": "Sun, 01 Mar 2026 02:00:00 GMT"}, 0),
        ({"expires": "0"}, 0),
        ({"cache-control": "max-age=60", "expires": "0"}, 60),
    ],
)
def test_cache_headers_are_read_as_in_synapse(headers: dict[str, str], seconds: int | None) -> None:
    assert cache_seconds(headers) == seconds


@pytest.mark.parametrize(
    ("header", "sentence"),
    [
        (None, "other servers keep it for 24 hours (no cache headers)"),
        ("max-age=3600", "other servers keep it for 60 minutes"),
        ("max-age=7200", "other servers keep it for 2 hours"),
        ("max-age=1", "other servers keep it for 5 minutes"),
        (
            "max-age=604800",
            "other servers keep it for 48 hours; the file asks for 168, but 48 is the limit",
        ),
        ("no-store", "other servers ask for it anew each time (its cache headers say so)"),
    ],
)
def test_cache_period_is_reported(header: str | None, sentence: str) -> None:
    headers = {"content-type": "application/json; charset=utf-8"}
    if header is not None:
        headers["cache-control"] = header

    file = server_file(Fetched(URL, Answer(200, headers, b'{"m.server": "matrix.example.org"}')))

    assert (file.kind, file.remarks) == (FileKind.FOUND, (sentence,))


@pytest.mark.parametrize(
    ("fetched", "kind"),
    [
        (Fetched(URL, problem="refused", absent=True), FileKind.ABSENT),
        (Fetched(URL, problem="timed out"), FileKind.UNREACHABLE),
        (Fetched(URL, problem="expired", insecure=True), FileKind.INVALID),
        (Fetched(URL, problem="circle", misdirected=True), FileKind.INVALID),
        (Fetched(URL, Answer(404)), FileKind.ABSENT),
        (Fetched(URL, Answer(410)), FileKind.ABSENT),
        (Fetched(URL, Answer(403)), FileKind.INVALID),
        (Fetched(URL, Answer(503)), FileKind.UNREACHABLE),
        (Fetched(URL, Answer(200, content=b"{}")), FileKind.INVALID),
        (Fetched(URL, Answer(200, content=b'{"m.server": "a.example"}', cut=True)), FileKind.INVALID),
        (Fetched(URL, Answer(200, content=b'{"m.server": "a.example"}')), FileKind.FOUND),
    ],
)
def test_well_known_answers_are_classified(fetched: Fetched, kind: FileKind) -> None:
    assert server_file(fetched).kind is kind


@pytest.mark.parametrize(
    ("base_url", "kept"),
    [
        ("https://matrix.example.org", "https://matrix.example.org"),
        ("https://matrix.example.org/", "https://matrix.example.org"),
        ("https://example.org:8443/matrix", "https://example.org:8443/matrix"),
        ("http://matrix.example.org", None),
        ("matrix.example.org", None),
        ("https://", None),
        ("https://a b", None),
        ("https://a.example:99999", None),
        ("https://[::1", None),
        ("https://a.example/?x", None),
        ("", None),
    ],
)
def test_base_url_is_usable_by_clients(base_url: str, kept: str | None) -> None:
    body = f'{{"m.homeserver": {{"base_url": "{base_url}"}}}}'.encode()

    file = client_file(Fetched(URL, Answer(200, {"access-control-allow-origin": "*"}, body)))

    assert file.base_url == kept
    assert file.kind is (FileKind.FOUND if kept else FileKind.INVALID)


@pytest.mark.parametrize(
    ("header", "cors"), [("*", True), ("*, *", False), ("https://a.example", False), (None, False)]
)
def test_client_file_needs_the_cors_header(header: str | None, cors: bool) -> None:
    headers = {} if header is None else {"access-control-allow-origin": header}
    body = b'{"m.homeserver": {"base_url": "https://a.example"}}'

    assert client_file(Fetched(URL, Answer(200, headers, body))).cors is cors
