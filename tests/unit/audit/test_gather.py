"""How few requests the facts take, on a stand-in for a server that counts them."""

from __future__ import annotations

import json
import urllib.request
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest

from synadmin.audit.ahead import Ahead
from synadmin.audit.gather import FEW_ROOMS, Gatherer, Wanted
from synadmin.audit.rules import RULES
from synadmin.client import Synapse
from synadmin.errors import NotPermittedError
from synadmin.power.room import AccountState, Reach
from tests.standin import LOST, running
from tests.unit.stub import Stub, refused, told

if TYPE_CHECKING:
    from collections.abc import Iterator

    from synadmin.audit.facts import RoomFacts

ROOMS, USERS = FEW_ROOMS + 50, 30
LEVELS = "/_synapse/admin/v1/rooms/…/state m.room.power_levels"
CREATE = "/_synapse/admin/v1/rooms/…/state m.room.create"
TOMBSTONE = "/_synapse/admin/v1/rooms/…/state m.room.tombstone"
OF_ROOMS = frozenset(
    {"no-local-control", "ghost-power", "single-controller", "foreign-controller", "tombstoned-with-members"}
)


@contextmanager
def gathering(url: str, *rules: str, **wanted: Any) -> Iterator[Gatherer]:  # noqa: ANN401
    with Synapse(url, token="syt_token") as synapse:
        ahead = Ahead(synapse, concurrency=8)
        try:
            yield Gatherer(ahead, Wanted(rules=rules or OF_ROOMS, **wanted))
        finally:
            ahead.close()


def _asked(url: str) -> dict[str, int]:
    asked: dict[str, int] = json.load(urllib.request.urlopen(f"{url}/standin"))["asked"]  # noqa: S310
    return asked


def test_a_room_costs_one_request_and_a_user_with_power_two() -> None:
    with running("--rooms", str(ROOMS), "--users", str(USERS)) as url:
        with gathering(url, "ghost-power") as gatherer:
            rooms = list(gatherer.rooms())
        asked = {kind: count for kind, count in _asked(url).items() if "rooms" in kind or "users" in kind}
    assert len(rooms) == ROOMS
    assert gatherer.missed == []
    assert asked == {
        LEVELS: ROOMS,
        "/_synapse/admin/v2/users/…": USERS,
        "/_synapse/admin/v1/users/…/joined_rooms": USERS,
    }


def test_who_is_where_comes_from_the_rooms_of_those_with_power() -> None:
    with running("--rooms", str(ROOMS), "--users", str(USERS)) as url, gathering(url) as gatherer:
        rooms = {facts.room_id: facts for facts in gatherer.rooms()}
    for number in range(ROOMS):
        facts = rooms[f"!{number}:big.example"]  # type: ignore[index]
        creator = f"@u{number % USERS}:big.example"
        assert facts.controllers == (() if number % LOST == 0 else (creator,))
        assert facts.accounts[creator].state is AccountState.ACTIVE  # type: ignore[index]
        assert facts.view.account_of(creator).state is AccountState.ACTIVE  # type: ignore[arg-type]


def test_of_a_small_server_everything_is_asked() -> None:
    with running("--rooms", "20", "--users", "5", "--version", "12", "--members", "1") as url:
        with gathering(url) as gatherer:
            list(gatherer.rooms())
        asked = _asked(url)
    assert (asked[LEVELS], asked[CREATE], asked[TOMBSTONE]) == (20, 20, 20)


