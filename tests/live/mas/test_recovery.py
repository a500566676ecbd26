"""Control of rooms is regained where MAS manages the accounts: by impersonation, and by reactivation.

After each run, accounts, sessions and rate limits are the same as before.
"""

from __future__ import annotations

import json
import os
import secrets
import signal
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from synadmin.ids import encoded
from tests.live.conftest import environment_of
from tests.live.mas.world import REAL
from tests.live.recovery.proxy import Proxy
from tests.live.room_result import RoomResult

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from synadmin.ids import RoomId
    from synadmin.sandbox.accounts import Person
    from tests.live.conftest import Synadmin
    from tests.live.mas.world import MasHomeserver
    from tests.live.recovery.proxy import Passing

needs_stand_in = pytest.mark.skipif(REAL is not None, reason="only the stand-in has knobs")


def deactivate(mas: MasHomeserver, who: Person, *, erase: bool = False) -> None:
    """Deactivate an account at MAS, and wait until Synapse has deactivated it."""
    mas.api("POST", f"/users/{mas.user(who)['id']}/deactivate", {"skip_erase": not erase})
    mas.wait_until(lambda: bool(mas.admin.synapse.users.get(who.user_id).deactivated))
    mas.wait_until(lambda: not mas.admin.synapse.activity.joined_rooms(who.user_id).total)


def lock(mas: MasHomeserver, who: Person) -> None:
    mas.api("POST", f"/users/{mas.user(who)['id']}/lock")
    mas.wait_until(lambda: bool(mas.admin.synapse.users.get(who.user_id).locked))


def state_of(mas: MasHomeserver, *people: Person) -> list[Any]:
    """Return the state that a run may not change: accounts at both sides, rate limits, personal sessions."""
    found: list[Any] = []
    for person in people:
        user, details = mas.user(person), mas.admin.synapse.users.get(person.user_id)
        limits = mas.admin.synapse.users.ratelimit(person.user_id).as_sent()
        filters = {"filter[actor_user]": user["id"], "filter[status]": "active"}
        sessions = mas.ask("GET", "/personal-sessions", query=filters).json["data"]
        flags = (details.deactivated, details.locked, details.suspended, details.erased, details.admin)
        at_mas = (user["deactivated_at"] is not None, user["locked_at"] is not None)
        found.append((person.user_id, flags, at_mas, limits, [session["id"] for session in sessions]))
    return found


def regain(mas: MasHomeserver, synadmin: Synadmin, room_id: RoomId, *options: str) -> RoomResult:
    arguments = ("room", "make-admin", room_id, "--yes", "-o", "json", *options)
    return RoomResult.by(synadmin(*arguments, server=mas.server, acting=mas.admin))


def admin_left(mas: MasHomeserver) -> tuple[RoomId, tuple[Person, ...]]:
    alice, bob = mas.new_user(), mas.new_user("bob")
    return alice.make_room(members=[bob], left=[alice]), (alice, bob)


def admin_left_a_moderator(mas: MasHomeserver) -> tuple[RoomId, tuple[Person, ...]]:
    alice, mod = mas.new_user(), mas.new_user("mod")
    levels = {"users": {alice.user_id: 100, mod.user_id: 50}, "events": {"m.room.power_levels": 100}}
    return alice.make_room(members=[mod], exact_levels=levels, left=[alice]), (alice, mod)


def all_members_have_control(mas: MasHomeserver) -> tuple[RoomId, tuple[Person, ...]]:
    alice, bob = mas.new_user(), mas.new_user("bob")
    levels = {"users": {}, "users_default": 100}
    return alice.make_room(members=[bob], exact_levels=levels, left=[alice]), (alice, bob)


def admin_deactivated(mas: MasHomeserver) -> tuple[RoomId, tuple[Person, ...]]:
    alice, bob = mas.new_user(), mas.new_user("bob")
    room_id = alice.make_room(members=[bob])
    deactivate(mas, alice)
    return room_id, (alice, bob)


def admin_erased(mas: MasHomeserver) -> tuple[RoomId, tuple[Person, ...]]:
    alice, bob = mas.new_user(), mas.new_user("bob")
    room_id = alice.make_room(members=[bob])
    deactivate(mas, alice, erase=True)
    return room_id, (alice, bob)


def admin_left_and_locked(mas: MasHomeserver) -> tuple[RoomId, tuple[Person, ...]]:
    alice, bob = mas.new_user(), mas.new_user("bob")
    room_id = alice.make_room(members=[bob], left=[alice])
    lock(mas, alice)
    return room_id, (alice, bob)


