"""What the planner promises, on random rooms: checked by Synapse's rules and by exhaustive search."""

from dataclasses import replace

from hypothesis import event, given, settings
from hypothesis import strategies as st

from synadmin.ids import UserId
from synadmin.power.planner import plan
from synadmin.power.room import AccountState, Reach, RoomView, Wish
from synadmin.power.search import Search
from synadmin.power.steps import Plan, Refusal
from tests.unit.power import exhaustive
from tests.unit.power.playback import played
from tests.unit.power.rooms import (
    ADMIN,
    ALICE,
    BOB,
    EVERYBODY,
    LOCALS,
    MALLORY,
    hopeful,
    levels,
    local,
    room,
    views,
)

TARGETS = st.sampled_from([ADMIN, ADMIN, ALICE, BOB, MALLORY])
THOROUGH = settings(max_examples=max(150, settings().max_examples), deadline=None)


@st.composite
def wishes(draw: st.DrawFn) -> Wish:
    via = draw(st.sampled_from([None, None, None, *LOCALS[1:4]]))
    return Wish(
        target=draw(TARGETS),
        caller=ADMIN,
        allow=draw(st.sampled_from(Reach)),
        join=draw(st.booleans()),
        promoter=via,
    )


@given(st.one_of(views(), hopeful(), hopeful()), wishes())
@THOROUGH
def test_a_plan_takes_no_forbidden_step_and_puts_everything_back(view: RoomView, wish: Wish) -> None:
    found = plan(view, wish)
    event(f"{found.reach}, {len(found.steps)} steps" if isinstance(found, Plan) else "refused")
    if isinstance(found, Refusal):
        return
    after = played(view, wish, found.steps)

    assert after.levels.level_of(wish.target) == found.level >= after.levels.control
    assert (found.outcome == "done") == after.has_control(wish.target)
    assert found.reach <= wish.allow
    assert {user: after.account_of(user) for user in EVERYBODY} == {
        user: view.account_of(user) for user in EVERYBODY
    }
    for user in (*EVERYBODY, exhaustive.UNNAMED):
        if user == wish.target:
            continue
        assert after.levels.level_of(user) <= view.levels.level_of(user)
        before, now = view.membership_of(user), after.membership_of(user)
        # Who was invited, came to help and left cannot be made invited again.
        assert (
            now == before or (before in {"invite", "knock"} and now == "leave") or user == exhaustive.UNNAMED
        )


@given(st.one_of(views(), hopeful(), hopeful()), wishes())
@THOROUGH
def test_nothing_shorter_exists_and_nothing_is_missed(view: RoomView, wish: Wish) -> None:
    outcome: exhaustive.Outcome = "done" if wish.join and view.is_local(wish.target) else "pending"
    wish = replace(wish, promoter=None)
    state = view.account_of(wish.target).state if view.is_local(wish.target) else AccountState.ACTIVE
    if state not in {AccountState.ACTIVE, AccountState.LOCKED}:
        return

    ours = Search(view, wish).shortest(outcome, wish.allow)
    theirs = exhaustive.shortest(view, wish, outcome, wish.allow)
    event(f"{wish.allow} {outcome}: {theirs}")
    assert (None if ours is None else len(ours)) == theirs


@given(st.one_of(views(), hopeful(), hopeful()), wishes())
@THOROUGH
def test_a_refusal_means_that_there_is_no_way_and_names_the_least_that_would_do(
    view: RoomView, wish: Wish
) -> None:
    wish = replace(wish, promoter=None)
    found = plan(view, wish)
    event(found.reason if isinstance(found, Refusal) else "planned")
    # The room or the target itself rules these out, whatever the levels.
    ruled_out = {"not-in-room", "target-unknown", "target-deactivated", "target-suspended", "room-blocked"}
    if isinstance(found, Plan) or found.reason in ruled_out:
        return
    ways = [
        reach
        for reach in Reach
        if any(
            exhaustive.shortest(view, wish, outcome, reach) is not None
            for outcome in ("done", "pending")
            if outcome == "pending" or wish.join or view.membership_of(wish.target) == "join"
        )
    ]
    assert found.reach == (ways[0] if ways else None)
    assert found.reach is None or found.reach > wish.allow


def powerful(number: int, membership: str) -> tuple[dict[UserId, int], dict[UserId, str]]:
    users = [local(f"user{index}") for index in range(number)]
    return {user: index + 1 for index, user in enumerate(users)}, dict.fromkeys(users, membership)


def test_among_hundreds_who_could_help_the_highest_is_asked() -> None:
    held, memberships = powerful(500, "leave")
    view = room({**memberships, BOB: "join", ADMIN: "join"}, power_levels=levels(held))
    found = plan(view, Wish(target=ADMIN, caller=ADMIN, allow=Reach.IMPERSONATE))
    assert isinstance(found, Plan)
    assert (found.promoter, found.level) == (local("user499"), 500)
    assert [step.action for step in found.steps] == ["invite", "join", "make-room-admin", "leave"]


def test_hundreds_who_cannot_help_are_soon_seen_through() -> None:
    held, memberships = powerful(500, "leave")
    view = room({**memberships, BOB: "join"}, power_levels=levels(held, invite=1000))
    found = plan(view, Wish(target=ADMIN, caller=ADMIN, allow=Reach.REACTIVATE))
    assert isinstance(found, Refusal)
    assert found.reason == "no-local-power"