@pytest.mark.parametrize(
    ("members", "wanted", "asked_for"),
    [
        # Nobody else is in the room who could be a second creator, but in those that the first has left.
        (1, {}, ROOMS // LOST),
        (2, {}, ROOMS),
        (1, {"creators": True}, ROOMS),
    ],
)
def test_of_a_large_server_creators_are_asked_where_they_may_matter(
    members: int, wanted: dict[str, bool], asked_for: int
) -> None:
    size = ("--rooms", str(ROOMS), "--users", str(USERS))
    with running(*size, "--version", "12", "--members", str(members)) as url:
        with gathering(url, **wanted) as gatherer:
            list(gatherer.rooms())
        asked = _asked(url)
    assert (asked[LEVELS], asked[CREATE]) == (ROOMS, asked_for)


@pytest.mark.parametrize(("wanted", "asked_for"), [({}, 0), ({"tombstones": True}, ROOMS)])
def test_of_a_large_server_tombstones_are_asked_where_asked_for(
    wanted: dict[str, bool], asked_for: int
) -> None:
    with running("--rooms", str(ROOMS), "--users", str(USERS)) as url:
        with gathering(url, **wanted) as gatherer:
            list(gatherer.rooms())
        asked = _asked(url)
    assert (asked[LEVELS], asked.get(TOMBSTONE, 0)) == (ROOMS, asked_for)


def test_no_more_requests_are_under_way_than_asked_for() -> None:
    with running("--rooms", "100", "--users", "10", "--delay", "0.01") as url:
        with gathering(url) as gatherer:
            list(gatherer.rooms())
        at_once = json.load(urllib.request.urlopen(f"{url}/standin"))["at_once"]  # noqa: S310
    assert 4 <= max(at_once) <= 8


def test_memory_does_not_grow_with_the_number_of_rooms() -> None:
    """No facts are kept: however many rooms there were, few are alive."""
    import gc

    from synadmin.power.room import RoomView

    with running("--rooms", "1500", "--users", "10") as url, gathering(url, "ghost-power") as gatherer:
        most = 0
        for number, _ in enumerate(gatherer.rooms()):
            if number % 250 == 0:
                most = max(most, sum(isinstance(thing, RoomView) for thing in gc.get_objects()))
    assert most < 500


# Oddities, on a server of one room


ROOM = {
    "room_id": "!a:example.org",
    "name": "Chess",
    "joined_members": 1,
    "joined_local_members": 1,
    "version": "11",
    "creator": "@alice:example.org",
    "join_rules": "invite",
    "state_events": 9,
}
STATE = "/_synapse/admin/v1/rooms/%21a%3Aexample.org/state"
ALICE = "/_synapse/admin/v2/users/%40alice%3Aexample.org"
IN_ROOMS = "/_synapse/admin/v1/users/%40alice%3Aexample.org/joined_rooms"
ADMIN = "/_synapse/admin/v2/users/%40admin%3Aexample.org"


def _levels(**users: int) -> dict[str, Any]:
    named = {f"@{name}:example.org": level for name, level in users.items()}
    event = {
        "type": "m.room.power_levels",
        "state_key": "",
        "sender": "@alice:example.org",
        "content": {"users": named},
    }
    return {"state": [event]}


@contextmanager
def one_room(stub: Stub, **room: Any) -> Iterator[Gatherer]:  # noqa: ANN401
    """A server with Alice, who is in her room."""
    stub.on("/_synapse/admin/v1/rooms", told({"rooms": [ROOM | room], "total_rooms": 1}))
    stub.on("/_synapse/admin/v3/users", told({"users": [{"name": "@alice:example.org"}], "total": 1}))
    stub.on(STATE, told(_levels(alice=100)))
    stub.on(ALICE, told({"name": "@alice:example.org"}))
    stub.on(ADMIN, told({"name": "@admin:example.org", "admin": True}))
    stub.on(IN_ROOMS, told({"joined_rooms": ["!a:example.org"], "total": 1}))
    stub.on("/_synapse/admin/v1/rooms/%21a%3Aexample.org/block", told({"block": False}))
    stub.on(
        "/_synapse/admin/v1/users/%40admin%3Aexample.org/joined_rooms", told({"joined_rooms": [], "total": 0})
    )
    with gathering(stub.url, "ghost-power", "no-local-control") as gatherer:
        yield gatherer


def _the_room(gatherer: Gatherer) -> RoomFacts:
    [facts] = gatherer.rooms()
    return facts


def test_last_seen_is_what_the_list_says(stub: Stub) -> None:
    """By itself an account tells only of the last 28 days."""
    with one_room(stub) as gatherer:
        listed = {"name": "@alice:example.org", "creation_ts": 1000, "last_seen_ts": 5000}
        stub.on("/_synapse/admin/v3/users", told({"users": [listed], "total": 1}))
        stub.on(ALICE, told({"name": "@alice:example.org", "creation_ts": 1, "last_seen_ts": None}))
        account = _the_room(gatherer).accounts["@alice:example.org"]  # type: ignore[index]
    assert (account.created, account.seen) == (1000, 5000)


def test_who_was_registered_after_the_list_was_read_is_no_ghost(stub: Stub) -> None:
    with one_room(stub) as gatherer:
        stub.on("/_synapse/admin/v3/users", told({"users": [], "total": 0}))
        account = _the_room(gatherer).accounts["@alice:example.org"]  # type: ignore[index]
    assert account.state is AccountState.ACTIVE
    assert account.unseen_for(gatherer.now) == 0


def test_a_suspended_account_is_one_although_the_list_does_not_say(stub: Stub) -> None:
    with one_room(stub) as gatherer:
        stub.on(ALICE, told({"name": "@alice:example.org", "suspended": True, "locked": True}))
        facts = _the_room(gatherer)
    assert facts.accounts["@alice:example.org"].state is AccountState.SUSPENDED  # type: ignore[index]
    assert facts.controllers == ()


def test_a_server_of_an_older_synapse_is_asked_in_its_own_way(stub: Stub) -> None:
    with one_room(stub) as gatherer:
        stub.on("/_synapse/admin/v3/users", refused(404, "M_UNRECOGNIZED"))
        stub.on("/_synapse/admin/v2/users", told({"users": [{"name": "@alice:example.org"}], "total": 1}))
        assert _the_room(gatherer).controllers == ("@alice:example.org",)


def test_where_accounts_are_kept_elsewhere_nobody_can_act_as_others(stub: Stub) -> None:
    with one_room(stub) as gatherer:
        stub.on(IN_ROOMS, told({"joined_rooms": [], "total": 0}))
        stub.on("/_matrix/client/v1/auth_metadata", told({"issuer": "https://account.example.org/"}))
        assert _the_room(gatherer).possible is Reach.API


@pytest.mark.parametrize(
    "content",
    [
        {"users": []},
        {"users": {"@alice:example.org": [1]}},
        {"users_default": {}},
        {"events": 3},
        {"users": {"nobody": "a lot"}},
    ],
)
def test_levels_that_make_no_sense_are_looked_at_all_the_same(stub: Stub, content: dict[str, Any]) -> None:
    with one_room(stub) as gatherer:
        event = {"type": "m.room.power_levels", "state_key": "", "sender": "@a:b", "content": content}
        stub.on(STATE, told({"state": [event]}))
        assert _the_room(gatherer).room_id == "!a:example.org"


def test_a_token_that_may_not_look_ends_it(stub: Stub) -> None:
    with one_room(stub) as gatherer:
        stub.on(STATE, refused(403, "M_FORBIDDEN", "You are not a server admin"))
        with pytest.raises(NotPermittedError):
            list(gatherer.rooms())


def test_what_the_server_does_not_have_is_no_failure(stub: Stub) -> None:
    """A Synapse of years ago knows none of these."""
    rules = [rule.ID for rule in RULES]
    with gathering(stub.url, *rules) as gatherer:
        facts = gatherer.server()
    assert facts.tokens is None
    assert all(missed.gone for missed in gatherer.missed)


def test_of_a_registration_token_only_the_beginning_is_kept(stub: Stub) -> None:
    token = {"token": "open-sesame", "uses_allowed": None, "pending": 0, "completed": 3, "expiry_time": None}
    stub.on("/_synapse/admin/v1/registration_tokens", told({"registration_tokens": [token]}))
    with gathering(stub.url, "open-registration-token") as gatherer:
        facts = gatherer.server()
    assert "sesame" not in repr(facts)
    assert facts.tokens is not None
    assert [(one.unlimited, one.expires, one.used) for one in facts.tokens] == [(True, None, 3)]
