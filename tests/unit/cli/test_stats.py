"""``synadmin stats``: what Synapse has with PostgreSQL only, which the live tests are without."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.unit.stub import json_reply, refused

if TYPE_CHECKING:
    from tests.unit.cli.conftest import Synadmin
    from tests.unit.stub import Stub

ROOMS = "/_synapse/admin/v1/statistics/database/rooms"


def test_largest_rooms_are_printed(signed_in: Stub, synadmin: Synadmin) -> None:
    signed_in.on(ROOMS, json_reply({"rooms": [{"room_id": "!a:example.org", "estimated_size": 473}]}))

    answer = synadmin("stats", "rooms")

    assert answer.stdout.splitlines()[-1].split() == ["!a:example.org", "473"]


def test_sqlite_server_is_told_what_is_missing(signed_in: Stub, synadmin: Synadmin) -> None:
    signed_in.on(ROOMS, refused(400, "M_UNKNOWN", "Endpoint requires using PostgreSQL"))

    answer = synadmin("stats", "rooms")

    answer.assert_is_one_clear_line(code=1)
    assert "this Synapse uses SQLite" in answer.stderr


def test_failure_of_synapse_without_statistics_is_explained(signed_in: Stub, synadmin: Synadmin) -> None:
    signed_in.on(ROOMS, refused(500, "M_UNKNOWN", "Internal server error"))

    answer = synadmin("stats", "rooms")

    answer.assert_is_one_clear_line(code=1)
    assert "no statistics of a table" in answer.stderr
