from dataclasses import replace

from synadmin.power.room import Reach
from tests.unit.power.rooms import ADMIN, ALICE, BOB, MALLORY, levels, remote, room


def test_a_room_with_no_local_member_is_one_that_this_server_is_not_in() -> None:
    assert not room({ALICE: "leave", MALLORY: "join"}).in_room
    assert room({ALICE: "join"}).in_room
    assert room({}, more_local_members=1).in_room


def test_members_known_by_number_only_are_those_beyond_the_named() -> None:
    view = room({ALICE: "join", BOB: "invite", MALLORY: "join"}, more_local_members=3)
    assert view.unknown_local_members == 3
    # The counts of a room lag behind its state.
    assert replace(view, joined_local_members=0).unknown_local_members == 0


def test_control_takes_both_the_level_and_being_there() -> None:
    view = room(
        {ALICE: "join", BOB: "leave", ADMIN: "join"}, power_levels=levels({ALICE: 100, BOB: 100, ADMIN: 99})
    )
    assert view.has_control(ALICE)
    assert not view.has_control(BOB)
    assert not view.has_control(ADMIN)


def test_a_user_of_a_server_whose_name_ends_alike_is_not_local() -> None:
    view = room({})
    assert view.is_local(ALICE)
    assert not view.is_local(MALLORY)
    assert not view.is_local(remote("x:example.org"))


def test_reaches_are_ordered_and_read_as_scripts_expect() -> None:
    assert Reach.API < Reach.IMPERSONATE < Reach.REACTIVATE
    assert [str(reach) for reach in Reach] == ["api", "impersonate", "reactivate"]
