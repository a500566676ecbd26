"""Differences between a room and its control goal, and goals that are refused."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from synadmin.power.control_goal import ControlGoal, Difference, after_plan, differences, edits, refusal
from synadmin.power.level_changes import Edit
from synadmin.power.levels import CREATOR_LEVEL
from synadmin.power.planner import plan
from synadmin.power.room import Goal, Reach
from synadmin.power.steps import Plan
from tests.unit.power.rooms import ADMIN, ALICE, BOB, CAROL, DAVE, MALLORY, levels, room

if TYPE_CHECKING:
    from synadmin.ids import UserId
    from synadmin.power.room import RoomView


def room_with_levels(users: dict[UserId, int], **others: Any) -> Any:  # noqa: ANN401
    """Return a room where these users are joined, with these levels."""
    return room(dict.fromkeys(users, "join"), power_levels=levels(users, **others))


def plan_for(view: RoomView, user: UserId) -> Plan:
    """Return the plan that gives a user control."""
    found = plan(view, Goal(target=user, caller=ADMIN, allow=Reach.IMPERSONATE))
    assert isinstance(found, Plan)
    return found


def test_matching_room_has_no_differences() -> None:
    goal = ControlGoal(admins=(ALICE,), moderators={BOB: 50}, nobody_else=True)
    view = room_with_levels({ALICE: 100, BOB: 50, CAROL: 75})
    assert (differences(view, goal), edits(view, goal), refusal(view, goal)) == ((), (), None)


def test_admin_needs_level_and_membership() -> None:
    goal = ControlGoal(admins=(ALICE, BOB, CAROL))
    view = room({ALICE: "join", BOB: "join"}, power_levels=levels({ALICE: 100, BOB: 50, CAROL: 100}))
    assert differences(view, goal) == (
        Difference("admin", BOB, 50, 100),
        Difference("admin", CAROL, 100, 100),
    )
    for user in (BOB, CAROL):
        view = after_plan(view, user, plan_for(view, user))
    assert differences(view, goal) == ()


def test_others_are_lowered_only_with_nobody_else() -> None:
    view = room_with_levels({ALICE: 100, BOB: 100, CAROL: 100, MALLORY: 100, DAVE: 50})
    assert differences(view, ControlGoal(admins=(ALICE,), moderators={BOB: 50})) == (
        Difference("moderator", BOB, 100, 50),
    )
    goal = ControlGoal(admins=(ALICE,), moderators={BOB: 50}, nobody_else=True)
    assert [
        (difference.kind, difference.user, difference.after) for difference in differences(view, goal)
    ] == [
        ("moderator", BOB, 50),
        ("lower", CAROL, 0),
        ("lower", MALLORY, 0),
    ]


def test_levels_are_raised_together_and_lowered_one_by_one() -> None:
    view = room_with_levels({ALICE: 150, BOB: 100, CAROL: 120})
    goal = ControlGoal(admins=(ALICE,), moderators={DAVE: 50, MALLORY: 50, CAROL: 10}, nobody_else=True)
    assert edits(view, goal) == (
        Edit(users={DAVE: 50, MALLORY: 50}),
        Edit(users={BOB: None}),
        Edit(users={CAROL: 10}),
    )


def test_admin_who_left_loses_the_level() -> None:
    view = room({ALICE: "join", BOB: "leave"}, power_levels=levels({ALICE: 100, BOB: 100}))
    assert edits(view, ControlGoal(admins=(ALICE,), nobody_else=True)) == (Edit(users={BOB: None}),)


@pytest.mark.parametrize(
    ("view", "goal", "reason"),
    [
        (room_with_levels({ALICE: 100}), ControlGoal(at_least=2), "too-few-controllers"),
        (room_with_levels({MALLORY: 100}), ControlGoal(), "would-lose-control"),
        (
            room_with_levels({ALICE: 100}),
            ControlGoal(admins=(MALLORY,), nobody_else=True),
            "would-lose-control",
        ),
        (room_with_levels({ALICE: 100}), ControlGoal(moderators={ALICE: 50}), "would-lose-control"),
        (
            room_with_levels({ALICE: 100}, users_default=100),
            ControlGoal(admins=(ALICE,), nobody_else=True),
            "insufficient-power",
        ),
        (
            room_with_levels({ALICE: 100}),
            ControlGoal(admins=(ALICE,), moderators={BOB: 100}, nobody_else=True),
            "insufficient-power",
        ),
        (
            room({ALICE: "join", BOB: "join"}, version="12", power_levels=levels({BOB: 100})),
            ControlGoal(admins=(BOB,), nobody_else=True),
            "insufficient-power",
        ),
        (
            room({ALICE: "join"}, version="12"),
            ControlGoal(moderators={ALICE: 50}),
            "insufficient-power",
        ),
    ],
)
def test_contradictory_goals_are_refused(view: Any, goal: ControlGoal, reason: str) -> None:  # noqa: ANN401
    found = refusal(view, goal)
    assert found is not None
    assert found.reason == reason


def test_version_12_creator_is_an_admin_without_a_level() -> None:
    view = room({ALICE: "join"}, version="12")
    goal = ControlGoal(admins=(ALICE, BOB), nobody_else=True)
    assert differences(view, goal) == (Difference("admin", BOB, 0, 100),)
    assert view.levels.level_of(ALICE) == CREATOR_LEVEL
    assert after_plan(view, ALICE, plan_for(view, ALICE)).power_levels == view.power_levels


def test_helper_has_no_invitation_after_the_plan() -> None:
    view = room({ADMIN: "invite", BOB: "join"}, power_levels=levels({ADMIN: 100}))
    after = after_plan(view, BOB, plan_for(view, BOB))
    assert (after.membership_of(ADMIN), after.has_control(BOB)) == ("leave", True)
