"""An account is woken for a short time, whatever keeps it from acting, and put to sleep again just so."""

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
HER = UserId(ALICE)


class Her:
    """An account on the stub that keeps its changes."""

    def __init__(self, stub: Stub, **state: bool) -> None:
        self.state: dict[str, Any] = {"name": ALICE, **state}
        self.memberships: list[str] = []
        self._stub = stub
        stub.on_request = self._heard
        stub.on(JOINED, json_reply({"joined_rooms": [], "total": 0}))
        stub.on(DEACTIVATE, json_reply({}))
        stub.on(SUSPEND, json_reply({}))
        self._show()

    def _heard(self, request: Request) -> None:
        if request.method == "PUT" and request.target == ACCOUNT:
            self.state.update(request.json)
            if request.json.get("deactivated") is False:
                self.state["erased"] = False
        elif request.target == SUSPEND:
            self.state["suspended"] = request.json["suspend"]
        elif request.target == DEACTIVATE:
            self.state.update(deactivated=True, erased=request.json["erase"])
        self._show()

    def _show(self) -> None:
        self._stub.on(ACCOUNT, json_reply(self.state))


@pytest.mark.parametrize(
    ("details", "state"),
    [
        ({}, AccountState.ACTIVE),
        ({"locked": True}, AccountState.LOCKED),
        ({"suspended": True}, AccountState.SUSPENDED),
        # Through a locked account power can be given, through a suspended one it cannot.
        ({"suspended": True, "locked": True}, AccountState.SUSPENDED),
        ({"deactivated": True, "suspended": True, "locked": True}, AccountState.DEACTIVATED),
    ],
)
def test_most_restrictive_account_state_counts(
    stub: Stub, synapse: Synapse, details: dict[str, bool], state: AccountState
) -> None:
    Her(stub, **details)
    assert SynapseMeans(synapse).account_of(HER) == Account(state)


def test_unknown_account_is_missing(stub: Stub, synapse: Synapse) -> None:
    stub.on(ACCOUNT, refused(404, "M_NOT_FOUND", "User not found"))
    assert SynapseMeans(synapse).account_of(HER) == Account(AccountState.MISSING)


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
    her = Her(stub, **before)
    earlier = dict(her.state)
    with Impersonation(synapse) as sessions, TemporaryChanges(synapse, sessions, journal) as temporary:
        enable_temporarily(synapse, temporary, HER)
        assert SynapseMeans(synapse).account_of(HER) == Account(AccountState.ACTIVE)
    assert {name: state for name, state in her.state.items() if state} == earlier
    sent = [one for one in stub.requests if one.method != "GET"]
    assert not any("password" in one.json for one in sent)
    if before.get("deactivated"):
        # First awake, or the rest could not be lifted; last asleep, or the rest could not be put back.
        assert (sent[0].target, sent[0].json) == (ACCOUNT, {"deactivated": False})
        assert (sent[-1].target, sent[-1].json) == (DEACTIVATE, {"erase": bool(before.get("erased"))})


def test_restoring_waits_until_a_deactivated_user_left(
    stub: Stub, synapse: Synapse, journal: Journal
) -> None:
    Her(stub, deactivated=True)
    inside, outside = (json_reply({"joined_rooms": ["!r"] * count, "total": count}) for count in (1, 0))
    with Impersonation(synapse) as sessions, TemporaryChanges(synapse, sessions, journal) as temporary:
        enable_temporarily(synapse, temporary, HER)
        stub.on(JOINED, inside, inside, outside)
    assert stub.targets.count(f"GET {JOINED}") == 3


def test_user_who_does_not_leave_is_not_restored(
    stub: Stub, synapse: Synapse, journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(read_back, "_PATIENCE", 0.0)
    Her(stub, deactivated=True)
    with (  # noqa: PT012
        pytest.raises(SynadminError, match="not reverted"),
        Impersonation(synapse) as sessions,
        TemporaryChanges(synapse, sessions, journal) as temporary,
    ):
        enable_temporarily(synapse, temporary, HER)
        stub.on(JOINED, json_reply({"joined_rooms": ["!r"], "total": 1}))
