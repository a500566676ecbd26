"""Rooms of another server with partial state.

Synapse joins a large room before it has the complete state, and fetches the rest later. Until then, Synapse
needs another server for each join, and does not list the members.
"""

from __future__ import annotations

import sqlite3
import time
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from synadmin.sandbox.homeserver import Homeserver
from tests.live.room_result import RoomResult

if TYPE_CHECKING:
    from collections.abc import Iterator

    from synadmin.ids import RoomId, UserId
    from tests.live.recovery.conftest import Scene, Scenes

_TIMEOUT = "5"  # seconds


def make_partial(server: Homeserver, room_id: RoomId, member: UserId, via: str) -> None:
    """Mark a room as partial-state in the database. The server must not have cached the room yet."""
    with closing(sqlite3.connect(server.directory / "homeserver.db", timeout=30)) as database:
        ((event_id,),) = database.execute(
            "SELECT event_id FROM current_state_events WHERE room_id = ? AND type = 'm.room.member' "
            "AND state_key = ?",
            (room_id, member),
        )
        database.execute(
            "INSERT INTO partial_state_rooms (room_id, device_lists_stream_id, join_event_id, joined_via) "
            "VALUES (?, 0, ?, ?)",
            (room_id, event_id, via),
        )
        database.execute("INSERT INTO partial_state_rooms_servers VALUES (?, ?)", (room_id, via))
        database.execute("INSERT INTO partial_state_events VALUES (?, ?)", (room_id, event_id))
        database.commit()


@pytest.fixture
def pair() -> Iterator[tuple[Homeserver, Homeserver]]:
    with Homeserver(federates=True) as ours, Homeserver(federates=True) as theirs:
        yield ours, theirs


def test_partial_state_room_is_joined_via_a_server_or_pending(
    scenes: Scenes, pair: tuple[Homeserver, Homeserver]
) -> None:
    ours, theirs = pair
    henry, vera, tom = ours.register("henry"), theirs.register("vera"), theirs.register("tom")
    rooms = []
    for public in (True, False, True):
        room_id = vera.create_room(public=public)
        if not public:
            vera.invite(room_id, henry)
        henry.join(room_id, via=[theirs.server_name])
        # Tom is not in the room. Only the complete list of members shows that.
        vera.set_power(room_id, {henry: 100, tom: 50})
        until = time.monotonic() + 20
        while henry.user_id not in (ours.admin.levels_event(room_id) or {})["content"]["users"]:
            assert time.monotonic() < until
            time.sleep(0.1)
        rooms.append(room_id)
    ours.stop()
    ours.start()
    for room_id in rooms:
        make_partial(ours, room_id, henry.user_id, theirs.server_name)
    scene = scenes(ours)

    began = time.monotonic()
    answer = scene.run("room", "power", rooms[0], "-o", "json", env={"SYNADMIN_TIMEOUT": _TIMEOUT})
    assert answer.code == 0, answer.stderr
    assert time.monotonic() - began < 3 * float(_TIMEOUT)

    for room_id in rooms[:2]:
        result = regain(scene, room_id)
        assert result.verdict == (0, "done", None, "api"), result.record

    theirs.stop()
    result = regain(scene, rooms[2])
    assert (result.code, result.record["outcome"]) == (0, "pending"), result.record
    assert [status for _, _, status in result.steps] == ["done", "planned"]
    assert "does not have the complete state of the room yet" in result.message
    assert theirs.server_name in result.message


def regain(scene: Scene, room_id: RoomId) -> RoomResult:
    command = ("room", "make-admin", room_id, "--yes", "-o", "json")
    return RoomResult.by(scene.run(*command, env={"SYNADMIN_TIMEOUT": "30"}))
