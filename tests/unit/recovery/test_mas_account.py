"""Changes of an account in MAS are read back from MAS and from Synapse."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from synadmin.client import Synapse
from synadmin.errors import SynadminError
from synadmin.ids import UserId
from synadmin.recovery import mas_account
from synadmin.recovery.mas_account import MasAccount, account_in_mas, server_admins
from tests.unit.mas.answers import ALICE, API, MADE, in_charge, page, single, user
from tests.unit.stub import json_reply

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.unit.stub import Stub

USER = UserId("@alice:example.org")
SYNAPSE_ACCOUNT = "/_synapse/admin/v2/users/%40alice%3Aexample.org"
ROOMS = "/_synapse/admin/v1/users/%40alice%3Aexample.org/joined_rooms"


@pytest.fixture
def server(stub: Stub, monkeypatch: pytest.MonkeyPatch) -> Stub:
    """A homeserver with MAS, where each change of an account is answered and no session exists."""
    monkeypatch.setattr(mas_account, "_PATIENCE", 0.0)
    for kind in ("user", "compat", "oauth2", "personal"):
        in_charge(stub).on(f"{API}/{kind}-sessions", page(f"{kind}-session", {}))
    set_synapse_account(stub)
    return stub


def account_with(stub: Stub, **attributes: object) -> MasAccount:
    """Return the account; MAS answers any change of it with these attributes."""
    answer = single("user", ALICE, user("alice", **attributes))
    stub.on(f"{API}/users/by-username/alice", answer)
    stub.on(f"{API}/users/{ALICE}", answer)
    for verb in ("lock", "unlock", "deactivate", "reactivate", "set-admin"):
        stub.on(f"{API}/users/{ALICE}/{verb}", answer)
    account = account_in_mas(Synapse(stub.url, token="mpt_secret"), USER)
    assert account is not None
    return account


def set_synapse_account(stub: Stub, rooms: tuple[str, ...] = (), **details: Any) -> None:  # noqa: ANN401
    stub.on(SYNAPSE_ACCOUNT, json_reply({"name": USER, "deactivated": False, "locked": False, **details}))
    stub.on(ROOMS, json_reply({"joined_rooms": rooms, "total": len(rooms)}))


@pytest.mark.parametrize(
    ("before", "change", "words"),
    [
        ({}, lambda account: account.set_locked(locked=True), "is not locked"),
        ({"locked_at": MADE}, lambda account: account.set_locked(locked=False), "is not unlocked"),
        ({}, lambda account: account.deactivate(erase=False), "is not deactivated"),
        ({"deactivated_at": MADE}, lambda account: account.reactivate(), "is still deactivated"),
        ({}, lambda account: account.set_admin(admin=True), "may not be an admin"),
        ({"admin": True}, lambda account: account.set_admin(admin=False), "may be an admin"),
    ],
)
def test_change_not_read_back_from_mas_is_an_error(
    server: Stub, before: dict[str, object], change: Callable[[MasAccount], object], words: str
) -> None:
    # Synapse shows the change already: only reading back from MAS finds the error.
    set_synapse_account(
        server, locked=not before.get("locked_at"), deactivated=not before.get("deactivated_at")
    )
    account = account_with(server, **before)

    with pytest.raises(SynadminError, match=f"^MAS reported success, but {USER} {words}$"):
        change(account)


def test_account_still_deactivated_in_synapse_is_an_error(server: Stub) -> None:
    set_synapse_account(server, deactivated=True)

    with pytest.raises(SynadminError, match="is still deactivated at Synapse"):
        account_with(server).reactivate()


@pytest.mark.parametrize("locked", [True, False])
def test_lock_missing_in_synapse_is_pending(server: Stub, *, locked: bool) -> None:
    set_synapse_account(server, locked=not locked)
    account = account_with(server, locked_at=MADE if locked else None)
    assert "Synapse has not" in (account.set_locked(locked=locked) or "")

    set_synapse_account(server, locked=locked)
    assert account.set_locked(locked=locked) is None


@pytest.mark.parametrize("erase", [True, False])
def test_deactivation_is_done_when_synapse_has_it(server: Stub, *, erase: bool) -> None:
    account = account_with(server, deactivated_at=MADE)
    incomplete: list[dict[str, Any]] = [
        {"deactivated": False},
        {"deactivated": True, "erased": erase, "rooms": ("!chess:example.org",)},
    ]
    if erase:
        incomplete.append({"deactivated": True, "erased": False})
    for details in incomplete:
        set_synapse_account(server, **details)
        assert "Synapse has not" in (account.deactivate(erase=erase) or ""), details

    set_synapse_account(server, deactivated=True, erased=erase)
    assert account.deactivate(erase=erase) is None
    sent = [request.json for request in server.requests if request.target.endswith("/deactivate")]
    assert sent == [{"skip_erase": not erase}] * len(sent)


def test_deactivated_accounts_are_not_server_admins(server: Stub) -> None:
    admins = {ALICE: user("alice", admin=True), "01GONE": user("gone", admin=True, deactivated_at=MADE)}
    server.on(f"{API}/users", page("user", admins))

    assert server_admins(Synapse(server.url, token="mpt_secret")) == {USER}
