"""An edit changes only the levels that it names, and some edits are never allowed."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from synadmin.power import level_changes
from synadmin.power.level_changes import NAMED, Edit, LevelChange
from synadmin.power.levels import CREATOR_LEVEL
from tests.unit.power.rooms import ADMIN, ALICE, BOB, CAROL, MALLORY, levels, room

if TYPE_CHECKING:
    from synadmin.ids import UserId


def room_with_levels(users: dict[UserId, Any], **others: Any) -> Any:  # noqa: ANN401
    """Return a room where these users are joined, with these levels."""
    return room(dict.fromkeys(users, "join"), power_levels=levels(users, **others))


def test_other_fields_are_unchanged() -> None:
    view = room_with_levels(
        {ALICE: 100, BOB: 50}, notifications={"room": 50}, **{"org.example.own": {"kept": 1}}
    )
    edit = Edit(users={BOB: 75}, events={"m.room.topic": 0}, named={"invite": 50})
    before, after = view.power_levels, edit.applied(view)
    assert after == {
        **before,
        "users": {ALICE: 100, BOB: 75},
        "events": {**before["events"], "m.room.topic": 0},
        "invite": 50,
    }
    assert view.power_levels == before


def test_removed_entry_leaves_the_default() -> None:
    view = room_with_levels({ALICE: 100, BOB: 75}, users_default=10)
    edit = Edit(users={BOB: None}, events={"m.room.name": None})
    after = edit.applied(view)
    assert BOB not in after["users"]
    assert "m.room.name" not in after["events"]
    assert level_changes.changes(view, edit) == (
        LevelChange(BOB, 75, 10),
    )  # m.room.name now needs state_default, which is 50 as well


def test_equal_level_is_no_change() -> None:
    view = room_with_levels({ALICE: 100, BOB: 50})
    assert level_changes.changes(view, Edit(users={BOB: 50, CAROL: 0}, named={"kick": 50})) == ()


def test_each_change_is_a_readable_line() -> None:
    view = room_with_levels({ALICE: 100})
    edit = Edit(users={BOB: 50}, events={"m.room.topic": 0}, named={"ban": 60})
    assert [change.text for change in level_changes.changes(view, edit)] == [
        f"{BOB}: 0 -> 50",
        "sending m.room.topic: 50 -> 0",
        "ban: 50 -> 60",
    ]


@pytest.mark.parametrize("name", NAMED)
def test_every_named_level_can_be_set(name: str) -> None:
    view = room_with_levels({ALICE: 100})
    assert level_changes.changes(view, Edit(named={name: 77}))[0].after == 77


def test_string_levels_become_numbers() -> None:
    view = replace(room_with_levels({ALICE: "100", BOB: "50"}), version="6")
    assert Edit(users={BOB: 0}).applied(view)["users"] == {ALICE: 100, BOB: 0}


def test_room_without_levels_gets_its_creators_listed() -> None:
    view = room({ALICE: "join"}, power_levels=None, creators=(ALICE,))
    assert Edit(users={BOB: 50}).applied(view) == {"users": {ALICE: 100, BOB: 50}}


def test_lost_permissions_are_reported() -> None:
    view = room_with_levels({ALICE: 100, BOB: 50})
    lost = dict(level_changes.losses(view, Edit(named={"kick": 75})))
    assert lost == {BOB: ("kick",)}
    assert "change power levels" in dict(level_changes.losses(view, Edit(users={ALICE: 0})))[ALICE]


@pytest.mark.parametrize("level", [2**53, -(2**53)])
def test_level_out_of_range_is_invalid(level: int) -> None:
    view = room_with_levels({ALICE: 100})
    for edit in (Edit(users={BOB: level}), Edit(events={"m.room.name": level}), Edit(named={"ban": level})):
        assert "is not a power level" in (level_changes.validation_error(view, edit) or "")


def test_version_12_creator_has_no_level_to_change() -> None:
    view = room(
        {ALICE: "join", BOB: "join"}, version="12", creators=(ALICE,), power_levels=levels({BOB: 100})
    )
    assert "a creator is above every level" in (
        level_changes.validation_error(view, Edit(users={ALICE: None})) or ""
    )
    assert level_changes.validation_error(view, Edit(users={BOB: None})) is None
    assert level_changes.locks_everybody_out(view, Edit(users={BOB: None})) is None


def test_removing_the_last_control_locks_out_all_users() -> None:
    view = room_with_levels({ALICE: 100, BOB: 50})
    assert level_changes.locks_everybody_out(view, Edit(users={ALICE: 99})) is not None
    assert level_changes.locks_everybody_out(view, Edit(events={"m.room.power_levels": 101})) is not None
    assert level_changes.locks_everybody_out(view, Edit(users={ALICE: 0, BOB: 100})) is None
    assert level_changes.locks_everybody_out(view, Edit(events={"m.room.power_levels": 50})) is None


def test_room_without_control_cannot_lose_more() -> None:
    view = room({ALICE: "leave", BOB: "join"}, power_levels=levels({ALICE: 100}))
    assert level_changes.locks_everybody_out(view, Edit(users={ALICE: 0})) is None


def test_last_local_control_differs_from_last_control() -> None:
    view = room_with_levels({ALICE: 100, MALLORY: 100})
    assert level_changes.takes_last_local_control(view, Edit(users={ALICE: 0}))
    assert level_changes.locks_everybody_out(view, Edit(users={ALICE: 0})) is None
    assert not level_changes.takes_last_local_control(view, Edit(users={MALLORY: 0}))
    assert not level_changes.takes_last_local_control(
        room_with_levels({MALLORY: 100, BOB: 0}), Edit(users={BOB: 0})
    )


def test_unnamed_members_have_the_default_level() -> None:
    view = replace(room_with_levels({ALICE: 100}, users_default=100), joined_local_members=5)
    assert level_changes.locks_everybody_out(view, Edit(users={ALICE: 0})) is None
    assert (
        level_changes.locks_everybody_out(view, Edit(users={ALICE: 0}, named={"users_default": 0}))
        is not None
    )


def test_users_who_may_edit_are_sorted_by_level() -> None:
    view = room_with_levels(
        {ALICE: 100, BOB: 75, CAROL: 25, MALLORY: 100}, events={"m.room.power_levels": 50}
    )
    assert list(level_changes.possible_actors(view, Edit(named={"invite": 50}))) == [ALICE, BOB]
    assert list(level_changes.possible_actors(view, Edit(users={ADMIN: 80}))) == [ALICE]
    # Users may lower themselves, but not a user with the same level.
    assert list(level_changes.possible_actors(view, Edit(users={ALICE: 0}))) == [ALICE]
    assert list(level_changes.possible_actors(view, Edit(users={MALLORY: 0}))) == []
    assert list(level_changes.possible_actors(view, Edit(users={BOB: 0}))) == [ALICE, BOB]


def test_users_of_equal_level_act_in_the_order_of_their_ids() -> None:
    for users in ({ALICE: 100, BOB: 100}, {BOB: 100, ALICE: 100}):
        assert list(level_changes.possible_actors(room_with_levels(users), Edit(named={"invite": 50}))) == [
            ALICE,
            BOB,
        ]


def test_users_who_left_count_as_if_joined() -> None:
    view = room({ALICE: "leave", BOB: "join"}, power_levels=levels({ALICE: 100}))
    assert list(level_changes.possible_actors(view, Edit(users={BOB: 100}))) == [ALICE]
    assert list(level_changes.possible_actors(view, Edit(users={BOB: 100}), joined=True)) == []
    assert list(level_changes.possible_actors(view, Edit(named={"invite": 0}), joined=True)) == []
    assert list(
        level_changes.possible_actors(room_with_levels({ALICE: 100}), Edit(users={BOB: 100}), joined=True)
    ) == [ALICE]


def test_remote_users_of_equal_level_block_an_edit() -> None:
    view = room_with_levels({ALICE: 100, MALLORY: 100})
    assert level_changes.equal_remote_admins(view, Edit(users={MALLORY: 0})) == (MALLORY,)
    assert level_changes.equal_remote_admins(view, Edit(users={ALICE: 0})) == ()
    weaker = room_with_levels({ALICE: 100, MALLORY: 50})
    assert level_changes.equal_remote_admins(weaker, Edit(users={MALLORY: 0})) == ()
    creator = room({ALICE: "join"}, version="12", creators=(MALLORY,), power_levels=levels({ALICE: 100}))
    assert creator.levels.level_of(MALLORY) == CREATOR_LEVEL
    assert level_changes.equal_remote_admins(creator, Edit(users={MALLORY: 0})) == ()


@pytest.mark.parametrize(
    ("edit", "is_marked"),
    [
        (Edit(named={"users_default": 100}), True),
        (Edit(named={"users_default": 99}), False),
        (Edit(events={"m.room.power_levels": 0}), True),
        (Edit(events={"m.room.power_levels": 1}), False),
        (Edit(users={BOB: 100}), False),
    ],
    ids=["default level 100", "default level 99", "needed level 0", "needed level 1", "one user gets 100"],
)
def test_edit_that_gives_all_members_control_is_marked(edit: Edit, *, is_marked: bool) -> None:
    assert level_changes.gives_everybody_control(room_with_levels({ALICE: 100, BOB: 50}), edit) is is_marked


def test_default_level_is_not_granted_again() -> None:
    view = room_with_levels({ALICE: 100}, users_default=100)
    assert not level_changes.gives_everybody_control(view, Edit(named={"kick": 10}))
