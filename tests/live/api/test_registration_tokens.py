"""Registration tokens, with the library and with commands, on a real Synapse."""

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
    expires_at = int(time.time() * 1000) + DAY

    generated = tokens.create(length=32, uses_allowed=1, expiry_time=expires_at)
    named = tokens.create(token="Club.2026_~-x")
    used_up = tokens.update(named.token, uses_allowed=0)
    changed = tokens.update(generated.token, uses_allowed=None)
    valid = {token.token for token in tokens.list(valid=True).registration_tokens}
    invalid = {token.token for token in tokens.list(valid=False).registration_tokens}
    found = tokens.get(generated.token)
    tokens.delete(named.token)

    assert len(generated.token) == 32
    assert (generated.uses_allowed, generated.expiry_time) == (1, expires_at)
    assert generated.token not in repr(generated)
    assert used_up.uses_allowed == 0
    assert (changed.uses_allowed, changed.expiry_time) == (None, expires_at)
    assert found == changed
    assert generated.token in valid
    assert named.token in invalid
    with pytest.raises(NotFoundError):
        tokens.get(named.token)
    with pytest.raises(MatrixError, match="M_INVALID_PARAM"):
        tokens.create(token=generated.token)


def test_commands_read_back_the_change(homeserver: Homeserver, synadmin: Synadmin) -> None:
    tokens = homeserver.admin.synapse.registration_tokens

    created = synadmin(
        NOUN, "create", "summer~school", "--uses", "3", "--expires", "2030-01-01", "-o", "json"
    )
    again = synadmin(NOUN, "create", "summer~school", "--uses", "5")
    generated = json.loads(synadmin(NOUN, "create", "--length", "20", "-o", "json").stdout)[0]["token"]
    shown = json.loads(synadmin(NOUN, "show", "summer~school", "-o", "json").stdout)
    changed = synadmin(NOUN, "update", "summer~school", "--unlimited", "--never-expires")
    unlimited = tokens.get("summer~school")
    listed = json.loads(synadmin(NOUN, "list", "--valid", "-o", "json").stdout)
    unconfirmed = synadmin(NOUN, "delete", generated)
    deleted = synadmin(
        NOUN, "delete", "--from", "-", "--yes", "-o", "ndjson", stdin=f"{generated}\nsummer~school\na+b/c\n"
    )

    assert json.loads(created.stdout)[0]["outcome"] == "done"
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
    assert len(generated) == 20
    assert changed.code == 0
    assert (unlimited.uses_allowed, unlimited.expiry_time) == (None, None)
    assert {generated, "summer~school"} <= {token["token"] for token in listed}
    assert unconfirmed.code == 2
    assert deleted.code == 6
    outcomes = [json.loads(line)["outcome"] for line in deleted.stdout.splitlines()]
    assert outcomes == ["done", "done", "failed"]
    assert synadmin(NOUN, "show", "summer~school").code == 4
