"""A household that moves: the account it has, the one it will have, and what each server knows of them."""

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

_PATIENCE = 90  # seconds until what one server did is to be seen on the other
PROFILE = "new"


@dataclass(frozen=True)
class Household:
    """Who moves, from where to where.

    Attributes:
        home: the server that is moved away from.
        away: the other one.
        old: the account on ``home``.
        new: the account on ``away``; the profile ``new`` holds its token.
    """

    home: Homeserver
    away: Homeserver
    old: Person
    new: Person

    def rooms(self, count: int, **options: Any) -> list[RoomId]:  # noqa: ANN401  passed on
        """Private rooms of the old account."""
        return [self.old.create_room(f"Room {number}", **options) for number in range(1, count + 1)]

    def space(self, rooms: list[RoomId]) -> RoomId:
        """A space of the old account that holds these rooms."""
        space = self.old.create_room("The club", space=True)
        for room_id in rooms:
            self.old.send_state(space, "m.space.child", {"via": [self.home.server_name]}, room_id)
        return space

    def held(self, server: Homeserver, room_id: RoomId) -> tuple[int, int, str | None]:
        """What one of the servers knows: the old one's level, the new one's, and the new one's membership."""
        event = server.admin.levels_event(room_id)
        content = {} if event is None else event["content"]
        levels = [
            content.get("users", {}).get(who.user_id, content.get("users_default", 0))
            for who in (self.old, self.new)
        ]
        return levels[0], levels[1], server.admin.membership(room_id, self.new)

    def is_handed_over(self, room_id: RoomId, *, level: int = 100) -> None:
        """Make sure that both servers say so."""
        for server in (self.home, self.away):
            eventually(partial(self.held, server, room_id), (0, level, "join"))

    def levels_id(self, room_id: RoomId) -> str:
        """The event that holds the levels: another one, where anybody has sent new ones."""
        event = self.home.admin.levels_event(room_id)
        assert event is not None
        return str(event["event_id"])

    def is_untouched(self, room_id: RoomId, levels_id: str) -> None:
        """Make sure that the levels are those from before, and that the old account is in control."""
        assert self.levels_id(room_id) == levels_id
        assert self.held(self.home, room_id)[0] == 100
        assert self.home.admin.membership(room_id, self.old) == "join"


def eventually(see: Callable[[], Any], wanted: object) -> None:
    """Make sure that something is so in the end: servers tell each other of it in their own time."""
    until = time.monotonic() + _PATIENCE
    while (found := see()) != wanted:
        assert time.monotonic() < until, f"{found} rather than {wanted}"
        time.sleep(0.1)


def hold_token(home: Path, person: Person, server: Homeserver, profile: str = PROFILE) -> None:
    """Write a profile that holds somebody's token."""
    file = home / "config" / "synadmin" / f"{profile}.env"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.touch(mode=0o600)
    file.write_text(f"SYNADMIN_HOMESERVER={server.url}\nSYNADMIN_ACCESS_TOKEN={person.token}\n", "utf-8")


@pytest.fixture
def household(federation: tuple[Homeserver, Homeserver], newcomer: Newcomer, tmp_path: Path) -> Household:
    home, away = federation
    old, new = newcomer("old", server=home), newcomer("new", server=away)
    hold_token(tmp_path, new, away)
    return Household(home, away, old, new)


class Running(Protocol):
    def __call__(
        self, *arguments: str, acting: Person, url: str | None = None
    ) -> AbstractContextManager[subprocess.Popen[str]]: ...


@pytest.fixture
def running(household: Household, tmp_path: Path) -> Running:
    """Run the command beside the test, against the old server."""

    return lambda *arguments, acting, url=None: conftest.running(
        tmp_path, url or household.home.url, acting, *arguments
    )


def heard(process: subprocess.Popen[str], words: str) -> str:
    """Wait until the command has said this on stderr; return the line."""
    assert process.stderr is not None
    for line in process.stderr:
        if words in line:
            return line
    pytest.fail(f"it never said {words!r}")
