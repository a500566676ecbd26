"""``login``, ``logout`` and ``whoami`` on a real Synapse."""

from __future__ import annotations

import json
import stat
from typing import TYPE_CHECKING

import pytest

from synadmin import Synapse
from synadmin.errors import NotAuthenticatedError
from synadmin.sandbox.homeserver import Homeserver
from tests.written import journal_of

if TYPE_CHECKING:
    from pathlib import Path

    from tests.live.conftest import Newcomer, Synadmin

# Before the login there is no token.
NO_TOKEN = {"SYNADMIN_ACCESS_TOKEN": ""}


def _saved_settings(tmp_path: Path) -> dict[str, str]:
    path = tmp_path / "config" / "synadmin" / "default.env"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    return dict(line.split("=", 1) for line in path.read_text().splitlines())


def _is_valid(homeserver: Homeserver, token: str) -> bool:
    with Synapse(homeserver.url, token=token) as synapse:
        try:
            synapse.client_server.whoami()
        except NotAuthenticatedError:
            return False
        return True


@pytest.mark.parametrize("form", ["localpart", "user id"])
def test_login_with_password_and_logout(
    form: str, homeserver: Homeserver, synadmin: Synadmin, tmp_path: Path
) -> None:
    user = homeserver.admin.user_id
    name = user if form == "user id" else user[1:].partition(":")[0]
    answer = synadmin("login", name, stdin=f"{homeserver.password}\n", env=NO_TOKEN)
    assert (answer.code, answer.stdout) == (0, "")
    assert f"Signed in as {user}, a server admin." in answer.stderr
    token = _saved_settings(tmp_path)["SYNADMIN_ACCESS_TOKEN"]
    assert token != homeserver.admin.token  # a separate session
    assert _is_valid(homeserver, token)

    assert synadmin("whoami", env=NO_TOKEN).code == 0
    answer = synadmin("logout", env=NO_TOKEN)
    assert answer.code == 0
    assert not _is_valid(homeserver, token)
    assert "SYNADMIN_ACCESS_TOKEN" not in _saved_settings(tmp_path)
    assert _is_valid(homeserver, homeserver.admin.token)  # the user's other sessions stay
    assert synadmin("whoami", env=NO_TOKEN).code == 2

    journal = journal_of(tmp_path)
    lines = [json.loads(line) for line in journal.splitlines()]
    assert [(line["command"], line["status"]) for line in lines] == [("login", 200), ("logout", 200)]
    assert homeserver.password not in journal
    assert token not in journal


def test_token_from_a_pipe_is_saved(homeserver: Homeserver, synadmin: Synadmin, tmp_path: Path) -> None:
    token = homeserver.admin.token
    answer = synadmin("login", "--token", stdin=f"{token}\n", env=NO_TOKEN)
    assert answer.code == 0
    saved = {"SYNADMIN_HOMESERVER": homeserver.url, "SYNADMIN_ACCESS_TOKEN": token}
    assert _saved_settings(tmp_path) == saved
    assert token not in answer.stderr


def test_wrong_password_exits_3_and_saves_nothing(
    homeserver: Homeserver, synadmin: Synadmin, tmp_path: Path
) -> None:
    answer = synadmin("login", "admin", stdin="not the password\n", env=NO_TOKEN)
    assert (answer.code, answer.stdout) == (3, "")
    where = f"synadmin: cannot sign in as admin on {homeserver.url}: "
    assert answer.stderr.startswith(f"{where}Invalid username or password (M_FORBIDDEN, HTTP 403)")
    assert "not the password" not in answer.stderr
    assert not (tmp_path / "config").exists()


@pytest.mark.usefixtures("homeserver")
def test_unknown_token_exits_3_and_saves_nothing(synadmin: Synadmin, tmp_path: Path) -> None:
    answer = synadmin("login", "--token", stdin="syt_bm9ib2R5_nobody\n", env=NO_TOKEN)
    assert answer.code == 3
    assert "M_UNKNOWN_TOKEN" in answer.stderr
    assert not (tmp_path / "config").exists()


def test_whoami_shows_user_server_version_and_rights(homeserver: Homeserver, synadmin: Synadmin) -> None:
    answer = synadmin("whoami", "-o", "json")
    assert answer.code == 0
    record = json.loads(answer.stdout)
    assert record["user_id"] == homeserver.admin.user_id
    assert record["homeserver"] == homeserver.url
    assert record["server_admin"] is True
    assert record["synapse"][0].isdigit()


def test_shell_completes_ids_after_a_refresh(
    newcomer: Newcomer, synadmin: Synadmin, homeserver: Homeserver
) -> None:
    alice = newcomer("completed")
    room_id = alice.create_room("To be completed")
    assert synadmin("completion", "--refresh").code == 0
    line = f"synadmin room show '{room_id[:6]}"
    shell = {"_SYNADMIN_COMPLETE": "bash_complete", "COMP_WORDS": line, "COMP_CWORD": "3"}
    before = len(homeserver.processed())
    assert f"plain,{room_id}" in synadmin(env=shell).stdout.splitlines()
    assert len(homeserver.processed()) == before


def test_whoami_of_a_normal_user_exits_3(newcomer: Newcomer, synadmin: Synadmin) -> None:
    alice = newcomer()
    answer = synadmin("whoami", "-o", "json", acting=alice)
    assert answer.code == 3
    assert json.loads(answer.stdout)["user_id"] == alice.user_id
    assert json.loads(answer.stdout)["server_admin"] is False


def test_login_without_password_flow_names_another_way(synadmin: Synadmin, tmp_path: Path) -> None:
    with Homeserver(extra_config={"password_config": {"enabled": False}}) as server:
        answer = synadmin("login", "admin", stdin="x\n", env=NO_TOKEN, server=server)
        assert answer.code == 5
        assert "offers no password login" in answer.stderr
        assert "mas-cli manage issue-compatibility-token USER" in answer.stderr
        assert not (tmp_path / "config").exists()
        answer = synadmin("login", "--token", stdin=server.admin.token, env=NO_TOKEN, server=server)
        assert answer.code == 0
