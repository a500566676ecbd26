"""All rooms are looked at: with few requests under way, few of them in memory, and to the end."""

from __future__ import annotations

import gc
import json
import time
import urllib.request
from typing import Any
from urllib.parse import quote

import pytest

from synadmin.audit.gather import account_index
from synadmin.ids import RoomId, UserId
from synadmin.parallel import FAILURES, Pool
from synadmin.power.room import AccountState, RoomView
from tests.standin import running
from tests.unit.audit.gather.gathering import ADMIN, IN_ROOMS, ROOM, STATE, gathering, one_room, the_room
from tests.unit.stub import Reply, Stub, json_reply, refused


def test_requests_in_flight_stay_within_the_concurrency() -> None:
    with running("--rooms", "100", "--users", "10", "--delay", "0.01") as url:
        with gathering(url) as gatherer:
            list(gatherer.rooms())
        at_once = json.load(urllib.request.urlopen(f"{url}/standin"))["at_once"]  # noqa: S310
    assert 4 <= max(at_once) <= 8


def test_memory_does_not_grow_with_the_number_of_rooms() -> None:
    """No facts are kept: however many rooms there were, few are alive."""
    with running("--rooms", "1500", "--users", "10") as url, gathering(url, "ghost-power") as gatherer:
        most = 0
        for number, _ in enumerate(gatherer.rooms()):
            if number % 250 == 0:
                most = max(most, sum(isinstance(thing, RoomView) for thing in gc.get_objects()))
    assert most < 500


@pytest.mark.parametrize(
    "content",
    [
        {"users": []},
        {"users": {"@alice:example.org": [1]}},
        {"users_default": {}},
        {"events": 3},
        {"users": {"nobody": "a lot"}},
        {"users": {"@alice:example.org": 10**30}, "users_default": -(10**30)},
    ],
)
def test_room_with_invalid_levels_is_checked(stub: Stub, content: dict[str, Any]) -> None:
    with one_room(stub) as gatherer:
        event = {"type": "m.room.power_levels", "state_key": "", "sender": "@a:b", "content": content}
        stub.on(STATE, json_reply({"state": [event]}))
        assert the_room(gatherer).room_id == "!a:example.org"


LOCAL, LISTED, EMPTIED, GONE = 5, 40, 8, 3


def _path(*parts: str) -> str:
    return "/_synapse/admin/" + "/".join(quote(part, safe="") for part in parts)


def _many_rooms(stub: Stub) -> None:
    """Each of somebody local, who has left every eighth, and of somebody else on another server."""
    users = [f"@u{number}:example.org" for number in range(LOCAL)]
    ids = [f"!{number}:example.org" for number in range(LISTED)]
    listed = [
        ROOM | {"room_id": room, "name": room, "creator": users[number % LOCAL], "joined_members": 2}
        for number, room in enumerate(ids)
    ]
    stub.on(_path("v1", "rooms"), json_reply({"rooms": listed, "total_rooms": LISTED}))
    stub.on(_path("v3", "users"), json_reply({"users": [{"name": user} for user in users], "total": LOCAL}))
    for number, room in enumerate(ids):
        stranger = f"@f{number}:other.example"
        powerful = {users[number % LOCAL]: 100, stranger: 100}
        event = {"type": "m.room.power_levels", "state_key": "", "sender": stranger}
        stub.on(
            _path("v1", "rooms", room, "state"),
            json_reply({"state": [event | {"content": {"users": powerful}}]}),
        )
        stub.on(_path("v1", "rooms", room, "block"), json_reply({"block": False}))
        there = ["@other:example.org" if number % EMPTIED == 0 else users[number % LOCAL], stranger]
        stub.on(_path("v1", "rooms", room, "members"), json_reply({"members": there, "total": 2}))
        stub.on(
            _path("v1", "users", stranger, "joined_rooms"), json_reply({"joined_rooms": [room], "total": 1})
        )
    stub.on(_path("v1", "rooms", ids[GONE], "state"), refused(404, "M_NOT_FOUND"))
    for number, user in enumerate(users):
        rooms = [room for place, room in enumerate(ids) if place % LOCAL == number and place % EMPTIED]
        stub.on(_path("v2", "users", user), json_reply({"name": user}))
        stub.on(
            _path("v1", "users", user, "joined_rooms"),
            json_reply({"joined_rooms": rooms, "total": len(rooms)}),
        )
    stub.on(ADMIN, json_reply({"name": "@admin:example.org", "admin": True}))
    stub.on(
        _path("v1", "users", "@admin:example.org", "joined_rooms"),
        json_reply({"joined_rooms": [], "total": 0}),
    )


@pytest.mark.parametrize("begun", [False, True])
@pytest.mark.parametrize("concurrency", [1, 2])
def test_requests_for_a_slow_server_do_not_deadlock(stub: Stub, concurrency: int, *, begun: bool) -> None:
    _many_rooms(stub)
    stub.on_request = lambda _: time.sleep(0.005)
    rules = ("no-local-control", "ghost-power", "foreign-controller", "old-report", "failed-task")
    aside = Pool(1)  # where it may hang, and the tests end all the same
    with gathering(stub.url, *rules, concurrency=concurrency, begun=begun) as gatherer:
        rooms = aside.submit(list, gatherer.rooms()).result(timeout=60)
        aside.submit(gatherer.server).result(timeout=60)
    aside.close()
    skipped = [one.subject.id for one in gatherer.coverage.skipped if one.subject.type == "room"]
    assert skipped == [f"!{GONE}:example.org"]
    assert len(rooms) == LISTED - 1
    lost = [facts.room_id for facts in rooms if not facts.controllers]
    assert lost == [f"!{number}:example.org" for number in range(0, LISTED, EMPTIED)]
    assert all(facts.view.memberships[facts.with_power[-1]] == "join" for facts in rooms)


