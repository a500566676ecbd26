"""``room make-admin`` on many rooms with Synapse's default rate limits: rows 20 to 22 of the table."""

from __future__ import annotations

import itertools
import json
import signal
from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest

from synadmin.errors import RateLimitedError
from synadmin.ids import encoded
from synadmin.sandbox.homeserver import Homeserver
from tests.live.conftest import running
from tests.live.differential import Reply, call_make_room_admin, room_state
from tests.written import journal_of

if TYPE_CHECKING:
    import subprocess
    from contextlib import AbstractContextManager
    from pathlib import Path

    from synadmin.ids import RoomId, UserId
    from synadmin.sandbox.accounts import Person
    from tests.live.conftest import Newcomer, Synadmin

_numbers = itertools.count(1)


def new_admin(server: Homeserver) -> Person:
    """Register a server admin without invitations: the rate limit counts invitations by invited user."""
    return server.register(f"admin-{next(_numbers)}", admin=True)


def lost_rooms(server: Homeserver, promoter: Person, count: int) -> list[RoomId]:
    """Make private rooms in which only the promoter has power."""
    with server.admin.lifted_limits(promoter):
        return [promoter.create_room(f"Lost {number}") for number in range(1, count + 1)]


def rate_limit_override(person: Person) -> tuple[int | None, int | None]:
    limits = person.synapse.users.ratelimit(person.user_id)
    return limits.messages_per_second, limits.burst_count


def history(admin: Person, room_id: RoomId, caller: UserId) -> Counter[str]:
    """Count the power levels events and the membership events of the admin in the history of a room."""
    path = f"/_synapse/admin/v1/rooms/{encoded(room_id)}/messages"
    events: list[dict[str, Any]] = admin.call("GET", path, query={"limit": 200, "dir": "b"})["chunk"]
    counts: Counter[str] = Counter()
    for event in events:
        if event["type"] == "m.room.power_levels":
            counts["levels"] += 1
        elif event.get("state_key") == caller:
            counts[event["content"]["membership"]] += 1
    return counts


# The first of the power levels events is part of the creation of the room.
REGAINED = {"levels": 2, "invite": 1, "join": 1}


# Synapse's rate limits


def test_row_20_sixth_private_room_of_a_promoter_hits_the_rate_limit(
    default_limits: Homeserver, newcomer: Newcomer
) -> None:
    promoter = newcomer("promoter", server=default_limits)
    rooms = lost_rooms(default_limits, promoter, 6)
    targets = [newcomer("target", server=default_limits).user_id for _ in rooms]
    admin = new_admin(default_limits)
    replies = [
        call_make_room_admin(admin.synapse, room_id, target)
        for room_id, target in zip(rooms, targets, strict=True)
    ]
    assert [reply.status for reply in replies] == [200] * 5 + [429]
    assert replies[-1].errcode == "M_LIMIT_EXCEEDED"


def test_row_21_sixth_invitation_is_not_sent_but_the_level_is_given(
    default_limits: Homeserver, newcomer: Newcomer
) -> None:
    admin = new_admin(default_limits)
    for _ in range(5):
        (room_id,) = lost_rooms(default_limits, newcomer("promoter", server=default_limits), 1)
        assert call_make_room_admin(admin.synapse, room_id, admin.user_id) == Reply(200)
    (room_id,) = lost_rooms(default_limits, newcomer("promoter", server=default_limits), 1)
    with pytest.raises(RateLimitedError) as caught:
        admin.synapse.rooms.make_admin(room_id, user_id=admin.user_id)
    assert caught.value.retry_after is not None
    assert 300 < caught.value.retry_after < 340
    after = room_state(admin, room_id, admin.user_id)
    assert after.content is not None
    assert after.content["users"][admin.user_id] == 100
    assert after.membership is None


def test_row_22_override_on_the_caller_lifts_all_limits(
    default_limits: Homeserver, newcomer: Newcomer
) -> None:
    promoter = newcomer("promoter", server=default_limits)
    rooms = lost_rooms(default_limits, promoter, 18)
    admin = new_admin(default_limits)
    with default_limits.admin.lifted_limits(admin):
        assert [call_make_room_admin(admin.synapse, room, admin.user_id).status for room in rooms[:12]] == [
            200
        ] * 12
    with default_limits.admin.lifted_limits(promoter):
        assert [call_make_room_admin(admin.synapse, room, admin.user_id).status for room in rooms[12:]] == [
            200
        ] * 5 + [429]


# The command


