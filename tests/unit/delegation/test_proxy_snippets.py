from __future__ import annotations

import json

import pytest

from synadmin.delegation.names import parse_name
from synadmin.delegation.proxy_snippets import base_url, files, snippets
from synadmin.errors import UsageError

_NAME, _TO = parse_name("example.org"), parse_name("matrix.example.org:443")


def test_well_known_files_match_the_specification() -> None:
    content = {path: json.loads(text) for path, text in files(_TO, "https://matrix.example.org").items()}

    assert content == {
        "/.well-known/matrix/server": {"m.server": "matrix.example.org:443"},
        "/.well-known/matrix/client": {"m.homeserver": {"base_url": "https://matrix.example.org"}},
    }


def test_each_proxy_snippet_has_the_cors_header() -> None:
    found = snippets(_NAME, _TO, "https://matrix.example.org")

    assert set(found) == {"nginx", "apache", "caddy", "haproxy"}
    assert all("Access-Control-Allow-Origin" in text for text in found.values())
    assert all('"m.server": "matrix.example.org:443"' in found[key] for key in ("nginx", "caddy", "haproxy"))


@pytest.mark.parametrize(
    ("text", "url"),
    [
        (None, "https://matrix.example.org"),
        ("https://a.example", "https://a.example"),
        ("https://a.example/", "https://a.example"),
        ("https://a.example:8443/m_x/y", "https://a.example:8443/m_x/y"),
        ("https://[2001:db8::1]:8443", "https://[2001:db8::1]:8443"),
    ],
)
def test_base_url_defaults_to_the_host(text: str | None, url: str) -> None:
    assert base_url(text, _TO) == url


@pytest.mark.parametrize(
    "text",
    [
        "",
        "a.example",
        "http://a.example",
        "https://",
        "https://a.example/'",
        "https://a.example/`",
        "https://a.example/$x",
        "https://a.example/{x}",
        "https://a.example/\n",
        'https://a.example/"',
        "https://a.example:0",
        "https://a b",
    ],
)
def test_snippet_values_cannot_end_a_string(text: str) -> None:
    with pytest.raises(UsageError):
        base_url(text, _TO)
