"""``room purge-history``: the question, an unknown event, and a purge that fails."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.unit.stub import json_reply, refused

if TYPE_CHECKING:
    from tests.unit.cli.conftest import Synadmin
    from tests.unit.stub import Stub

ROOM = "!club:example.org"
DETAILS = "/_synapse/admin/v1/rooms/%21club%3Aexample.org"
PURGE = "/_synapse/admin/v1/purge_history/%21club%3Aexample.org"
STATUS = "/_synapse/admin/v1/purge_history_status/P1"


def test_failed_purge_quotes_the_server(signed_in: Stub, synadmin: Synadmin) -> None:
    signed_in.on(PURGE, json_reply({"purge_id": "P1"}))
    signed_in.on(
        STATUS,
        json_reply({"status": "active"}),
        json_reply({"status": "failed", "error": "disk full\x1b[1m"}),
    )

    result = synadmin("room", "purge-history", ROOM, "--before", "90d", "--yes")

    result.assert_one_line_error(code=1)
    assert f"purging the history of {ROOM}: failed, disk full\\x1b[1m" in result.stderr


def test_unknown_event_is_detected_before_the_question(signed_in: Stub, synadmin: Synadmin) -> None:
    signed_in.on("*", refused(404, "M_NOT_FOUND", "Event not found"))

    result = synadmin("room", "purge-history", ROOM, "--before", "$gone")

    result.assert_one_line_error(code=4)
    assert not [target for target in signed_in.targets if target.startswith("POST")]


def test_nothing_is_purged_without_an_answer(signed_in: Stub, synadmin: Synadmin) -> None:
    signed_in.on(DETAILS, json_reply({"room_id": ROOM, "name": "Club", "joined_members": 3}))

    result = synadmin("room", "purge-history", ROOM, "--before", "2026-01-31")

    result.assert_one_line_error(code=2)
    assert not [target for target in signed_in.targets if target.startswith("POST")]
