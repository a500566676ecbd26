"""``room transfer`` while the new owner has not yet accepted the invitation."""

from __future__ import annotations

import itertools
import json
import signal
from functools import partial
from typing import TYPE_CHECKING

import pytest

from tests.live.recovery.proxy import Proxy
from tests.live.transfer.conftest import eventually, wait_for_line

if TYPE_CHECKING:
    from tests.live.conftest import Synadmin
    from tests.live.recovery.proxy import Passing
    from tests.live.transfer.conftest import Migration, Running


def command(migration: Migration, *arguments: str) -> list[str]:
    to = ("--to", migration.new_user.user_id, "--yes", "-o", "ndjson")
    return ["room", "transfer", *arguments, *to]


@pytest.mark.parametrize("caller", ["as a member", "as a server admin"])
def test_new_owner_joins_while_the_command_waits(migration: Migration, running: Running, caller: str) -> None:
    rooms = migration.make_rooms(2)
    acting, options = migration.old_user, ["--as-member"]
    if caller == "as a server admin":
        acting = migration.old_server.admin
        options = ["--old-owner", migration.old_user.user_id, "--allow", "impersonate"]
    with running(*command(migration, *rooms, *options, "--wait", "60s"), acting=acting) as process:
        wait_for_line(process, f"Waiting for {migration.new_user.user_id} to join 2 rooms.")
        for room_id in rooms:
            assert migration.levels_and_membership(migration.old_server, room_id) == (100, 100, "invite")
            migration.new_user.join(room_id, via=[migration.old_server.server_name])
        stdout, stderr = process.communicate(timeout=60)
    assert process.returncode == 0, stderr
    assert [json.loads(line)["outcome"] for line in stdout.splitlines()] == ["done", "done"]
    for room_id in rooms:
        migration.assert_transferred(room_id)


def test_transfer_without_wait_is_pending_and_finished_later(
    migration: Migration, synadmin: Synadmin
) -> None:
    invited, public = migration.make_rooms(1)[0], migration.old_user.create_room("Open to all", public=True)
    arguments = command(migration, invited, public, "--as-member", "--wait", "0s")
    answer = synadmin(*arguments, server=migration.old_server, acting=migration.old_user)
    assert answer.code == 6
    for line in answer.stdout.splitlines():
        record = json.loads(line)
        assert (record["outcome"], record["reason"]) == ("pending", None)
        assert record["message"] == (
            f"{migration.new_user.user_id} has to accept the invitation; "
            f"{migration.old_user.user_id} keeps control until then."
        )
        assert record["power_level"]["from"] == {"before": 100, "after": 100}
    for room_id in (invited, public):
        migration.new_user.join(room_id, via=[migration.old_server.server_name])
        eventually(
            partial(migration.levels_and_membership, migration.old_server, room_id), (100, 100, "join")
        )
    answer = synadmin(*arguments, server=migration.old_server, acting=migration.old_user)
    assert answer.code == 0, answer.stdout
    for room_id in (invited, public):
        migration.assert_transferred(room_id)


def test_declined_invitation_leaves_control_with_the_old_owner(
    migration: Migration, synadmin: Synadmin
) -> None:
    (room_id,) = migration.make_rooms(1)
    arguments = command(migration, room_id, "--as-member", "--wait", "0s")
    synadmin(*arguments, server=migration.old_server, acting=migration.old_user)
    migration.new_user.leave(room_id)
    eventually(lambda: migration.levels_and_membership(migration.old_server, room_id), (100, 100, "leave"))
    # The next run invites again: the user may have declined by mistake.
    answer = synadmin(*arguments, server=migration.old_server, acting=migration.old_user)
    assert json.loads(answer.stdout)["outcome"] == "pending"
    assert migration.levels_and_membership(migration.old_server, room_id) == (100, 100, "invite")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL], ids=lambda number: number.name)
