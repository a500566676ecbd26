"""A sign-in at MAS that is denied or not finished names the reason, and leaves no token and no profile."""

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

    from tests.live.mas.world import MasHomeserver

needs_stand_in = pytest.mark.skipif(REAL is not None, reason="only the stand-in has knobs")


class SignIn:
    """A ``synadmin login`` that waits until its code is entered."""

    def __init__(self, process: subprocess.Popen[str], home: Path) -> None:
        assert process.stderr is not None
        self.process = process
        self._stderr = process.stderr
        self._home = home
        self.prompt = self._stderr.readline()

    @property
    def code(self) -> str:
        found = re.search(r"type the code (\w+)\.", self.prompt)
        assert found is not None, self.prompt
        return found[1]

    def wait(self) -> tuple[int, str]:
        """Wait for the end; return the exit code and the output. No profile may be written."""
        output = " ".join((self.prompt + self._stderr.read()).split())
        code = self.process.wait(120)
        assert not list(self._home.rglob("*.env")), output
        return code, output


@contextmanager
def sign_in(mas: MasHomeserver, home: Path, *arguments: str) -> Iterator[SignIn]:
    if mas.service is None:
        with _sign_in(mas, home, *arguments) as login:
            yield login
        return
    with mas.knobs(interval=1), _sign_in(mas, home, *arguments) as login:
        yield login


@contextmanager
def _sign_in(mas: MasHomeserver, home: Path, *arguments: str) -> Iterator[SignIn]:
    command = [sys.executable, "-m", "synadmin", "login", *arguments, "--homeserver", mas.server.url]
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


def active_sessions(mas: MasHomeserver, username: str) -> int:
    """Return how many active OAuth and personal sessions a user has."""
    user_id = mas.user(username)["id"]
    count = 0
    for kind, name in (("oauth2-sessions", "user"), ("personal-sessions", "actor_user")):
        query = {f"filter[{name}]": user_id, "filter[status]": "active", "count": "only"}
        count += int(mas.ask("GET", f"/{kind}", query=query).json["meta"]["count"])
    return count


def test_denied_login_keeps_no_token(mas_homeserver: MasHomeserver, tmp_path: Path) -> None:
    username, password = mas_homeserver.new_user_with_password(admin=True)
    with sign_in(mas_homeserver, tmp_path) as login:
        allow(mas_homeserver.url, login.code, username, password, deny=True)
        code, output = login.wait()
    assert code == 3, output
    assert "the sign-in was denied in the browser" in output
    assert active_sessions(mas_homeserver, username) == 0


@needs_stand_in
@pytest.mark.parametrize("entered", [False, True], ids=["never entered", "entered without admin rights"])
def test_expired_device_code_keeps_no_token(
    mas_homeserver: MasHomeserver, tmp_path: Path, *, entered: bool
) -> None:
    username, password = mas_homeserver.new_user_with_password()
    seconds = 10 if entered else 1
    with mas_homeserver.knobs(device_code_seconds=seconds), sign_in(mas_homeserver, tmp_path) as login:
        if entered:
            allow(mas_homeserver.url, login.code, username, password)
        code, output = login.wait()
    assert code == 1, output
    assert "the code has expired before the sign-in was allowed" in output
    assert "mas-cli manage promote-admin" in output
    assert active_sessions(mas_homeserver, username) == 0


def test_ctrl_c_during_login_keeps_no_token(mas_homeserver: MasHomeserver, tmp_path: Path) -> None:
    with sign_in(mas_homeserver, tmp_path) as login:
        assert login.code
        login.process.send_signal(signal.SIGINT)
        code, output = login.wait()
    assert code == 130, output
    assert "Traceback" not in output


def test_login_of_another_user_is_refused(mas_homeserver: MasHomeserver, tmp_path: Path) -> None:
    username, password = mas_homeserver.new_user_with_password(admin=True)
    with sign_in(mas_homeserver, tmp_path, "olga") as login:
        allow(mas_homeserver.url, login.code, username, password)
        code, output = login.wait()
    assert code == 5, output
    assert "not olga: the token was revoked" in output
    assert active_sessions(mas_homeserver, username) == 0


@needs_stand_in
def test_login_without_device_codes_names_the_alternative(
    mas_homeserver: MasHomeserver, tmp_path: Path
) -> None:
    with mas_homeserver.knobs(device_code=False), sign_in(mas_homeserver, tmp_path) as login:
        code, output = login.wait()
    assert code == 5, output
    assert "device code" in output
    assert "oauth.device_code_grant_enabled" in output
