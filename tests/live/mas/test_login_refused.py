"""A sign-in at MAS that is not allowed, or not finished, says why and leaves nothing behind."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from tests.live.conftest import clean_environment
from tests.live.mas.browser import allow
from tests.live.mas.world import REAL

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.live.mas.world import World

needs_stand_in = pytest.mark.skipif(REAL is not None, reason="a real MAS has no knobs")


class SignIn:
    """A ``synadmin login`` that waits for its code to be typed."""

    def __init__(self, process: subprocess.Popen[str], home: Path) -> None:
        assert process.stderr is not None
        self.process = process
        self._stderr = process.stderr
        self._home = home
        self.shown = self._stderr.readline()

    @property
    def code(self) -> str:
        found = re.search(r"type the code (\w+)\.", self.shown)
        assert found is not None, self.shown
        return found[1]

    def ended(self) -> tuple[int, str]:
        """The exit code and the words; a profile is never written."""
        rest = " ".join((self.shown + self._stderr.read()).split())
        code = self.process.wait(120)
        assert not list(self._home.rglob("*.env")), rest
        return code, rest


@contextmanager
def sign_in(world: World, home: Path, *arguments: str) -> Iterator[SignIn]:
    if world.service is None:
        with _sign_in(world, home, *arguments) as waiting:
            yield waiting
        return
    with world.knobs(interval=1), _sign_in(world, home, *arguments) as waiting:
        yield waiting


@contextmanager
def _sign_in(world: World, home: Path, *arguments: str) -> Iterator[SignIn]:
    command = [sys.executable, "-m", "synadmin", "login", *arguments, "--homeserver", world.server.url]
    with subprocess.Popen(
        command,
        cwd=home,
        env=clean_environment(home),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            yield SignIn(process, home)
        finally:
            process.kill()


def sessions(world: World, username: str) -> int:
    """How many OAuth and personal sessions of a user go on."""
    user_id = world.user(username)["id"]
    count = 0
    for kind, name in (("oauth2-sessions", "user"), ("personal-sessions", "actor_user")):
        query = {f"filter[{name}]": user_id, "filter[status]": "active", "count": "only"}
        count += int(world.ask("GET", f"/{kind}", query=query).json["meta"]["count"])
    return count


def test_denied_login_keeps_no_token(mas_homeserver: World, tmp_path: Path) -> None:
    username, password = mas_homeserver.with_password(admin=True)
    with sign_in(mas_homeserver, tmp_path) as waiting:
        allow(mas_homeserver.url, waiting.code, username, password, deny=True)
        code, words = waiting.ended()
    assert code == 3, words
    assert "the sign-in was denied in the browser" in words
    assert sessions(mas_homeserver, username) == 0


@needs_stand_in
@pytest.mark.parametrize("typed", [False, True], ids=["never typed", "typed by who may not"])
def test_expired_device_code_keeps_no_token(mas_homeserver: World, tmp_path: Path, *, typed: bool) -> None:
    username, password = mas_homeserver.with_password()
    seconds = 10 if typed else 1
    with mas_homeserver.knobs(device_code_seconds=seconds), sign_in(mas_homeserver, tmp_path) as waiting:
        if typed:
            allow(mas_homeserver.url, waiting.code, username, password)
        code, words = waiting.ended()
    assert code == 1, words
    assert "the code has expired before the sign-in was allowed" in words
    assert "mas-cli manage promote-admin" in words
    assert sessions(mas_homeserver, username) == 0


def test_ctrl_c_during_login_keeps_no_token(mas_homeserver: World, tmp_path: Path) -> None:
    with sign_in(mas_homeserver, tmp_path) as waiting:
        assert waiting.code
        waiting.process.send_signal(signal.SIGINT)
        code, words = waiting.ended()
    assert code == 130, words
    assert "Traceback" not in words


def test_login_of_another_user_is_refused(mas_homeserver: World, tmp_path: Path) -> None:
    username, password = mas_homeserver.with_password(admin=True)
    with sign_in(mas_homeserver, tmp_path, "olga") as waiting:
        allow(mas_homeserver.url, waiting.code, username, password)
        code, words = waiting.ended()
    assert code == 5, words
    assert "not olga: the token was revoked" in words
    assert sessions(mas_homeserver, username) == 0


@needs_stand_in
def test_login_without_device_codes_names_the_alternative(mas_homeserver: World, tmp_path: Path) -> None:
    with mas_homeserver.knobs(device_code=False), sign_in(mas_homeserver, tmp_path) as refused:
        code, words = refused.ended()
    assert code == 5, words
    assert "device code" in words
    assert "oauth.device_code_grant_enabled" in words