def running_make_admin(
    home: Path, server: Homeserver, acting: Person, rooms: list[RoomId]
) -> AbstractContextManager[subprocess.Popen[str]]:
    """Start the command for these rooms in the background."""
    return running(home, server.url, acting, "room", "make-admin", *rooms, "--yes", "-o", "ndjson")


def read_records(process: subprocess.Popen[str], count: int) -> list[dict[str, Any]]:
    assert process.stdout is not None
    return [json.loads(process.stdout.readline()) for _ in range(count)]


def test_thirty_private_rooms_are_regained_without_rate_limit_waits(
    default_limits: Homeserver, newcomer: Newcomer, synadmin: Synadmin
) -> None:
    caller = new_admin(default_limits)
    rooms = lost_rooms(default_limits, newcomer("promoter", server=default_limits), 30)
    arguments = ("room", "make-admin", "--from", "-", "--yes", "-o", "ndjson")
    answer = synadmin(*arguments, server=default_limits, acting=caller, stdin="\n".join(rooms))
    assert answer.code == 0, answer.stderr
    records = [json.loads(line) for line in answer.stdout.splitlines()]
    assert [record["room_id"] for record in records] == rooms
    assert {(record["outcome"], record["control"]) for record in records} == {("done", True)}
    assert answer.stderr.splitlines()[-1] == "30 rooms: 30 done."
    assert "the server asks to wait" not in answer.stderr
    assert rate_limit_override(caller) == (None, None)
    for room_id in rooms:
        assert history(caller, room_id, caller.user_id) == REGAINED
        after = room_state(caller, room_id, caller.user_id)
        assert after.content is not None
        assert (after.content["users"][caller.user_id], after.membership) == (100, "join")

    again = synadmin(*arguments, server=default_limits, acting=caller, stdin="\n".join(rooms))
    assert again.code == 0
    assert all(json.loads(line)["steps"] == [] for line in again.stdout.splitlines())
    assert all(history(caller, room_id, caller.user_id) == REGAINED for room_id in rooms)


@pytest.mark.parametrize("earlier", [(5, 50), (0, 0)], ids=["custom limits", "no limits"])
def test_earlier_rate_limit_override_is_restored(
    default_limits: Homeserver, newcomer: Newcomer, synadmin: Synadmin, earlier: tuple[int, int]
) -> None:
    caller = new_admin(default_limits)
    rooms = lost_rooms(default_limits, newcomer("promoter", server=default_limits), 7)
    caller.synapse.users.set_ratelimit(caller.user_id, messages_per_second=earlier[0], burst_count=earlier[1])
    answer = synadmin("room", "make-admin", *rooms, "--yes", server=default_limits, acting=caller)
    assert answer.code == 0, answer.stderr
    assert rate_limit_override(caller) == earlier


def test_next_run_finishes_a_killed_run_without_repeating_changes(
    default_limits: Homeserver, newcomer: Newcomer, tmp_path: Path
) -> None:
    caller = new_admin(default_limits)
    rooms = lost_rooms(default_limits, newcomer("promoter", server=default_limits), 30)
    for count in (7, 16):
        with running_make_admin(tmp_path, default_limits, caller, rooms) as process:
            read_records(process, count)
            process.kill()
        assert rate_limit_override(caller) == (0, 0), "the run was killed too late for the test"
    with running_make_admin(tmp_path, default_limits, caller, rooms) as process:
        stdout, stderr = process.communicate()
    assert process.returncode == 0, stderr
    assert "before it could revert this" in stderr
    records = [json.loads(line) for line in stdout.splitlines()]
    assert [(record["outcome"], record["control"]) for record in records] == [("done", True)] * 30
    assert rate_limit_override(caller) == (None, None)
    for room_id in rooms:
        assert history(caller, room_id, caller.user_id) == REGAINED


def test_run_on_one_room_reverts_temporary_changes_of_a_killed_run(
    default_limits: Homeserver, newcomer: Newcomer, synadmin: Synadmin, tmp_path: Path
) -> None:
    caller = new_admin(default_limits)
    caller.synapse.users.set_ratelimit(caller.user_id, messages_per_second=7, burst_count=70)
    rooms = lost_rooms(default_limits, newcomer("promoter", server=default_limits), 8)
    with running_make_admin(tmp_path, default_limits, caller, rooms) as process:
        read_records(process, 2)
        process.kill()
    assert rate_limit_override(caller) == (0, 0)
    answer = synadmin("room", "make-admin", rooms[0], "--yes", server=default_limits, acting=caller)
    assert answer.code == 0, answer.stderr
    assert rate_limit_override(caller) == (7, 70)


