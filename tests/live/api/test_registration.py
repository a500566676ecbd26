"""Registration with the shared secret, with the library and with the command, on a real Synapse."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from synadmin.client import Synapse
from synadmin.errors import MatrixError, NotPermittedError
from tests.written import journal_of

if TYPE_CHECKING:
    from pathlib import Path

    from synadmin.sandbox.homeserver import Homeserver
    from tests.live.conftest import Synadmin

NO_TOKEN = {"SYNADMIN_ACCESS_TOKEN": ""}


def test_account_is_registered_with_the_shared_secret(homeserver: Homeserver) -> None:
    secret = homeserver.registration_shared_secret
    with Synapse(homeserver.url) as anonymous:
        nonce = anonymous.registration.nonce().nonce
        created = anonymous.registration.register(
            "reg/istered=2f1",
            "pass\u0175ord",
            shared_secret=secret,
            nonce=nonce,
            user_type="bot",
            displayname="Robot",
            device_id="SHELL",
            initial_device_display_name="A shell",
            refresh_token=True,
        )
        with pytest.raises(MatrixError, match="nonce"):
            anonymous.registration.register("again", "x", shared_secret=secret, nonce=nonce)
        with pytest.raises(NotPermittedError, match="HMAC"):
            anonymous.registration.register("again", "x", shared_secret="wrong")
    details = homeserver.admin.synapse.users.get(created.user_id)
    device = homeserver.admin.synapse.devices.get(created.user_id, "SHELL")

    assert created.user_id == homeserver.user_id("reg/istered=2f1")
    assert (details.user_type, details.displayname, details.admin) == ("bot", "Robot", False)
    assert device.display_name == "A shell"
    assert created.refresh_token is not None
    assert created.access_token not in repr(created)
    assert created.refresh_token not in repr(created)


def test_user_register_creates_an_admin_without_a_session(
    homeserver: Homeserver, synadmin: Synadmin, tmp_path: Path
) -> None:
    file = tmp_path / "secret"
    file.write_text(homeserver.registration_shared_secret + "\n", "utf-8")
    wrong = tmp_path / "wrong"
    wrong.write_text("not the secret", "utf-8")
    command = ["user", "register", "First-Admin", "--admin", "-o", "ndjson", "--secret-file"]

    dry_run = synadmin(*command, str(file), "--dry-run", env=NO_TOKEN)
    refused = synadmin(*command, str(wrong), stdin="let-me-in", env=NO_TOKEN)
    created = synadmin(*command, str(file), stdin="let-me-in", env=NO_TOKEN)
    again = synadmin(*command, str(file), stdin="let-me-in", env=NO_TOKEN)
    user_id = homeserver.user_id("first-admin")
    journal = journal_of(tmp_path)

    assert json.loads(dry_run.stdout)["body"]["mac"] == "(removed)"
    assert refused.code == 3
    assert (created.code, json.loads(created.stdout)["user_id"]) == (0, user_id)
    assert again.code == 1
    assert "M_USER_IN_USE" in again.stderr
    assert homeserver.admin.synapse.users.get(user_id).admin
    assert homeserver.admin.synapse.devices.list(user_id).total == 0
    assert "let-me-in" not in journal
    assert homeserver.registration_shared_secret not in journal
    with Synapse(homeserver.url) as anonymous:
        assert anonymous.client_server.login(user_id, "let-me-in").user_id == user_id
