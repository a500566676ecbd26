"""Through whom levels are changed: the least intrusive way there is, or the reason why there is none."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING
from urllib.parse import quote

import pytest

from synadmin.errors import NotFoundError, RefusedError, SynadminError
from synadmin.ids import RoomId
from synadmin.power.edit import Edit
from synadmin.power.room import Account, AccountState, Reach, RoomView
from synadmin.recovery import edit as editing
from synadmin.recovery.edit import Author, EditPlan
from synadmin.recovery.observe import Observer
from tests.unit.power.rooms import ADMIN, ALICE, BOB, CAROL, MALLORY, levels, local, room
from tests.unit.recovery.edits import observer_of
from tests.unit.recovery.rooms import LostRoom, power
from tests.unit.stub import Stub, told

if TYPE_CHECKING:
    from synadmin.client import Synapse

RAISE = Edit(users={BOB: 50})


def planned(
    stub: Stub,
    synapse: Synapse,
    view: RoomView,
    edit: Edit = RAISE,
    *,
    allow: Reach = Reach.REACTIVATE,
    last: bool = False,
    undoing: bool = False,
    elsewhere: bool = False,
) -> EditPlan:
    observer = observer_of(stub, synapse, view, elsewhere=elsewhere)
    return editing.plan(observer, view, edit, allow=allow, last=last, undoing=undoing)


def author(stub: Stub, synapse: Synapse, view: RoomView, edit: Edit = RAISE) -> Author | None:
    return planned(stub, synapse, view, edit).author


def test_ones_own_power_comes_first(stub: Stub, synapse: Synapse) -> None:
    view = room({ADMIN: "join", ALICE: "join"}, power_levels=levels({ADMIN: 100, ALICE: 100}))
    assert author(stub, synapse, view) == Author(ADMIN, Reach.API, AccountState.ACTIVE)


def test_then_somebody_who_is_there_and_then_somebody_who_has_to_come_in(
    stub: Stub, synapse: Synapse
) -> None:
    power = levels({ALICE: 100, CAROL: 100})
    view = room({ALICE: "leave", CAROL: "join", BOB: "join"}, power_levels=power)
    assert author(stub, synapse, view) == Author(CAROL, Reach.IMPERSONATE, AccountState.ACTIVE)
    view = room({ALICE: "leave", CAROL: "leave", BOB: "join"}, power_levels=power)
    found = author(stub, synapse, view)
    assert found == Author(ALICE, Reach.IMPERSONATE, AccountState.ACTIVE, inviter=BOB, enters=True)
    assert found.words == f"As {ALICE}: invited by {BOB}, come in for a moment, set the levels."
    public = replace(view, join_rule="public")
    assert author(stub, synapse, public) == Author(ALICE, Reach.IMPERSONATE, AccountState.ACTIVE, enters=True)


def test_who_is_asleep_comes_last(stub: Stub, synapse: Synapse) -> None:
    power = levels({ALICE: 100, CAROL: 100})
    asleep = {ALICE: "suspended", CAROL: "active"}
    view = room({ALICE: "join", CAROL: "leave", BOB: "join"}, power_levels=power, accounts=asleep)
    found = author(stub, synapse, view)
    assert found is not None
    assert (found.user, found.reach) == (CAROL, Reach.IMPERSONATE)
    view = room({ALICE: "join", BOB: "join"}, power_levels=levels({ALICE: 100}), accounts=asleep)
    found = author(stub, synapse, view)
    assert found == Author(ALICE, Reach.REACTIVATE, AccountState.SUSPENDED)
    assert "wake the account (suspended) for a moment" in found.words


def test_more_than_is_allowed_is_refused_with_what_would_do(stub: Stub, synapse: Synapse) -> None:
    view = room({ALICE: "join", BOB: "join"})
    with pytest.raises(RefusedError, match=f"As {ALICE}: set the levels") as caught:
        planned(stub, synapse, view, allow=Reach.API)
    assert caught.value.hint == "--allow impersonate does it"


def test_nobody_is_sent_with_whose_words_are_not_heard(stub: Stub, synapse: Synapse) -> None:
    heard = {ALICE: Account(shadow_banned=True)}
    view = room({ALICE: "join", BOB: "join"}, accounts=heard)
    with pytest.raises(RefusedError, match="no local user has the power for it"):
        planned(stub, synapse, view)


def test_an_inviter_has_to_be_awake_and_heard(stub: Stub, synapse: Synapse) -> None:
    asleep = {BOB: Account(AccountState.LOCKED), CAROL: Account(shadow_banned=True)}
    view = room({ALICE: "leave", BOB: "join", CAROL: "join"}, accounts=asleep)
    with pytest.raises(RefusedError, match="no local user has the power for it"):
        planned(stub, synapse, view)


def test_nobody_comes_into_a_blocked_room(stub: Stub, synapse: Synapse) -> None:
    view = room({ALICE: "leave", BOB: "join"}, join_rule="public", blocked=True)
    with pytest.raises(RefusedError, match="no local user has the power for it"):
        planned(stub, synapse, view)


def test_where_accounts_are_kept_elsewhere_only_ones_own_power_counts(stub: Stub, synapse: Synapse) -> None:
    view = room({ALICE: "join", BOB: "join"})
    with pytest.raises(RefusedError, match="Matrix Authentication Service"):
        planned(stub, synapse, view, elsewhere=True)
    mine = room({ADMIN: "join", BOB: "join"}, power_levels=levels({ADMIN: 100}))
    found = planned(stub, synapse, mine, elsewhere=True).author
    assert found is not None
    assert found.user == ADMIN


def test_a_member_whose_name_is_not_known_is_looked_up_where_one_would_do(
    stub: Stub, synapse: Synapse
) -> None:
    view = room({}, power_levels=levels({}, users_default=100), more_local_members=2)
    name, other = local("stranger"), local("other")
    members = f"/_synapse/admin/v1/rooms/{quote(view.room_id, safe='')}/members"
    stub.on(members, told({"members": [MALLORY, name, other], "total": 3}))
    stub.on(f"/_synapse/admin/v2/users/{quote(name, safe='')}", told({"name": name, "locked": True}))
    stub.on(f"/_synapse/admin/v2/users/{quote(other, safe='')}", told({"name": other}))
    for user in (name, other):
        path = f"/_synapse/admin/v1/users/{quote(user, safe='')}/memberships"
        stub.on(path, told({"memberships": {view.room_id: "join"}}))
    found = author(stub, synapse, view)
    assert found == Author(other, Reach.IMPERSONATE, AccountState.ACTIVE)
    # Where none would do, nobody asks for the list.
    before = len(stub.requests)
    with pytest.raises(RefusedError):
        planned(stub, synapse, replace(view, power_levels=levels({}, invite=50)))
    assert not any(one.target == members for one in stub.requests[before:])


@pytest.mark.parametrize("last", [False, True])
def test_the_last_local_control_goes_only_if_that_is_meant(stub: Stub, synapse: Synapse, last: bool) -> None:
    view = room({ADMIN: "join", MALLORY: "join"}, power_levels=levels({ADMIN: 100, MALLORY: 100}))
    lower = Edit(users={ADMIN: 0})
    if last:
        assert planned(stub, synapse, view, lower, last=True).author is not None
        return
    with pytest.raises(RefusedError, match="no local user would have control") as caught:
        planned(stub, synapse, view, lower)
    assert "--last" in (caught.value.hint or "")


def test_a_room_is_locked_only_by_undoing_what_unlocked_it(stub: Stub, synapse: Synapse) -> None:
    view = room({ADMIN: "join"}, power_levels=levels({ADMIN: 100}))
    lower = Edit(users={ADMIN: 0})
    with pytest.raises(RefusedError, match="nobody in the room could change its levels"):
        planned(stub, synapse, view, lower, last=True)
    assert planned(stub, synapse, view, lower, last=True, undoing=True).author is not None


def test_power_is_not_given_to_a_name_that_nobody_has(stub: Stub, synapse: Synapse) -> None:
    view = room({ADMIN: "join"}, power_levels=levels({ADMIN: 100, BOB: 50}), accounts={BOB: "missing"})
    with pytest.raises(RefusedError, match="whoever registered that name"):
        planned(stub, synapse, view, Edit(users={BOB: 60}))
    assert planned(stub, synapse, view, Edit(users={BOB: 0})).author is not None


def test_an_equal_elsewhere_is_named(stub: Stub, synapse: Synapse) -> None:
    view = room({ADMIN: "join", MALLORY: "join"}, power_levels=levels({ADMIN: 100, MALLORY: 100}))
    with pytest.raises(RefusedError, match=f"{MALLORY} is on another server"):
        planned(stub, synapse, view, Edit(users={MALLORY: 0}))


def test_what_is_so_already_needs_nobody(stub: Stub, synapse: Synapse) -> None:
    assert author(stub, synapse, room({ALICE: "join"}), Edit(users={BOB: 0})) is None


def test_a_room_that_nobody_here_is_in_cannot_be_edited(stub: Stub, synapse: Synapse) -> None:
    lost = LostRoom(stub, joined_local_members=0)
    lost.on("state", told({"state": []}))
    with pytest.raises(NotFoundError, match="no longer in"):
        editing.look(Observer(synapse), RoomId(lost.id))


def test_levels_that_somebody_has_changed_meanwhile_are_not_overwritten(stub: Stub, synapse: Synapse) -> None:
    lost = LostRoom(stub)
    view = replace(room({ALICE: "join"}), room_id=RoomId(lost.id))
    lost.on("state", power({**view.power_levels, "kick": 99}))  # type: ignore[dict-item]
    with pytest.raises(SynadminError, match="somebody else has changed the power levels"):
        editing.require_unchanged(Observer(synapse), view)
    lost.on("state", power(view.power_levels))  # type: ignore[arg-type]
    editing.require_unchanged(Observer(synapse), view)
