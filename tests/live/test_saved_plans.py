"""``--save-plan`` and ``apply``: another admin applies exactly the saved plan, if nothing has changed."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from pathlib import Path

    from synadmin.sandbox.accounts import Person
    from synadmin.sandbox.homeserver import Homeserver
    from tests.live.conftest import Newcomer, Synadmin


def records(stdout: str) -> list[dict[str, Any]]:
    return [*json.loads(stdout)]


@pytest.fixture
def second_admin(homeserver: Homeserver) -> Person:
    """Return another server admin, who applies the plan."""
    return homeserver.register("approver", admin=True)


def test_saved_plan_is_applied_by_another_admin(
    synadmin: Synadmin, homeserver: Homeserver, newcomer: Newcomer, second_admin: Person, tmp_path: Path
) -> None:
    admin, alice, bob, carol = homeserver.admin, newcomer("alice"), newcomer("bob"), newcomer("carol")
    same, changed = (alice.make_room(name, members=[bob]) for name in ("same", "changed"))
    make = ("room", "make-admin", same, changed, "--user", carol.user_id, "--allow", "impersonate")
    saved = synadmin(*make, "--reason", "asked by carol", "--save-plan", "plan.json", "-o", "json")
    assert saved.code == 0, saved.stderr
    assert {record["outcome"] for record in records(saved.stdout)} == {"planned"}
    assert "`synadmin apply plan.json` applies it." in saved.stderr
    assert (tmp_path / "plan.json").stat().st_mode & 0o777 == 0o600
    assert admin.membership(same, carol) is None

    alice.set_power(changed, {bob: 50})
    for flags, outcome in ((("--dry-run",), "planned"), (("--yes",), "done")):
        answer = synadmin("apply", "plan.json", *flags, "-o", "json", acting=second_admin)
        assert answer.code == 6, answer.stderr
        result = {
            record["room_id"]: (record["outcome"], record["reason"]) for record in records(answer.stdout)
        }
        assert result == {same: (outcome, None), changed: ("refused", "changed-since-plan")}
    assert admin.membership(same, carol) == "join"
    assert admin.membership(changed, carol) is None
    entries = synadmin("journal", "export").stdout.splitlines()
    assert {json.loads(line)["reason"] for line in entries} == {"asked by carol"}
    assert json.loads(entries[0])["planned_by"] == admin.user_id

    again = synadmin("apply", "plan.json", "--yes", "-o", "json")
    assert {record["outcome"] for record in records(again.stdout)} == {"done", "refused"}


def test_saved_plan_that_differs_for_another_admin_is_refused(
    synadmin: Synadmin, newcomer: Newcomer, second_admin: Person
) -> None:
    alice = newcomer("alice")
    room_id = alice.make_room("Hall")
    # The first admin joins with its own token, which the second admin does not have.
    assert synadmin("room", "make-admin", room_id, "--save-plan", "plan.json").code == 0
    answer = synadmin("apply", "plan.json", "--yes", "-o", "json", acting=second_admin)
    assert (answer.code, records(answer.stdout)[0]["reason"]) == (5, "changed-since-plan")
    assert synadmin("apply", "plan.json", "--yes").code == 0


def test_saved_offboarding_is_applied_exactly_or_refused(
    synadmin: Synadmin, homeserver: Homeserver, newcomer: Newcomer, second_admin: Person
) -> None:
    admin = homeserver.admin
    leaver, busy, bob, carol = (newcomer(name) for name in ("leaver", "busy", "bob", "carol"))
    promoted = newcomer("promoted")
    hall, board = leaver.make_room("Hall", members=[bob]), busy.make_room("Board", members=[bob])
    talk = bob.make_room("Talk", members=[promoted])
    pairs = f"user,successor\n{leaver.user_id},{bob.user_id}\n{busy.user_id},{carol.user_id}\n"
    pairs += f"{promoted.user_id},{carol.user_id}\n"
    allow = ("--allow", "impersonate", "--then", "deactivate")
    saved = synadmin("user", "offboard", "--from", "-", *allow, "--save-plan", "leavers.json", stdin=pairs)
    assert saved.code == 0, saved.stderr
    assert "The plan for 3 accounts is in leavers.json." in saved.stderr
    assert not admin.synapse.users.get(leaver.user_id).deactivated

    busy.make_room("A new one", members=[bob])
    # According to the plan, this account has no power in this room and stays in it.
    bob.set_power(talk, {promoted: 50})
    answer = synadmin("apply", "leavers.json", "--yes", "-o", "json", acting=second_admin)
    assert answer.code == 6, answer.stderr
    result = {record["user_id"]: (record["outcome"], record["reason"]) for record in records(answer.stdout)}
    for changed in (busy, promoted):
        assert result[changed.user_id] == ("refused", "changed-since-plan")
    assert admin.membership(talk, promoted) == "join"
    assert result[leaver.user_id][0] == "done"
    assert admin.synapse.users.get(leaver.user_id).deactivated
    assert not admin.synapse.users.get(busy.user_id).deactivated
    for room_id, users in ((hall, {bob.user_id: 100}), (board, {busy.user_id: 100})):
        event = admin.levels_event(room_id)
        assert event is not None
        assert event["content"]["users"] == users


def test_saved_control_plan_is_applied_exactly_or_refused(
    synadmin: Synadmin, homeserver: Homeserver, newcomer: Newcomer, second_admin: Person, tmp_path: Path
) -> None:
    admin, alice, bob = homeserver.admin, newcomer("alice"), newcomer("bob")
    same, changed, already_correct = (
        alice.make_room(name, members=[bob]) for name in ("same", "changed", "ordered")
    )
    alice.set_power(already_correct, {bob: 100})
    file = tmp_path / "control.toml"
    ids = json.dumps([same, changed, already_correct])
    text = f'version = 1\n[[rooms]]\nname = "all"\nmatch = {{ ids = {ids} }}\nadmins = ["{bob.user_id}"]\n'
    file.write_text(text, "utf-8")
    saved = synadmin("control", "plan", "control.toml", "--save-plan", "plan.json")
    assert saved.code == 0, saved.stderr
    assert saved.stderr.endswith(
        "The plan for 2 rooms is in plan.json. `synadmin apply plan.json` applies it.\n"
    )
    assert (tmp_path / "plan.json").stat().st_mode & 0o777 == 0o600

    alice.set_power(changed, {bob: 50})
    bob.set_power(already_correct, {bob: 50})
    file.write_text(f"{text}nobody_else = true\n", "utf-8")
    answer = synadmin("apply", "plan.json", "--yes", acting=second_admin)
    assert (answer.code, answer.stdout) == (5, "")
    assert "control.toml has changed since the plan was made" in answer.stderr
    file.unlink()  # the plan contains the content of the control file
    for flags, outcome in ((("--dry-run",), "planned"), (("--yes",), "done")):
        answer = synadmin("apply", "plan.json", *flags, "-o", "json", acting=second_admin)
        assert answer.code == 6, answer.stderr
        rooms = json.loads(answer.stdout)["rooms"]
        assert {record["room_id"]: (record["outcome"], record["reason"]) for record in rooms} == {
            same: (outcome, None),
            changed: ("refused", "changed-since-plan"),
            already_correct: ("refused", "changed-since-plan"),
        }
    for room_id, level in ((same, 100), (changed, 50), (already_correct, 50)):
        event = admin.levels_event(room_id)
        assert event is not None
        assert event["content"]["users"] == {alice.user_id: 100, bob.user_id: level}

    answer = synadmin("apply", "plan.json", "--yes", "-o", "json", acting=second_admin)
    assert [record["outcome"] for record in json.loads(answer.stdout)["rooms"]] == [
        "in-order", "refused", "refused",
    ]  # fmt: skip
    plan = json.loads((tmp_path / "plan.json").read_text("utf-8"))
    (tmp_path / "plan.json").write_text(json.dumps({**plan, "options": {}}), "utf-8")
    assert synadmin("apply", "plan.json", "--yes").code == 2


def test_file_without_a_plan_is_refused(
    synadmin: Synadmin, newcomer: Newcomer, homeserver: Homeserver, tmp_path: Path
) -> None:
    room_id = newcomer("alice").make_room("Hall", members=[homeserver.admin], users={homeserver.admin: 100})
    nothing = synadmin("room", "make-admin", room_id, "--save-plan", "nothing.json")
    assert (nothing.code, (tmp_path / "nothing.json").exists()) == (0, False)
    assert "Nothing is planned" in nothing.stderr
    other = {"server_name": "elsewhere.example", "made_by": "@a:elsewhere.example", "made_at": "2026-11-21"}
    plan = {"version": 1, "command": ["room", "make-admin"], "options": {}, "targets": [], **other}
    for content, code, words in (
        (None, 2, "cannot read"),
        ("[]", 2, "is not a plan"),
        (json.dumps({**plan, "version": 2}), 2, "is a plan of version 2"),
        (json.dumps({**plan, "command": ["user", "deactivate"]}), 2, "cannot be applied"),
        (json.dumps(plan), 5, "the plan is for elsewhere.example"),
    ):
        if content is not None:
            (tmp_path / "plan.json").write_text(content, "utf-8")
        answer = synadmin("apply", "plan.json", "--yes")
        assert (answer.code, answer.stdout) == (code, ""), answer
        assert words in answer.stderr