def admin_deactivated_only_in_synapse(mas: MasHomeserver) -> tuple[RoomId, tuple[Person, ...]]:
    alice, bob = mas.new_user(), mas.new_user("bob")
    room_id = alice.make_room(members=[bob])
    mas.admin.call("POST", f"/_synapse/admin/v1/deactivate/{encoded(alice.user_id)}", {"erase": False})
    mas.wait_until(lambda: mas.admin.membership(room_id, alice) == "leave")
    return room_id, (alice, bob)


def creator_left_in_version_12(mas: MasHomeserver) -> tuple[RoomId, tuple[Person, ...]]:
    alice, bob = mas.new_user(), mas.new_user("bob")
    return alice.make_room(version="12", members=[bob], left=[alice]), (alice, bob)


def admin_suspended(mas: MasHomeserver) -> tuple[RoomId, tuple[Person, ...]]:
    alice = mas.new_user()
    room_id = alice.make_room(members=[mas.new_user("bob")])
    mas.admin.suspend(alice)
    return room_id, (alice,)


def target_banned(mas: MasHomeserver) -> tuple[RoomId, tuple[Person, ...]]:
    alice = mas.new_user()
    room_id = alice.make_room()
    alice.ban(room_id, mas.admin)
    return room_id, (alice,)


SITUATIONS = [
    (admin_left, "impersonate"),
    (admin_left_a_moderator, "impersonate"),
    (all_members_have_control, "impersonate"),
    (creator_left_in_version_12, "impersonate"),
    (target_banned, "impersonate"),
    (admin_deactivated, "reactivate"),
    (admin_erased, "reactivate"),
    (admin_left_and_locked, "reactivate"),
    (admin_deactivated_only_in_synapse, "reactivate"),
    (admin_suspended, "reactivate"),
]


@pytest.mark.parametrize(
    ("situation", "permission"),
    [pytest.param(one, permission, id=one.__name__) for one, permission in SITUATIONS],
)
def test_room_is_regained_and_all_else_is_unchanged(
    mas_homeserver: MasHomeserver,
    synadmin: Synadmin,
    situation: Callable[[MasHomeserver], tuple[RoomId, tuple[Person, ...]]],
    permission: str,
) -> None:
    room_id, people = situation(mas_homeserver)
    before = state_of(mas_homeserver, *people)
    refused = regain(mas_homeserver, synadmin, room_id)
    reason = "target-banned" if situation is target_banned else f"needs-{permission}"
    assert refused.verdict == (5, "refused", reason, permission), refused.stderr
    result = regain(mas_homeserver, synadmin, room_id, "--allow", permission)
    assert result.verdict == (0, "done", None, permission), result
    assert result.record["control"] is True
    assert state_of(mas_homeserver, *people) == before
    assert "warning" not in result.stderr


def test_levels_are_changed_as_another_user(mas_homeserver: MasHomeserver, synadmin: Synadmin) -> None:
    alice, bob = mas_homeserver.new_user(), mas_homeserver.new_user("bob")
    room_id = alice.make_room(members=[bob], users={bob: 50})
    before = state_of(mas_homeserver, alice, bob)
    arguments = ("room", "demote", room_id, bob.user_id, "--allow", "impersonate", "--yes")
    answer = synadmin(*arguments, server=mas_homeserver.server, acting=mas_homeserver.admin)
    assert answer.code == 0, answer.stderr
    content = (mas_homeserver.admin.levels_event(room_id) or {})["content"]
    assert bob.user_id not in content["users"]
    assert state_of(mas_homeserver, alice, bob) == before


def test_level_is_set_as_another_user(mas_homeserver: MasHomeserver, synadmin: Synadmin) -> None:
    alice, bob = mas_homeserver.new_user(), mas_homeserver.new_user("bob")
    room_id = alice.make_room(members=[bob])
    before = state_of(mas_homeserver, alice, bob)
    arguments = ("room", "set-power", room_id, bob.user_id, "50", "--allow", "impersonate", "--yes")
    answer = synadmin(*arguments, server=mas_homeserver.server, acting=mas_homeserver.admin)
    assert answer.code == 0, answer.stderr
    content = (mas_homeserver.admin.levels_event(room_id) or {})["content"]
    assert content["users"][bob.user_id] == 50
    assert state_of(mas_homeserver, alice, bob) == before


