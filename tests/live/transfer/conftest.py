"""Fixtures for the transfer of rooms from an account on one server to an account on another server."""

from __future__ import annotations

import time
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol

import pytest

from tests.live import conftest

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Callable
    from contextlib import AbstractContextManager
    from pathlib import Path

    from synadmin.ids import RoomId
    from synadmin.sandbox.accounts import Person
    from synadmin.sandbox.homeserver import Homeserver
    from tests.live.conftest import Newcomer

_TIMEOUT = 90  # seconds until an event reaches the other server
PROFILE = "new"


@dataclass(frozen=True)
class Migration:
    """The old and the new account of a user, and their servers.

    Attributes:
        old_server: the server of the old account.
        new_server: the server of the new account.
        old_user: the old account, which owns the rooms.
        new_user: the new account. The profile ``new`` contains its token.
    """

    old_server: Homeserver
    new_server: Homeserver
    old_user: Person
    new_user: Person

    def make_rooms(self, count: int, **options: Any) -> list[RoomId]:  # noqa: ANN401 - passed on
        """Make private rooms as the old account."""
        return [self.old_user.create_room(f"Room {number}", **options) for number in range(1, count + 1)]

    def make_space(self, rooms: list[RoomId]) -> RoomId:
        """Make a space with these rooms as the old account."""
        space = self.old_user.create_room("The club", space=True)
        for room_id in rooms:
            self.old_user.send_state(space, "m.space.child", {"via": [self.old_server.server_name]}, room_id)
        return space

    def levels_and_membership(self, server: Homeserver, room_id: RoomId) -> tuple[int, int, str | None]:
        """Return both accounts' levels, and the membership of the new account, as a server knows them."""
        event = server.admin.levels_event(room_id)
        content = {} if event is None else event["content"]
        levels = [
            content.get("users", {}).get(who.user_id, content.get("users_default", 0))
            for who in (self.old_user, self.new_user)
        ]
        return levels[0], levels[1], server.admin.membership(room_id, self.new_user)

    def assert_transferred(self, room_id: RoomId, *, level: int = 100) -> None:
        """Check on both servers that the new account has joined with this level and the old one has 0."""
        for server in (self.old_server, self.new_server):
            eventually(partial(self.levels_and_membership, server, room_id), (0, level, "join"))

    def levels_event_id(self, room_id: RoomId) -> str:
        """Return the id of the current power levels event. It differs after every change of the levels."""
        event = self.old_server.admin.levels_event(room_id)
        assert event is not None
        return str(event["event_id"])

    def assert_unchanged(self, room_id: RoomId, levels_id: str) -> None:
        """Check that the power levels are unchanged, and that the old account has control."""
        assert self.levels_event_id(room_id) == levels_id
        assert self.levels_and_membership(self.old_server, room_id)[0] == 100
        assert self.old_server.admin.membership(room_id, self.old_user) == "join"


def eventually(read: Callable[[], Any], expected: object) -> None:
    """Wait until ``read`` returns the expected value: federation takes time."""
    until = time.monotonic() + _TIMEOUT
    while (actual := read()) != expected:
        assert time.monotonic() < until, f"{actual} rather than {expected}"
        time.sleep(0.1)


def write_profile(home: Path, person: Person, server: Homeserver, profile: str = PROFILE) -> None:
    """Write a profile with the access token of a user."""
    file = home / "config" / "synadmin" / f"{profile}.env"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.touch(mode=0o600)
    file.write_text(f"SYNADMIN_HOMESERVER={server.url}\nSYNADMIN_ACCESS_TOKEN={person.token}\n", "utf-8")


@pytest.fixture
def migration(federation: tuple[Homeserver, Homeserver], newcomer: Newcomer, tmp_path: Path) -> Migration:
    old_server, new_server = federation
    old_user, new_user = newcomer("old", server=old_server), newcomer("new", server=new_server)
    write_profile(tmp_path, new_user, new_server)
    return Migration(old_server, new_server, old_user, new_user)


class Running(Protocol):
    def __call__(
        self, *arguments: str, acting: Person, url: str | None = None
    ) -> AbstractContextManager[subprocess.Popen[str]]: ...


@pytest.fixture
def running(migration: Migration, tmp_path: Path) -> Running:
    """Return a function that starts the command in the background, on the server of the old account."""

    return lambda *arguments, acting, url=None: conftest.running(
        tmp_path, url or migration.old_server.url, acting, *arguments
    )


def wait_for_line(process: subprocess.Popen[str], words: str) -> str:
    """Wait until the command prints a line with this text on stderr; return the line."""
    assert process.stderr is not None
    for line in process.stderr:
        if words in line:
            return line
    pytest.fail(f"the command never printed {words!r}")
