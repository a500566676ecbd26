"""Properties of off-boarding on random rooms; Synapse's own rules check every step."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from hypothesis import event, given, settings
from hypothesis import strategies as st

from synadmin.power import level_changes
from synadmin.power.level_changes import Edit
from synadmin.power.planner import plan
from synadmin.power.room import Account, AccountState, Goal, Reach, RoomView
from synadmin.power.steps import Refusal
from tests.unit.power.exhaustive import UNNAMED
from tests.unit.power.playback import after_steps
from tests.unit.power.rooms import ADMIN, ALICE, BOB, CAROL, recoverable_views, views
from tests.unit.power.synapse_rules import SynapseRules

if TYPE_CHECKING:
    from collections.abc import Iterator

    from synadmin.ids import UserId

THOROUGH = settings(max_examples=max(120, settings().max_examples), deadline=None)
LEAVER = ALICE
_USABLE = {AccountState.ACTIVE, AccountState.LOCKED}


@dataclass
class Offboarding:
    """The off-boarding of Alice from one room.

    Attributes:
        successors: the users who get control.
        allow: ``--allow``.
        leave_rooms: ``--leave-rooms``.
        result: ``deactivated``, or the reason why the account stays.
    """

    successors: tuple[UserId, ...]
    allow: Reach
    leave_rooms: bool
    result: str = ""

    def states(self, view: RoomView) -> Iterator[RoomView]:
        """Yield the room after each step, as ``user offboard --then deactivate`` takes them."""
        is_handed_over = True
        if depends_on_leaver(view, self.successors):
            for user in self.successors:
                goal = Goal(target=user, caller=ADMIN, allow=self.allow, possible=Reach.IMPERSONATE)
                found = plan(view, goal)
                if isinstance(found, Refusal):
                    is_handed_over = False
                    continue
                for number in range(1, len(found.steps) + 1):
                    yield after_steps(view, goal, found.steps[:number])
                view = after_steps(view, goal, found.steps)
                is_handed_over = is_handed_over and user in controllers(view)
        if not is_handed_over and not self.leave_rooms:
            self.result = "not handed over"
            return
        if is_handed_over and self.allow is Reach.IMPERSONATE:
            for state in after_demotion(view):
                view = state
                yield view
        if depends_on_leaver(view) and not self.leave_rooms:
            self.result = "would lose control"
            return
        self.result = "deactivated"
        yield with_membership(view, "leave")  # Synapse makes a deactivated user leave


def after_demotion(view: RoomView) -> Iterator[RoomView]:
    """Yield the room after the account lost its level, and after it left.

    Each joined user who is offered for the edit must be allowed to send it.
    """
    edit = Edit(users={LEAVER: None})
    content = edit.applied(view)
    has_power = view.levels.level_of(LEAVER) > view.levels.users_default
    if view.membership_of(LEAVER) != "join" or not has_power or not other_local_members(view):
        return
    if not view.levels.is_creator(LEAVER):
        ruled_out = level_changes.validation_error(view, edit) or level_changes.locks_everybody_out(
            view, edit
        )
        authors = [
            user for user in level_changes.possible_actors(view, edit) if view.membership_of(user) == "join"
        ]
        if ruled_out:
            return
        for author in authors:
            assert SynapseRules(view).allows(author, "m.room.power_levels", content)
        if authors:
            view = replace(view, power_levels=content, power_levels_sender=authors[0])
            yield view
    assert SynapseRules(view).membership(LEAVER, LEAVER, "leave")
    yield with_membership(view, "leave")


def with_membership(view: RoomView, membership: str) -> RoomView:
    return replace(view, memberships={**view.memberships, LEAVER: membership})


def other_local_members(view: RoomView) -> list[UserId]:
    return [user for user in view.known_local_members if user != LEAVER]


def controllers(view: RoomView) -> set[UserId]:
    return {user for user in level_changes.controllers(view) if view.is_local(user)}


def depends_on_leaver(view: RoomView, successors: tuple[UserId, ...] = ()) -> bool:
    """Whether Alice controls the room, and no other local member with a usable account does.

    Successors do not count, unless all of them have control already.
    """
    in_control = controllers(view)
    if (
        LEAVER not in in_control
        or not other_local_members(view)
        or (successors and in_control >= {*successors})
    ):
        return False
    staying = in_control - {LEAVER, *successors}
    return not any(user == UNNAMED or view.account_of(user).state in _USABLE for user in staying)


@st.composite
def rooms_of_leaver(draw: st.DrawFn) -> RoomView:
    """Draw a room that Alice controls; others may control it, too."""
    view = draw(recoverable_views())
    content = dict(view.power_levels or {})
    if not view.levels.is_creator(LEAVER):
        highest = draw(st.sampled_from([0, 0, 50, 100]))
        listed = {user: min(level, highest) for user, level in content["users"].items()}
        content["users"] = {**listed, LEAVER: 100}
    view = replace(view, power_levels=content, accounts={**view.accounts, LEAVER: Account()})
    return replace(with_membership(view, "join"), joined_local_members=view.joined_local_members + 1)


ROOMS = st.one_of(views(), recoverable_views(), rooms_of_leaver(), rooms_of_leaver(), rooms_of_leaver())
OFFBOARDINGS = st.builds(
    Offboarding,
    st.sampled_from([(BOB,), (CAROL,), (BOB, CAROL)]),
    st.sampled_from([Reach.API, Reach.IMPERSONATE, Reach.IMPERSONATE]),
    st.booleans(),
)


def as_observed(view: RoomView) -> RoomView:
    """Return the room as off-boarding reads it: all local members are named, successors are active."""
    accounts = {**view.accounts, BOB: Account(), CAROL: Account()}
    view = replace(view, accounts=accounts, needs_levels=view.power_levels is None)
    if not view.unknown_local_members:
        return view
    return replace(view, memberships={**view.memberships, UNNAMED: "join"})


@given(ROOMS, OFFBOARDINGS)
@THOROUGH
def test_no_step_removes_control_of_those_who_stay(view: RoomView, offboarding: Offboarding) -> None:
    view = as_observed(view)
    before, depended = controllers(view), depends_on_leaver(view)
    after = list(offboarding.states(view))
    event(f"{offboarding.result}{' of a room that depended' if depended else ''}, {len(after)} steps")
    for state in after:
        assert controllers(state) - {LEAVER} >= before - {LEAVER}
        if not offboarding.leave_rooms:
            assert controllers(state) or not before or not other_local_members(state)
            assert not depended or len(controllers(state)) >= len(before)


@given(ROOMS, OFFBOARDINGS)
@THOROUGH
def test_second_offboarding_has_nothing_to_do(view: RoomView, offboarding: Offboarding) -> None:
    after = [as_observed(view), *offboarding.states(as_observed(view))][-1]
    if offboarding.result == "deactivated":
        again = [*offboarding.states(after)]
        assert [controllers(state) for state in again] == [controllers(after)] * len(again)
        assert len(again) == 1, "only the deactivation"
    else:
        # A successor who was refused or has not joined yet has the same result the second time.
        assert [*offboarding.states(after)] == []
        assert offboarding.result != "deactivated"