def test_rooms_are_transferred_under_mas(mas_homeserver: MasHomeserver, synadmin: Synadmin) -> None:
    alice, bob = mas_homeserver.new_user(), mas_homeserver.new_user("bob")
    room_id = alice.make_room(members=[bob])
    arguments = ("room", "transfer", room_id, "--old-owner", alice.user_id, "--to", bob.user_id)
    answer = synadmin(
        *arguments,
        "--allow",
        "impersonate",
        "--yes",
        server=mas_homeserver.server,
        acting=mas_homeserver.admin,
    )
    assert answer.code == 0, answer.stderr
    content = (mas_homeserver.admin.levels_event(room_id) or {})["content"]
    assert content["users"][bob.user_id] == 100


def test_rate_limits_are_lifted_for_each_impersonated_user(
    mas_homeserver: MasHomeserver, synadmin: Synadmin
) -> None:
    alice, bob = mas_homeserver.new_user(), mas_homeserver.new_user("bob")
    rooms = [alice.make_room(members=[bob], left=[alice]) for _ in range(4)]
    before = state_of(mas_homeserver, alice, bob, mas_homeserver.admin)
    arguments = ("room", "make-admin", *rooms, "--allow", "impersonate", "--yes", "-o", "json", "-v")
    answer = synadmin(*arguments, server=mas_homeserver.server, acting=mas_homeserver.admin)
    assert answer.code == 0, answer.stderr
    assert {one["outcome"] for one in json.loads(answer.stdout)} == {"done"}
    lifted = f"POST /_synapse/admin/v1/users/{encoded(alice.user_id)}/override_ratelimit -> 200"
    assert lifted in answer.stderr
    after = state_of(mas_homeserver, alice, bob, mas_homeserver.admin)
    # The personal sessions of the admin belong to the fixture.
    assert after == before


def test_user_unknown_to_mas_cannot_be_impersonated(
    mas_homeserver: MasHomeserver, synadmin: Synadmin
) -> None:
    if mas_homeserver.service is None:
        pytest.skip("only the stand-in makes its secret available")
    from synadmin.client import Synapse
    from synadmin.http.endpoint import Endpoint

    name = f"bridged-{secrets.token_hex(3)}"
    with Synapse(mas_homeserver.server.url, token=mas_homeserver.service.secret) as synapse:
        synapse.transport.send(
            Endpoint("POST", "/_synapse/mas/provision_user", dict), body={"localpart": name}
        )
    alice = mas_homeserver.new_user()
    room_id = alice.make_room()
    bridged_user = mas_homeserver.server.user_id(name)
    mas_homeserver.admin.call(
        "POST", f"/_synapse/admin/v1/rooms/{encoded(room_id)}/make_room_admin", {"user_id": bridged_user}
    )
    alice.leave(room_id)
    result = regain(mas_homeserver, synadmin, room_id, "--allow", "reactivate")
    # Only alice and the bridged user have power. Alice has to rejoin, but no member can invite her.
    assert result.code in {0, 5}
    assert bridged_user not in [by for _, by, _ in result.steps]


@needs_stand_in
def test_refusal_without_the_mas_admin_api_names_the_reason(
    mas_homeserver: MasHomeserver, synadmin: Synadmin
) -> None:
    room_id, _ = admin_left(mas_homeserver)
    with mas_homeserver.knobs(adminapi=False):
        result = regain(mas_homeserver, synadmin, room_id, "--allow", "impersonate")
    assert result.verdict == (5, "refused", "needs-impersonate", None)
    assert "does not serve it" in result.message
    assert "`adminapi`" in result.message
    with mas_homeserver.knobs(version="v1.4.0"):
        result = regain(mas_homeserver, synadmin, room_id, "--allow", "impersonate")
    assert result.verdict == (5, "refused", "needs-impersonate", None)
    assert "MAS 1.4.0 is too old for acting as other users" in result.message


def active_sessions(mas: MasHomeserver, who: Person) -> list[str]:
    filters = {"filter[actor_user]": mas.user(who)["id"], "filter[status]": "active"}
    found = mas.ask("GET", "/personal-sessions", query=filters).json["data"]
    return [one["attributes"]["human_name"] for one in found]


EVERY = bool(os.environ.get("SYNADMIN_TEST_EVERY"))
POSITIONS = range(1, 9) if EVERY else (2, 4, 7)


