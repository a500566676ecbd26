"""``control plan``, ``apply``, ``check`` and ``export``, also after a killed run."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

from tests.live.conftest import running
from tests.live.recovery.proxy import Passing, Proxy

if TYPE_CHECKING:
    from pathlib import Path

    from synadmin.ids import RoomId
    from synadmin.sandbox.accounts import Person
    from synadmin.sandbox.homeserver import Homeserver
    from tests.live.conftest import Newcomer, Synadmin


_TIMEOUT = 90  # seconds


@dataclass
class Club:
    """Rooms of several kinds, most of them different from the control file, and their users."""

    alice: Person
    bob: Person
    carol: Person
    dave: Person
    space: RoomId
    rooms: dict[str, RoomId]
    lost: RoomId
    text: str

    def write(self, path: Path) -> str:
        path.write_text(self.text, "utf-8")
        return str(path)


def write_entry(folder: Path, room_id: RoomId, lines: str) -> str:
    """Write a control file with one entry for one room; return its path."""
    path = folder / "control.toml"
    path.write_text(f'version = 1\n[[rooms]]\nmatch = {{ ids = ["{room_id}"] }}\n{lines}', "utf-8")
    return str(path)


def wait_until_listed(admin: Person, room_id: RoomId) -> None:
    """Wait until the room list shows the alias of a room: Synapse updates the list with a delay."""
    until = time.monotonic() + _TIMEOUT
    while admin.synapse.rooms.get(room_id).canonical_alias is None:
        if time.monotonic() > until:
            pytest.fail("the list of rooms does not show the alias")
        time.sleep(0.1)


@pytest.fixture
def club(newcomer: Newcomer, homeserver: Homeserver) -> Club:
    """Return a space with rooms. The file names Alice and Bob as admins, Carol as a moderator, not Dave."""
    alice, bob, carol, dave = (newcomer(name) for name in ("alice", "bob", "carol", "dave"))
    number = alice.user_id.partition(":")[0].rpartition("-")[2]
    rooms = {
        "sole": alice.make_room("Sole admin", members=[carol]),
        "public": alice.make_room("Public", public=True, alias=f"club-{number}-public"),
        "pair": alice.make_room("Two admins", members=[bob], users={bob: 100, carol: 50}),
        "extra": alice.make_room("Dave has control too", members=[dave], users={dave: 100}),
        "above": alice.make_room(
            "Dave has left with the level",
            left=[dave],
            levels={"users": {alice.user_id: 150, dave.user_id: 100}},
        ),
        "newest": alice.make_room("Version 12", version="12", members=[carol]),
        "left": alice.make_room("Its admin has left", members=[carol], left=[alice]),
        "hidden": alice.make_room("Banned", banned=[bob]),
    }
    wait_until_listed(homeserver.admin, rooms["public"])
    space = alice.make_room("The club", space=True, alias=f"club-{number}-space")
    for room_id in rooms.values():
        alice.send_state(space, "m.space.child", {"via": [alice.server_name]}, room_id)
    lost = alice.make_room("Lost", members=[carol], exact_levels={"users": {"@x:elsewhere.example": 100}})
    text = f"""\
version = 1

[teams]
board = ["{alice.user_id}", "{bob.user_id}"]

[[rooms]]
name = "club"
match = {{ space = "#club-{number}-space:{alice.server_name}" }}
admins = ["board"]
moderators = {{ level = 50, users = ["{carol.user_id}"] }}
at_least = 2
nobody_else = true
allow = "impersonate"

[[rooms]]
name = "lost"
match = {{ ids = ["{lost}"] }}
admins = ["{carol.user_id}"]

[[rooms]]
name = "settings"
match = {{ alias = "#club-{number}-p*:{alice.server_name}" }}
admins = ["board"]
allow = "impersonate"

