"""Properties of the planner on random rooms, checked with Synapse's rules and exhaustive search."""

from dataclasses import replace

from hypothesis import event, given, settings
from hypothesis import strategies as st

from synadmin.ids import UserId
from synadmin.power.planner import plan
from synadmin.power.room import AccountState, Goal, Reach, RoomView
from synadmin.power.search import Search
from synadmin.power.steps import Plan, Refusal
from tests.unit.power import exhaustive
from tests.unit.power.playback import after_steps
from tests.unit.power.rooms import (
    ADMIN,
    ALICE,
    ALL_USERS,
    BOB,
    LOCALS,
    MALLORY,
    levels,
    local,
    recoverable_views,
    room,
    views,
)

TARGETS = st.sampled_from([ADMIN, ADMIN, ALICE, BOB, MALLORY])
THOROUGH = settings(max_examples=max(150, settings().max_examples), deadline=None)


@st.composite
def goals(draw: st.DrawFn) -> Goal:
    via = draw(st.sampled_from([None, None, None, *LOCALS[1:4]]))
    return Goal(
        target=draw(TARGETS),
        caller=ADMIN,
        allow=draw(st.sampled_from(Reach)),
        join=draw(st.booleans()),
        promoter=via,
    )


@given(st.one_of(views(), recoverable_views(), recoverable_views()), goals())
@THOROUGH
def test_plan_has_no_forbidden_step_and_reverts_all(view: RoomView, goal: Goal) -> None:
    found = plan(view, goal)
    event(f"{found.reach}, {len(found.steps)} steps" if isinstance(found, Plan) else "refused")
    if isinstance(found, Refusal):
        return
    after = after_steps(view, goal, found.steps)

    assert after.levels.level_of(goal.target) == found.level >= after.levels.control
    assert (found.outcome == "done") == after.has_control(goal.target)
    assert found.reach <= goal.allow
    assert {user: after.account_of(user) for user in ALL_USERS} == {
        user: view.account_of(user) for user in ALL_USERS
    }
    for user in (*ALL_USERS, exhaustive.UNNAMED):
        if user == goal.target:
            continue
        assert after.levels.level_of(user) <= view.levels.level_of(user)
        before, now = view.membership_of(user), after.membership_of(user)
        # A helper who accepted an invitation and left again has lost the invitation.
        assert (
            now == before or (before in {"invite", "knock"} and now == "leave") or user == exhaustive.UNNAMED
        )


@given(st.one_of(views(), recoverable_views(), recoverable_views()), goals())
@THOROUGH
def test_plan_is_the_shortest_and_is_found_when_there_is_one(view: RoomView, goal: Goal) -> None:
    outcome: exhaustive.Outcome = "done" if goal.join and view.is_local(goal.target) else "pending"
    goal = replace(goal, promoter=None)
    state = view.account_of(goal.target).state if view.is_local(goal.target) else AccountState.ACTIVE
    if state not in {AccountState.ACTIVE, AccountState.LOCKED}:
        return

    ours = Search(view, goal).shortest(outcome, goal.allow)
    theirs = exhaustive.shortest(view, goal, outcome, goal.allow)
    event(f"{goal.allow} {outcome}: {theirs}")
    assert (None if ours is None else len(ours)) == theirs


@given(st.one_of(views(), recoverable_views(), recoverable_views()), goals())
@THOROUGH
def test_refusal_means_no_plan_and_names_the_least_reach(view: RoomView, goal: Goal) -> None:
    goal = replace(goal, promoter=None)
    found = plan(view, goal)
    event(found.reason if isinstance(found, Refusal) else "planned")
    # These reasons come from the room or the target, and not from its levels.
    ruled_out = {"not-in-room", "target-unknown", "target-deactivated", "target-suspended", "room-blocked"}
    if isinstance(found, Plan) or found.reason in ruled_out:
        return
    sufficient = (
        reach
        for reach in Reach
        if any(
            exhaustive.shortest(view, goal, outcome, reach) is not None
            for outcome in ("done", "pending")
            if outcome == "pending" or goal.join or view.membership_of(goal.target) == "join"
        )
    )
    assert found.reach == next(sufficient, None)
    assert found.reach is None or found.reach > goal.allow


def users_with_levels(number: int, membership: str) -> tuple[dict[UserId, int], dict[UserId, str]]:
    """Return the levels and the memberships of this many users."""
    users = [local(f"user{index}") for index in range(number)]
    return {user: index + 1 for index, user in enumerate(users)}, dict.fromkeys(users, membership)


def test_highest_of_hundreds_of_helpers_is_chosen() -> None:
    user_levels, memberships = users_with_levels(500, "leave")
    view = room({**memberships, BOB: "join", ADMIN: "join"}, power_levels=levels(user_levels))
    found = plan(view, Goal(target=ADMIN, caller=ADMIN, allow=Reach.IMPERSONATE))
    assert isinstance(found, Plan)
    assert (found.promoter, found.level) == (local("user499"), 500)
    assert [step.action for step in found.steps] == ["invite", "join", "make-room-admin", "leave"]


def test_hundreds_of_useless_members_are_excluded_quickly() -> None:
    user_levels, memberships = users_with_levels(500, "leave")
    view = room({**memberships, BOB: "join"}, power_levels=levels(user_levels, invite=1000))
    found = plan(view, Goal(target=ADMIN, caller=ADMIN, allow=Reach.REACTIVATE))
    assert isinstance(found, Refusal)
    assert found.reason == "no-local-power"
