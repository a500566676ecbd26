"""A goal for the control of a room: differences from it, edits that reach it, reasons against it."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Literal

from synadmin.ids import UserId
from synadmin.power.level_changes import Edit
from synadmin.power.room import RoomView
from synadmin.power.steps import Action, Plan, Refusal

_MEMBERSHIP_AFTER = {
    Action.INVITE: "invite",
    Action.JOIN: "join",
    Action.UNBAN: "leave",
    Action.LEAVE: "leave",
    Action.DEACTIVATE: "leave",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class ControlGoal:
    """The goal of control: the admins and moderators of a room.

    Attributes:
        admins: the users who shall be joined with control.
        moderators: the users who shall have these levels, joined or not.
        at_least: how many local users shall have control.
        nobody_else: lower every other user with the level for control to ``users_default``.
        spared: users who are not lowered, such as heirs who have got control.
    """

    admins: tuple[UserId, ...] = ()
    moderators: Mapping[UserId, int] = field(default_factory=dict)
    at_least: int = 1
    nobody_else: bool = False
    spared: tuple[UserId, ...] = ()


@dataclass(frozen=True, slots=True)
class Difference:
    """A user whose power differs from the goal.

    Attributes:
        kind: what the user becomes; ``lower``: the user loses control.
        user: the user.
        before: the level now.
        after: the level by the goal; for an admin the lowest level that is enough.
    """

    kind: Literal["admin", "moderator", "lower"]
    user: UserId
    before: int
    after: int


def differences(view: RoomView, goal: ControlGoal) -> tuple[Difference, ...]:
    """Return the differences from the goal; empty where there are none, or :func:`refusal` has a reason."""
    return (*_missing_admins(view, goal), *level_differences(view, goal))


def _missing_admins(view: RoomView, goal: ControlGoal) -> Iterator[Difference]:
    levels = view.levels
    for user in goal.admins:
        if not view.has_control(user):
            level = levels.level_of(user)
            yield Difference("admin", user, level, max(level, levels.control))


def level_differences(view: RoomView, goal: ControlGoal) -> tuple[Difference, ...]:
    """Return the differences from the goal that setting levels can change."""
    levels = view.levels
    moderators = [
        Difference("moderator", user, levels.level_of(user), level)
        for user, level in goal.moderators.items()
        if levels.level_of(user) != level
    ]
    lowered = [
        Difference("lower", user, levels.level_of(user), levels.users_default)
        for user in sorted(_others_with_the_level(view, goal), key=levels.level_of)
    ]
    return (*moderators, *lowered)


def edits(view: RoomView, goal: ControlGoal) -> tuple[Edit, ...]:
    """Return the edits that settle the level differences, in order.

    Levels are raised in one edit. Each lowered level is a separate edit, the lowest first: an admin cannot
    lower another user of the same level, so the edits may need different senders.
    """
    changes = level_differences(view, goal)
    raised = {change.user: change.after for change in changes if change.after > change.before}
    lowered = sorted(
        (change for change in changes if change.after < change.before), key=lambda change: change.before
    )
    taken = (
        Edit(users={change.user: None if change.kind == "lower" else change.after}) for change in lowered
    )
    return (*((Edit(users=raised),) if raised else ()), *taken)


def after_plan(view: RoomView, user: UserId, plan: Plan) -> RoomView:
    """Return the room as it is when the plan for a user has been carried out.

    Args:
        view: the room.
        user: the target of the plan.
        plan: the plan. A user who joins for it and leaves again is no longer invited after it.
    """
    memberships = {**view.memberships}
    for step in plan.steps:
        membership = _MEMBERSHIP_AFTER.get(step.action)
        if step.action is Action.MAKE_ROOM_ADMIN and step.invites:
            membership = "invite"
        if membership is not None:
            memberships[step.user] = membership
    levels = view.levels
    if levels.is_creator(user) or levels.level_of(user) == plan.level:
        return replace(view, memberships=memberships)
    return replace(view, memberships=memberships, power_levels=levels.granting(user, plan.level))


def refusal(view: RoomView, goal: ControlGoal) -> Refusal | None:
    """Return why the goal cannot be reached in a room by any user; None where it can."""
    levels = view.levels
    creator = next((user for user in goal.moderators if levels.is_creator(user)), None)
    if creator is not None:
        return _refused(
            "insufficient-power",
            f"{creator} created the room. In version {view.version} no level can be set for a creator.",
        )
    if goal.nobody_else:
        reason = _shared_control(view, goal)
        if reason is not None:
            return _refused("insufficient-power", reason)
    able = _controllers_by_goal(view, goal)
    if len(able) < goal.at_least:
        has = "1 user of this server would have" if len(able) == 1 else f"{len(able)} users would have"
        return _refused(
            "would-lose-control" if not able else "too-few-controllers",
            f"{has} control of the room, and at_least is {goal.at_least}. Name more local users in admins.",
        )
    return None


def _shared_control(view: RoomView, goal: ControlGoal) -> str | None:
    """Return who would keep control beside the admins, where that cannot be changed, else None."""
    levels = view.levels
    if levels.users_default >= levels.control:
        return f"Every user in the room has control: users_default is {levels.users_default}."
    moderator = next((user for user, level in goal.moderators.items() if level >= levels.control), None)
    if moderator is not None:
        return (
            f"The level of the moderator {moderator} is enough for control of this room, which takes "
            f"{levels.control}, and nobody_else is true."
        )
    creators = levels.creators if levels.version.creator_power else ()
    for user in creators:
        if view.membership_of(user) == "join" and user not in {*goal.admins, *goal.spared}:
            return (
                f"{user} created the room. In version {view.version} a creator keeps control as long as it "
                "is joined."
            )
    return None


def _others_with_the_level(view: RoomView, goal: ControlGoal) -> list[UserId]:
    """Return users with the level for control, joined or not, who are not named; without creators."""
    levels = view.levels
    if not goal.nobody_else:
        return []
    listed = levels.listed() if levels.content is not None else dict.fromkeys(levels.creators[:1], 0)
    return [
        user
        for user in listed
        if levels.level_of(user) >= levels.control
        and not levels.is_creator(user)
        and user not in goal.admins
        and user not in goal.moderators
        and user not in goal.spared
    ]


def _controllers_by_goal(view: RoomView, goal: ControlGoal) -> set[UserId]:
    """Return the local users who would have control when the goal is reached."""
    lowered = {change.user for change in level_differences(view, goal) if change.after < view.levels.control}
    return set(view.local_controllers) - lowered | {user for user in goal.admins if view.is_local(user)}


def _refused(
    reason: Literal["insufficient-power", "would-lose-control", "too-few-controllers"], message: str
) -> Refusal:
    return Refusal(reason=reason, reach=None, message=message)
