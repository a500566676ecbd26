"""Identifiers: which are valid, and how they are encoded in a path."""

from __future__ import annotations

from urllib.parse import unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from synadmin.errors import UsageError
from synadmin.ids import (
    encoded,
    is_server_name,
    parse_alias,
    parse_event_id,
    parse_media_id,
    parse_room,
    parse_room_id,
    parse_server_name,
    parse_user_id,
    server_name_of,
)


@pytest.mark.parametrize(
    "text",
    [
        "@alice:example.org",
        "@alice:example.org:8448",
        "@alice:[2001:db8::1]:8448",
        "@alice:1.2.3.4",
        "@a/b?c#d%e:example.org",  # historical user ids hold any printable ASCII
        "@ALICE:example.org",
        "@:example.org",
        "@irc_nick|away:example.org",
    ],
)
def test_user_id_is_kept_as_typed(text: str) -> None:
    assert parse_user_id(text) == text


@pytest.mark.parametrize(
    "text",
    [
        "",
        "@",
        "alice",
        "alice:example.org",
        "@alice",
        "@alice:",
        "@al ice:example.org",
        "@alice:exa mple.org",
        "@alice:example.org/path",
        "@alice:example.org?x=1",
        "@alice:example.org#x",
        "@alice:https://example.org",
        "@alice:example.org:0",
        "@alice:example.org:99999",
        "@alice:example.org:port",
        "@ålice:example.org",
        "@alice:exämple.org",
        "@alice:example.org\n",
        "@alice\n:example.org",
        "@alice:example.org\x1b[31m",
        "@\u202eecila:example.org",
        "@\udcff:example.org",
        "@" + "a" * 255 + ":example.org",
        "!room:example.org",
        "#alias:example.org",
    ],
)
def test_invalid_user_id_is_one_printable_line(text: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_user_id(text)
    assert "is not a user id" in str(caught.value)
    assert str(caught.value).isprintable()
    assert str(caught.value).isascii()


def test_localpart_is_completed_with_the_homeserver() -> None:
    assert parse_user_id("alice", home="example.org") == "@alice:example.org"
    assert parse_user_id("alice", home="localhost:8448") == "@alice:localhost:8448"
    assert parse_user_id("@bob:other.example", home="example.org") == "@bob:other.example"


@pytest.mark.parametrize("text", ["", "al ice", "alice:example.org", "ålice", "alice\n"])
def test_invalid_localpart_is_not_completed(text: str) -> None:
    with pytest.raises(UsageError):
        parse_user_id(text, home="example.org")


@pytest.mark.parametrize(
    "text",
    [
        "!abc:example.org",
        "!kqiYUDJ4YGpI0R6xM2YdcXYQz7xQ1VTGzK6QzT3JvXU",  # version 12: no server
        "!a/b?c#d%e:example.org",
        "!with%2fpercent",
        "!abc:example.org:8448",
    ],
)
def test_room_id_is_kept_as_typed(text: str) -> None:
    assert parse_room_id(text) == text
    assert parse_room(text) == text


@pytest.mark.parametrize(
    "text",
    [
        "",
        "!",
        "!abc:",
        "!:example.org",
        "!a b",
        "!a b:example.org",
        "!abc\n",
        "!äbc",
        "!abc:exa/mple",
        "!" + "a" * 300,
    ],
)
def test_invalid_room_id_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="is not a room id"):
        parse_room_id(text)
    with pytest.raises(UsageError):
        parse_room(text)


@pytest.mark.parametrize(
    "text", ["#club:example.org", "#a/b?c#d%e:example.org", "#Köln:example.org", "#two words:example.org"]
)
def test_alias_may_have_any_text(text: str) -> None:
    assert parse_alias(text) == text
    assert parse_room(text) == text


@pytest.mark.parametrize(
    "text",
    [
        "#",
        "#club",
        "#:example.org",
        "#club:",
        "#cl\nub:example.org",
        "#cl\x1b[2Jub:example.org",
        "#cl\udcffub:example.org",
        "#club:exa mple",
        "#" + "ü" * 130 + ":example.org",
    ],
)
def test_invalid_alias_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="is not a room alias"):
        parse_alias(text)


def test_alias_without_a_server_name_hints_at_it() -> None:
    with pytest.raises(UsageError, match="it lacks the server name") as caught:
        parse_room("#committee")
    assert caught.value.hint == "write '#committee:SERVER', in single quotes"


def test_room_is_given_by_id_or_alias() -> None:
    with pytest.raises(UsageError, match=r'"club" is neither a room id .* nor an alias'):
        parse_room("club")


@pytest.mark.parametrize("text", ["$abc", "$abc:example.org", "$a/b+c-_="])
def test_event_id_is_kept_as_typed(text: str) -> None:
    assert parse_event_id(text) == text


@pytest.mark.parametrize("text", ["", "$", "abc", "$a b", "$abc\n", "$ä", "$" + "a" * 255])
def test_invalid_event_id_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="is not an event id"):
        parse_event_id(text)


@pytest.mark.parametrize(
    "text", ["example.org", "localhost:8448", "1.2.3.4", "[::1]", "[2001:db8::1]:8448", "xn--kln-sna.de"]
)
def test_server_name_is_a_host_with_optional_port(text: str) -> None:
    assert parse_server_name(text) == text


@pytest.mark.parametrize(
    "text",
    [
        "",
        "https://example.org",
        "example.org/",
        "exa mple",
        "köln.de",
        "example.org:",
        "example.org:70000",
        "a_b.org",
        "::1",
    ],
)
def test_invalid_server_name_is_refused(text: str) -> None:
    assert not is_server_name(text)
    with pytest.raises(UsageError, match="is not a server name"):
        parse_server_name(text)


def test_server_name_follows_the_first_colon() -> None:
    assert server_name_of("@alice:localhost:8448") == "localhost:8448"
    assert server_name_of("!version12") == ""


@given(st.text(st.characters(exclude_categories=["Cs"]), min_size=1))
def test_encoded_id_is_one_path_segment(identifier: str) -> None:
    segment = encoded(identifier)
    assert unquote(segment) == identifier
    assert not set(segment) & set("/?#&+=;: \\")
    assert segment not in {".", ".."}
    assert segment.isascii()


def test_invalid_unicode_is_refused() -> None:
    with pytest.raises(UsageError, match="not valid Unicode"):
        encoded("abc\udcff")


@pytest.mark.parametrize(
    ("text", "item"),
    [
        ("mxc://example.org/AbCdEf", ("example.org", "AbCdEf")),
        ("example.org:8448/AbCdEf", ("example.org:8448", "AbCdEf")),
        ("mxc://[::1]/2026-11-21_AbC", ("[::1]", "2026-11-21_AbC")),
        ("AbCdEf", ("home.example", "AbCdEf")),
        ("example.org/a%2Fb", ("example.org", "a%2Fb")),
    ],
)
def test_media_id_is_parsed(text: str, item: tuple[str, str]) -> None:
    assert parse_media_id(text, home="home.example") == item
    assert str(parse_media_id(text, home="home.example")) == "mxc://{}/{}".format(*item)


@pytest.mark.parametrize(
    "text",
    ["", "mxc://", "mxc://AbCdEf", "example.org/", "/AbCdEf", "a b/c", "b.example/c/d", "b.example/c?d", "ä"],
)
def test_invalid_media_id_is_refused(text: str) -> None:
    with pytest.raises(UsageError):
        parse_media_id(text, home="home.example")


def test_media_id_without_a_server_needs_the_homeserver() -> None:
    with pytest.raises(UsageError):
        parse_media_id("AbCdEf")