@pytest.mark.parametrize(
    "number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP], ids=lambda number: number.name
)
def test_interrupted_run_restores_rate_limits_at_once(
    default_limits: Homeserver, newcomer: Newcomer, tmp_path: Path, number: signal.Signals
) -> None:
    caller = new_admin(default_limits)
    rooms = lost_rooms(default_limits, newcomer("promoter", server=default_limits), 12)
    with running_make_admin(tmp_path, default_limits, caller, rooms) as process:
        finished = read_records(process, 2)
        assert rate_limit_override(caller) == (0, 0)
        process.send_signal(number)
        stdout, stderr = process.communicate()
    finished += [json.loads(line) for line in stdout.splitlines()]
    # The room that the interruption stopped. There is none if it came between two rooms.
    interrupted_rooms = [record for record in finished if record["reason"] == "interrupted"]
    assert [record["outcome"] for record in interrupted_rooms] in ([], ["failed"])
    finished = [record for record in finished if record not in interrupted_rooms]
    assert process.returncode == 130
    assert rate_limit_override(caller) == (None, None)
    assert len(finished) < 12, "the run was interrupted too late for the test"
    assert "synadmin: interrupted" in stderr
    assert f"{len(finished)} done" in stderr or f"{len(finished) - 1} done" in stderr
    assert "Traceback" not in stderr
    # Reported rooms are regained. Rooms that were not started are unchanged.
    for room_id in rooms[: len(finished)]:
        assert history(caller, room_id, caller.user_id) == REGAINED
    for room_id in rooms[len(finished) + 2 :]:
        assert history(caller, room_id, caller.user_id) == {"levels": 1}


def test_few_rooms_do_not_change_rate_limits(
    default_limits: Homeserver, newcomer: Newcomer, synadmin: Synadmin, tmp_path: Path
) -> None:
    caller = new_admin(default_limits)
    rooms = lost_rooms(default_limits, newcomer("promoter", server=default_limits), 3)
    answer = synadmin("room", "make-admin", *rooms, "--yes", server=default_limits, acting=caller)
    assert answer.code == 0, answer.stderr
    journal = journal_of(tmp_path)
    assert "make_room_admin" in journal
    assert "override_ratelimit" not in journal


def test_room_without_its_invitation_is_failed_until_a_later_run(
    default_limits: Homeserver, newcomer: Newcomer, synadmin: Synadmin
) -> None:
    caller, friend = new_admin(default_limits), newcomer("friend", server=default_limits)
    for room_id in lost_rooms(default_limits, friend, 5):
        friend.invite(room_id, caller)
    promoter = newcomer("promoter", server=default_limits)
    (room_id,) = lost_rooms(default_limits, promoter, 1)
    arguments = ("room", "make-admin", room_id, "--yes", "-o", "json")
    for levels in ((0, 100), (100, 100)):
        answer = synadmin(*arguments, server=default_limits, acting=caller)
        (record,) = json.loads(answer.stdout)
        assert (answer.code, record["outcome"], record["reason"]) == (1, "failed", "rate-limited")
        assert (record["power_level"]["before"], record["power_level"]["after"]) == levels
        assert record["membership"] == {"before": "leave", "after": "leave"}
        assert "The rate limit lasts for" in record["message"]
        assert history(caller, room_id, caller.user_id) == {"levels": 2}
    # With more rooms the command lifts the rate limits, and the invitation succeeds.
    rooms = [room_id, *lost_rooms(default_limits, promoter, 3)]
    answer = synadmin("room", "make-admin", *rooms, "--yes", server=default_limits, acting=caller)
    assert answer.code == 0, answer.stderr
    assert all(history(caller, room_id, caller.user_id) == REGAINED for room_id in rooms)


def test_keep_limits_reports_each_wait(newcomer: Newcomer, synadmin: Synadmin, tmp_path: Path) -> None:
    # The limits are low, so that the command reaches them on a busy machine too.
    limits = {"rc_message": {"per_second": 0.7, "burst_count": 5}}
    with Homeserver(server_name="slow.example", extra_config=limits) as server:
        caller = new_admin(server)
        rooms = lost_rooms(server, newcomer("promoter", server=server), 6)
        arguments = ("room", "make-admin", *rooms, "--yes", "--keep-rate-limits")
        answer = synadmin(*arguments, server=server, acting=caller)
        assert answer.code == 0, answer.stderr
        assert answer.stderr.splitlines()[-1] == "6 rooms: 6 done."
        assert "the server asks to wait" in answer.stderr
        assert all(history(caller, room_id, caller.user_id) == REGAINED for room_id in rooms)
        assert "override_ratelimit" not in journal_of(tmp_path)
