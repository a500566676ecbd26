"""Rooms that the Admin API alone gives up on, regained; and afterwards everything else is as it was."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from synadmin.ids import RoomId

if TYPE_CHECKING:
    from synadmin.sandbox.homeserver import Homeserver
    from tests.live.recovery.conftest import Scene, Scenes

BROUGHT_IN = ["invite", "join", "make-room-admin", "join", "leave"]


@pytest.mark.parametrize("version", ["11", "12"])
def test_an_admin_who_left_a_private_room_comes_back_for_a_moment(scene: Scene, version: str) -> None:
    alice, bob = scene.someone("alice"), scene.someone("bob")
    room_id = alice.make_room(version=version, members=[bob], left=[alice])
    told = scene.regain(room_id)
    assert told.actions == BROUGHT_IN
    assert told.record["promoter"] == alice.user_id
    assert [who for _, who, _ in told.steps] == [
        bob.user_id,
        alice.user_id,
        alice.user_id,
        scene.admin.user_id,
        alice.user_id,
    ]


def test_an_admin_who_left_a_public_room_needs_no_invitation(scene: Scene) -> None:
    alice, bob = scene.someone("alice"), scene.someone("bob")
    room_id = alice.make_room(public=True, members=[bob], left=[alice])
    assert scene.regain(room_id).actions == ["join", "make-room-admin", "join", "leave"]


def test_an_admin_who_left_a_restricted_room_comes_in_as_a_member_of_the_allowed_one(scene: Scene) -> None:
    alice, bob = scene.someone("alice"), scene.someone("bob")
    space = alice.make_room(space=True)
    rule = {"join_rule": "restricted", "allow": [{"type": "m.room_membership", "room_id": space}]}
    room_id = alice.make_room(join_rule=rule, members=[bob], left=[alice])
    assert scene.regain(room_id).actions == ["join", "make-room-admin", "join", "leave"]


def test_an_admin_who_left_a_restricted_room_and_the_allowed_one_is_invited(scene: Scene) -> None:
    alice, bob = scene.someone("alice"), scene.someone("bob")
    space = bob.make_room(space=True)
    rule = {"join_rule": "restricted", "allow": [{"type": "m.room_membership", "room_id": space}]}
    room_id = alice.make_room(join_rule=rule, members=[bob], left=[alice])
    assert scene.regain(room_id).actions == BROUGHT_IN


def test_an_admin_who_left_a_knock_room_is_invited(scene: Scene) -> None:
    alice, bob = scene.someone("alice"), scene.someone("bob")
    room_id = alice.make_room(join_rule="knock", members=[bob], left=[alice])
    assert scene.regain(room_id).actions == BROUGHT_IN


@pytest.mark.parametrize("erased", [False, True], ids=["kept", "erased"])
def test_a_deactivated_admin_is_back_for_a_moment_and_stays_as_gone_as_before(
    scene: Scene, erased: bool
) -> None:
    alice, bob = scene.someone("alice"), scene.someone("bob")
    room_id = alice.make_room(members=[bob])
    scene.deactivate(alice, erase=erased)
    assert scene.standing(alice).account["erased"] is erased
    told = scene.regain(room_id, reach="reactivate")
    assert told.actions == ["reactivate", "invite", "join", "make-room-admin", "join", "deactivate"]


def test_a_suspended_admin_who_is_in_the_room_stays_in_it_and_suspended(scene: Scene) -> None:
    alice, bob = scene.someone("alice"), scene.someone("bob")
    room_id = alice.make_room(members=[bob])
    scene.suspend(alice)
    told = scene.regain(room_id, reach="reactivate")
    assert told.actions == ["unsuspend", "make-room-admin", "join", "suspend"]
    assert scene.memberships(alice)[room_id] == "join"


@pytest.mark.parametrize("fates", [("locked",), ("suspended",), ("suspended", "locked")], ids="+".join)
def test_an_admin_who_left_and_can_do_nothing_is_woken_let_in_and_put_back(
    scene: Scene, fates: tuple[str, ...]
) -> None:
    alice, bob = scene.someone("alice"), scene.someone("bob")
    room_id = alice.make_room(members=[bob], left=[alice])
    if "suspended" in fates:
        scene.suspend(alice)
    if "locked" in fates:
        scene.lock(alice)
    told = scene.regain(room_id, reach="reactivate")
    wake, sleep = ("unlock", "lock") if fates == ("locked",) else ("unsuspend", "suspend")
    assert told.actions == [wake, "invite", "join", "make-room-admin", "join", "leave", sleep]


def test_an_admin_in_the_room_who_is_locked_and_suspended_gives_the_power(scene: Scene) -> None:
    alice, bob = scene.someone("alice"), scene.someone("bob")
    room_id = alice.make_room(members=[bob])
    scene.suspend(alice)
    scene.lock(alice)
    assert scene.regain(room_id, reach="reactivate").actions == [
        "unsuspend",
        "make-room-admin",
        "join",
        "suspend",
    ]


def test_an_additional_creator_who_left_has_the_power_still(scene: Scene) -> None:
    alice, bob, carol = scene.someone("alice"), scene.someone("bob"), scene.someone("carol")
    creation = {"additional_creators": [carol.user_id]}
    room_id = alice.make_room(version="12", creation=creation, members=[bob, carol], left=[carol])
    scene.deactivate(alice)
    told = scene.regain(room_id)
    assert told.actions == BROUGHT_IN
    assert told.record["promoter"] == carol.user_id
    assert told.record["power_level"]["highest"] == "creator"


def test_where_everybody_has_power_by_default_a_member_is_found_who_gives_it(scene: Scene) -> None:
    alice, bob, carol = scene.someone("alice"), scene.someone("bob"), scene.someone("carol")
    scene.lock(bob)
    for levels, actions in (
        ({"users_default": 100}, ["invite", "join"]),
        ({"users_default": 100, "users": {scene.admin.user_id: 1}}, ["set-level", "invite", "join"]),
    ):
        room_id = alice.make_room(members=[carol], exact_levels=levels, left=[alice])
        told = scene.regain(room_id)
        assert sorted(told.actions) == sorted(actions)
        assert {who for _, who, _ in told.steps} == {carol.user_id, scene.admin.user_id}


def test_where_those_present_hold_too_little_one_with_enough_is_brought_back(scene: Scene) -> None:
    alice, mod = scene.someone("alice"), scene.someone("mod")
    room_id = alice.make_room(members=[mod], users={mod: 50}, left=[alice])
    told = scene.regain(room_id)
    assert told.actions == BROUGHT_IN
    assert told.record["promoter"] == alice.user_id


@pytest.mark.parametrize("public", [False, True], ids=["private", "public"])
def test_a_ban_on_the_target_is_lifted(scene: Scene, public: bool) -> None:
    alice = scene.someone("alice")
    room_id = alice.make_room(public=public, banned=[scene.admin])
    refused = scene.make_admin(room_id)
    assert refused.verdict == (5, "refused", "target-banned", "impersonate")
    assert scene.regain(room_id).actions == ["unban", "make-room-admin", "join"]


def test_a_ban_is_lifted_by_an_admin_who_left(scene: Scene) -> None:
    alice, bob = scene.someone("alice"), scene.someone("bob")
    room_id = alice.make_room(members=[bob], banned=[scene.admin], left=[alice])
    assert scene.regain(room_id).actions == ["invite", "join", "unban", "make-room-admin", "join", "leave"]


def test_another_local_user_is_let_in_too(scene: Scene) -> None:
    alice, bob, dora = scene.someone("alice"), scene.someone("bob"), scene.someone("dora")
    room_id = alice.make_room(members=[bob], left=[alice])
    told = scene.regain(room_id, target=dora)
    assert told.actions == BROUGHT_IN
    assert told.record["user_id"] == dora.user_id


def test_a_target_on_another_server_is_given_the_level_and_comes_in_itself(
    scenes: Scenes, federation: tuple[Homeserver, Homeserver]
) -> None:
    ours, theirs = federation
    scene = scenes(ours)
    alice, bob = scene.someone("alice"), scene.someone("bob")
    room_id = alice.make_room(members=[bob], left=[alice])
    dora = scene.newcomer("dora", server=theirs)
    before = scene.standings()
    told = scene.make_admin(room_id, "--user", dora.user_id, "--allow", "impersonate")
    assert told.verdict == (0, "pending", None, "impersonate")
    assert told.actions == ["invite", "join", "make-room-admin", "leave"]
    assert scene.standings() == before
    assert scene.borrowed_tokens() == 0
    dora.join(room_id, via=[ours.server_name])
    told = scene.make_admin(room_id, "--user", dora.user_id)
    assert told.verdict == (0, "done", None, "api")
    assert scene.has_control(room_id, dora)


def test_nobody_is_chosen_for_what_a_shadow_ban_or_a_lock_keeps_them_from(scene: Scene) -> None:
    alice, bob, carol, dora = (scene.someone(name) for name in ("alice", "bob", "carol", "dora"))
    room_id = alice.make_room(members=[bob, carol, dora], users={bob: 30, carol: 20}, left=[alice])
    scene.admin.shadow_ban(bob)
    scene.lock(carol)
    told = scene.regain(room_id)
    assert told.actions == BROUGHT_IN
    assert told.steps[0] == ("invite", dora.user_id, "done")


def test_a_shadow_banned_admin_is_promoted_through_but_never_sent_with(scene: Scene) -> None:
    alice, bob = scene.someone("alice"), scene.someone("bob")
    room_id = alice.make_room(members=[bob], exact_levels={"users": {alice.user_id: 100, bob.user_id: 100}})
    alice.leave(room_id)
    scene.admin.shadow_ban(bob)
    before = scene.standings()
    told = scene.make_admin(room_id, "--allow", "impersonate")
    assert told.verdict == (0, "done", None, "api")
    assert told.actions == ["make-room-admin", "join"]
    scene.is_regained(room_id, scene.admin, before)


def test_promoter_chooses_who_grants(scene: Scene) -> None:
    alice, bob, carol = scene.someone("alice"), scene.someone("bob"), scene.someone("carol")
    levels = {"users": {alice.user_id: 100, bob.user_id: 90, carol.user_id: 100}, "events": {}}
    room_id = alice.make_room(members=[bob, carol], exact_levels=levels, left=[carol])
    before = scene.standings()
    told = scene.make_admin(room_id, "--promoter", bob.user_id)
    assert told.verdict == (5, "refused", "needs-impersonate", "impersonate")
    told = scene.make_admin(room_id, "--promoter", bob.user_id, "--allow", "impersonate")
    assert told.verdict == (0, "done", None, "impersonate")
    assert told.record["promoter"] == bob.user_id
    assert told.record["power_level"]["after"] == 90
    scene.is_regained(room_id, scene.admin, before)

    room_id = alice.make_room(members=[bob, carol], exact_levels=levels, left=[carol])
    before = scene.standings()
    told = scene.make_admin(
        room_id, "--promoter", carol.user_id.partition(":")[0][1:], "--allow", "impersonate"
    )
    assert told.verdict == (0, "done", None, "impersonate")
    assert told.record["promoter"] == carol.user_id
    scene.is_regained(room_id, scene.admin, before)
    told = scene.make_admin(
        alice.make_room(members=[bob]), "--promoter", bob.user_id, "--allow", "reactivate"
    )
    assert told.verdict == (5, "refused", "insufficient-power", None)
    assert "leave out --promoter" in told.record["message"]


def test_a_space_is_regained_with_all_below_it_its_rooms_first(scene: Scene) -> None:
    alice, bob = scene.someone("alice"), scene.someone("bob")

    def parent_of(*children: RoomId, name: str, alias: str | None = None) -> RoomId:
        space = alice.make_room(name, space=True, alias=alias, members=[bob])
        for child in children:
            alice.send_state(space, "m.space.child", {"via": [scene.server.server_name]}, child)
        return space

    rooms = [alice.make_room(name, members=[bob]) for name in ("one", "two", "three")]
    inner = parent_of(rooms[0], rooms[1], name="inner")
    gone = RoomId("!nowhere:elsewhere.example")
    localpart = f"outer-{alice.user_id[1:].partition(':')[0]}"
    outer = parent_of(inner, rooms[2], gone, name="outer", alias=localpart)
    for room_id in (outer, inner, rooms[0]):
        alice.leave(room_id)
    extra = alice.make_room("extra", members=[bob])
    alias = f"#{localpart}:{scene.server.server_name}"
    answer = scene.run(
        "room", "make-admin", extra, "--space", alias, "--allow", "impersonate", "--yes", "-o", "json"
    )
    assert answer.code == 0, answer.stderr
    assert f"{gone} is in the space, but this server is not in it" in answer.stderr
    records = json.loads(answer.stdout)
    assert {record["outcome"] for record in records} == {"done"}
    order = [record["room_id"] for record in records]
    assert order[0] == extra
    assert set(order) == {extra, outer, inner, *rooms}
    assert order.index(inner) > max(order.index(rooms[0]), order.index(rooms[1]))
    assert order[-1] == outer
    assert all(scene.has_control(room_id, scene.admin) for room_id in order)
    assert scene.memberships(alice)[outer] == "leave"
    assert scene.borrowed_tokens() == 0

    answer = scene.run("room", "make-admin", "--space", "!nosuch:club.example", "--yes")
    assert answer.code == 4, answer.stderr
