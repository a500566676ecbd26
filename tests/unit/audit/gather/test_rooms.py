"""The gatherer reads all rooms with bounded concurrency and memory, also when requests fail."""

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
from tests.unit.audit.gather.gathering import ADMIN, JOINED_ROOMS, ROOM, STATE, gathering, one_room, only_room
from tests.unit.stub import Reply, Stub, json_reply, refused


def test_requests_in_flight_stay_within_the_concurrency() -> None:
    with running("--rooms", "100", "--users", "10", "--delay", "0.01") as url:
        with gathering(url) as gatherer:
            list(gatherer.rooms())
        at_once = json.load(urllib.request.urlopen(f"{url}/standin"))["at_once"]  # noqa: S310
    assert 4 <= max(at_once) <= 8


def test_memory_does_not_grow_with_the_number_of_rooms() -> None:
    """The facts about earlier rooms are freed."""
    with running("--rooms", "1500", "--users", "10") as url, gathering(url, "ghost-power") as gatherer:
        peak = 0
        for number, _ in enumerate(gatherer.rooms()):
            if number % 250 == 0:
                peak = max(peak, sum(isinstance(value, RoomView) for value in gc.get_objects()))
    assert peak < 500


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
        assert only_room(gatherer).room_id == "!a:example.org"


LOCAL_USERS, LISTED_ROOMS, LEFT_EACH, DELETED_ROOM = 5, 40, 8, 3


def _path(*parts: str) -> str:
    return "/_synapse/admin/" + "/".join(quote(part, safe="") for part in parts)


def _many_rooms(stub: Stub) -> None:
    """Add rooms of one local and one remote user; each eighth room has another local member instead."""
    users = [f"@u{number}:example.org" for number in range(LOCAL_USERS)]
    ids = [f"!{number}:example.org" for number in range(LISTED_ROOMS)]
    listed = [
        ROOM | {"room_id": room, "name": room, "creator": users[number % LOCAL_USERS], "joined_members": 2}
        for number, room in enumerate(ids)
    ]
    stub.on(_path("v1", "rooms"), json_reply({"rooms": listed, "total_rooms": LISTED_ROOMS}))
    stub.on(
        _path("v3", "users"), json_reply({"users": [{"name": user} for user in users], "total": LOCAL_USERS})
    )
    for number, room in enumerate(ids):
        remote_user = f"@f{number}:other.example"
        user_levels = {users[number % LOCAL_USERS]: 100, remote_user: 100}
        event = {"type": "m.room.power_levels", "state_key": "", "sender": remote_user}
        stub.on(
            _path("v1", "rooms", room, "state"),
            json_reply({"state": [event | {"content": {"users": user_levels}}]}),
        )
        stub.on(_path("v1", "rooms", room, "block"), json_reply({"block": False}))
        members = [
            "@other:example.org" if number % LEFT_EACH == 0 else users[number % LOCAL_USERS],
            remote_user,
        ]
        stub.on(_path("v1", "rooms", room, "members"), json_reply({"members": members, "total": 2}))
        stub.on(
            _path("v1", "users", remote_user, "joined_rooms"),
            json_reply({"joined_rooms": [room], "total": 1}),
        )
    stub.on(_path("v1", "rooms", ids[DELETED_ROOM], "state"), refused(404, "M_NOT_FOUND"))
    for number, user in enumerate(users):
        rooms = [
            room for place, room in enumerate(ids) if place % LOCAL_USERS == number and place % LEFT_EACH
        ]
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


@pytest.mark.parametrize("prefetch", [False, True])
@pytest.mark.parametrize("concurrency", [1, 2])
def test_requests_for_a_slow_server_do_not_deadlock(stub: Stub, concurrency: int, *, prefetch: bool) -> None:
    _many_rooms(stub)
    stub.on_request = lambda _: time.sleep(0.005)
    rules = ("no-local-control", "ghost-power", "foreign-controller", "old-report", "failed-task")
    pool = Pool(1)  # a deadlock in this pool does not block the tests
    with gathering(stub.url, *rules, concurrency=concurrency, prefetch=prefetch) as gatherer:
        rooms = pool.submit(list, gatherer.rooms()).result(timeout=60)
        pool.submit(gatherer.server).result(timeout=60)
    pool.close()
    skipped = [
        skipped_item.subject.id
        for skipped_item in gatherer.coverage.skipped
        if skipped_item.subject.type == "room"
    ]
    assert skipped == [f"!{DELETED_ROOM}:example.org"]
    assert len(rooms) == LISTED_ROOMS - 1
    lost = [facts.room_id for facts in rooms if not facts.controllers]
    assert lost == [f"!{number}:example.org" for number in range(0, LISTED_ROOMS, LEFT_EACH)]
    assert all(facts.view.memberships[facts.with_power[-1]] == "join" for facts in rooms)


