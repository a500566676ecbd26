"""The sandbox: its servers, rooms, accounts and commands, and the removal of all its files and processes."""

from __future__ import annotations

import os
import signal
import socket
import stat
import subprocess
import sys
import tempfile
import time
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from synadmin.errors import ConnectError, RateLimitedError
from synadmin.sandbox import homeserver as homeserver_module
from synadmin.sandbox import process
from synadmin.sandbox.community import MEMBERS, SITUATIONS, SITUATIONS_WITH_NEIGHBOURS, Community, fill
from synadmin.sandbox.homeserver import Homeserver
from synadmin.sandbox.registry import up as put_up
from tests.live.conftest import clean_environment

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from synadmin.ids import RoomId
    from synadmin.sandbox.accounts import Person
    from tests.live.conftest import Newcomer

_TIMEOUT = 60  # seconds


def wait_until(condition: Callable[[], bool]) -> None:
    until = time.monotonic() + _TIMEOUT
    while not condition():
        assert time.monotonic() < until, "the condition was not met in time"
        time.sleep(0.05)


def processes_in(directory: Path) -> list[str]:
    """Return the command lines of running processes that contain the directory."""
    lines = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            line = path.read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue
        if str(directory) in line:
            lines.append(line)
    return lines


# A server


def test_killed_parent_ends_its_synapse(tmp_path: Path) -> None:
    program = (
        "import sys, time, pathlib; from synadmin.sandbox.homeserver import Homeserver;"
        "print(Homeserver(pathlib.Path(sys.argv[1])).start().pid, flush=True); time.sleep(60)"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program, str(tmp_path)], stdout=subprocess.PIPE, text=True
    ) as child:
        assert child.stdout is not None
        pid = int(child.stdout.readline())
        assert process.started_at(pid)
        child.kill()
    wait_until(lambda: process.started_at(pid) is None)


@pytest.mark.parametrize("detached", [False, True], ids=["homeserver", "sandbox up"])
def test_interruption_during_start_leaves_no_process(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, *, detached: bool
) -> None:
    """The interruption comes after the start of the process, and before its process id is saved."""
    start, children = subprocess.Popen, []

    def interrupted(*arguments: Any, **named: Any) -> subprocess.Popen[bytes]:  # noqa: ANN401 - the arguments of Popen
        child = start(*arguments, **named)
        children.append(child)
        signal.raise_signal(signal.SIGINT)
        return child

    monkeypatch.setattr(subprocess, "Popen", interrupted)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    up = partial(put_up, None, state=tmp_path / "state", empty=True)
    with pytest.raises(KeyboardInterrupt):
        up() if detached else Homeserver().__enter__()
    remaining = processes_in(tmp_path)
    children[0].kill()
    children[0].communicate()
    assert remaining == []
    assert [path.name for path in tmp_path.glob("**/*") if path.is_file()] == []


def test_restarted_server_keeps_its_state(tmp_path: Path) -> None:
    server = Homeserver(tmp_path).start()
    room_id = server.admin.create_room("Kept")
    token, url = server.admin.token, server.url
    server.stop()
    assert server.pid is None
    with Homeserver(tmp_path) as again:
        assert again.url == url
        assert again.admin.token != token
        assert again.admin.state(room_id, "m.room.name") == {"name": "Kept"}
        assert again.start() is again


