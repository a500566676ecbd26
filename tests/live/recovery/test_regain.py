"""Regain rooms for which the Admin API alone is not enough, and revert all temporary changes."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from synadmin.ids import RoomId

if TYPE_CHECKING:
    from synadmin.sandbox.homeserver import Homeserver
    from tests.live.recovery.conftest import Scene, Scenes

REJOIN_AND_GRANT = ["invite", "join", "make-room-admin", "join", "leave"]


@pytest.mark.parametrize("version", ["11", "12"])
def test_admin_who_left_a_private_room_rejoins_temporarily(scene: Scene, version: str) -> None:
    alice, bob = scene.someone("alice"), scene.someone("bob")
    room_id = alice.make_room(version=version, members=[bob], left=[alice])
    result = scene.regain(room_id)
    assert result.actions == REJOIN_AND_GRANT
    assert result.record["promoter"] == alice.user_id
    assert [who for _, who, _ in result.steps] == [
        bob.user_id,
        alice.user_id,
        alice.user_id,
        scene.admin.user_id,
        alice.user_id,
    ]


def test_admin_who_left_a_public_room_needs_no_invitation(scene: Scene) -> None:
    alice, bob = scene.someone("alice"), scene.someone("bob")
    room_id = alice.make_room(public=True, members=[bob], left=[alice])
    assert scene.regain(room_id).actions == ["join", "make-room-admin", "join", "leave"]


def test_admin_who_left_a_restricted_room_joins_as_a_member_of_the_allowed_room(scene: Scene) -> None:
    alice, bob = scene.someone("alice"), scene.someone("bob")
    space = alice.make_room(space=True)
    rule = {"join_rule": "restricted", "allow": [{"type": "m.room_membership", "room_id": space}]}
    room_id = alice.make_room(join_rule=rule, members=[bob], left=[alice])
    assert scene.regain(room_id).actions == ["join", "make-room-admin", "join", "leave"]


def test_admin_who_left_a_restricted_and_the_allowed_room_is_invited(scene: Scene) -> None:
    alice, bob = scene.someone("alice"), scene.someone("bob")
    space = bob.make_room(space=True)
    rule = {"join_rule": "restricted", "allow": [{"type": "m.room_membership", "room_id": space}]}
    room_id = alice.make_room(join_rule=rule, members=[bob], left=[alice])
    assert scene.regain(room_id).actions == REJOIN_AND_GRANT


def test_admin_who_left_a_knock_room_is_invited(scene: Scene) -> None:
    alice, bob = scene.someone("alice"), scene.someone("bob")
    room_id = alice.make_room(join_rule="knock", members=[bob], left=[alice])
    assert scene.regain(room_id).actions == REJOIN_AND_GRANT


@pytest.mark.parametrize("erased", [False, True], ids=["kept", "erased"])
def test_deactivated_admin_is_reactivated_temporarily(scene: Scene, erased: bool) -> None:
    alice, bob = scene.someone("alice"), scene.someone("bob")
    room_id = alice.make_room(members=[bob])
    scene.deactivate(alice, erase=erased)
    assert scene.standing(alice).account["erased"] is erased
    result = scene.regain(room_id, reach="reactivate")
    assert result.actions == ["reactivate", "invite", "join", "make-room-admin", "join", "deactivate"]


def test_suspended_joined_admin_stays_joined_and_suspended(scene: Scene) -> None:
    alice, bob = scene.someone("alice"), scene.someone("bob")
    room_id = alice.make_room(members=[bob])
    scene.suspend(alice)
    result = scene.regain(room_id, reach="reactivate")
    assert result.actions == ["unsuspend", "make-room-admin", "join", "suspend"]
    assert scene.memberships(alice)[room_id] == "join"


@pytest.mark.parametrize("states", [("locked",), ("suspended",), ("suspended", "locked")], ids="+".join)
def test_admin_who_left_and_is_deactivated_is_reactivated_and_rejoined_temporarily(
    scene: Scene, states: tuple[str, ...]
) -> None:
    alice, bob = scene.someone("alice"), scene.someone("bob")
    room_id = alice.make_room(members=[bob], left=[alice])
    if "suspended" in states:
        scene.suspend(alice)
    if "locked" in states:
        scene.lock(alice)
    result = scene.regain(room_id, reach="reactivate")
    enable, disable = ("unlock", "lock") if states == ("locked",) else ("unsuspend", "suspend")
    assert result.actions == [enable, "invite", "join", "make-room-admin", "join", "leave", disable]


def test_locked_and_suspended_joined_admin_grants_the_level(scene: Scene) -> None:
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


def test_additional_creator_who_left_still_has_power(scene: Scene) -> None:
    alice, bob, carol = scene.someone("alice"), scene.someone("bob"), scene.someone("carol")
    creation = {"additional_creators": [carol.user_id]}
    room_id = alice.make_room(version="12", creation=creation, members=[bob, carol], left=[carol])
    scene.deactivate(alice)
    result = scene.regain(room_id)
    assert result.actions == REJOIN_AND_GRANT
    assert result.record["promoter"] == carol.user_id
    assert result.record["power_level"]["highest"] == "creator"


def test_member_with_the_default_level_grants_control(scene: Scene) -> None:
    alice, bob, carol = scene.someone("alice"), scene.someone("bob"), scene.someone("carol")
    scene.lock(bob)
    for levels, actions in (
        ({"users_default": 100}, ["invite", "join"]),
        ({"users_default": 100, "users": {scene.admin.user_id: 1}}, ["set-level", "invite", "join"]),
    ):
        room_id = alice.make_room(members=[carol], exact_levels=levels, left=[alice])
        result = scene.regain(room_id)
        assert sorted(result.actions) == sorted(actions)
        assert {who for _, who, _ in result.steps} == {carol.user_id, scene.admin.user_id}


def test_user_with_enough_power_rejoins_where_members_lack_it(scene: Scene) -> None:
    alice, mod = scene.someone("alice"), scene.someone("mod")
    room_id = alice.make_room(members=[mod], users={mod: 50}, left=[alice])
    result = scene.regain(room_id)
    assert result.actions == REJOIN_AND_GRANT
    assert result.record["promoter"] == alice.user_id


@pytest.mark.parametrize("public", [False, True], ids=["private", "public"])
def test_ban_on_the_target_is_lifted(scene: Scene, public: bool) -> None:
    alice = scene.someone("alice")
    room_id = alice.make_room(public=public, banned=[scene.admin])
    refused = scene.make_admin(room_id)
    assert refused.verdict == (5, "refused", "target-banned", "impersonate")
    assert scene.regain(room_id).actions == ["unban", "make-room-admin", "join"]


def test_ban_is_lifted_by_an_admin_who_left(scene: Scene) -> None:
    alice, bob = scene.someone("alice"), scene.someone("bob")
    room_id = alice.make_room(members=[bob], banned=[scene.admin], left=[alice])
    assert scene.regain(room_id).actions == ["invite", "join", "unban", "make-room-admin", "join", "leave"]


def test_another_local_target_joins(scene: Scene) -> None:
    alice, bob, dora = scene.someone("alice"), scene.someone("bob"), scene.someone("dora")
    room_id = alice.make_room(members=[bob], left=[alice])
    result = scene.regain(room_id, target=dora)
    assert result.actions == REJOIN_AND_GRANT
    assert result.record["user_id"] == dora.user_id


def test_remote_target_gets_the_level_and_an_invitation(
    scenes: Scenes, federation: tuple[Homeserver, Homeserver]
) -> None:
    ours, theirs = federation
    scene = scenes(ours)
    alice, bob = scene.someone("alice"), scene.someone("bob")
    room_id = alice.make_room(members=[bob], left=[alice])
    dora = scene.newcomer("dora", server=theirs)
    before = scene.standings()
    result = scene.make_admin(room_id, "--user", dora.user_id, "--allow", "impersonate")
    assert result.verdict == (0, "pending", None, "impersonate")
    assert result.actions == ["invite", "join", "make-room-admin", "leave"]
    assert scene.standings() == before
    assert scene.borrowed_tokens() == 0
    dora.join(room_id, via=[ours.server_name])
    result = scene.make_admin(room_id, "--user", dora.user_id)
    assert result.verdict == (0, "done", None, "api")
    assert scene.has_control(room_id, dora)


def test_shadow_banned_and_locked_users_are_not_chosen_for_blocked_actions(scene: Scene) -> None:
    alice, bob, carol, dora = (scene.someone(name) for name in ("alice", "bob", "carol", "dora"))
    room_id = alice.make_room(members=[bob, carol, dora], users={bob: 30, carol: 20}, left=[alice])
    scene.admin.shadow_ban(bob)
    scene.lock(carol)
    result = scene.regain(room_id)
    assert result.actions == REJOIN_AND_GRANT
    assert result.steps[0] == ("invite", dora.user_id, "done")


def test_make_room_admin_works_through_a_shadow_banned_admin(scene: Scene) -> None:
    alice, bob = scene.someone("alice"), scene.someone("bob")
    room_id = alice.make_room(members=[bob], exact_levels={"users": {alice.user_id: 100, bob.user_id: 100}})
    alice.leave(room_id)
    scene.admin.shadow_ban(bob)
    before = scene.standings()
    result = scene.make_admin(room_id, "--allow", "impersonate")
    assert result.verdict == (0, "done", None, "api")
    assert result.actions == ["make-room-admin", "join"]
    scene.is_regained(room_id, scene.admin, before)


def test_promoter_option_chooses_the_granting_user(scene: Scene) -> None:
    alice, bob, carol = scene.someone("alice"), scene.someone("bob"), scene.someone("carol")
    levels = {"users": {alice.user_id: 100, bob.user_id: 90, carol.user_id: 100}, "events": {}}
    room_id = alice.make_room(members=[bob, carol], exact_levels=levels, left=[carol])
    before = scene.standings()
    result = scene.make_admin(room_id, "--promoter", bob.user_id)
    assert result.verdict == (5, "refused", "needs-impersonate", "impersonate")
    result = scene.make_admin(room_id, "--promoter", bob.user_id, "--allow", "impersonate")
    assert result.verdict == (0, "done", None, "impersonate")
    assert result.record["promoter"] == bob.user_id
    assert result.record["power_level"]["after"] == 90
    scene.is_regained(room_id, scene.admin, before)

    room_id = alice.make_room(members=[bob, carol], exact_levels=levels, left=[carol])
    before = scene.standings()
    result = scene.make_admin(
        room_id, "--promoter", carol.user_id.partition(":")[0][1:], "--allow", "impersonate"
    )
    assert result.verdict == (0, "done", None, "impersonate")
    assert result.record["promoter"] == carol.user_id
    scene.is_regained(room_id, scene.admin, before)
    result = scene.make_admin(
        alice.make_room(members=[bob]), "--promoter", bob.user_id, "--allow", "reactivate"
    )
    assert result.verdict == (5, "refused", "insufficient-power", None)
    assert "leave out --promoter" in result.record["message"]


def test_space_is_regained_after_its_rooms(scene: Scene) -> None:
    alice, bob = scene.someone("alice"), scene.someone("bob")

    def parent_of(*children: RoomId, name: str, alias: str | None = None) -> RoomId:
        space = alice.make_room(name, space=True, alias=alias, members=[bob])
        for child in children:
            alice.send_state(space, "m.space.child", {"via": [scene.server.server_name]}, child)
        return space

    rooms = [alice.make_room(name, members=[bob]) for name in ("one", "two", "three")]
    inner = parent_of(rooms[0], rooms[1], name="inner")
    unknown = RoomId("!nowhere:elsewhere.example")
    localpart = f"outer-{alice.user_id[1:].partition(':')[0]}"
    outer = parent_of(inner, rooms[2], unknown, name="outer", alias=localpart)
    for room_id in (outer, inner, rooms[0]):
        alice.leave(room_id)
    extra = alice.make_room("extra", members=[bob])
    alias = f"#{localpart}:{scene.server.server_name}"
    answer = scene.run(
        "room", "make-admin", extra, "--space", alias, "--allow", "impersonate", "--yes", "-o", "json"
    )
    assert answer.code == 0, answer.stderr
    assert f"{unknown} is in the space, but this server is not in it" in answer.stderr
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
