"""Between the invitation and the acceptance: somebody has to come in, and much may happen until then."""

from __future__ import annotations

import itertools
import json
import signal
from functools import partial
from typing import TYPE_CHECKING

import pytest

from tests.live.recovery.proxy import Proxy
from tests.live.transfer.conftest import eventually, heard

if TYPE_CHECKING:
    from tests.live.conftest import Synadmin
    from tests.live.recovery.proxy import Passing
    from tests.live.transfer.conftest import Household, Running


def command(household: Household, *arguments: str) -> list[str]:
    to = ("--to", household.new.user_id, "--yes", "-o", "ndjson")
    return ["room", "transfer", *arguments, *to]


@pytest.mark.parametrize("way", ["as a member", "as a server admin"])
def test_new_owner_joins_while_the_command_waits(household: Household, running: Running, way: str) -> None:
    rooms = household.rooms(2)
    acting, options = household.old, ["--as-member"]
    if way == "as a server admin":
        acting = household.home.admin
        options = ["--old-owner", household.old.user_id, "--allow", "impersonate"]
    with running(*command(household, *rooms, *options, "--wait", "60s"), acting=acting) as process:
        heard(process, f"Waiting for {household.new.user_id} to join 2 rooms.")
        for room_id in rooms:
            assert household.held(household.home, room_id) == (100, 100, "invite")
            household.new.join(room_id, via=[household.home.server_name])
        stdout, stderr = process.communicate(timeout=60)
    assert process.returncode == 0, stderr
    assert [json.loads(line)["outcome"] for line in stdout.splitlines()] == ["done", "done"]
    for room_id in rooms:
        household.is_handed_over(room_id)


def test_transfer_without_wait_is_pending_and_finished_later(
    household: Household, synadmin: Synadmin
) -> None:
    invited, public = household.rooms(1)[0], household.old.create_room("Open to all", public=True)
    arguments = command(household, invited, public, "--as-member", "--wait", "0s")
    answer = synadmin(*arguments, server=household.home, acting=household.old)
    assert answer.code == 6
    for line in answer.stdout.splitlines():
        record = json.loads(line)
        assert (record["outcome"], record["reason"]) == ("pending", None)
        assert record["message"] == (
            f"{household.new.user_id} has to accept the invitation; "
            f"{household.old.user_id} keeps control until then."
        )
        assert record["power_level"]["from"] == {"before": 100, "after": 100}
    for room_id in (invited, public):
        household.new.join(room_id, via=[household.home.server_name])
        eventually(partial(household.held, household.home, room_id), (100, 100, "join"))
    answer = synadmin(*arguments, server=household.home, acting=household.old)
    assert answer.code == 0, answer.stdout
    for room_id in (invited, public):
        household.is_handed_over(room_id)


def test_declined_invitation_leaves_control_with_the_old_owner(
    household: Household, synadmin: Synadmin
) -> None:
    (room_id,) = household.rooms(1)
    arguments = command(household, room_id, "--as-member", "--wait", "0s")
    synadmin(*arguments, server=household.home, acting=household.old)
    household.new.leave(room_id)
    eventually(lambda: household.held(household.home, room_id), (100, 100, "leave"))
    # The next run invites again: somebody may have slipped on a telephone.
    answer = synadmin(*arguments, server=household.home, acting=household.old)
    assert json.loads(answer.stdout)["outcome"] == "pending"
    assert household.held(household.home, room_id) == (100, 100, "invite")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL], ids=lambda one: one.name)
def test_interrupted_wait_leaves_control_with_the_old_owner(
    household: Household, running: Running, synadmin: Synadmin, number: signal.Signals
) -> None:
    ready, late, *others = rooms = household.rooms(4)
    household.old.invite(ready, household.new)
    household.new.join(ready, via=[household.home.server_name])
    eventually(lambda: household.held(household.home, ready), (100, 0, "join"))
    admin = household.home.admin
    arguments = command(household, *rooms, "--old-owner", household.old.user_id, "--allow", "impersonate")
    with running(*arguments, "--wait", "60s", acting=admin) as process:
        heard(process, "to join 3 rooms.")
        assert admin.synapse.users.ratelimit(admin.user_id).messages_per_second == 0
        process.send_signal(number)
        stdout, stderr = process.communicate(timeout=60)
    assert json.loads(stdout)["room_id"] == ready, "the finished room has been reported"
    for room_id in (late, *others):
        assert household.held(household.home, room_id) == (100, 100, "invite")
    if number == signal.SIGINT:
        assert process.returncode == 130
        assert "4 rooms: 1 done, 3 not started." in stderr
        assert f"{household.old.user_id} keeps control" in stderr
        assert "Traceback" not in stderr
        assert admin.synapse.users.ratelimit(admin.user_id).messages_per_second is None
    for room_id in (late, *others):
        household.new.join(room_id, via=[household.home.server_name])
    again = ("journal", "resume", "last") if number == signal.SIGKILL else tuple(arguments)
    answer = synadmin(*again, server=household.home)
    assert answer.code == 0, answer.stderr
    assert admin.synapse.users.ratelimit(admin.user_id).messages_per_second is None
    for room_id in rooms:
        household.is_handed_over(room_id)


@pytest.mark.parametrize("way", ["as a member", "as a server admin"])
def test_run_killed_after_any_change_keeps_control_and_resumes(
    household: Household, running: Running, synadmin: Synadmin, way: str
) -> None:
    acting, options = household.old, ["--as-member"]
    if way == "as a server admin":
        acting = household.home.admin
        options = ["--old-owner", household.old.user_id, "--allow", "impersonate"]
    killed = lost = 0
    for number in itertools.count(1):
        (room_id,) = household.rooms(1)
        changes = itertools.count(1)

        def kill(passing: Passing, number: int = number, changes: itertools.count[int] = changes) -> None:
            if passing.changes and passing.answered and next(changes) == number:
                process.kill()
                process.wait()

        arguments = command(household, room_id, *options, "--to-profile", "new")
        with Proxy(household.home.url, kill) as proxy:
            with running(*arguments, acting=acting, url=proxy.here) as process:
                process.communicate(timeout=60)
            if process.returncode == 0:
                break
            killed += 1
            old, new, membership = household.held(household.home, room_id)
            assert old == 100 or (new, membership) == (100, "join")
            proxy.happens = lambda _: None
            here = {"SYNADMIN_HOMESERVER": proxy.here}
            again = ("journal", "resume", "last", "-o", "ndjson")
            answer = synadmin(*again, server=household.home, acting=acting, env=here)
        # The answer with the token was lost: it cannot be ended, and is open until it expires.
        is_lost = f"a token for {household.old.user_id} may still be valid" in answer.stderr
        lost += is_lost
        assert answer.code == (1 if is_lost else 0), answer.stderr
        assert json.loads(answer.stdout)["outcome"] == "done"
        household.is_handed_over(room_id)
    assert lost == (0 if acting is household.old else 1)
    # Power, invitation, power away; Make Room Admin, a token, power away, the token ended.
    assert killed == (3 if acting is household.old else 4)
