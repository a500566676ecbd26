"""Who has power, and where they are."""

from __future__ import annotations

from synadmin.power.room import AccountState
from tests.standin import LOST, running
from tests.unit.audit.gather.gathering import ALICE, ROOMS, USERS, gathering, one_room, the_room
from tests.unit.stub import Stub, told


def test_who_is_where_comes_from_the_rooms_of_those_with_power() -> None:
    with running("--rooms", str(ROOMS), "--users", str(USERS)) as url, gathering(url) as gatherer:
        rooms = {facts.room_id: facts for facts in gatherer.rooms()}
    for number in range(ROOMS):
        facts = rooms[f"!{number}:big.example"]  # type: ignore[index]
        creator = f"@u{number % USERS}:big.example"
        assert facts.controllers == (() if number % LOST == 0 else (creator,))
        assert facts.accounts[creator].state is AccountState.ACTIVE  # type: ignore[index]
        assert facts.view.account_of(creator).state is AccountState.ACTIVE  # type: ignore[arg-type]


def test_last_seen_is_what_the_list_says(stub: Stub) -> None:
    """By itself an account tells only of the last 28 days."""
    with one_room(stub) as gatherer:
        listed = {"name": "@alice:example.org", "creation_ts": 1000, "last_seen_ts": 5000}
        stub.on("/_synapse/admin/v3/users", told({"users": [listed], "total": 1}))
        stub.on(ALICE, told({"name": "@alice:example.org", "creation_ts": 1, "last_seen_ts": None}))
        account = the_room(gatherer).accounts["@alice:example.org"]  # type: ignore[index]
    assert (account.created, account.seen) == (1000, 5000)


def test_who_was_registered_after_the_list_was_read_is_no_ghost(stub: Stub) -> None:
    with one_room(stub) as gatherer:
        stub.on("/_synapse/admin/v3/users", told({"users": [], "total": 0}))
        account = the_room(gatherer).accounts["@alice:example.org"]  # type: ignore[index]
    assert account.state is AccountState.ACTIVE
    assert account.unseen == 0


def test_a_suspended_account_is_one_although_the_list_does_not_say(stub: Stub) -> None:
    with one_room(stub) as gatherer:
        stub.on(ALICE, told({"name": "@alice:example.org", "suspended": True, "locked": True}))
        facts = the_room(gatherer)
    assert facts.accounts["@alice:example.org"].state is AccountState.SUSPENDED  # type: ignore[index]
    assert facts.controllers == ()