@pytest.mark.parametrize("position", POSITIONS)
def test_next_run_reverts_temporary_changes_after_a_crash(
    mas_homeserver: MasHomeserver, synadmin: Synadmin, tmp_path: Path, position: int
) -> None:
    """The run is killed after the server has made a change, before the command receives the answer."""
    room_id, people = admin_deactivated(mas_homeserver)
    alice = people[0]
    before = state_of(mas_homeserver, *people)
    changes: list[str] = []
    process: list[subprocess.Popen[bytes]] = []

    def kill(passing: Passing) -> int | None:
        if passing.answered and passing.method != "GET":
            changes.append(passing.path)
            if len(changes) == position:
                process[0].send_signal(signal.SIGKILL)
                process[0].wait(60)
        return None

    with (
        Proxy(mas_homeserver.server.url, kill) as matrix,
        Proxy(mas_homeserver.url.rstrip("/"), kill) as mas,
    ):
        through_proxies = {"SYNADMIN_HOMESERVER": matrix.here, "SYNADMIN_MAS": mas.here}
        arguments = ("room", "make-admin", room_id, "--allow", "reactivate", "--yes")
        environment = environment_of(tmp_path, matrix.here, mas_homeserver.admin) | through_proxies
        command = [sys.executable, "-m", "synadmin", *arguments]
        process.append(subprocess.Popen(command, cwd=tmp_path, env=environment, stderr=subprocess.DEVNULL))
        with process[0]:
            process[0].wait(120)
        assert len(changes) >= position, changes
        changes.extend([""] * 1000)  # no later change kills the process
        resumed = synadmin(
            *("journal", "resume", "last", "--yes"),
            server=mas_homeserver.server,
            acting=mas_homeserver.admin,
            env=through_proxies,
        )
        assert resumed.code == 0, resumed.stderr
    assert state_of(mas_homeserver, *people) == before
    assert active_sessions(mas_homeserver, alice) == []
    content = (mas_homeserver.admin.levels_event(room_id) or {})["content"]
    assert content["users"][mas_homeserver.admin.user_id] == 100
    for file in tmp_path.rglob("*"):
        if file.is_file():
            assert b"mpt_" not in file.read_bytes(), file


@needs_stand_in
@pytest.mark.skipif(
    not EVERY, reason="slow, as it waits for a job that does not run: set SYNADMIN_TEST_EVERY=1"
)
def test_next_run_deactivates_again_where_the_job_did_not_run(
    mas_homeserver: MasHomeserver, synadmin: Synadmin
) -> None:
    room_id, people = admin_deactivated(mas_homeserver)
    before = state_of(mas_homeserver, *people)
    with mas_homeserver.knobs(worker=False):
        result = regain(mas_homeserver, synadmin, room_id, "--allow", "reactivate")
    assert result.code == 1, result
    assert "warning" in result.stderr
    assert mas_homeserver.user(people[0])["deactivated_at"] is not None
    arguments = ("journal", "resume", "last", "--yes")
    resumed = synadmin(*arguments, server=mas_homeserver.server, acting=mas_homeserver.admin)
    assert resumed.code == 0, resumed.stderr
    assert state_of(mas_homeserver, *people) == before


@pytest.mark.parametrize("failure", ["cut off", 502])
def test_personal_session_with_a_lost_answer_is_found_and_revoked(
    mas_homeserver: MasHomeserver, synadmin: Synadmin, failure: str | int
) -> None:
    room_id, people = admin_left(mas_homeserver)
    before = state_of(mas_homeserver, *people)
    lost_answers: list[str] = []

    def lose_answer(passing: Passing) -> int | None:
        if passing.answered and passing.method == "POST" and passing.path.endswith("/personal-sessions"):
            lost_answers.append(passing.path)
            if isinstance(failure, int):
                return failure
            raise ConnectionAbortedError
        return None

    with Proxy(mas_homeserver.url.rstrip("/"), lose_answer) as mas:
        answer = synadmin(
            *("room", "make-admin", room_id, "--allow", "impersonate", "--yes"),
            server=mas_homeserver.server,
            acting=mas_homeserver.admin,
            env={"SYNADMIN_MAS": mas.here},
        )
    assert answer.code == 1, answer
    assert lost_answers
    assert state_of(mas_homeserver, *people) == before


def test_lost_room_is_replaced_for_another_user(mas_homeserver: MasHomeserver, synadmin: Synadmin) -> None:
    alice, bob = mas_homeserver.new_user(), mas_homeserver.new_user("bob")
    room_id = alice.make_room(members=[bob], left=[alice, bob])
    before = state_of(mas_homeserver, bob)
    answer = synadmin(
        *("room", "replace", room_id, "--admin", bob.user_id, "--allow", "impersonate", "--anyway"),
        *("--confirm", room_id, "--no-block", "--yes", "-o", "json"),
        server=mas_homeserver.server,
        acting=mas_homeserver.admin,
    )
    assert answer.code == 0, answer.stderr
    assert state_of(mas_homeserver, bob) == before