def test_interrupted_wait_leaves_control_with_the_old_owner(
    migration: Migration, running: Running, synadmin: Synadmin, number: signal.Signals
) -> None:
    ready, late, *others = rooms = migration.make_rooms(4)
    migration.old_user.invite(ready, migration.new_user)
    migration.new_user.join(ready, via=[migration.old_server.server_name])
    eventually(lambda: migration.levels_and_membership(migration.old_server, ready), (100, 0, "join"))
    admin = migration.old_server.admin
    arguments = command(
        migration, *rooms, "--old-owner", migration.old_user.user_id, "--allow", "impersonate"
    )
    with running(*arguments, "--wait", "60s", acting=admin) as process:
        wait_for_line(process, "to join 3 rooms.")
        assert admin.synapse.users.ratelimit(admin.user_id).messages_per_second == 0
        process.send_signal(number)
        stdout, stderr = process.communicate(timeout=60)
    assert json.loads(stdout)["room_id"] == ready, "the finished room has been reported"
    for room_id in (late, *others):
        assert migration.levels_and_membership(migration.old_server, room_id) == (100, 100, "invite")
    if number == signal.SIGINT:
        assert process.returncode == 130
        assert "4 rooms: 1 done, 3 not started." in stderr
        assert f"{migration.old_user.user_id} keeps control" in stderr
        assert "Traceback" not in stderr
        assert admin.synapse.users.ratelimit(admin.user_id).messages_per_second is None
    for room_id in (late, *others):
        migration.new_user.join(room_id, via=[migration.old_server.server_name])
    again = ("journal", "resume", "last") if number == signal.SIGKILL else tuple(arguments)
    answer = synadmin(*again, server=migration.old_server)
    assert answer.code == 0, answer.stderr
    assert admin.synapse.users.ratelimit(admin.user_id).messages_per_second is None
    for room_id in rooms:
        migration.assert_transferred(room_id)


@pytest.mark.parametrize("caller", ["as a member", "as a server admin"])
def test_run_killed_after_any_change_keeps_control_and_resumes(
    migration: Migration, running: Running, synadmin: Synadmin, caller: str
) -> None:
    acting, options = migration.old_user, ["--as-member"]
    if caller == "as a server admin":
        acting = migration.old_server.admin
        options = ["--old-owner", migration.old_user.user_id, "--allow", "impersonate"]
    killed = lost = 0
    for number in itertools.count(1):
        (room_id,) = migration.make_rooms(1)
        changes = itertools.count(1)

        def kill(passing: Passing, number: int = number, changes: itertools.count[int] = changes) -> None:
            if passing.changes and passing.answered and next(changes) == number:
                process.kill()
                process.wait()

        arguments = command(migration, room_id, *options, "--to-profile", "new")
        with Proxy(migration.old_server.url, kill) as proxy:
            with running(*arguments, acting=acting, url=proxy.here) as process:
                process.communicate(timeout=60)
            if process.returncode == 0:
                break
            killed += 1
            old, new, membership = migration.levels_and_membership(migration.old_server, room_id)
            assert old == 100 or (new, membership) == (100, "join")
            proxy.on_request = lambda _: None
            here = {"SYNADMIN_HOMESERVER": proxy.here}
            again = ("journal", "resume", "last", "-o", "ndjson")
            answer = synadmin(*again, server=migration.old_server, acting=acting, env=here)
        # The answer with the token was lost, so the token cannot be revoked. It is valid until it expires.
        is_lost = f"a token for {migration.old_user.user_id} may still be valid" in answer.stderr
        lost += is_lost
        assert answer.code == (1 if is_lost else 0), answer.stderr
        assert json.loads(answer.stdout)["outcome"] == "done"
        migration.assert_transferred(room_id)
    assert lost == (0 if acting is migration.old_user else 1)
    # As a member: level, invitation, removal of the old level. As a server admin: Make Room Admin, a token,
    # removal of the old level, logout of the token.
    assert killed == (3 if acting is migration.old_user else 4)
