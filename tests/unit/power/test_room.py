from dataclasses import replace

from synadmin.power.room import Reach
from tests.unit.power.rooms import ADMIN, ALICE, BOB, MALLORY, levels, remote, room


def test_server_is_not_in_a_room_without_local_members() -> None:
    assert not room({ALICE: "leave", MALLORY: "join"}).in_room
    assert room({ALICE: "join"}).in_room
    assert room({}, more_local_members=1).in_room


def test_unnamed_members_are_the_difference_of_the_counts() -> None:
    view = room({ALICE: "join", BOB: "invite", MALLORY: "join"}, more_local_members=3)
    assert view.unknown_local_members == 3
    # The member counts of a room may lag behind its state.
    assert replace(view, joined_local_members=0).unknown_local_members == 0


def test_control_needs_level_and_membership() -> None:
    view = room(
        {ALICE: "join", BOB: "leave", ADMIN: "join"}, power_levels=levels({ALICE: 100, BOB: 100, ADMIN: 99})
    )
    assert view.has_control(ALICE)
    assert not view.has_control(BOB)
    assert not view.has_control(ADMIN)


def test_similar_server_name_is_not_local() -> None:
    view = room({})
    assert view.is_local(ALICE)
    assert not view.is_local(MALLORY)
    assert not view.is_local(remote("x:example.org"))


def test_reaches_are_ordered_and_have_contract_names() -> None:
    assert Reach.API < Reach.IMPERSONATE < Reach.REACTIVATE
    assert [str(reach) for reach in Reach] == ["api", "impersonate", "reactivate"]