[rooms.settings]
join_rule = "knock"
history_visibility = "joined"
guest_access = "forbidden"
encryption = true
directory = false
retention = "90d"
server_acl = {{ deny = ["evil.example"] }}
"""
    return Club(alice, bob, carol, dave, space, rooms, lost, text)


def document(synadmin: Synadmin, *arguments: str, code: int = 0) -> dict[str, Any]:
    answer = synadmin("control", *arguments, "-o", "json")
    assert answer.code == code, (answer.stdout, answer.stderr)
    return {**json.loads(answer.stdout)}


def by_room(report: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {record["room_id"]: record for record in report["rooms"]}


def controllers(admin: Person, room_id: RoomId) -> set[str]:
    event = admin.levels_event(room_id)
    assert event is not None
    return {user for user, level in event["content"]["users"].items() if level >= 100}


def events_of(admin: Person, club: Club) -> list[set[str]]:
    return [{event["event_id"] for event in admin.state_events(room_id)} for room_id in club.rooms.values()]


def changes_of(record: dict[str, Any]) -> set[tuple[str, str]]:
    return {(change["kind"], change["subject"]) for change in record["changes"]}


def test_control_plan_shows_each_difference_and_changes_nothing(
    club: Club, synadmin: Synadmin, homeserver: Homeserver, tmp_path: Path
) -> None:
    file = club.write(tmp_path / "control.toml")
    bob, carol, dave = (who.user_id for who in (club.bob, club.carol, club.dave))
    before = events_of(homeserver.admin, club)

    report = document(synadmin, "plan", file)

    assert (report["version"], report["unmatched"]) == (1, [])
    records = by_room(report)
    assert records.keys() == {*club.rooms.values(), club.space, club.lost}
    by_name = {name: records[room_id] for name, room_id in club.rooms.items()}
    pair = by_name["pair"]
    assert (pair["outcome"], pair["changes"], pair["steps"]) == ("in-order", [], [])
    assert changes_of(by_name["sole"]) == {("admin", bob), ("moderator", carol)}
    assert changes_of(by_name["extra"]) == {("admin", bob), ("moderator", carol), ("lower", dave)}
    assert by_name["extra"]["steps"][-1] == {
        "action": "set-level",
        "as": dave,  # no other user in the room has a higher level
        "status": "planned",
        "detail": f"As {dave} set {dave} to the default level.",
    }
    assert {change["subject"] for change in by_name["public"]["changes"]} == {
        bob, "join_rule", "history_visibility", "guest_access", "encryption", "directory", "retention",
        "server_acl",
    }  # fmt: skip
    assert {record["outcome"] for name, record in by_name.items() if name != "pair"} == {"planned"}
    above = by_name["above"]  # 100 is enough for control, but Make Room Admin gives the level of Alice
    assert [change["after"] for change in above["changes"] if change["subject"] == bob] == [
        {"level": 150, "membership": "join"}
    ]
    assert f"Give {bob} level 150" in " ".join(step["detail"] for step in above["steps"])
    assert by_name["sole"]["warnings"] == []
    lost = records[club.lost]
    assert (lost["entry"], lost["outcome"], lost["reason"]) == ("lost", "refused", "no-local-power")
    without_terminal = synadmin("control", "apply", file)
    assert (without_terminal.code, without_terminal.stdout) == (2, "")
    assert "Change 8 rooms as planned?" in without_terminal.stderr
    assert events_of(homeserver.admin, club) == before

    text = synadmin("control", "plan", file)
    assert "Two admins" not in text.stdout
    assert text.stderr == "10 rooms: 1 in order, 8 planned, 1 refused.\n"

    homeserver.admin.modify_user(bob, locked=True)
    locked = f"The account {bob} is locked, and cannot use its power until that is lifted."
    records = by_room(document(synadmin, "plan", file))
    assert [records[club.rooms[name]]["warnings"] for name in ("sole", "pair")] == [[locked], []]
    assert f"\n  warning: {locked}\n" in synadmin("control", "plan", file).stdout


def test_apply_sets_rooms_and_check_finds_drift(
    club: Club, synadmin: Synadmin, homeserver: Homeserver, tmp_path: Path
) -> None:
    file = club.write(tmp_path / "control.toml")
    admin, alice, bob, dave = homeserver.admin, club.alice.user_id, club.bob.user_id, club.dave.user_id

    records = by_room(document(synadmin, "apply", file, "--yes", code=6))
    assert {record["outcome"] for room, record in records.items() if room != club.lost} == {
        "done", "in-order",
    }  # fmt: skip
    assert records[club.lost]["outcome"] == "refused"
    for name, room_id in club.rooms.items():
        assert admin.membership(room_id, bob) == "join", name
        assert controllers(admin, room_id) == ({bob} if name == "newest" else {alice, bob}), name
    public = club.rooms["public"]
    assert club.alice.state(public, "m.room.join_rules")["join_rule"] == "knock"
    assert club.alice.state(public, "m.room.encryption")["algorithm"] == "m.megolm.v1.aes-sha2"
    assert club.alice.state(public, "m.room.retention") == {"max_lifetime": 90 * 86_400_000}
    assert not admin.synapse.rooms.get(public).public

    club.text = club.text.replace(f'["{club.lost}"]', f'["{club.rooms["pair"]}"]').replace(
        f'admins = ["{club.carol.user_id}"]', 'admins = ["board"]'
    )
    file = club.write(tmp_path / "control.toml")
    quiet = synadmin("control", "check", file)
    assert (quiet.code, quiet.stdout, quiet.stderr) == (0, "", "")
    again = synadmin("-v", "control", "apply", file, "--yes")
    assert again.code == 0
    assert not [line for line in again.stderr.splitlines() if line.startswith(("PUT", "POST", "DELETE"))]

    club.alice.set_power(club.rooms["extra"], {club.dave: 100})
    club.bob.leave(club.rooms["sole"])
    club.alice.send_state(public, "m.room.join_rules", {"join_rule": "public"})
    changed = by_room(document(synadmin, "check", file, code=10))
    assert {room: changes_of(record) for room, record in changed.items() if record["changes"]} == {
        club.rooms["extra"]: {("lower", dave)},
        club.rooms["sole"]: {("admin", bob)},
        public: {("setting", "join_rule")},
    }
    assert synadmin("control", "apply", file, "--yes").code == 0
    assert synadmin("control", "check", file).code == 0
    assert controllers(admin, club.rooms["extra"]) == {alice, bob}

    exported = str(tmp_path / "exported.toml")
    answer = synadmin("control", "export", exported, "--space", club.space, "--settings")
    assert (answer.code, answer.stdout) == (0, ""), answer.stderr
    report = document(synadmin, "plan", exported)
    assert by_room(report).keys() == {*club.rooms.values(), club.space}
    assert {record["outcome"] for record in report["rooms"]} == {"in-order"}, report


def test_next_apply_finishes_a_killed_one(
    club: Club, synadmin: Synadmin, homeserver: Homeserver, tmp_path: Path
) -> None:
    file = club.write(tmp_path / "control.toml")
    admin, bob = homeserver.admin, club.bob
    with running(tmp_path, homeserver.url, admin, "control", "apply", file, "--yes") as process:
        assert process.stdout is not None
        assert process.stdout.readline()  # the first room is done
        process.kill()
        process.wait()
    assert synadmin("control", "apply", file, "--yes").code == 6  # the lost room is refused
    records = by_room(document(synadmin, "plan", file))
    assert {record["outcome"] for room, record in records.items() if room != club.lost} == {"in-order"}
    assert {admin.membership(room_id, bob) for room_id in club.rooms.values()} == {"join"}
    limits = admin.call("GET", f"/_synapse/admin/v1/users/{admin.user_id}/override_ratelimit")
    assert limits == {}


def test_announcement_is_sent_once_to_a_changed_room(
    newcomer: Newcomer, synadmin: Synadmin, tmp_path: Path
) -> None:
    alice, bob = newcomer("alice"), newcomer("bob")
    room_id = alice.make_room("Announced", members=[bob])
    file = tmp_path / "control.toml"
    entry = f'name = "one"\nmatch = {{ ids = ["{room_id}"] }}\nadmins = ["{bob.user_id}"]\n'
    file.write_text(f"version = 1\n[[rooms]]\n{entry}", "utf-8")
    text = f"Bob is an admin of this room now: {room_id}"
    command = ("control", "apply", str(file), "--yes", "--announce", text)
    dry_run = synadmin(*command, "--dry-run")
    assert dry_run.code == 0, dry_run.stderr
    for _ in range(2):
        answer = synadmin(*command, "--allow", "impersonate")
        assert answer.code == 0, answer.stderr
    events = synadmin("room", "messages", room_id, "-o", "ndjson").stdout.splitlines()
    senders = [event["sender"] for event in map(json.loads, events) if event["content"].get("body") == text]
    assert senders == [bob.user_id]


def test_others_keep_control_until_new_admins_joined(
    club: Club, synadmin: Synadmin, homeserver: Homeserver, tmp_path: Path
) -> None:
    room_id = club.rooms["extra"]
    path = tmp_path / "control.toml"
    path.write_text(
        f"""\
