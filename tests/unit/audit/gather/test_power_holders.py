"""The memberships and accounts of power holders."""

from __future__ import annotations

from synadmin.power.room import AccountState
from tests.standin import LOST, running
from tests.unit.audit.gather.gathering import ALICE, ROOMS, USERS, gathering, one_room, only_room
from tests.unit.stub import Stub, json_reply


def test_memberships_come_from_the_rooms_of_power_holders() -> None:
    with running("--rooms", str(ROOMS), "--users", str(USERS)) as url, gathering(url) as gatherer:
        rooms = {facts.room_id: facts for facts in gatherer.rooms()}
    for number in range(ROOMS):
        facts = rooms[f"!{number}:big.example"]  # type: ignore[index]
        creator = f"@u{number % USERS}:big.example"
        assert facts.controllers == (() if number % LOST == 0 else (creator,))
        assert facts.accounts[creator].state is AccountState.ACTIVE  # type: ignore[index]
        assert facts.view.account_of(creator).state is AccountState.ACTIVE  # type: ignore[arg-type]


def test_last_seen_comes_from_the_user_list(stub: Stub) -> None:
    """The account itself has only the activity of the last 28 days."""
    with one_room(stub) as gatherer:
        listed = {"name": "@alice:example.org", "creation_ts": 1000, "last_seen_ts": 5000}
        stub.on("/_synapse/admin/v3/users", json_reply({"users": [listed], "total": 1}))
        stub.on(ALICE, json_reply({"name": "@alice:example.org", "creation_ts": 1, "last_seen_ts": None}))
        account = only_room(gatherer).accounts["@alice:example.org"]  # type: ignore[index]
    assert (account.created, account.seen) == (1000, 5000)


def test_account_registered_after_the_list_is_not_a_ghost(stub: Stub) -> None:
    with one_room(stub) as gatherer:
        stub.on("/_synapse/admin/v3/users", json_reply({"users": [], "total": 0}))
        account = only_room(gatherer).accounts["@alice:example.org"]  # type: ignore[index]
    assert account.state is AccountState.ACTIVE
    assert account.unseen == 0


def test_suspended_account_is_detected_without_the_list(stub: Stub) -> None:
    with one_room(stub) as gatherer:
        stub.on(ALICE, json_reply({"name": "@alice:example.org", "suspended": True, "locked": True}))
        facts = only_room(gatherer)
    assert facts.accounts["@alice:example.org"].state is AccountState.SUSPENDED  # type: ignore[index]
    assert facts.controllers == ()
