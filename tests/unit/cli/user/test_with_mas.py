"""Changes of e-mail addresses are read back from MAS."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from synadmin.cli.outcomes import NotAsAskedError
from synadmin.cli.user.with_mas import add_email, remove_email
from synadmin.client import Synapse
from synadmin.ids import UserId
from synadmin.recovery.mas_account import account_in_mas
from tests.unit.mas.answers import ALICE, API, MADE, in_charge, page, single, user
from tests.unit.stub import Reply

if TYPE_CHECKING:
    from tests.unit.stub import Stub

ADDRESS = "alice@example.org"
EMAIL = {"user_id": ALICE, "email": ADDRESS, "created_at": MADE}


def test_address_that_is_not_added_by_mas_is_an_error(stub: Stub) -> None:
    in_charge(stub).on(f"{API}/users/by-username/alice", single("user", ALICE, user("alice")))
    account = account_in_mas(Synapse(stub.url, token="mpt_secret"), UserId("@alice:example.org"))
    assert account is not None

    stub.on(f"{API}/user-emails", single("user-email", "01MAIL", EMAIL, status=201), page("user-email", {}))
    with pytest.raises(NotAsAskedError, match="does not have alice@"):
        add_email(account, ADDRESS)

    stub.on(f"{API}/user-emails", page("user-email", {"01MAIL": EMAIL}))
    stub.on(f"{API}/user-emails/01MAIL", Reply(204, b""))
    with pytest.raises(NotAsAskedError, match="still has alice@"):
        remove_email(account, ADDRESS)
