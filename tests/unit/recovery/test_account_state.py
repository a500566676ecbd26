"""An inactive account is activated for a short time, and then gets its exact state back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import pytest

from synadmin.errors import SynadminError
from synadmin.ids import UserId
from synadmin.power.room import Account, AccountState
from synadmin.recovery import read_back
from synadmin.recovery.account_state import enable_temporarily
from synadmin.recovery.impersonation import Impersonation
from synadmin.recovery.means import SynapseMeans
from synadmin.recovery.temporary_changes import TemporaryChanges
from tests.unit.recovery.rooms import ALICE
from tests.unit.stub import Request, Stub, json_reply, refused

if TYPE_CHECKING:
    from synadmin.client import Synapse
    from synadmin.journal import Journal

NAME = quote(ALICE, safe="")
ACCOUNT = f"/_synapse/admin/v2/users/{NAME}"
DEACTIVATE = f"/_synapse/admin/v1/deactivate/{NAME}"
SUSPEND = f"/_synapse/admin/v1/suspend/{NAME}"
JOINED = f"/_synapse/admin/v1/users/{NAME}/joined_rooms"
ALICE_ID = UserId(ALICE)


class StubAccount:
    """An account on the stub that is changed by requests."""

    def __init__(self, stub: Stub, **state: bool) -> None:
        self.state: dict[str, Any] = {"name": ALICE, **state}
        self.memberships: list[str] = []
        self._stub = stub
        stub.on_request = self._apply_request
        stub.on(JOINED, json_reply({"joined_rooms": [], "total": 0}))
        stub.on(DEACTIVATE, json_reply({}))
        stub.on(SUSPEND, json_reply({}))
        self._update_reply()

    def _apply_request(self, request: Request) -> None:
        if request.method == "PUT" and request.target == ACCOUNT:
            self.state.update(request.json)
            if request.json.get("deactivated") is False:
                self.state["erased"] = False
        elif request.target == SUSPEND:
            self.state["suspended"] = request.json["suspend"]
        elif request.target == DEACTIVATE:
            self.state.update(deactivated=True, erased=request.json["erase"])
        self._update_reply()

    def _update_reply(self) -> None:
        self._stub.on(ACCOUNT, json_reply(self.state))


@pytest.mark.parametrize(
    ("details", "state"),
    [
        ({}, AccountState.ACTIVE),
        ({"locked": True}, AccountState.LOCKED),
        ({"suspended": True}, AccountState.SUSPENDED),
        # Make Room Admin works through a locked account, and not through a suspended one.
        ({"suspended": True, "locked": True}, AccountState.SUSPENDED),
        ({"deactivated": True, "suspended": True, "locked": True}, AccountState.DEACTIVATED),
    ],
)
def test_most_restrictive_account_state_counts(
    stub: Stub, synapse: Synapse, details: dict[str, bool], state: AccountState
) -> None:
    StubAccount(stub, **details)
    assert SynapseMeans(synapse).account_of(ALICE_ID) == Account(state)


def test_unknown_account_is_missing(stub: Stub, synapse: Synapse) -> None:
    stub.on(ACCOUNT, refused(404, "M_NOT_FOUND", "User not found"))
    assert SynapseMeans(synapse).account_of(ALICE_ID) == Account(AccountState.MISSING)


@pytest.mark.parametrize(
    "before",
    [
        {"locked": True},
        {"suspended": True},
        {"suspended": True, "locked": True},
        {"deactivated": True},
        {"deactivated": True, "erased": True},
        {"deactivated": True, "erased": True, "suspended": True, "locked": True},
    ],
    ids=" and ".join,
)
def test_all_account_states_are_lifted_and_restored(
    stub: Stub, synapse: Synapse, journal: Journal, before: dict[str, bool]
) -> None:
    account = StubAccount(stub, **before)
    earlier = dict(account.state)
    with Impersonation(synapse) as sessions, TemporaryChanges(synapse, sessions, journal) as temporary:
        enable_temporarily(synapse, temporary, ALICE_ID)
        assert SynapseMeans(synapse).account_of(ALICE_ID) == Account(AccountState.ACTIVE)
    assert {name: state for name, state in account.state.items() if state} == earlier
    sent = [request for request in stub.requests if request.method != "GET"]
    assert not any("password" in request.json for request in sent)
    if before.get("deactivated"):
        # Synapse locks and suspends only active accounts, so reactivation is first and deactivation last.
        assert (sent[0].target, sent[0].json) == (ACCOUNT, {"deactivated": False})
        assert (sent[-1].target, sent[-1].json) == (DEACTIVATE, {"erase": bool(before.get("erased"))})


def test_restoring_waits_until_a_deactivated_user_left(
    stub: Stub, synapse: Synapse, journal: Journal
) -> None:
    StubAccount(stub, deactivated=True)
    joined, left = (json_reply({"joined_rooms": ["!r"] * count, "total": count}) for count in (1, 0))
    with Impersonation(synapse) as sessions, TemporaryChanges(synapse, sessions, journal) as temporary:
        enable_temporarily(synapse, temporary, ALICE_ID)
        stub.on(JOINED, joined, joined, left)
    assert stub.targets.count(f"GET {JOINED}") == 3


def test_user_who_does_not_leave_is_not_restored(
    stub: Stub, synapse: Synapse, journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(read_back, "_PATIENCE", 0.0)
    StubAccount(stub, deactivated=True)
    with (  # noqa: PT012
        pytest.raises(SynadminError, match="not reverted"),
        Impersonation(synapse) as sessions,
        TemporaryChanges(synapse, sessions, journal) as temporary,
    ):
        enable_temporarily(synapse, temporary, ALICE_ID)
        stub.on(JOINED, json_reply({"joined_rooms": ["!r"], "total": 1}))