version = 1
[[rooms]]
match = {{ ids = ["{room_id}", "!nowhere:{club.alice.server_name}"] }}
admins = ["{club.bob.user_id}"]
moderators = {{ level = 50, users = ["{club.dave.user_id}"] }}
nobody_else = true
[[rooms]]
name = "none"
match = {{ alias = "#no-such-alias-*:{club.alice.server_name}" }}
""",
        "utf-8",
    )
    report = document(synadmin, "apply", str(path), "--yes", code=6)
    assert report["unmatched"] == ["none"]
    nowhere, record = report["rooms"]
    assert (nowhere["outcome"], nowhere["reason"]) == ("refused", "unknown-room")
    assert (record["outcome"], record["reason"]) == ("pending", None)
    assert controllers(homeserver.admin, room_id) == {
        club.alice.user_id, club.bob.user_id, club.dave.user_id,
    }  # fmt: skip
    club.bob.join(room_id)
    # Users with the same level can only lower themselves, so synadmin must impersonate them.
    nowhere, record = document(synadmin, "apply", str(path), "--yes", code=5)["rooms"]
    assert (record["outcome"], record["reason"]) == ("refused", "needs-impersonate")
    report = document(synadmin, "apply", str(path), "--yes", "--allow", "impersonate", code=6)
    assert report["rooms"][1]["outcome"] == "done"
    assert controllers(homeserver.admin, room_id) == {club.bob.user_id}


def test_invited_admin_acts_once_and_others_do_the_rest(
    newcomer: Newcomer, synadmin: Synadmin, homeserver: Homeserver, tmp_path: Path
) -> None:
    admin, alice, bob = homeserver.admin, newcomer("alice"), newcomer("bob")
    levels = {"users": {alice.user_id: 100, admin.user_id: 50}}
    room_id = alice.make_room("Hall", members=[bob], invited=[admin], exact_levels=levels)
    lines = f"""\