@pytest.mark.parametrize(
    "content",
    [
        b'{"state": [], "unknown": "\xff"}',
        b'{"state": [{"type": "a", "state_key": "", "sender": "@a:b", "content": {"a": "\xff"}}]}',
        b'{"state": [{"type": "a", "state_key": "", "sender": "@a:b", "content": {"a":' + b"[" * 9999,
    ],
)
def test_unreadable_answer_is_one_clear_line(stub: Stub, content: bytes) -> None:
    with one_room(stub) as gatherer:
        stub.on(STATE, Reply(200, content))
        rooms = list(gatherer.rooms())
    assert len(rooms) + len(gatherer.coverage.skipped) == 1
    assert all("\n" not in one.reason for one in gatherer.coverage.skipped)


def test_audit_stops_after_failures_in_a_row_and_keeps_findings(stub: Stub, naps: list[float]) -> None:
    _many_rooms(stub)
    well = 20  # more than are asked for in advance
    ids = [f"!{number}:example.org" for number in range(LISTED)]
    for room in ids[well:]:
        stub.on(_path("v1", "rooms", room, "state"), Reply(502, b"Bad Gateway"))
    with gathering(stub.url, "no-local-control", concurrency=2) as gatherer:
        rooms = list(gatherer.rooms())
    assert [facts.room_id for facts in rooms] == [room for room in ids[:well] if room != ids[GONE]]
    failed = {request.target for request in stub.requests if request.target.endswith("power_levels")}
    # Two workers may have begun another room each when the last failure came, and asked ahead for one more.
    assert len(failed) <= well + FAILURES + 4 < LISTED
    assert naps
    assert any("gave up after 5 failures in a row" in one.reason for one in gatherer.coverage.skipped)


def test_joined_rooms_missing_from_the_list_are_checked_and_named(
    stub: Stub, monkeypatch: pytest.MonkeyPatch
) -> None:
    levels = {"type": "m.room.power_levels", "state_key": "", "sender": "@alice:example.org"}
    create = {"type": "m.room.create", "state_key": "", "sender": "@alice:example.org", "content": {}}
    members = [
        create | {"type": "m.room.member", "state_key": user, "content": {"membership": "join"}}
        for user in ("@alice:example.org", "@bob:example.org")
    ]
    state = [levels | {"content": {"users": {"@alice:example.org": 100}}}, create, *members]
    for few in (1000, 0):
        monkeypatch.setattr(account_index, "FEW", few)
        with one_room(stub) as gatherer:
            stub.on(IN_ROOMS, json_reply({"joined_rooms": ["!a:example.org", "!b:example.org"], "total": 2}))
            stub.on(_path("v1", "rooms", "!b:example.org", "state"), json_reply({"state": state}))
            rooms = {facts.room_id: facts for facts in gatherer.rooms()}
        unlisted = rooms[RoomId("!b:example.org")]
        assert unlisted.controllers == ("@alice:example.org",)
        assert (unlisted.view.creators, unlisted.state_events) == (("@alice:example.org",), 4)
        [skipped] = gatherer.coverage.skipped
        assert "the room list lacks 1 room that users have joined" in skipped.reason
        assert not skipped.gone


def test_room_created_during_the_audit_is_not_missing(stub: Stub) -> None:
    with one_room(stub) as gatherer:
        both = json_reply({"rooms": [ROOM, ROOM | {"room_id": "!b:example.org"}], "total_rooms": 2})
        stub.on("/_synapse/admin/v1/rooms", json_reply({"rooms": [ROOM], "total_rooms": 1}), both)
        stub.on(IN_ROOMS, json_reply({"joined_rooms": ["!a:example.org", "!b:example.org"], "total": 2}))
        stub.on(_path("v1", "rooms", "!b:example.org", "state"), json_reply({"state": []}))
        assert len(list(gatherer.rooms())) == 2
    assert gatherer.coverage.skipped == []


@pytest.mark.parametrize("few", [account_index.FEW, 0], ids=["few accounts", "many accounts"])
def test_excluded_accounts_are_in_no_room(monkeypatch: pytest.MonkeyPatch, few: int) -> None:
    monkeypatch.setattr(account_index, "FEW", few)
    gone = UserId("@u1:big.example")
    with running("--rooms", "20", "--users", "10") as url:
        with gathering(url, "no-local-control") as gatherer:
            before = {facts.room_id: facts for facts in gatherer.rooms()}
        with gathering(url, "no-local-control", without=(gone,)) as gatherer:
            after = {facts.room_id: facts for facts in gatherer.rooms()}
    assert after.keys() == before.keys()
    held = [room for room, facts in before.items() if gone in facts.controllers]
    assert held
    for room in held:
        view = after[room].view
        assert view.joined_local_members == before[room].view.joined_local_members - 1
        assert view.account_of(gone).state is AccountState.DEACTIVATED
        assert gone not in after[room].controllers


def test_excluded_caller_regains_no_room() -> None:
    with running("--rooms", "2", "--users", "2") as url:
        with gathering(url, "no-local-control") as gatherer:
            (caller,) = {facts.caller for facts in gatherer.rooms()}
        assert caller is not None
        with gathering(url, "no-local-control", without=(caller,)) as gatherer:
            assert {facts.caller for facts in gatherer.rooms()} == {None}
