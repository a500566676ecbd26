"""``--reason`` in the journal and in membership events, and ``--announce`` in the room."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from synadmin.journal import Journal
from tests.written import journal_of

if TYPE_CHECKING:
    from pathlib import Path

    from synadmin.ids import RoomId, UserId
    from synadmin.sandbox.accounts import Person
    from synadmin.sandbox.homeserver import Homeserver
    from tests.live.conftest import Newcomer, Synadmin

REASON = 'Vorstandsbeschluss 7/26: "Übergabe"'


def reasons(tmp_path: Path) -> set[str | None]:
    """Return the reasons of all entries of the journal."""
    return {json.loads(line).get("reason") for line in journal_of(tmp_path).splitlines()}


def member_event(admin: Person, room_id: RoomId, user_id: UserId) -> dict[str, Any]:
    (event,) = (
        event for event in admin.state_events(room_id, "m.room.member") if event["state_key"] == user_id
    )
    content: dict[str, Any] = event["content"]
    return content


def last_message(admin: Person, room_id: RoomId) -> tuple[str, dict[str, Any]]:
    for event in admin.synapse.events.messages(room_id, backwards=True):
        if event.type == "m.room.message":
            return event.sender, dict(event.content)
    raise AssertionError


def test_reason_is_in_the_journal_and_the_membership_events(
    synadmin: Synadmin, homeserver: Homeserver, newcomer: Newcomer, tmp_path: Path
) -> None:
    admin, alice, bob, carol = homeserver.admin, newcomer("alice"), newcomer("bob"), newcomer("carol")
    lost = alice.make_room("Lost", members=[bob], left=[alice])
    allowed = ("--allow", "impersonate", "--user", carol.user_id, "--yes")
    answer = synadmin("room", "make-admin", lost, *allowed, "--reason", REASON)
    assert answer.code == 0, answer.stderr
    assert member_event(admin, lost, carol.user_id)["reason"] == REASON
    # Alice joined temporarily, granted the level, and left again.
    left = member_event(admin, lost, alice.user_id)
    assert (left["membership"], left["reason"]) == ("leave", REASON)
    assert reasons(tmp_path) == {REASON}


def test_resumed_run_keeps_the_reason(
    synadmin: Synadmin, homeserver: Homeserver, newcomer: Newcomer, tmp_path: Path
) -> None:
    alice = newcomer("alice")
    interrupted_run = Journal(tmp_path / "state" / "synadmin" / "journal.sqlite3", command="user lock")
    interrupted_run.reason, interrupted_run.arguments = REASON, ["user", "lock", "--yes", "--", alice.user_id]
    admin = homeserver.admin
    request = {"method": "PUT", "path": f"/_synapse/admin/v2/users/{alice.user_id}", "body": {}}
    interrupted_run.begin(server=homeserver.url, user=admin.user_id, on_behalf_of=None, **request)  # type: ignore[arg-type]
    interrupted_run.close()
    assert synadmin("journal", "resume", "last").code == 0
    assert admin.synapse.users.get(alice.user_id).locked
    assert reasons(tmp_path) == {REASON}
    for empty in ("", " "):
        answer = synadmin("user", "unlock", alice.user_id, "--yes", "--reason", empty)
        assert (answer.code, answer.stdout) == (2, "")
        assert "--reason is empty" in answer.stderr


def test_new_admin_announces_the_change(
    synadmin: Synadmin, homeserver: Homeserver, newcomer: Newcomer
) -> None:
    alice, bob = newcomer("alice"), newcomer("bob")
    room_id = alice.make_room("Hall", members=[bob])
    text = "The board has made me admin of this room."
    answer = synadmin("room", "make-admin", room_id, "--announce", text, "--yes", "-o", "json")
    (record,) = json.loads(answer.stdout)
    assert [(step["action"], step["status"]) for step in record["steps"]][-1] == ("announce", "done")
    assert last_message(homeserver.admin, room_id) == (
        homeserver.admin.user_id,
        {"msgtype": "m.notice", "body": text, "m.mentions": {}},
    )
    answer = synadmin("room", "make-admin", room_id, "--announce", "again", "--yes")
    assert answer.code == 0, answer.stderr
    assert last_message(homeserver.admin, room_id)[1]["body"] == text, (
        "no announcement is sent to an unchanged room"
    )

    answer = synadmin("room", "make-admin", room_id, "--user", bob.user_id, "--announce", text, "--yes")
    assert answer.code == 2
    assert "--allow impersonate" in answer.stderr

    upgraded = synadmin(
        "room", "upgrade", room_id, "--to-version", "12", "--announce", "Welcome", "--yes", "-o", "json"
    )
    (record,) = json.loads(upgraded.stdout)
    sender, content = last_message(homeserver.admin, record["new_room_id"])
    assert (sender, content["body"]) == (homeserver.admin.user_id, "Welcome")


def test_new_owner_announces_the_transfer(
    synadmin: Synadmin, homeserver: Homeserver, newcomer: Newcomer
) -> None:
    alice, heir = newcomer("alice"), newcomer("heir")
    room_id = alice.make_room("Hall")
    to = ("--old-owner", alice.user_id, "--to", heir.user_id, "--announce", "I am the new owner.", "--yes")
    assert synadmin("room", "transfer", room_id, *to).code == 2
    assert homeserver.admin.membership(room_id, heir) is None
    answer = synadmin("room", "transfer", room_id, *to, "--allow", "impersonate")
    assert answer.code == 0, answer.stderr
    sender, content = last_message(homeserver.admin, room_id)
    assert (sender, content["body"]) == (heir.user_id, "I am the new owner.")


def test_journal_report_says_who_changed_what_and_why(
    synadmin: Synadmin, homeserver: Homeserver, newcomer: Newcomer
) -> None:
    alice, bob = newcomer("alice"), newcomer("bob")
    room_id = alice.make_room("Hall", members=[bob])
    reason = "=1+1 <script>alert(1)</script>"
    assert synadmin("room", "make-admin", room_id, "--yes", "--reason", reason).code == 0
    assert synadmin("user", "lock", alice.user_id, "--yes").code == 0

    records = json.loads(synadmin("journal", "report", "--since", "1d", "-o", "json").stdout)
    printed = [
        (record["user"], record["command"], record["target"], record["reason"], record["result"])
        for record in records
    ]
    admin = homeserver.admin.user_id
    assert printed == [
        (admin, "room make-admin", room_id, reason, "done"),
        (admin, "user lock", alice.user_id, None, "done"),
    ]
    assert records[0]["actions"] == ["give power (Make Room Admin)", "join"]
    table = synadmin("journal", "report", "-o", "csv").stdout.splitlines()
    assert table[0].split(",")[:4] == ["time", "user", "command", "target"]
    assert "'=1+1" in table[1], "a spreadsheet must not treat it as a formula"
    page = synadmin("journal", "report", "--since", "1d", "-o", "html").stdout
    assert "<script>" not in page
    assert room_id in page
    assert synadmin("journal", "report", "--since", "2099-01-01").code == 2