def test_taken_port_is_replaced_by_another(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        taken = other.getsockname()[1]
        free_port = homeserver_module._free_port  # noqa: SLF001 - the only way to simulate a taken port
        ports = [taken]
        monkeypatch.setattr(
            homeserver_module, "_free_port", lambda *, but=None: ports.pop() if ports else free_port(but=but)
        )
        with Homeserver(tmp_path) as server:
            assert not ports
            assert not server.url.endswith(f":{taken}")
            assert server.admin.synapse.owner == "@admin:club.example"


def test_server_that_does_not_start_reports_the_reason(tmp_path: Path) -> None:
    server = Homeserver(tmp_path, extra_config={"server_name": "not a name"})
    with pytest.raises(ConnectError, match=r"Synapse did not start: .*not a name"):
        server.start()
    assert processes_in(tmp_path) == []


def test_answered_requests_can_be_counted(homeserver: Homeserver) -> None:
    admin = homeserver.admin
    before = len(homeserver.processed())
    admin.synapse.users.get(admin.user_id)
    wait_until(lambda: len(homeserver.processed()) > before)
    (request,) = homeserver.processed()[before:]
    assert (request.requester, request.method, request.status) == (admin.user_id, "GET", 200)
    assert request.uri == f"/_synapse/admin/v2/users/%40admin%3A{homeserver.server_name}"


def test_sandbox_raises_rate_limits(newcomer: Newcomer) -> None:
    alice, bob = newcomer("alice"), newcomer("bob")
    for number in range(12):
        alice.invite(alice.create_room(f"Room {number}"), bob)


def test_default_rate_limits_can_be_chosen(default_limits: Homeserver, newcomer: Newcomer) -> None:
    alice, bob = newcomer("alice", server=default_limits), newcomer("bob", server=default_limits)
    with default_limits.admin.lifted_limits(alice):
        rooms = [alice.create_room(f"Room {number}") for number in range(6)]
    for room_id in rooms[:5]:
        alice.invite(room_id, bob)
    with pytest.raises(RateLimitedError):
        alice.invite(rooms[5], bob)


@pytest.mark.parametrize("version", ["6", "10", "11", "12"])
def test_two_servers_share_rooms_of_every_version(
    federation: tuple[Homeserver, Homeserver], newcomer: Newcomer, version: str
) -> None:
    ours, theirs = federation
    vera, alice = newcomer("vera", server=theirs), newcomer("alice", server=ours)
    room_id = vera.make_room("Shared", version=version, members=[alice])
    assert ours.admin.membership(room_id, vera) == "join"
    alice.leave(room_id)
    wait_until(lambda: theirs.admin.membership(room_id, alice) == "leave")


# The community


@pytest.mark.parametrize("slug", [situation.slug for situation in SITUATIONS])
def test_sandbox_room_is_in_its_declared_situation(community: Community, slug: str) -> None:
    situation, room_id = community.situations[slug], community.rooms[slug]
    admin, people = community.people["admin"], community.people
    absent = {member.localpart for member in MEMBERS if member.fate == "deactivated"} | set(situation.left)
    inside = {situation.creator, *situation.members} - absent
    found = {
        who: admin.synapse.users.memberships(person.user_id).memberships.get(room_id)
        for who, person in people.items()
    }
    assert {who for who, membership in found.items() if membership == "join"} == inside
    assert {who for who, membership in found.items() if membership == "ban"} == set(situation.banned)
    details = admin.synapse.rooms.get(room_id)
    assert details.joined_local_members == len(inside)
    assert details.version == situation.version
    assert admin.synapse.rooms.block_status(room_id).block == situation.blocked
    if inside:
        assert details.name == situation.name


def test_sandbox_accounts_have_their_declared_state(community: Community) -> None:
    for member in MEMBERS:
        account = community.people["admin"].synapse.users.get(community.people[member.localpart].user_id)
        found = {name for name in ("deactivated", "suspended", "locked") if getattr(account, name)}
        assert found == ({member.fate} if member.fate else set()), member.localpart


def test_second_server_shares_rooms(
    federation: tuple[Homeserver, Homeserver],
) -> None:
    ours, theirs = federation
    community = fill(ours, theirs)
    for situation in SITUATIONS_WITH_NEIGHBOURS:
        joined = {situation.creator, *situation.members} - set(situation.left)
        for admin in (ours.admin, theirs.admin):
            local = {who for who in joined if community.people[who].server_name == admin.server_name}
            room_id = community.rooms[situation.slug]
            wait_until(lambda: joined_here(admin, room_id, community.people) == local)  # noqa: B023


def joined_here(admin: Person, room_id: RoomId, people: Mapping[str, Person]) -> set[str]:
    return {
        who
        for who, person in people.items()
        if person.server_name == admin.server_name
        and admin.synapse.users.memberships(person.user_id).memberships.get(room_id) == "join"
    }


# The commands


class Shell:
    """Runs the command line with a separate home and temporary directory."""

    def __init__(self, home: Path) -> None:
        self.temporary = home / "tmp"
        self.temporary.mkdir()
        self.home = home
        self.variables = clean_environment(home) | {"TMPDIR": str(self.temporary)}

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-m", "synadmin", *arguments],
            cwd=self.home,
            env=self.variables,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run(self, *arguments: str) -> tuple[int, str, str]:
        with self.start(*arguments) as child:
            stdout, stderr = child.communicate(timeout=120)
        return child.returncode, stdout, stderr

    @property
    def is_clean(self) -> bool:
        return not processes_in(self.home) and not list(self.temporary.iterdir())


@pytest.fixture
def shell(tmp_path: Path) -> Shell:
    return Shell(tmp_path)


def test_sandbox_is_started_used_and_removed(shell: Shell) -> None:
    try:
        code, stdout, stderr = shell.run("sandbox", "up")
        assert (code, stderr) == (0, "starting Synapse ...\ncreating accounts and rooms ...\n")
        assert f"with {len(SITUATIONS)} rooms" in stdout
        assert 'eval "$(synadmin sandbox env)"' in stdout

        code, stdout, _ = shell.run("sandbox", "env")
        assert code == 0
        names = [line.removeprefix("export ").partition("=")[0] for line in stdout.splitlines()]
        assert names == ["SYNADMIN_HOMESERVER", "SYNADMIN_ACCESS_TOKEN"]

        assert shell.run("sandbox", "env", "--write", "my.env")[0] == 0
        settings = shell.home / "my.env"
        assert stat.S_IMODE(settings.stat().st_mode) == 0o600
        code, stdout, _ = shell.run("--env-file", "my.env", "whoami")
        assert code == 0
        assert "@admin:club.example" in stdout

        text = settings.read_text()
        code, _, stderr = shell.run("sandbox", "env", "--write", "my.env")
        assert code == 2
        assert "my.env is there already" in stderr
        assert settings.read_text() == text
    finally:
        code, _, stderr = shell.run("sandbox", "down")
    assert code == 0
    assert "is down." in stderr
    assert shell.is_clean
    assert shell.run("sandbox", "env")[0] == 2
    assert shell.run("sandbox", "down")[2] == "No sandbox is up.\n"


def test_sandbox_in_a_directory_keeps_its_state(shell: Shell) -> None:
    try:
        code, first, _ = shell.run("sandbox", "up", "club", "--empty", "--servers", "2")
        assert code == 0
        assert "It federates with http://127.0.0.1:" in first
        code, _, stderr = shell.run("sandbox", "up", "club", "--servers", "2")
        assert code == 2
        assert "is up already" in stderr
        assert shell.run("sandbox", "down", "club")[0] == 0
        assert processes_in(shell.home) == []
        code, second, _ = shell.run("sandbox", "up", "club", "--servers", "2")
        assert code == 0
        assert second == first
    finally:
        shell.run("sandbox", "down")
    assert shell.is_clean
    assert (shell.home / "club" / "ours" / "homeserver.db").exists()


@pytest.mark.parametrize("command", ["up", "demo"])
@pytest.mark.parametrize("signal_number", [signal.SIGINT, signal.SIGTERM])
def test_interrupted_sandbox_leaves_nothing(
    shell: Shell, command: str, signal_number: signal.Signals
) -> None:
    with shell.start("sandbox", command) as child:
        wait_until(lambda: bool(processes_in(shell.temporary)))
        os.kill(child.pid, signal_number)
        _, stderr = child.communicate(timeout=120)
    assert child.returncode == 128 + signal_number
    assert "Traceback" not in stderr
    assert shell.is_clean


def test_sandbox_down_removes_files_and_processes_of_a_killed_up(shell: Shell) -> None:
    with shell.start("sandbox", "up") as child:
        wait_until(lambda: any("homeserver.yaml" in line for line in processes_in(shell.temporary)))
        wait_until(lambda: any(shell.temporary.glob("*/ours/process.json")))
        child.kill()
    assert processes_in(shell.temporary)
    shell.run("sandbox", "down")
    assert shell.is_clean


def test_demo_regains_a_room_and_leaves_nothing(shell: Shell) -> None:
    code, stdout, stderr = shell.run("sandbox", "demo")
    assert code == 0, stderr
    assert shell.is_clean
    assert "\x1b" not in stdout
    before, _, after = stdout.partition("$ synadmin room make-admin")
    assert "Greta, who runs it, has not answered for months." in before
    assert "$ synadmin room power" in before
    assert "$ synadmin room power" in after
    last = after.rpartition("$ synadmin room power")[2]
    assert any("@admin:club.example" in line and "100" in line for line in last.splitlines())


def test_demo_names_the_next_command_without_a_path(tmp_path: Path) -> None:
    command = Path(sys.executable).with_name("synadmin")
    environment = {**clean_environment(tmp_path), "PATH": "/usr/bin:/bin"}
    ended = subprocess.run(
        [command, "sandbox", "demo"], env=environment, capture_output=True, text=True, check=False
    )
    assert ended.stdout.endswith(f"To try it yourself: {command} sandbox up\n"), ended.stderr
