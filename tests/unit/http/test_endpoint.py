"""Endpoints as data, and records that keep every field."""

from __future__ import annotations

from typing import Any

import pytest

from synadmin.http.answers import decoded
from synadmin.http.endpoint import Endpoint, Record


class Door(Record, frozen=True, kw_only=True):
    name: str
    open: bool = False


def test_parameter_is_one_path_segment() -> None:
    endpoint = Endpoint("GET", "/v1/rooms/{room_id}/state/{type}/{key}", dict[str, Any])
    filled = endpoint.filled({"room_id": "!a/b?c#d%2f e:ex.org", "type": "..", "key": ""})
    assert filled == "/v1/rooms/%21a%2Fb%3Fc%23d%252f%20e%3Aex.org/state/%2E%2E/"


def test_brace_in_an_id_is_not_a_parameter() -> None:
    assert Endpoint("GET", "/{a}", Door).filled({"a": "{b}"}) == "/%7Bb%7D"


@pytest.mark.parametrize(
    ("method", "options", "changes", "repeatable"),
    [
        ("GET", {}, False, True),
        ("PUT", {}, True, True),
        ("DELETE", {}, True, True),
        ("POST", {}, True, False),
        ("POST", {"idempotent": True}, True, True),
        ("POST", {"reads": True}, False, False),
    ],
)
def test_endpoint_says_whether_it_changes_something_and_may_be_repeated(
    method: str, options: dict[str, bool], changes: bool, repeatable: bool
) -> None:
    endpoint = Endpoint(method, "/", Door, **options)  # type: ignore[arg-type]
    assert (endpoint.changes, endpoint.repeatable) == (changes, repeatable)


def test_record_keeps_every_field() -> None:
    raw = b'{"name":"front","colour":{"r":1.0},"big":123456789012345678901234567890,"none":null}'
    door = decoded(Endpoint("GET", "/", Door), raw)
    assert (door.name, door.open) == ("front", False)
    assert door.as_sent() == {
        "name": "front",
        "colour": {"r": 1.0},
        "big": 123456789012345678901234567890,
        "none": None,
    }
    assert "open" not in door.as_sent()  # our default is not part of the answer


def test_record_made_locally_shows_its_fields() -> None:
    assert Door(name="back").as_sent() == {"name": "back", "open": False}
