"""What off-boarding promises, on random rooms: Synapse's own rules judge every step."""

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
from tests.unit.power.playback import played
from tests.unit.power.referee import Referee
from tests.unit.power.rooms import ADMIN, ALICE, BOB, CAROL, hopeful, views

if TYPE_CHECKING:
    from collections.abc import Iterator

    from synadmin.ids import UserId

THOROUGH = settings(max_examples=max(120, settings().max_examples), deadline=None)
LEAVER = ALICE
_ABLE = {AccountState.ACTIVE, AccountState.LOCKED}


@dataclass
class Leaving:
    """The off-boarding of Alice from one room.

    Attributes:
        successors: who gets control.
        allow: ``--allow``.
        leave_rooms: ``--leave-rooms``.
        ended: how it ended: ``gone``, or why the account stays.
    """

    successors: tuple[UserId, ...]
    allow: Reach
    leave_rooms: bool
    ended: str = ""

    def states(self, view: RoomView) -> Iterator[RoomView]:
        """Yield the room after each step, as ``user offboard --then deactivate`` takes them."""
        handed = True
        if depends(view, self.successors):
            for user in self.successors:
                goal = Goal(target=user, caller=ADMIN, allow=self.allow, possible=Reach.IMPERSONATE)
                found = plan(view, goal)
                if isinstance(found, Refusal):
                    handed = False
                    continue
                for number in range(1, len(found.steps) + 1):
                    yield played(view, goal, found.steps[:number])
                view = played(view, goal, found.steps)
                handed = handed and user in controllers(view)
        if not handed and not self.leave_rooms:
            self.ended = "not handed over"
            return
        if handed and self.allow is Reach.IMPERSONATE:
            for state in gives_up(view):
                view = state
                yield view
        if depends(view) and not self.leave_rooms:
            self.ended = "would lose control"
            return
        self.ended = "gone"
        yield moved(view, "leave")  # whoever is deactivated leaves


def gives_up(view: RoomView) -> Iterator[RoomView]:
    """Yield the room after the account's level is taken, through each user who may, and after it has left."""
    edit = Edit(users={LEAVER: None})
    content = edit.applied(view)
    has_power = view.levels.level_of(LEAVER) > view.levels.users_default
    if view.membership_of(LEAVER) != "join" or not has_power or not others(view):
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
            assert Referee(view).allows(author, "m.room.power_levels", content)
        if authors:
            view = replace(view, power_levels=content, power_levels_sender=authors[0])
            yield view
    assert Referee(view).membership(LEAVER, LEAVER, "leave")
    yield moved(view, "leave")


def moved(view: RoomView, membership: str) -> RoomView:
    return replace(view, memberships={**view.memberships, LEAVER: membership})


def others(view: RoomView) -> list[UserId]:
    return [user for user in view.known_local_members if user != LEAVER]


def controllers(view: RoomView) -> set[UserId]:
    return {user for user in level_changes.controllers(view) if view.is_local(user)}


def depends(view: RoomView, successors: tuple[UserId, ...] = ()) -> bool:
    """Whether Alice has control of the room, and no other local member who could use it has.

    Where there are successors: no other than some of them.
    """
    have = controllers(view)
    if LEAVER not in have or not others(view) or (successors and have >= {*successors}):
        return False
    stay = have - {LEAVER, *successors}
    return not any(user == UNNAMED or view.account_of(user).state in _ABLE for user in stay)


@st.composite
def hers(draw: st.DrawFn) -> RoomView:
    """Draw a room that Alice has control of; others may have it, too."""
    view = draw(hopeful())
    content = dict(view.power_levels or {})
    if not view.levels.is_creator(LEAVER):
        others = draw(st.sampled_from([0, 0, 50, 100]))
        listed = {user: min(level, others) for user, level in content["users"].items()}
        content["users"] = {**listed, LEAVER: 100}
    view = replace(view, power_levels=content, accounts={**view.accounts, LEAVER: Account()})
    return replace(moved(view, "join"), joined_local_members=view.joined_local_members + 1)


ROOMS = st.one_of(views(), hopeful(), hers(), hers(), hers())
LEAVINGS = st.builds(
    Leaving,
    st.sampled_from([(BOB,), (CAROL,), (BOB, CAROL)]),
    st.sampled_from([Reach.API, Reach.IMPERSONATE, Reach.IMPERSONATE]),
    st.booleans(),
)


def looked_at(view: RoomView) -> RoomView:
    """Return the room as off-boarding looks at it: every local member by name, successors who are active."""
    accounts = {**view.accounts, BOB: Account(), CAROL: Account()}
    view = replace(view, accounts=accounts, needs_levels=view.power_levels is None)
    if not view.unknown_local_members:
        return view
    return replace(view, memberships={**view.memberships, UNNAMED: "join"})


@given(ROOMS, LEAVINGS)
@THOROUGH
def test_no_step_removes_control_of_those_who_stay(view: RoomView, leaving: Leaving) -> None:
    view = looked_at(view)
    before, depended = controllers(view), depends(view)
    after = list(leaving.states(view))
    event(f"{leaving.ended}{' of a room that depended' if depended else ''}, {len(after)} steps")
    for state in after:
        assert controllers(state) - {LEAVER} >= before - {LEAVER}
        if not leaving.leave_rooms:
            assert controllers(state) or not before or not others(state)
            assert not depended or len(controllers(state)) >= len(before)


@given(ROOMS, LEAVINGS)
@THOROUGH
def test_second_offboarding_has_nothing_to_do(view: RoomView, leaving: Leaving) -> None:
    after = [looked_at(view), *leaving.states(looked_at(view))][-1]
    if leaving.ended == "gone":
        again = [*leaving.states(after)]
        assert [controllers(state) for state in again] == [controllers(after)] * len(again)
        assert len(again) == 1, "that the account is deactivated"
    else:
        # A successor who was refused, or who has yet to join, is that the second time, too.
        assert [*leaving.states(after)] == []
        assert leaving.ended != "gone"
