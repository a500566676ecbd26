"""Signing in by device code where MAS manages the accounts, as a person does it in a browser."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from typing import TYPE_CHECKING

from tests.live.conftest import clean_environment
from tests.live.mas.browser import allow

if TYPE_CHECKING:
    from pathlib import Path

    from tests.live.conftest import Synadmin
    from tests.live.mas.world import World


def test_an_admin_signs_in_and_has_one_token_for_both_apis(
    mas_homeserver: World, synadmin: Synadmin, tmp_path: Path
) -> None:
    name, password = mas_homeserver.with_password("olga")
    user = mas_homeserver.user(name)
    mas_homeserver.api("POST", f"/users/{user['id']}/set-admin", {"admin": True})
    arguments = ("login", "--homeserver", mas_homeserver.server.url, "--expires", "7d")
    environment = clean_environment(tmp_path)
    with subprocess.Popen(
        [sys.executable, "-m", "synadmin", *arguments],
        cwd=tmp_path,
        env=environment,
        stdin=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stderr is not None
        shown = process.stderr.readline()
        code = re.search(r"type the code (\w+)\.", shown)
        assert code is not None, shown
        allow(mas_homeserver.url, code[1], name, password)
        rest = process.stderr.read()
        assert process.wait(120) == 0, rest
    assert "a server admin" in rest
    settings = {"SYNADMIN_HOMESERVER": "", "SYNADMIN_ACCESS_TOKEN": ""}
    server, admin = mas_homeserver.server, mas_homeserver.admin
    who = json.loads(synadmin("whoami", "-o", "json", server=server, acting=admin, env=settings).stdout)
    assert who["user_id"] == server.user_id(name)
    assert (who["server_admin"], who["mas_admin"], who["device_id"]) == (True, True, None)
    assert sorted(who["scopes"]) == ["urn:mas:admin", "urn:matrix:client:api:*", "urn:synapse:admin:*"]
    assert who["expires_at"] is not None
    filters = {"filter[user]": user["id"], "filter[status]": "active"}
    assert mas_homeserver.ask("GET", "/oauth2-sessions", query=filters).json["data"] == []
    assert synadmin("logout", server=server, acting=admin, env=settings).code == 0
    filters = {"filter[actor_user]": user["id"], "filter[status]": "active"}
    assert mas_homeserver.ask("GET", "/personal-sessions", query=filters).json["data"] == []