admins = ["{alice.user_id}"]
moderators = {{ level = 10, users = ["{bob.user_id}"] }}
nobody_else = true
allow = "impersonate"
"""
    path = write_entry(tmp_path, room_id, lines)
    # The levels change twice. The server admin makes the first change, and leaves after it.
    (planned,) = document(synadmin, "plan", path)["rooms"]
    (record,) = document(synadmin, "apply", path, "--yes")["rooms"]
    assert (record["outcome"], record["reason"]) == ("done", None)
    assert [step["as"] for step in planned["steps"]] == [step["as"] for step in record["steps"]]
    event = admin.levels_event(room_id)
    assert event is not None
    assert event["content"]["users"] == {alice.user_id: 100, bob.user_id: 10}


def test_admin_who_used_an_invitation_cannot_act_again(
    newcomer: Newcomer, synadmin: Synadmin, homeserver: Homeserver, tmp_path: Path
) -> None:
    admin, alice, bob = homeserver.admin, newcomer("alice"), newcomer("bob")
    levels = {"users": {admin.user_id: 100}, "events": {"m.room.name": 0}}
    room_id = alice.make_room("Used up", members=[bob], invited=[admin], exact_levels=levels)
    lines = f"""\
admins = ["{bob.user_id}"]
moderators = {{ level = 10, users = ["{alice.user_id}"] }}
"""
    path = write_entry(tmp_path, room_id, lines)
    # The server admin joins, makes Bob an admin and leaves. It has no invitation for a second join.
    for arguments in (("plan", path), ("apply", path, "--yes")):
        code = 5 if arguments[0] == "apply" else 0
        (record,) = document(synadmin, *arguments, code=code)["rooms"]
        assert (record["outcome"], record["reason"]) == ("refused", "needs-impersonate"), arguments
    assert admin.membership(room_id, admin) == "invite"


def test_admins_who_have_yet_to_join_are_invited_when_the_room_is_closed(
    newcomer: Newcomer, synadmin: Synadmin, homeserver: Homeserver, tmp_path: Path
) -> None:
    admin, bob = homeserver.admin, newcomer("bob")
    room_id = admin.make_room("Closing", public=True)
    lines = f"""\
