"""Properties of control as code on random rooms; Synapse's own rules check every step."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from hypothesis import event, given, settings
from hypothesis import strategies as st

from synadmin.power import level_changes
from synadmin.power.control_goal import ControlGoal, after_plan, differences, edits, refusal
from synadmin.power.planner import plan
from synadmin.power.room import AccountState, Goal, Reach, RoomView
from synadmin.power.steps import Refusal
from tests.unit.power.exhaustive import UNNAMED
from tests.unit.power.playback import after_steps
from tests.unit.power.rooms import ADMIN, ALL_USERS, LOCALS, recoverable_views, views
from tests.unit.power.synapse_rules import SynapseRules

if TYPE_CHECKING:
    from collections.abc import Iterator

    from synadmin.ids import UserId
    from synadmin.power.level_changes import Edit

THOROUGH = settings(max_examples=max(120, settings().max_examples), deadline=None)


@st.composite
def control_goals(draw: st.DrawFn) -> ControlGoal:
    admins = draw(st.lists(st.sampled_from(LOCALS), max_size=2, unique=True))
    others = [user for user in ALL_USERS if user not in admins]
    level = st.sampled_from([0, 10, 50, 75])
    return ControlGoal(
        admins=tuple(admins),
        moderators=draw(st.dictionaries(st.sampled_from(others), level, max_size=2)),
        at_least=draw(st.integers(0, 2)),
        nobody_else=draw(st.booleans()) if admins else False,
    )


class _Refused(Exception):  # noqa: N818  the outcome of a room, not an error
    pass


def states(view: RoomView, goal: ControlGoal) -> Iterator[RoomView]:
    """Yield the room after each step of the plan, in the order of ``control apply``."""
    view = replace(view, needs_levels=view.power_levels is None)  # as with Observer.keeps_creators
    if refusal(view, goal) is not None:
        raise _Refused
    is_join_pending = False
    for missing in differences(view, goal):
        if missing.kind != "admin":
            continue
        grant = Goal(target=missing.user, caller=ADMIN, allow=Reach.REACTIVATE)
        found = plan(view, grant)
        if isinstance(found, Refusal):
            raise _Refused
        expected = after_plan(view, missing.user, found)
        for number in range(1, len(found.steps)):
            yield after_steps(view, grant, found.steps[:number])
        view = after_steps(view, grant, found.steps)
        assert view.levels.level_of(missing.user) == expected.levels.level_of(missing.user)
        assert {**dict.fromkeys(ALL_USERS, "leave"), **expected.memberships} == {
            **dict.fromkeys(ALL_USERS, "leave"),
            **view.memberships,
        }
        is_join_pending = is_join_pending or found.outcome == "pending"
        yield view
    for edit in edits(view, goal):
        if is_join_pending and _lowers_a_level(view, edit):
            continue
        view = _after_edit(view, edit)
        yield view


def _lowers_a_level(view: RoomView, edit: Edit) -> bool:
    return any(level is None or level < view.levels.level_of(user) for user, level in edit.users.items())


def _after_edit(view: RoomView, edit: Edit) -> RoomView:
    """Return the room after an edit; check that each joined user who is offered for it may send it."""
    ruled_out = level_changes.validation_error(view, edit) or level_changes.locks_everybody_out(view, edit)
    if ruled_out or level_changes.takes_last_local_control(view, edit):
        raise _Refused
    content = edit.applied(view)
    joined = [
        user for user in level_changes.possible_actors(view, edit) if view.membership_of(user) == "join"
    ]
    if not joined:
        raise _Refused
    for author in joined:
        assert SynapseRules(view).allows(author, "m.room.power_levels", content)
    return replace(view, power_levels=content, power_levels_sender=joined[0])


def controllers(view: RoomView) -> set[UserId]:
    return {user for user in level_changes.controllers(view) if view.is_local(user)}


@given(st.one_of(views(), recoverable_views(), recoverable_views()), control_goals())
@THOROUGH
def test_no_step_removes_more_local_control_than_the_file_says(view: RoomView, goal: ControlGoal) -> None:
    if view.unknown_local_members:
        view = replace(view, memberships={**view.memberships, UNNAMED: "join"})
    before = controllers(view)
    try:
        after = list(states(view, goal))
    except _Refused:
        event("refused")
        return
    event(f"{len(after)} steps")
    lowered = {
        difference.user for difference in differences(view, goal) if difference.after < difference.before
    }
    least = min(len(before), max(1, goal.at_least)) if lowered & before else len(before)
    for state in after:
        assert len(controllers(state)) >= least


@given(st.one_of(views(), recoverable_views(), recoverable_views()), control_goals())
@THOROUGH
def test_second_apply_has_nothing_to_do(view: RoomView, goal: ControlGoal) -> None:
    if view.unknown_local_members:
        view = replace(view, memberships={**view.memberships, UNNAMED: "join"})
    try:
        after = [view, *states(view, goal)][-1]
    except _Refused:
        return
    missing = [difference.user for difference in differences(after, goal) if difference.kind == "admin"]
    if missing:
        # These admins have to join themselves. Until then the levels of others are unchanged.
        assert all(after.membership_of(user) != "join" for user in missing)
        return
    assert differences(after, goal) == ()
    assert [*states(after, goal)] == []
    assert refusal(after, goal) is None
    assert all(
        after.account_of(user).state in {AccountState.ACTIVE, AccountState.LOCKED}
        or user in controllers(view)
        for user in goal.admins
    )