@pytest.mark.parametrize(
    "content",
    [
        b'{"state": [], "unknown": "\xff"}',
        b'{"state": [{"type": "a", "state_key": "", "sender": "@a:b", "content": {"a": "\xff"}}]}',
        b'{"state": [{"type": "a", "state_key": "", "sender": "@a:b", "content": {"a":' + b"[" * 9999,
    ],
)
def test_unreadable_answer_is_a_one_line_error(stub: Stub, content: bytes) -> None:
    with one_room(stub) as gatherer:
        stub.on(STATE, Reply(200, content))
        rooms = list(gatherer.rooms())
    assert len(rooms) + len(gatherer.coverage.skipped) == 1
    assert all("\n" not in skipped_item.reason for skipped_item in gatherer.coverage.skipped)


def test_audit_stops_after_failures_in_a_row_and_keeps_findings(stub: Stub, naps: list[float]) -> None:
    _many_rooms(stub)
    readable = 20  # more rooms than are prefetched
    ids = [f"!{number}:example.org" for number in range(LISTED_ROOMS)]
    for room in ids[readable:]:
        stub.on(_path("v1", "rooms", room, "state"), Reply(502, b"Bad Gateway"))
    with gathering(stub.url, "no-local-control", concurrency=2) as gatherer:
        rooms = list(gatherer.rooms())
    assert [facts.room_id for facts in rooms] == [
        room for room in ids[:readable] if room != ids[DELETED_ROOM]
    ]
    failed = {request.target for request in stub.requests if request.target.endswith("power_levels")}
    # At the last failure, each of the two workers may have started another room and prefetched one more.
    assert len(failed) <= readable + FAILURES + 4 < LISTED_ROOMS
    assert naps
    assert any(
        "gave up after 5 failures in a row" in skipped_item.reason
        for skipped_item in gatherer.coverage.skipped
    )


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
            stub.on(
                JOINED_ROOMS, json_reply({"joined_rooms": ["!a:example.org", "!b:example.org"], "total": 2})
            )
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
        stub.on(JOINED_ROOMS, json_reply({"joined_rooms": ["!a:example.org", "!b:example.org"], "total": 2}))
        stub.on(_path("v1", "rooms", "!b:example.org", "state"), json_reply({"state": []}))
        assert len(list(gatherer.rooms())) == 2
    assert gatherer.coverage.skipped == []


@pytest.mark.parametrize("few", [account_index.FEW, 0], ids=["few accounts", "many accounts"])
def test_excluded_accounts_are_in_no_room(monkeypatch: pytest.MonkeyPatch, few: int) -> None:
    monkeypatch.setattr(account_index, "FEW", few)
    excluded = UserId("@u1:big.example")
    with running("--rooms", "20", "--users", "10") as url:
        with gathering(url, "no-local-control") as gatherer:
            before = {facts.room_id: facts for facts in gatherer.rooms()}
        with gathering(url, "no-local-control", without=(excluded,)) as gatherer:
            after = {facts.room_id: facts for facts in gatherer.rooms()}
    assert after.keys() == before.keys()
    controlled = [room for room, facts in before.items() if excluded in facts.controllers]
    assert controlled
    for room in controlled:
        view = after[room].view
        assert view.joined_local_members == before[room].view.joined_local_members - 1
        assert view.account_of(excluded).state is AccountState.DEACTIVATED
        assert excluded not in after[room].controllers


def test_excluded_caller_regains_no_room() -> None:
    with running("--rooms", "2", "--users", "2") as url:
        with gathering(url, "no-local-control") as gatherer:
            (caller,) = {facts.caller for facts in gatherer.rooms()}
        assert caller is not None
        with gathering(url, "no-local-control", without=(caller,)) as gatherer:
            assert {facts.caller for facts in gatherer.rooms()} == {None}