admins = ["{bob.user_id}"]
[rooms.settings]
join_rule = "invite"
"""
    path = write_entry(tmp_path, room_id, lines)
    (planned,) = document(synadmin, "plan", path)["rooms"]
    assert [step["action"] for step in planned["steps"]] == [
        "make-room-admin",
        "set-setting",
        "make-room-admin",
    ]
    (record,) = document(synadmin, "apply", path, "--yes")["rooms"]
    assert (record["outcome"], record["message"]) == ("pending", planned["message"])
    assert [step["detail"] for step in record["steps"]] == [step["detail"] for step in planned["steps"]]
    bob.join(room_id)
    assert synadmin("control", "check", path).code == 0


def test_failed_admin_after_another_one_does_not_mean_that_nothing_was_changed(
    newcomer: Newcomer, homeserver: Homeserver, tmp_path: Path
) -> None:
    alice, bob, carol = (newcomer(name) for name in ("alice", "bob", "carol"))
    room_id = alice.make_room("Two admins", members=[bob, carol])
    path = write_entry(tmp_path, room_id, f'admins = ["{bob.user_id}", "{carol.user_id}"]\n')
    granted: list[Passing] = []

    def on_request(passing: Passing) -> None:
        if passing.path.endswith("/make_room_admin") and not passing.answered:
            granted.append(passing)
            if len(granted) == 2:  # just before the level is granted
                alice.leave(room_id)
                bob.leave(room_id)

    arguments = ("control", "apply", path, "--yes", "-o", "json")
    with (
        Proxy(homeserver.url, on_request) as proxy,
        running(tmp_path, proxy.here, homeserver.admin, *arguments) as process,
    ):
        output, _ = process.communicate(timeout=_TIMEOUT)
    (record,) = json.loads(output)["rooms"]
    assert record["outcome"] == "failed"
    assert [step["status"] for step in record["steps"]] == ["done", "failed"], record["message"]
    assert "changed" not in record["message"]
    assert f"Not as the file says: {bob.user_id}, {carol.user_id}." in record["message"]


def test_room_that_changes_meanwhile_does_not_stop_the_others(
    newcomer: Newcomer, homeserver: Homeserver, tmp_path: Path
) -> None:
    alice, bob = newcomer("alice"), newcomer("bob")
    first, second = (alice.make_room(name, members=[bob]) for name in ("first", "second"))
    path = tmp_path / "control.toml"
    changed: list[Passing] = []
    ids = json.dumps([first, second])
    path.write_text(
        f'version = 1\n[[rooms]]\nmatch = {{ ids = {ids} }}\nadmins = ["{bob.user_id}"]\n', "utf-8"
    )

    def on_request(passing: Passing) -> None:
        if passing.path.endswith("/make_room_admin") and not changed:
            alice.set_power(first, {alice: 0})  # just before the level is granted
            changed.append(passing)

    arguments = ("control", "apply", str(path), "--yes", "-o", "json")
    with (
        Proxy(homeserver.url, on_request) as proxy,
        running(tmp_path, proxy.here, homeserver.admin, *arguments) as process,
    ):
        stdout, stderr = process.communicate()
    assert (process.returncode, len(changed)) == (6, 1), stderr
    records = by_room(json.loads(stdout))
    assert (records[first]["outcome"], records[second]["outcome"]) == ("failed", "done")
    event = homeserver.admin.levels_event(first)
    assert event is not None
    assert event["content"]["users"] == {alice.user_id: 0}


def test_invalid_control_file_changes_nothing(newcomer: Newcomer, synadmin: Synadmin, tmp_path: Path) -> None:
    alice = newcomer()
    room_id = alice.make_room("Chess", alias=f"chess-{alice.user_id.partition(':')[0][1:]}")
    alias = alice.state(room_id, "m.room.canonical_alias")["alias"]
    path = tmp_path / "control.toml"
    for body, words in (
        (f'match = {{ ids = ["{room_id}"] }}\nadmin = []', 'has no "admin"'),
        (f'match = {{ ids = ["{room_id}"] }}\nadmins = ["bored"]', 'no team "bored"'),
        (
            f'match = {{ ids = ["{room_id}"] }}\nadmins = ["@x:elsewhere.example"]\nnobody_else = true',
            "0 of its admins are on",
        ),
        (
            f'match = {{ ids = ["{room_id}"] }}\n[[rooms]]\nmatch = {{ alias = "{alias}" }}\nat_least = 0',
            "lines 2 and 4",
        ),
    ):
        path.write_text(f"version = 1\n[[rooms]]\n{body}\n", "utf-8")
        answer = synadmin("control", "apply", str(path), "--yes")
        assert (answer.code, answer.stdout) == (2, ""), answer
        assert f"synadmin: {path}: " in answer.stderr
        assert words in answer.stderr, answer.stderr
