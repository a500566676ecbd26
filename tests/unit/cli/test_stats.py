"""``synadmin stats``: statistics that need PostgreSQL; the live tests have no PostgreSQL."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.unit.stub import json_reply, refused

if TYPE_CHECKING:
    from tests.unit.cli.conftest import Synadmin
    from tests.unit.stub import Stub

ROOMS = "/_synapse/admin/v1/statistics/database/rooms"


def test_largest_rooms_are_printed(signed_in: Stub, synadmin: Synadmin) -> None:
    signed_in.on(ROOMS, json_reply({"rooms": [{"room_id": "!a:example.org", "estimated_size": 473}]}))

    result = synadmin("stats", "rooms")

    assert result.stdout.splitlines()[-1].split() == ["!a:example.org", "473"]


def test_error_on_a_sqlite_server_names_the_cause(signed_in: Stub, synadmin: Synadmin) -> None:
    signed_in.on(ROOMS, refused(400, "M_UNKNOWN", "Endpoint requires using PostgreSQL"))

    result = synadmin("stats", "rooms")

    result.assert_one_line_error(code=1)
    assert "this Synapse uses SQLite" in result.stderr


def test_failure_of_synapse_without_statistics_is_explained(signed_in: Stub, synadmin: Synadmin) -> None:
    signed_in.on(ROOMS, refused(500, "M_UNKNOWN", "Internal server error"))

    result = synadmin("stats", "rooms")

    result.assert_one_line_error(code=1)
    assert "no statistics of a table" in result.stderr
