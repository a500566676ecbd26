"""``room delete``: deletions that fail or are followed, and options that are refused."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from tests.unit.stub import json_reply, refused

if TYPE_CHECKING:
    from tests.unit.cli.conftest import Synadmin
    from tests.unit.stub import Reply, Stub

ROOM = "!spam:example.org"
V1 = "/_synapse/admin/v1/rooms/%21spam%3Aexample.org"
V2 = "/_synapse/admin/v2/rooms/%21spam%3Aexample.org"
DELETIONS = f"{V2}/delete_status"
STATUS = "/_synapse/admin/v2/rooms/delete_status/D1"
UNKNOWN = refused(404, "M_NOT_FOUND", "Room not found")


def shutdown_result(*failed: str) -> dict[str, object]:
    return {
        "kicked_users": ["@bob:example.org"],
        "failed_to_kick_users": list(failed),
        "local_aliases": [],
        "new_room_id": None,
    }


@pytest.fixture
def server(signed_in: Stub) -> Stub:
    """A server with the room; its deletion succeeds."""
    signed_in.on(
        V1, json_reply({"room_id": ROOM, "name": "Spam", "joined_members": 3, "joined_local_members": 2})
    )
    signed_in.on(f"{V1}/members", UNKNOWN)
    signed_in.on(V2, json_reply({"delete_id": "D1"}))
    set_finished_deletion(signed_in, "complete", shutdown_result())
    return signed_in


def set_finished_deletion(stub: Stub, status: str, result: object) -> None:
    task = {"delete_id": "D1", "room_id": ROOM, "status": status, "shutdown_room": result}
    stub.on(STATUS, json_reply(task | {"status": "scheduled", "shutdown_room": None}), json_reply(task))


def test_deletion_asks_and_changes_nothing_before(server: Stub, synadmin: Synadmin) -> None:
    server.on(
        f"{V1}/members", json_reply({"members": ["@eve:example.org", "@away:other.example"], "total": 2})
    )

    result = synadmin("room", "delete", ROOM, "--block")

    assert result.code == 2
    # The counts in the room details are statistics, so synadmin counts the members.
    assert "Spam: !spam:example.org, 2 members, 1 of them local" in result.stderr
    assert not [target for target in server.targets if target.startswith("DELETE")]


def test_removed_members_are_listed(server: Stub, synadmin: Synadmin) -> None:
    result = synadmin("room", "delete", ROOM, "--yes")

    assert result.code == 0
    assert result.stdout.splitlines()[2].split() == [ROOM, "done", "@bob:example.org", "-", "-"]
    assert server.targets.count(f"DELETE {V2}") == 1


def test_deletion_with_failed_members_is_failed(server: Stub, synadmin: Synadmin) -> None:
    set_finished_deletion(server, "complete", shutdown_result("@eve:example.org"))

    result = synadmin("room", "delete", ROOM, "--yes", "-o", "json")

    (record,) = json.loads(result.stdout)
    assert (result.code, record["outcome"]) == (6, "partly")
    assert "@eve:example.org" in record["message"]
    assert "delete-status D1" in record["message"]


def test_room_that_still_exists_is_failed(server: Stub, synadmin: Synadmin) -> None:
    server.on(f"{V1}/members", json_reply({"members": [], "total": 0}))

    result = synadmin("room", "delete", ROOM, "--yes")

    result.assert_one_line_error(code=1)
    assert "still in the database" in result.stderr


def test_deletion_with_local_members_left_is_failed(server: Stub, synadmin: Synadmin) -> None:
    members = ["@eve:example.org", "@away:other.example"]
    server.on(f"{V1}/members", json_reply({"members": members, "total": 2}))

    result = synadmin("room", "delete", ROOM, "--no-purge", "--yes")

    result.assert_one_line_error(code=1)
    assert "1 user of this server still in !spam:example.org: @eve:example.org" in result.stderr


def test_reason_of_a_failed_deletion_is_read_from_the_tasks(server: Stub, synadmin: Synadmin) -> None:
    set_finished_deletion(server, "failed", None)
    task = {"id": "D1", "action": "shutdown_and_purge_room", "status": "failed", "timestamp_ms": 1}
    tasks = [task | {"id": "D0", "error": "another"}, task | {"error": "400: Users are still joined"}]
    server.on("/_synapse/admin/v1/scheduled_tasks", json_reply({"scheduled_tasks": tasks}))

    result = synadmin("room", "delete", ROOM, "--yes")

    result.assert_one_line_error(code=1)
    assert "deleting !spam:example.org: failed, 400: Users are still joined" in result.stderr


def deletions(status: str) -> Reply:
    return json_reply({"results": [{"delete_id": "D1", "room_id": ROOM, "status": status}]})


@pytest.mark.parametrize("is_known", [True, False])
def test_deletion_under_way_is_followed(server: Stub, synadmin: Synadmin, *, is_known: bool) -> None:
    server.on(V2, refused(400, "M_UNKNOWN", f"Purge already in progress for {ROOM}"))
    server.on(DELETIONS, deletions("active") if is_known else UNKNOWN)

    result = synadmin("room", "delete", ROOM, "--yes", "-o", "json")

    if is_known:
        assert result.code == 0, result.stderr
        assert json.loads(result.stdout)[0]["kicked_users"] == ["@bob:example.org"]
    else:
        result.assert_one_line_error(code=1)
        assert f"`synadmin room delete-status '{ROOM}' --wait`" in result.stderr


def test_unknown_room_is_not_deleted(server: Stub, synadmin: Synadmin) -> None:
    server.on(V1, UNKNOWN)
    server.on(DELETIONS, UNKNOWN)

    result = synadmin("room", "delete", ROOM, "--yes")

    result.assert_one_line_error(code=4)
    assert not [target for target in server.targets if target.startswith("DELETE")]


def test_deleted_room_is_done(server: Stub, synadmin: Synadmin) -> None:
    server.on(V1, UNKNOWN)
    server.on(DELETIONS, deletions("complete"))

    result = synadmin("room", "delete", ROOM, "--yes", "-o", "json")

    assert result.code == 0, result.stderr
    (record,) = json.loads(result.stdout)
    assert (record["outcome"], record["message"], record["delete_id"]) == ("done", "already deleted", "D1")
    assert not [target for target in server.targets if target.startswith("DELETE")]


@pytest.mark.parametrize(
    "options",
    [
        ("--force-purge", "--no-purge"),
        ("--room-name", "New"),
        ("--message", "Hello"),
        ("--at-once", "--no-wait"),
        ("--new-room-user", "@eve:other.example"),
        ("--new-room-user", "no one"),
    ],
)
def test_invalid_options_are_refused_before_any_request(
    server: Stub, synadmin: Synadmin, options: tuple[str, ...]
) -> None:
    result = synadmin("room", "delete", ROOM, "--yes", *options)

    result.assert_one_line_error(code=2)
    assert server.targets == []


def test_synchronous_deletion_reads_no_status(server: Stub, synadmin: Synadmin) -> None:
    server.on(V1, json_reply({"room_id": ROOM}), json_reply(shutdown_result()))

    result = synadmin("room", "delete", ROOM, "--at-once", "--yes")

    assert result.code == 0
    assert server.targets == [f"GET {V1}", f"DELETE {V1}", f"GET {V1}/members"]


def test_followed_deletion_with_members_left_is_failed(server: Stub, synadmin: Synadmin) -> None:
    set_finished_deletion(server, "complete", shutdown_result("@eve:example.org"))

    status = synadmin("room", "delete-status", "D1")
    followed = synadmin("room", "delete-status", "D1", "--wait")

    assert status.code == 0
    assert followed.code == 1
    assert "@eve:example.org" in followed.stdout
    assert followed.stderr.startswith("synadmin: 1 user could not be removed")


@pytest.fixture
def empty(server: Stub) -> Stub:
    """A server with a room without local members."""
    room = {"room_id": ROOM, "joined_members": 0, "joined_local_members": 0}
    server.on("/_synapse/admin/v1/rooms", json_reply({"rooms": [room], "total_rooms": 1, "offset": 0}))
    server.on(f"{V1}/members", json_reply({"members": [], "total": 0}), UNKNOWN)
    event = {"type": "m.room.member", "sender": "@bob:example.org", "content": {}, "origin_server_ts": 1}
    last = event | {"event_id": "$last", "state_key": "@bob:example.org"}
    server.on(f"{V1}/messages", json_reply({"chunk": [last], "start": "a", "end": "b"}))
    invited = [
        last | {"state_key": user, "content": {"membership": membership}}
        for user, membership in {
            "@eve:example.org": "invite",
            "@away:other.example": "invite",
            "@bob:example.org": "leave",
        }.items()
    ]
    context = {"events_before": [], "event": last, "events_after": [], "start": "a", "end": "b"}
    server.on(f"{V1}/context/%24last", json_reply(context | {"state": invited}))
    return server


def test_deletion_of_empty_rooms_names_invitations(empty: Stub, synadmin: Synadmin) -> None:
    result = synadmin("room", "delete", "--empty", "--yes", "-o", "name")
    assert (result.code, result.stdout) == (0, f"{ROOM}\n"), result
    assert result.stderr.startswith(f"warning: '{ROOM}' has 1 invited local user: @eve:example.org. ")
    assert empty.targets.count(f"DELETE {V2}") == 1


def test_invitations_are_unknown_without_state_events(empty: Stub, synadmin: Synadmin) -> None:
    empty.on(f"{V1}/messages", json_reply({"chunk": [], "start": "a"}))
    empty.on(f"{V1}/members", json_reply({"members": [], "total": 0}))
    result = synadmin("room", "delete", "--empty")
    assert result.code == 2
    assert result.stderr.startswith(f"warning: it is unknown whether local users are invited to '{ROOM}'.\n")
    assert (
        "1 room will be deleted. The history is deleted from the database. This cannot be undone. Continue?"
        in result.stderr
    )
    without_purge = synadmin("room", "delete", "--empty", "--no-purge")
    assert "1 room will be deleted. The history stays in the database." in without_purge.stderr


def test_room_joined_meanwhile_is_not_deleted(empty: Stub, synadmin: Synadmin) -> None:
    joined = json_reply({"members": ["@eve:example.org"], "total": 1})
    empty.on(f"{V1}/members", json_reply({"members": [], "total": 0}), joined)
    result = synadmin("room", "delete", "--empty", "--yes")
    assert (result.code, result.stdout) == (5, "")
    assert "a local user is in the room now: @eve:example.org. Nothing was changed" in result.stderr
    assert not [target for target in empty.targets if target.startswith("DELETE")]


@pytest.mark.parametrize("others", [[ROOM], ["--from", "-"], ["--new-room-user", "alice"]], ids=str)
def test_empty_and_named_rooms_are_exclusive(server: Stub, synadmin: Synadmin, others: list[str]) -> None:
    result = synadmin("room", "delete", "--empty", *others, "--yes")
    result.assert_one_line_error(code=2)
    assert ("--empty takes no rooms: leave out ROOM or --empty" in result.stderr) == (others == [ROOM])
    synadmin("room", "delete", "--yes").assert_one_line_error(code=2)
    assert server.targets == []
