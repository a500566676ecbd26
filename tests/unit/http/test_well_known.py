"""Discovery of the base URL for a server name, with all kinds of invalid well-known files."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from synadmin.errors import ConnectError, ReplyError, SettingsError, SynadminError
from synadmin.http.well_known import base_url
from tests.unit.stub import BROKEN, EMPTY, HTML, SILENT, Reply, Stub, certificate, json_reply, nobody_there

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

PATH = "/.well-known/matrix/client"


@pytest.fixture(scope="module")
def ca_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return certificate(tmp_path_factory.mktemp("tls"))


@pytest.fixture
def secure(ca_file: Path) -> Iterator[Stub]:
    with Stub(ca_file) as server:
        yield server


@pytest.mark.parametrize("url", ["https://matrix.example.org", "http://127.0.0.1:8008", "ftp://x"])
def test_url_is_not_discovered(url: str) -> None:
    assert base_url(url, timeout=1, ca_file=None) == url


@pytest.mark.parametrize(
    "text", ["", "exa mple.org", "köln.example", "example.org/path", "a_b", "@alice:example.org"]
)
def test_invalid_homeserver_is_a_settings_error(text: str) -> None:
    with pytest.raises(SettingsError, match=r"is neither a URL .* nor a server name"):
        base_url(text, timeout=1, ca_file=None)


def test_server_name_is_discovered_by_well_known(secure: Stub, ca_file: Path) -> None:
    secure.on(
        PATH,
        json_reply({"m.homeserver": {"base_url": "https://matrix.example.org"}, "m.identity_server": {}}),
    )
    assert base_url(secure.server_name, timeout=2, ca_file=str(ca_file)) == "https://matrix.example.org"


def test_ca_file_goes_before_the_environment(
    secure: Stub, ca_file: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificate(tmp_path_factory.mktemp("another"))))
    secure.on(PATH, json_reply({"m.homeserver": {"base_url": "https://matrix.example.org"}}))
    assert base_url(secure.server_name, timeout=2, ca_file=str(ca_file)) == "https://matrix.example.org"


def test_https_redirect_is_followed(secure: Stub, ca_file: Path) -> None:
    secure.on(PATH, Reply(302, b"", {"Location": "/moved"}))
    secure.on("/moved", json_reply({"m.homeserver": {"base_url": "https://matrix.example.org"}}))
    assert base_url(secure.server_name, timeout=2, ca_file=str(ca_file)) == "https://matrix.example.org"


def test_netrc_password_is_not_sent(secure: Stub, ca_file: Path, tmp_path: Path) -> None:
    netrc = tmp_path / "home" / ".netrc"
    netrc.write_text("default login root password hunter2\n")
    netrc.chmod(0o600)
    secure.on(PATH, json_reply({"m.homeserver": {"base_url": "https://matrix.example.org"}}))
    base_url(secure.server_name, timeout=2, ca_file=str(ca_file))
    assert "authorization" not in secure.requests[0].headers


@pytest.mark.parametrize(
    "location", ["http://example.org/x", "https://[::1", "http://[::1", "ftp://x", "javascript:x"]
)
def test_non_https_redirect_is_not_followed(location: str, secure: Stub, ca_file: Path) -> None:
    secure.on(PATH, Reply(301, b"", {"Location": location}))
    with pytest.raises(ReplyError, match="which is no https:// URL"):
        base_url(secure.server_name, timeout=2, ca_file=str(ca_file))
    assert len(secure.requests) == 1


def test_circular_redirects_end(secure: Stub, ca_file: Path) -> None:
    secure.on(PATH, Reply(302, b'{"m.homeserver": {"base_url": "https://x.org"}}', {"Location": PATH}))
    with pytest.raises(ReplyError, match="redirects more than 5 times"):
        base_url(secure.server_name, timeout=2, ca_file=str(ca_file))
    assert len(secure.requests) == 6


@pytest.mark.parametrize(
    "reply",
    [
        HTML,
        EMPTY,
        json_reply({}),
        json_reply([]),
        json_reply({"m.homeserver": None}),
        json_reply({"m.homeserver": "https://matrix.example.org"}),
        json_reply({"m.homeserver": {"base_url": 5}}),
        Reply(200, b"\xff\xfe"),
        Reply(200, b"[" * 100_000),
        Reply(200, b'{"m.homeserver": {"base_url": "https://' + b"x" * 200_000 + b'"}}'),
        Reply(404, b"<html>"),
        Reply(500),
        Reply(301),
        BROKEN,
        Reply(200, b"no gzip", {"Content-Encoding": "gzip"}),
        Reply(raw=b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n"),
        Reply(raw=b"HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n{"),
        Reply(raw=b"nonsense\r\n"),
    ],
)
def test_well_known_without_homeserver_is_one_line_with_a_hint(
    reply: Reply, secure: Stub, ca_file: Path
) -> None:
    secure.on(PATH, reply)
    with pytest.raises((ReplyError, ConnectError)) as caught:
        base_url(secure.server_name, timeout=2, ca_file=str(ca_file))
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 200
    name = secure.server_name
    tls_or_not = f"https://{name}, or http://{name} where it does not use TLS"
    assert caught.value.hint == f"if {name} is the homeserver itself, write {tls_or_not}"


def test_silent_server_ends_at_the_timeout(secure: Stub, ca_file: Path) -> None:
    secure.on(PATH, SILENT)
    with pytest.raises(ConnectError, match="cannot be reached"):
        base_url(secure.server_name, timeout=0.2, ca_file=str(ca_file))


@pytest.mark.parametrize("name", ["a..b", "matrix.invalid", "x" * 70 + ".example"])
def test_unresolved_name_is_reported(name: str) -> None:
    with pytest.raises(SynadminError, match=r"looks like a server name, but .* cannot be reached"):
        base_url(name, timeout=1, ca_file=None)


def test_homeserver_without_tls_is_reported(stub: Stub) -> None:
    for name in (stub.server_name, nobody_there().removeprefix("http://")):
        with pytest.raises(SettingsError, match="has no scheme") as caught:
            base_url(name, timeout=1, ca_file=None)
        assert caught.value.hint == f"write https://{name}, or http:// on this machine"
