"""Registration tokens, through the library and through the commands, on a real Synapse."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING

import pytest

from synadmin.errors import MatrixError, NotFoundError

if TYPE_CHECKING:
    from synadmin.sandbox.homeserver import Homeserver
    from tests.live.conftest import Synadmin

DAY = 86_400_000  # milliseconds
NOUN = "registration-token"


def test_registration_token_is_created_changed_listed_and_deleted(homeserver: Homeserver) -> None:
    tokens = homeserver.admin.synapse.registration_tokens
    ends = int(time.time() * 1000) + DAY

    drawn = tokens.create(length=32, uses_allowed=1, expiry_time=ends)
    named = tokens.create(token="Club.2026_~-x")
    used_up = tokens.update(named.token, uses_allowed=0)
    changed = tokens.update(drawn.token, uses_allowed=None)
    valid = {token.token for token in tokens.list(valid=True).registration_tokens}
    invalid = {token.token for token in tokens.list(valid=False).registration_tokens}
    found = tokens.get(drawn.token)
    tokens.delete(named.token)

    assert len(drawn.token) == 32
    assert (drawn.uses_allowed, drawn.expiry_time) == (1, ends)
    assert drawn.token not in repr(drawn)
    assert used_up.uses_allowed == 0
    assert (changed.uses_allowed, changed.expiry_time) == (None, ends)
    assert found == changed
    assert drawn.token in valid
    assert named.token in invalid
    with pytest.raises(NotFoundError):
        tokens.get(named.token)
    with pytest.raises(MatrixError, match="M_INVALID_PARAM"):
        tokens.create(token=drawn.token)


def test_commands_read_back_the_change(homeserver: Homeserver, synadmin: Synadmin) -> None:
    tokens = homeserver.admin.synapse.registration_tokens

    made = synadmin(NOUN, "create", "summer~school", "--uses", "3", "--expires", "2030-01-01", "-o", "json")
    again = synadmin(NOUN, "create", "summer~school", "--uses", "5")
    drawn = json.loads(synadmin(NOUN, "create", "--length", "20", "-o", "json").stdout)[0]["token"]
    shown = json.loads(synadmin(NOUN, "show", "summer~school", "-o", "json").stdout)
    changed = synadmin(NOUN, "update", "summer~school", "--unlimited", "--never-expires")
    free = tokens.get("summer~school")
    listed = json.loads(synadmin(NOUN, "list", "--valid", "-o", "json").stdout)
    asked = synadmin(NOUN, "delete", drawn)
    deleted = synadmin(
        NOUN, "delete", "--from", "-", "--yes", "-o", "ndjson", stdin=f"{drawn}\nsummer~school\na+b/c\n"
    )

    assert json.loads(made.stdout)[0]["outcome"] == "done"
    assert homeserver.admin.synapse.client_server.public_url() == homeserver.url
    assert again.code == 5
    assert "there is a registration token summer~school already" in again.stderr
    assert shown == {
        "token": "summer~school",
        "uses_allowed": 3,
        "pending": 0,
        "completed": 0,
        "expiry_time": 1_893_456_000_000,
    }
    assert len(drawn) == 20
    assert changed.code == 0
    assert (free.uses_allowed, free.expiry_time) == (None, None)
    assert {drawn, "summer~school"} <= {token["token"] for token in listed}
    assert asked.code == 2
    assert deleted.code == 6
    outcomes = [json.loads(line)["outcome"] for line in deleted.stdout.splitlines()]
    assert outcomes == ["done", "done", "failed"]
    assert synadmin(NOUN, "show", "summer~school").code == 4
