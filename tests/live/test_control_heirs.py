"""Heirs get control of a room with inactive controllers, after a notice to the controllers."""

from __future__ import annotations

import json
import sqlite3
import time
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from pathlib import Path

    from synadmin.sandbox.accounts import Person
    from synadmin.sandbox.homeserver import Homeserver
    from tests.live.conftest import Newcomer, Synadmin

DAY = 86_400_000
_TIMEOUT = 90  # seconds until Synapse has recorded the last requests


def backdate_last_request(server: Homeserver, who: Person, days: int) -> None:
    """Move a user's last request into the past, after Synapse has recorded the real one."""
    then = int(time.time() * 1000) - days * DAY
    until = time.monotonic() + _TIMEOUT
    with sqlite3.connect(server.directory / "homeserver.db", timeout=_TIMEOUT) as database:
        seen_devices = "SELECT COUNT(*) FROM devices WHERE user_id = ? AND last_seen IS NOT NULL"
        while not database.execute(seen_devices, (who.user_id,)).fetchone()[0]:
            if time.monotonic() > until:
                pytest.fail("Synapse has not recorded the user's last request")
            time.sleep(0.2)
        database.execute("UPDATE users SET creation_ts = ? WHERE name = ?", (then // 1000, who.user_id))
        database.execute("UPDATE devices SET last_seen = ? WHERE user_id = ?", (then, who.user_id))
        database.execute("DELETE FROM user_ips WHERE user_id = ?", (who.user_id,))
    database.close()


def only_record(synadmin: Synadmin, *arguments: str, code: int) -> dict[str, Any]:
    answer = synadmin("control", *arguments, "-o", "json")
    assert answer.code == code, (answer.stdout, answer.stderr)
    (record,) = json.loads(answer.stdout)["rooms"]
    return {**record}


def test_heirs_get_control_after_a_notice_to_the_controllers(
    newcomer: Newcomer, synadmin: Synadmin, homeserver: Homeserver, tmp_path: Path
) -> None:
    alice, dora, admin = newcomer("alice"), newcomer("dora"), homeserver.admin
    room_id = alice.make_room("Chess", members=[dora])
    path = tmp_path / "control.toml"
    path.write_text(
        f"""\
version = 1
[[rooms]]
match = {{ ids = ["{room_id}"] }}
admins = ["{alice.user_id}"]
nobody_else = true
[rooms.heirs]
users = ["{dora.user_id}"]
after = "180d"
notify = "30d"
""",
        "utf-8",
    )
    file = str(path)
    assert synadmin("control", "check", file).code == 0

    backdate_last_request(homeserver, alice, 200)
    record = only_record(synadmin, "check", file, code=10)
    (change,) = record["changes"]
    assert (change["kind"], change["subject"], change["before"]) == ("heir", dora.user_id, None)
    assert [step["action"] for step in record["steps"]] == ["notify"]
    rooms = admin.synapse.users.memberships(alice.user_id).memberships.keys()
    audit = synadmin("audit", "rooms", "--rule", "heir-due", "--control", file, "-o", "json")
    assert audit.code == 10, audit.stderr
    (finding,) = json.loads(audit.stdout)["findings"]
    assert (finding["subject"]["id"], finding["details"]["heirs"]) == (room_id, [dora.user_id])
    assert finding["fix"] == f"synadmin control plan {file}"

    record = only_record(synadmin, "apply", file, "--yes", code=0)
    assert (record["outcome"], [step["status"] for step in record["steps"]]) == ("pending", ["done"])
    (notices,) = admin.synapse.users.memberships(alice.user_id).memberships.keys() - rooms
    bodies = [event.content.get("body", "") for event in admin.synapse.events.messages(notices, page_size=50)]
    assert [body for body in bodies if dora.user_id in body and room_id in body]

    # The notice was sent and its period has not ended, so there is no second notice.
    assert only_record(synadmin, "check", file, code=10)["steps"] == []
    record = only_record(synadmin, "apply", file, "--yes", code=0)
    assert (record["outcome"], record["steps"]) == ("pending", [])
    bodies_again = [
        event.content.get("body", "") for event in admin.synapse.events.messages(notices, page_size=50)
    ]
    assert bodies_again == bodies
    event = admin.levels_event(room_id)
    assert event is not None
    assert event["content"]["users"] == {alice.user_id: 100}

    (notified,) = (tmp_path / "state" / "synadmin" / "control").glob("*.json")
    times = json.loads(notified.read_text("utf-8"))
    times["notified"] = {room: notified_at - 31 * DAY for room, notified_at in times["notified"].items()}
    notified.write_text(json.dumps(times), "utf-8")
    backdate_last_request(homeserver, alice, 1)  # Alice is active again, so the heirs get no control
    assert synadmin("control", "check", file).code == 0
    assert only_record(synadmin, "apply", file, "--yes", code=0)["outcome"] == "in-order"
    event = admin.levels_event(room_id)
    assert event is not None
    assert event["content"]["users"] == {alice.user_id: 100}

    backdate_last_request(homeserver, alice, 200)
    record = only_record(synadmin, "apply", file, "--yes", code=0)
    assert (record["outcome"], [change["kind"] for change in record["changes"]]) == ("done", ["heir"])
    event = admin.levels_event(room_id)
    assert event is not None
    assert event["content"]["users"] == {alice.user_id: 100, dora.user_id: 100}
    assert synadmin("control", "check", file).code == 0
