"""``synadmin login`` by device code where MAS manages the accounts, with a simulated browser."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from tests.live.conftest import clean_environment
from tests.live.mas.browser import allow
from tests.live.mas.world import REAL

if TYPE_CHECKING:
    from pathlib import Path

    from tests.live.conftest import Synadmin
    from tests.live.mas.world import MasHomeserver


def sign_in(mas: MasHomeserver, home: Path, name: str, password: str) -> str:
    """Run ``synadmin login``, enter its code in a browser, and return the output after the code."""
    arguments = ("login", "--homeserver", mas.server.url, "--expires", "7d")
    with subprocess.Popen(
        [sys.executable, "-m", "synadmin", *arguments],
        cwd=home,
        env=clean_environment(home),
        stdin=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stderr is not None
        prompt = process.stderr.readline()
        code = re.search(r"type the code (\w+)\.", prompt)
        assert code is not None, prompt
        allow(mas.url, code[1], name, password)
        output = process.stderr.read()
        assert process.wait(120) == 0, output
    return output


def test_login_gives_one_token_for_both_admin_apis(
    mas_homeserver: MasHomeserver, synadmin: Synadmin, tmp_path: Path
) -> None:
    name, password = mas_homeserver.new_user_with_password("olga")
    user = mas_homeserver.user(name)
    mas_homeserver.api("POST", f"/users/{user['id']}/set-admin", {"admin": True})
    output = sign_in(mas_homeserver, tmp_path, name, password)
    assert "a server admin" in output
    settings = {"SYNADMIN_HOMESERVER": "", "SYNADMIN_ACCESS_TOKEN": ""}
    server, admin = mas_homeserver.server, mas_homeserver.admin
    who = json.loads(synadmin("whoami", "-o", "json", server=server, acting=admin, env=settings).stdout)
    assert who["user_id"] == server.user_id(name)
    assert (who["server_admin"], who["mas_admin"], who["device_id"]) == (True, True, None)
    assert sorted(who["scopes"]) == ["urn:mas:admin", "urn:matrix:client:api:*", "urn:synapse:admin:*"]
    assert who["expires_at"] is not None
    status = synadmin("status", "--profiles", "default", "-o", "json", server=server, acting=admin)
    (record,) = json.loads(status.stdout)
    assert (record["error"], record["token_expires_at"]) == (None, who["expires_at"])
    filters = {"filter[user]": user["id"], "filter[status]": "active"}
    assert mas_homeserver.ask("GET", "/oauth2-sessions", query=filters).json["data"] == []
    assert synadmin("logout", server=server, acting=admin, env=settings).code == 0
    filters = {"filter[actor_user]": user["id"], "filter[status]": "active"}
    assert mas_homeserver.ask("GET", "/personal-sessions", query=filters).json["data"] == []


@pytest.mark.skipif(REAL is not None, reason="only the stand-in has knobs")
def test_token_pair_is_refreshed_without_the_mas_admin_api(
    mas_homeserver: MasHomeserver, synadmin: Synadmin, tmp_path: Path
) -> None:
    name, password = mas_homeserver.new_user_with_password("otto")
    user = mas_homeserver.user(name)
    mas_homeserver.api("POST", f"/users/{user['id']}/set-admin", {"admin": True})
    server, admin = mas_homeserver.server, mas_homeserver.admin
    settings = {"SYNADMIN_HOMESERVER": "", "SYNADMIN_ACCESS_TOKEN": ""}
    # The lifetime is so short that each run refreshes the token.
    with mas_homeserver.knobs(adminapi=False, access_token_seconds=20):
        output = sign_in(mas_homeserver, tmp_path, name, password)
        assert "no personal token could be made" in output
        (profile,) = (tmp_path).rglob("default.env")
        profiles = {profile.read_text("utf-8")}
        for _ in range(2):
            answer = synadmin("whoami", "-o", "json", server=server, acting=admin, env=settings)
            assert answer.code == 0, answer
            assert json.loads(answer.stdout)["user_id"] == server.user_id(name)
            profiles.add(profile.read_text("utf-8"))
        answer = synadmin("status", "--profiles", "default", server=server, acting=admin)
        assert answer.code == 0, answer
        profiles.add(profile.read_text("utf-8"))
    assert len(profiles) == 4
