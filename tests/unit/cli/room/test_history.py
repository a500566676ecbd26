"""``room purge-history``: what it asks, and a server that gives up."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.unit.stub import refused, told

if TYPE_CHECKING:
    from tests.unit.cli.conftest import Synadmin
    from tests.unit.stub import Stub

ROOM = "!club:example.org"
DETAILS = "/_synapse/admin/v1/rooms/%21club%3Aexample.org"
PURGE = "/_synapse/admin/v1/purge_history/%21club%3Aexample.org"
STATUS = "/_synapse/admin/v1/purge_history_status/P1"


def test_a_purge_that_fails_is_told_in_the_servers_words(signed_in: Stub, synadmin: Synadmin) -> None:
    signed_in.on(PURGE, told({"purge_id": "P1"}))
    signed_in.on(STATUS, told({"status": "active"}), told({"status": "failed", "error": "disk full\x1b[1m"}))

    answer = synadmin("room", "purge-history", ROOM, "--before", "90d", "--yes")

    answer.assert_is_one_clear_line(code=1)
    assert f"purging the history of {ROOM}: failed, disk full\\x1b[1m" in answer.stderr


def test_an_event_that_the_server_does_not_have_is_found_out_before_asking(
    signed_in: Stub, synadmin: Synadmin
) -> None:
    signed_in.on("*", refused(404, "M_NOT_FOUND", "Event not found"))

    answer = synadmin("room", "purge-history", ROOM, "--before", "$gone")

    answer.assert_is_one_clear_line(code=4)
    assert not [target for target in signed_in.targets if target.startswith("POST")]


def test_without_an_answer_nothing_is_purged(signed_in: Stub, synadmin: Synadmin) -> None:
    signed_in.on(DETAILS, told({"room_id": ROOM, "name": "Club", "joined_members": 3}))

    answer = synadmin("room", "purge-history", ROOM, "--before", "2026-01-31")

    answer.assert_is_one_clear_line(code=2)
    assert not [target for target in signed_in.targets if target.startswith("POST")]
