"""``user offboard``, ``deactivate``, ``lock`` and ``suspend`` of accounts with sole control of rooms."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest

from synadmin.ids import encoded
from tests.live.conftest import environment_of, running
from tests.live.recovery.proxy import Passing, Proxy
from tests.unit.cli.terminal import Terminal

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from synadmin.ids import RoomId
    from synadmin.sandbox.accounts import Person
    from synadmin.sandbox.homeserver import Homeserver
    from tests.live.conftest import Newcomer, Synadmin


class Leaver(NamedTuple):
    """An account with rooms, a member of these rooms, and a successor who is in none of them."""

    alice: Person
    bob: Person
    carol: Person
    dependent: RoomId
    shared: RoomId
    alone: RoomId


@pytest.fixture
def leaver(newcomer: Newcomer) -> Leaver:
    alice, bob, carol = newcomer("alice"), newcomer("bob"), newcomer("carol")
    dependent = alice.make_room("Chess\nclub", members=[bob])
    shared = alice.make_room("Board", members=[bob], users={bob: 100})
    return Leaver(alice, bob, carol, dependent, shared, alice.make_room("Notes"))


def records(synadmin: Synadmin, *arguments: str, code: int = 0) -> list[dict[str, Any]]:
    answer = synadmin("user", *arguments, "-o", "json")
    assert answer.code == code, answer.stderr
    return [*json.loads(answer.stdout)]


def through_proxy(
    homeserver: Homeserver,
    directory: Path,
    on_request: Callable[[Passing], int | None],
    *arguments: str,
    code: int,
) -> dict[str, Any]:
    """Run a command through a proxy that calls ``on_request`` for each request; return its only record."""
    with (
        Proxy(homeserver.url, on_request) as proxy,
        running(directory, proxy.here, homeserver.admin, *arguments, "-o", "json") as process,
    ):
        stdout, stderr = process.communicate()
    assert process.returncode == code, stderr
    (record,) = json.loads(stdout)
    return dict(record)


def test_rooms_of_an_account_are_listed_with_its_level(leaver: Leaver, synadmin: Synadmin) -> None:
    rooms = {record["room_id"]: record for record in records(synadmin, "rooms", leaver.alice.user_id)}
    assert rooms.keys() == {leaver.dependent, leaver.shared, leaver.alone}
    shared = rooms[leaver.shared]
    assert (shared["room"]["name"], shared["membership"], shared["level"], shared["control"]) == (
        "Board", "join", 100, True,
    )  # fmt: skip
    assert shared["controllers"] == sorted([leaver.alice.user_id, leaver.bob.user_id])
    powerful = records(synadmin, "rooms", leaver.bob.user_id, "--with-power")
    assert [record["room_id"] for record in powerful] == [leaver.shared]


@pytest.mark.parametrize("how", [("--yes",), ("--dry-run",)], ids=["run", "dry run"])
def test_account_with_sole_control_is_not_deactivated(
    leaver: Leaver, synadmin: Synadmin, homeserver: Homeserver, how: tuple[str, ...]
) -> None:
    (record,) = records(synadmin, "deactivate", leaver.alice.user_id, *how, code=5)
    assert (record["outcome"], record["reason"]) == ("refused", "would-lose-control")
    assert [room["room_id"] for room in record["rooms"]] == [leaver.dependent]
    assert r"Chess\nclub" in record["message"], "a line break in a name is escaped"
    assert not homeserver.admin.synapse.users.get(leaver.alice.user_id).deactivated


@pytest.mark.parametrize(
    ("verb", "words"),
    [("lock", "works through a locked account"), ("suspend", "does not work through a suspended account")],
)
def test_lock_and_suspend_warn_of_rooms_with_sole_control(
    leaver: Leaver, synadmin: Synadmin, homeserver: Homeserver, verb: str, words: str
) -> None:
    for how in ("--dry-run", "--yes"):
        answer = synadmin("user", verb, leaver.alice.user_id, how)
        assert answer.code == 0, answer.stderr
        (warning,) = [line for line in answer.stderr.splitlines() if line.startswith("warning: ")]
        assert f"with control of 1 room: {leaver.dependent} (Chess" in warning
        assert words in warning
    details = homeserver.admin.synapse.users.get(leaver.alice.user_id)
    assert details.locked if verb == "lock" else details.suspended
    answer = synadmin("user", verb, leaver.bob.user_id, "--yes")
    # Synapse grants levels through a locked account, but not through a suspended account.
    assert ("warning: " in answer.stderr) == (verb == "suspend"), answer.stderr


def test_accounts_suspended_together_are_checked_together(
    leaver: Leaver, synadmin: Synadmin, newcomer: Newcomer
) -> None:
    leaver.alice.bring_in(leaver.shared, newcomer("dave"))
    answer = synadmin("user", "suspend", leaver.alice.user_id, leaver.bob.user_id, "--yes", "-o", "ndjson")
    assert answer.code == 0, answer.stderr
    warnings = [line for line in answer.stderr.splitlines() if line.startswith("warning: ")]
    assert [leaver.shared in warning for warning in warnings] == [True, True], answer.stderr
    assert not any(leaver.dependent in warning for warning in warnings), (
        "both members of that room are suspended"
    )


def test_rooms_of_the_callers_account_are_read_before_its_token_ends(
    homeserver: Homeserver, newcomer: Newcomer, synadmin: Synadmin
) -> None:
    second_admin = homeserver.register("admin-who-locks-themselves", admin=True)
    room_id = second_admin.make_room(members=[newcomer("bob")])
    answer = synadmin(
        "user", "lock", second_admin.user_id, "--yes", "--confirm", second_admin.user_id, acting=second_admin
    )
    assert answer.code == 0, answer.stderr
    (warning,) = [line for line in answer.stderr.splitlines() if line.startswith("warning: ")]
    assert f"with control of 1 room: {room_id}" in warning
    assert homeserver.admin.synapse.users.get(second_admin.user_id).locked
    homeserver.admin.synapse.users.deactivate(second_admin.user_id)


def test_leavers_do_not_count_as_control_for_each_other(leaver: Leaver, synadmin: Synadmin) -> None:
    dave = leaver.carol
    leaver.alice.bring_in(leaver.shared, dave)
    result = records(synadmin, "deactivate", leaver.alice.user_id, leaver.bob.user_id, "--yes", code=5)
    assert [record["reason"] for record in result] == ["would-lose-control"] * 2
    assert {room["room_id"] for record in result for room in record["rooms"]} == {leaver.shared}


def test_leave_rooms_leaves_rooms_without_control(
    leaver: Leaver, synadmin: Synadmin, homeserver: Homeserver
) -> None:
    (record,) = records(synadmin, "deactivate", leaver.alice.user_id, "--leave-rooms", "--yes")
    assert record["outcome"] == "done"
    assert homeserver.admin.synapse.users.get(leaver.alice.user_id).deactivated


@pytest.mark.parametrize("then", ["lock", "deactivate"])
def test_successor_gets_control_before_the_account_is_closed(
    leaver: Leaver, synadmin: Synadmin, homeserver: Homeserver, then: str
) -> None:
    arguments = ("offboard", leaver.alice.user_id, "--to", leaver.carol.user_id, "--then", then)
    allowed = (*arguments, "--allow", "impersonate")

    (planned,) = records(synadmin, *allowed, "--dry-run")
    assert (planned["outcome"], [room["room_id"] for room in planned["rooms"]]) == (
        "planned",
        [leaver.dependent],
    )
    # The rooms with other local members: the dependent room and the shared room.
    assert planned["message"].endswith("The account also gives up its power in 2 rooms and leaves them.")
    assert homeserver.admin.membership(leaver.dependent, leaver.carol) is None
    shown = synadmin("user", *allowed, "--dry-run").stderr
    question = (
        f"1 room of {leaver.alice.user_id} will be handed over to the successors. The account gives up its "
        "power where other local users stay, and leaves these rooms. After its rooms are handed over, "
        f"the account is {'locked' if then == 'lock' else 'deactivated'}. Continue?"
    )
    assert question in shown
    for room_id in (leaver.dependent, leaver.shared):
        (line,) = [line for line in shown.splitlines() if room_id in line]
        assert f"{leaver.alice.user_id} leaves the room; its level is taken away." in line

    no_rooms = synadmin("user", "offboard", leaver.bob.user_id, "--to", leaver.carol.user_id, "--dry-run")
    question = f"No room depends on {leaver.bob.user_id}. The account will be locked. Continue?"
    assert question in no_rooms.stderr

    (record,) = records(synadmin, *allowed, "--yes")
    assert (record["outcome"], record["account"]) == ("done", {"action": then, "outcome": "done"})
    (room,) = record["rooms"]
    # The record shows the state after the account has left the room.
    assert (room["outcome"], room["controllers"]["after"]) == ("done", [leaver.carol.user_id])
    details = homeserver.admin.synapse.users.get(leaver.alice.user_id)
    assert (details.locked, details.deactivated) == (then == "lock", then == "deactivate")
    event = homeserver.admin.levels_event(leaver.dependent)
    assert event is not None
    assert event["content"]["users"].keys() == {leaver.carol.user_id}
    assert homeserver.admin.membership(leaver.dependent, leaver.alice) == "leave"
    assert homeserver.admin.membership(leaver.dependent, leaver.carol) == "join"


def test_account_leaves_a_room_where_the_default_level_gives_control(
    leaver: Leaver, synadmin: Synadmin, homeserver: Homeserver
) -> None:
    levels = {"users": {leaver.alice.user_id: 100}, "users_default": 100}
    room_id = leaver.alice.make_room(members=[leaver.bob], exact_levels=levels)
    arguments = ("offboard", leaver.bob.user_id, "--to", leaver.carol.user_id, "--then", "nothing")
    (record,) = records(synadmin, *arguments, "--allow", "impersonate", "--yes")
    assert record["outcome"] == "done"
    assert homeserver.admin.membership(room_id, leaver.bob) == "leave"


def test_account_stays_until_the_successor_accepts(
    leaver: Leaver, synadmin: Synadmin, homeserver: Homeserver
) -> None:
    arguments = ("offboard", leaver.alice.user_id, "--to", leaver.carol.user_id, "--yes")
    (record,) = records(synadmin, *arguments)
    assert (record["outcome"], record["rooms"][0]["outcome"]) == ("pending", "pending")
    assert not homeserver.admin.synapse.users.get(leaver.alice.user_id).locked
    leaver.carol.join(leaver.dependent)
    (record,) = records(synadmin, *arguments)
    assert record["outcome"] == "done"
    assert homeserver.admin.synapse.users.get(leaver.alice.user_id).locked


def test_partial_hand_over_asks_first(
    leaver: Leaver, synadmin: Synadmin, homeserver: Homeserver, tmp_path: Path
) -> None:
    blocked = leaver.alice.make_room("Blocked", members=[leaver.bob])
    homeserver.admin.synapse.rooms.block(blocked, block=True)
    arguments = ("offboard", leaver.alice.user_id, "--to", leaver.carol.user_id)

    (planned,) = records(synadmin, *arguments, "--dry-run", code=6)
    environment = environment_of(tmp_path, homeserver.url, homeserver.admin)
    with Terminal("-m", "synadmin", "user", *arguments, cwd=tmp_path, env=environment) as terminal:
        terminal.see("[y/N]: ")
        assert homeserver.admin.membership(leaver.dependent, leaver.carol) is None
        terminal.type("y\n")
        assert terminal.end() == 6

    assert planned["outcome"] == "partly"
    assert {room["outcome"] for room in planned["rooms"]} == {"planned", "refused"}
    assert homeserver.admin.membership(leaver.dependent, leaver.carol) == "invite"
    shown = " ".join(terminal.shown.split())
    assert shown.count("Not handed over: ") == 1, shown
    assert (
        f"1 of 2 rooms of {leaver.alice.user_id} cannot be handed over. 1 room will be handed over. "
        "The account will not be locked; --leave-rooms does it anyway. Continue? [y/N]:"
    ) in shown
    assert shown.index("refused: ") < shown.index("planned: "), "refused rooms come first"
    assert shown.count(f"Unblock the room first: `synadmin room unblock '{blocked}'`.") == 1, shown


def test_each_room_is_one_line_before_the_question(
    newcomer: Newcomer, homeserver: Homeserver, tmp_path: Path
) -> None:
    alice, bob, carol = newcomer("alice"), newcomer("bob"), newcomer("carol")
    rooms = [alice.make_room(f"Room {number}", members=[bob]) for number in range(8)]
    homeserver.admin.synapse.rooms.block(rooms[-1], block=True)
    environment = environment_of(tmp_path, homeserver.url, homeserver.admin)
    environment |= {"COLUMNS": "80", "LINES": "11"}
    arguments = ("-m", "synadmin", "user", "offboard", alice.user_id, "--to", carol.user_id)
    with Terminal(*arguments, cwd=tmp_path, env=environment) as terminal:
        terminal.see("steps]: ")
        lines = [line.strip() for line in terminal.shown.splitlines()]
        plan = [line for line in lines if line.startswith(("planned: ", "refused: "))]
        more = [line for line in lines if line.startswith("and ")]
        terminal.type("v\n")
        for room_id in rooms:
            terminal.see(f"\n{room_id} (Room ")
        terminal.type("n\n")
        assert terminal.end() != 0

    assert plan[0].startswith(f"refused: {rooms[-1]} (Room 7): ")
    assert len(plan) < len(rooms)
    assert more == [f"and {len(rooms) - len(plan)} more"]


def test_leavers_are_read_from_a_file(leaver: Leaver, synadmin: Synadmin, homeserver: Homeserver) -> None:
    answer = synadmin(
        "user", "offboard", "--from", "-", "--yes", "-o", "json",
        stdin=f"user,successor\n{leaver.alice.user_id},{leaver.bob.user_id}\n",
    )  # fmt: skip
    assert answer.code == 0, answer.stderr
    (record,) = json.loads(answer.stdout)
    assert record["rooms"][0]["controllers"]["after"] == sorted([leaver.alice.user_id, leaver.bob.user_id])
    assert homeserver.admin.synapse.users.get(leaver.alice.user_id).locked


def test_successor_of_one_leaver_counts_for_another(
    leaver: Leaver, newcomer: Newcomer, synadmin: Synadmin
) -> None:
    dave = newcomer("dave")
    theirs = leaver.carol.make_room("Go", members=[dave])
    pairs = f"{leaver.alice.user_id},{dave.user_id}\n{leaver.carol.user_id},{leaver.bob.user_id}\n"
    answer = synadmin(
        "user", "offboard", "--from", "-", "--dry-run", "-o", "json", stdin=f"user,successor\n{pairs}"
    )
    rooms = [[room["room_id"] for room in record["rooms"]] for record in json.loads(answer.stdout)]
    # Bob is the successor of Carol and has control of the shared room, so Dave needs no control there.
    assert rooms == [[leaver.dependent], [theirs]], answer.stderr


def test_invalid_successors_are_refused_before_any_change(
    leaver: Leaver, newcomer: Newcomer, synadmin: Synadmin, homeserver: Homeserver
) -> None:
    alice, bob, carol = (who.user_id for who in (leaver.alice, leaver.bob, leaver.carol))
    suspended, locked = newcomer("suspended"), newcomer("locked")
    homeserver.admin.modify_user(carol, deactivated=True)
    homeserver.admin.suspend(suspended)
    homeserver.admin.modify_user(locked, locked=True)
    pairs = f"user,successor\n{alice},{bob}\n{bob},{alice}\n"
    for arguments, stdin, code, words in (
        ((alice,), None, 2, "--to USER"),
        ((alice, "--to", ","), None, 2, "names no user"),
        ((alice, "--to", "no-such-account"), None, 4, "User not found"),
        ((alice, "--to", carol), None, 5, "is deactivated"),
        ((alice, "--to", suspended.user_id), None, 5, "is suspended"),
        ((alice, "--to", f"{bob},{locked.user_id}"), None, 5, "is locked"),
        ((alice, "--to", alice), None, 2, "is one of the leavers"),
        ((alice, "--to", "@x:elsewhere.example"), None, 2, homeserver.server_name),
        ((homeserver.admin.user_id, "--to", bob), None, 5, "your own account"),
        (("--from", "-"), pairs, 2, "is one of the leavers"),
    ):
        answer = synadmin("user", "offboard", *arguments, "--yes", stdin=stdin)
        assert (answer.code, answer.stdout) == (code, ""), (arguments, answer)
        assert words in answer.stderr, answer.stderr
    assert not homeserver.admin.synapse.users.get(alice).locked


def test_account_stays_where_the_successor_blocks_invitations(
    leaver: Leaver, synadmin: Synadmin, homeserver: Homeserver
) -> None:
    carol = leaver.carol
    path = f"/_matrix/client/v3/user/{encoded(carol.user_id)}/account_data/m.invite_permission_config"
    carol.call("PUT", path, {"default_action": "block"})
    arguments = ("offboard", leaver.alice.user_id, "--to", carol.user_id, "--allow", "impersonate", "--yes")
    (record,) = records(synadmin, *arguments, code=1)
    assert (record["outcome"], record["reason"]) == ("failed", "would-lose-control")
    (room,) = record["rooms"]
    assert (room["outcome"], room["reason"]) == ("failed", "target-blocks-invites")
    assert f"{carol.user_id} blocks invitations" in room["message"]
    assert room["controllers"]["after"] == [leaver.alice.user_id]
    assert not homeserver.admin.synapse.users.get(leaver.alice.user_id).locked

    carol.call("PUT", path, {})
    (record,) = records(synadmin, *arguments)
    assert record["outcome"] == "done"
    assert homeserver.admin.membership(leaver.dependent, carol) == "join"


def test_account_stays_where_a_room_changed_meanwhile(
    leaver: Leaver, homeserver: Homeserver, tmp_path: Path
) -> None:
    alice = leaver.alice
    changed: list[Passing] = []

    def on_request(passing: Passing) -> None:
        if passing.path.endswith("/make_room_admin") and not changed:
            alice.set_power(leaver.dependent, {alice: 0})  # just before the level is granted
            changed.append(passing)

    arguments = ("user", "offboard", alice.user_id, "--to", leaver.bob.user_id, "--yes")
    record = through_proxy(homeserver, tmp_path, on_request, *arguments, code=1)
    assert len(changed) == 1
    assert (record["outcome"], record["reason"]) == ("failed", "would-lose-control")
    (room,) = record["rooms"]
    assert (room["outcome"], room["controllers"]["after"]) == ("failed", [])
    assert not homeserver.admin.synapse.users.get(alice.user_id).locked


@pytest.mark.parametrize("leave_rooms", [False, True])
def test_account_that_could_not_leave_a_room_is_not_done(
    leaver: Leaver, homeserver: Homeserver, tmp_path: Path, *, leave_rooms: bool
) -> None:
    alice = leaver.alice.user_id

    def on_request(passing: Passing) -> int | None:
        return 403 if passing.path.endswith("/leave") else None

    arguments = ["user", "offboard", alice, "--to", leaver.bob.user_id, "--allow", "impersonate", "--yes"]
    arguments += ["--leave-rooms"] if leave_rooms else []
    record = through_proxy(homeserver, tmp_path, on_request, *arguments, code=6)
    assert (record["outcome"], record["reason"]) == ("partly", "server-error")
    assert "In 2 rooms the account did not give up its power and leave" in record["message"]
    assert homeserver.admin.synapse.users.get(alice).locked == leave_rooms
    assert record["account"]["outcome"] == ("done" if leave_rooms else "not started")


def test_account_stays_where_the_successor_is_locked_meanwhile(
    leaver: Leaver, homeserver: Homeserver, tmp_path: Path
) -> None:
    alice, bob = leaver.alice.user_id, leaver.bob.user_id

    def on_request(passing: Passing) -> None:
        if passing.path.endswith("/make_room_admin") and passing.answered:
            homeserver.lock(leaver.bob)  # as `user offboard bob` does

    arguments = ["user", "offboard", alice, "--to", bob, "--yes"]
    record = through_proxy(homeserver, tmp_path, on_request, *arguments, code=6)
    assert (record["outcome"], record["reason"]) == ("partly", "would-lose-control")
    assert f"But {bob} is locked now. The account is unchanged." in record["message"]
    assert not homeserver.admin.synapse.users.get(alice).locked


@pytest.mark.parametrize("how", ["--dry-run", "--yes"])
def test_locked_account_cannot_give_up_its_power(
    leaver: Leaver, synadmin: Synadmin, homeserver: Homeserver, how: str
) -> None:
    alice, bob = leaver.alice, leaver.bob.user_id
    own = alice.make_room("Own", version="12", members=[leaver.bob])
    homeserver.lock(alice)
    arguments = ("offboard", alice.user_id, "--to", bob, "--then", "deactivate", how)
    (record,) = records(synadmin, *arguments, "--allow", "impersonate", code=5)
    assert (record["outcome"], record["reason"]) == ("refused", "needs-reactivate")
    assert f"Run `synadmin user unlock {alice.user_id}` first" in record["message"]
    assert homeserver.admin.membership(own, alice) == "join"
    # Without --allow, its rooms are handed over.
    (record,) = records(synadmin, *arguments)
    assert record["outcome"] == ("planned" if how == "--dry-run" else "done")


@pytest.mark.parametrize("then", ["lock", "deactivate"])
def test_account_closed_at_the_same_time_as_its_successor_is_not_done(
    leaver: Leaver, homeserver: Homeserver, tmp_path: Path, then: str
) -> None:
    alice, bob = leaver.alice.user_id, leaver.bob.user_id

    def on_request(passing: Passing) -> None:
        is_closing = passing.method == "PUT" or "/deactivate/" in passing.path
        if is_closing and encoded(alice) in passing.path and not passing.answered:
            homeserver.lock(leaver.bob)  # as `user offboard bob --to alice` does at this moment

    arguments = ["user", "offboard", alice, "--to", bob, "--then", then, "--yes"]
    record = through_proxy(homeserver, tmp_path, on_request, *arguments, code=6)
    assert (record["outcome"], record["reason"]) == ("partly", "would-lose-control")
    assert record["account"]["outcome"] == "done"
    assert f"But {bob} is locked now" in record["message"]
