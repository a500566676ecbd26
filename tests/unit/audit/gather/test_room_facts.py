"""Further requests about a room, and when the gatherer sends them."""

from __future__ import annotations

import pytest

from synadmin.audit.gather import account_index
from synadmin.power.room import Reach
from tests.standin import LOST, running
from tests.unit.audit.gather.gathering import (
    ALICE,
    JOINED_ROOMS,
    LEVELS,
    MEMBERS,
    ROOMS,
    STATE,
    USERS,
    gathering,
    one_room,
    only_room,
    request_counts,
)
from tests.unit.stub import Stub, json_reply, refused

CREATE = "/_synapse/admin/v1/rooms/…/state m.room.create"
TOMBSTONE = "/_synapse/admin/v1/rooms/…/state m.room.tombstone"
LOST_OF_20 = 1  # its whole state is read in one request


def test_small_server_is_read_completely() -> None:
    with running("--rooms", "20", "--users", "5", "--version", "12", "--members", "1") as url:
        with gathering(url) as gatherer:
            list(gatherer.rooms())
        request_count = request_counts(url)
    assert (request_count[LEVELS], request_count[CREATE], request_count[TOMBSTONE]) == (
        20,
        20,
        20 - LOST_OF_20,
    )


@pytest.mark.parametrize(
    ("members", "options", "requests"),
    [
        # A room with one member has no second creator to look for, except where the first has left.
        (1, {}, ROOMS // LOST),
        (2, {}, ROOMS),
        (1, {"look_at_creators": True}, ROOMS),
    ],
)
def test_large_server_reads_creators_where_needed(
    members: int, options: dict[str, bool], requests: int
) -> None:
    size = ("--rooms", str(ROOMS), "--users", str(USERS))
    with running(*size, "--version", "12", "--members", str(members)) as url:
        with gathering(url, **options) as gatherer:
            list(gatherer.rooms())
        request_count = request_counts(url)
    assert (request_count[LEVELS], request_count[CREATE]) == (ROOMS, requests)


@pytest.mark.parametrize(
    ("options", "requests"), [({}, 0), ({"look_at_every_room": True}, ROOMS - ROOMS // LOST)]
)
def test_large_server_reads_tombstones_where_configured(options: dict[str, bool], requests: int) -> None:
    with running("--rooms", str(ROOMS), "--users", str(USERS)) as url:
        with gathering(url, **options) as gatherer:
            list(gatherer.rooms())
        request_count = request_counts(url)
    assert (request_count[LEVELS], request_count.get(TOMBSTONE, 0)) == (ROOMS, requests)


def test_empty_room_gets_no_more_requests(stub: Stub) -> None:
    with one_room(stub, joined_members=0, joined_local_members=0) as gatherer:
        stub.on(STATE, json_reply({"state": []}))
        stub.on(JOINED_ROOMS, json_reply({"joined_rooms": [], "total": 0}))
        assert not only_room(gatherer).view.in_room
    assert sum(request.target.startswith(STATE) for request in stub.requests) == 1


def test_impersonation_is_impossible_under_mas(stub: Stub) -> None:
    with one_room(stub) as gatherer:
        stub.on("/_matrix/client/v1/auth_metadata", json_reply({"issuer": "https://account.example.org/"}))
        assert only_room(gatherer).possible is Reach.API


def _members_requested(stub: Stub) -> bool:
    return any(request.target == MEMBERS for request in stub.requests)


@pytest.mark.parametrize(
    ("few", "counts", "contradict"),
    [
        # The joined rooms of Alice are read: one local member.
        (1000, {"joined_local_members": 1}, False),
        (1000, {"joined_local_members": 2}, True),
        (1000, {"joined_local_members": 0}, True),
        # The joined rooms of other accounts are not read.
        (0, {"joined_local_members": 1}, False),
        (0, {"joined_local_members": 2}, False),
        (0, {"joined_local_members": 0}, True),
    ],
)
def test_members_are_read_where_list_and_memberships_differ(
    stub: Stub, monkeypatch: pytest.MonkeyPatch, few: int, counts: dict[str, int], *, contradict: bool
) -> None:
    monkeypatch.setattr(account_index, "FEW", few)
    with one_room(stub, **counts) as gatherer:
        view = only_room(gatherer).view
    assert _members_requested(stub) is contradict
    assert view.joined_local_members == (1 if contradict else counts["joined_local_members"])
    assert view.in_room


def test_room_without_state_has_no_members_despite_the_count(
    stub: Stub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(account_index, "FEW", 0)
    with one_room(stub, joined_members=2, joined_local_members=2) as gatherer:
        stub.on(STATE, json_reply({"state": []}))
        stub.on(JOINED_ROOMS, json_reply({"joined_rooms": [], "total": 0}))
        assert not only_room(gatherer).view.in_room


def test_older_synapse_with_full_state_gets_one_state_request(stub: Stub) -> None:
    events = [
        ("m.room.member", "@alice:example.org", {"membership": "leave"}),
        ("m.room.member", "@bob:example.org", {"membership": "join"}),
        ("m.room.member", "@admin:example.org", {"membership": "ban"}),
        ("m.room.join_rules", "", {"join_rule": "public"}),
        ("m.room.power_levels", "", {"users": {"@alice:example.org": 100}}),
        ("m.room.create", "", {"m.federate": False}),
    ]
    state = [
        {"type": kind, "state_key": key, "sender": "@alice:example.org", "content": content}
        for kind, key, content in events
    ]
    with one_room(stub, join_rules=None, federatable=True) as gatherer:
        stub.on(STATE, json_reply({"state": state}))
        stub.on(JOINED_ROOMS, json_reply({"joined_rooms": [], "total": 0}))
        stub.on(MEMBERS, json_reply({"members": ["@bob:example.org"], "total": 1}))
        for user in ("alice", "admin"):
            path = f"/_synapse/admin/v1/users/%40{user}%3Aexample.org/memberships"
            stub.on(path, refused(404, "M_UNRECOGNIZED"))
        view = only_room(gatherer).view
    assert sum(request.target.startswith(STATE) for request in stub.requests) == 1
    assert (view.join_rule, view.federate, view.joined_local_members) == ("public", False, 1)
    assert view.memberships["@admin:example.org"] == "ban"  # type: ignore[index]


def test_reserved_user_id_belongs_to_the_server(stub: Stub) -> None:
    with one_room(stub) as gatherer:
        stub.on("/_synapse/admin/v3/users", json_reply({"users": [], "total": 0}))
        stub.on(ALICE, refused(404, "M_NOT_FOUND"))
        stub.on("/_synapse/admin/v1/username_available", refused(400, "M_EXCLUSIVE"))
        facts = only_room(gatherer)
    assert facts.is_for_server_notices
    assert facts.reserved == {"@alice:example.org"}


@pytest.mark.parametrize("same_findings", [True, False])
def test_account_without_control_is_read_only_where_a_finding_depends_on_it(
    stub: Stub, *, same_findings: bool
) -> None:
    bob = ALICE.replace("alice", "bob")
    in_room = json_reply({"joined_rooms": ["!a:example.org"], "total": 1})
    levels = {"type": "m.room.power_levels", "state_key": "", "sender": "@alice:example.org"}
    users = {"@admin:example.org": 100, "@bob:example.org": 25}
    names = ("@admin:example.org", "@bob:example.org", "@alice:example.org")
    with one_room(stub, joined_members=2, joined_local_members=2) as gatherer:
        listed = {"users": [{"name": name} for name in names], "total": len(names)}
        stub.on("/_synapse/admin/v3/users", json_reply(listed))
        stub.on(STATE, json_reply({"state": [levels | {"content": {"users": users}}]}))
        for name in ("admin", "bob"):
            stub.on(f"/_synapse/admin/v1/users/%40{name}%3Aexample.org/joined_rooms", in_room)
        stub.on(JOINED_ROOMS, json_reply({"joined_rooms": [], "total": 0}))
        stub.on(bob, json_reply({"name": "@bob:example.org", "suspended": True}))
        stub.on(MEMBERS, json_reply({"members": list(names[:2]), "total": 2}))
        [facts] = gatherer.rooms(lambda _: True, lambda _, __: same_findings)
    assert facts.controllers == ("@admin:example.org",)
    assert any(request.target == bob for request in stub.requests) is not same_findings
