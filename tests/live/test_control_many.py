"""The control commands on all rooms of a server, and the number of requests of a check.

``SYNADMIN_TEST_ROOMS=60`` uses sixty rooms instead of ten.
"""

from __future__ import annotations

import json
import os
import re
from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest

from synadmin.sandbox.homeserver import Homeserver

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from synadmin.ids import RoomId
    from tests.live.conftest import Newcomer, Synadmin

ROOMS = int(os.environ.get("SYNADMIN_TEST_ROOMS", "10"))
_REQUEST = re.compile(r"^(GET|PUT|POST|DELETE) /", re.MULTILINE)


@pytest.fixture
def separate_server() -> Iterator[Homeserver]:
    """Return a Synapse that has only the rooms of this test, with the default rate limits."""
    with Homeserver(server_name="many.example", default_rate_limits=True) as server:
        yield server


def test_many_rooms_match_the_control_file(
    separate_server: Homeserver, newcomer: Newcomer, synadmin: Synadmin, tmp_path: Path
) -> None:
    admin = separate_server.admin
    alice, bob, carol, dave = (
        newcomer(name, server=separate_server) for name in ("alice", "bob", "carol", "dave")
    )
    kinds: tuple[dict[str, Any], ...] = (
        {"members": [carol]},
        {"members": [bob], "users": {bob: 100, carol: 50}},
        {"members": [dave], "users": {dave: 100}},
        {"members": [carol], "version": "12"},
        {"members": [carol], "left": [alice]},
    )
    with admin.lifted_limits(alice, bob, carol, dave):
        rooms = [alice.make_room(f"Room {number}", **kinds[number % 5]) for number in range(ROOMS)]
    (tmp_path / "control.toml").write_text(
        f"""\
version = 1

[[rooms]]
name = "all"
match = {{ creator = "{alice.user_id}" }}
admins = ["{alice.user_id}", "{bob.user_id}"]
moderators = {{ level = 50, users = ["{carol.user_id}"] }}
at_least = 2
nobody_else = true
allow = "impersonate"

[rooms.settings]
history_visibility = "shared"
""",
        "utf-8",
    )

    def control(*arguments: str, code: int = 0) -> dict[RoomId, dict[str, Any]]:
        answer = synadmin("control", *arguments, "-o", "json", server=separate_server)
        assert answer.code == code, (answer.stdout, answer.stderr)
        assert "the server asks to wait" not in answer.stderr
        return {record["room_id"]: record for record in json.loads(answer.stdout)["rooms"]}

    def outcomes(records: dict[RoomId, dict[str, Any]]) -> Counter[str]:
        return Counter(record["outcome"] for record in records.values())

    share = ROOMS // 5
    planned = control("plan", "control.toml")
    assert planned.keys() == {*rooms}
    assert outcomes(planned) == {"in-order": share, "planned": 4 * share}
    assert outcomes(control("apply", "control.toml", "--yes")) == {"in-order": share, "done": 4 * share}
    assert {admin.membership(room_id, bob) for room_id in rooms} == {"join"}
    again = synadmin("-v", "control", "apply", "control.toml", "--yes", server=separate_server)
    assert (again.code, {*_REQUEST.findall(again.stderr)}) == (0, {"GET"}), again.stderr

    quiet = synadmin("control", "check", "control.toml", server=separate_server)
    assert (quiet.code, quiet.stdout, quiet.stderr) == (0, "", "")
    check = synadmin("-v", "control", "check", "control.toml", server=separate_server)
    audit = synadmin("-v", "audit", "rooms", "--fail-on", "never", "-o", "json", server=separate_server)
    assert (check.code, audit.code, json.loads(audit.stdout)["checked"]["rooms"]) == (0, 0, ROOMS)
    costs = [len(_REQUEST.findall(answer.stderr)) for answer in (check, audit)]
    assert 0 < costs[0] <= 1.2 * costs[1], costs

    with admin.lifted_limits(alice, bob):
        bob.set_power(rooms[2], {dave: 100})
        alice.leave(rooms[5])
        alice.send_state(rooms[8], "m.room.history_visibility", {"history_visibility": "invited"})
    drifted = control("check", "control.toml", code=10)
    changes = {
        room_id: [(change["kind"], change["subject"]) for change in record["changes"]]
        for room_id, record in drifted.items()
        if record["outcome"] != "in-order"
    }
    assert changes == {
        rooms[2]: [("lower", dave.user_id)],
        rooms[5]: [("admin", alice.user_id)],
        rooms[8]: [("setting", "history_visibility")],
    }
    assert outcomes(control("apply", "control.toml", "--yes")) == {"in-order": ROOMS - 3, "done": 3}

    answer = synadmin("control", "export", "exported.toml", "--settings", server=separate_server)
    assert answer.code == 0, answer.stderr
    exported = control("plan", "exported.toml")
    assert exported.keys() == {*rooms}
    assert outcomes(exported) == {"in-order": ROOMS}
