"""The user who changes the levels: the least intrusive choice, or the reason why none is possible."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import replace
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import quote

import pytest

from synadmin.errors import (
    NotFoundError,
    NotPermittedError,
    RefusedError,
    SynadminError,
    WouldLoseControlError,
)
from synadmin.ids import RoomId, UserId
from synadmin.power.level_changes import Edit
from synadmin.power.room import Account, AccountState, Reach, RoomView
from synadmin.recovery import change_levels
from synadmin.recovery.change_levels import Actor, EditPlan
from synadmin.recovery.observer import Observer
from tests.unit.power.rooms import ADMIN, ALICE, BOB, CAROL, MALLORY, levels, local, room
from tests.unit.recovery.observers import observer_of
from tests.unit.recovery.rooms import LEVELS, POWER, LostRoom, state
from tests.unit.stub import Reply, Stub, json_reply

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from synadmin.client import Synapse
    from synadmin.recovery.workspace import Recovery

RAISE = Edit(users={BOB: 50})


def planned(
    stub: Stub,
    synapse: Synapse,
    view: RoomView,
    edit: Edit = RAISE,
    *,
    allow: Reach = Reach.REACTIVATE,
    leave_rooms: bool = False,
    undoing: bool = False,
    with_mas: bool = False,
) -> EditPlan:
    observer = observer_of(stub, synapse, view, with_mas=with_mas)
    return change_levels.plan(observer, view, edit, allow=allow, leave_rooms=leave_rooms, undoing=undoing)


def actor_of(stub: Stub, synapse: Synapse, view: RoomView, edit: Edit = RAISE) -> Actor | None:
    return planned(stub, synapse, view, edit).actor


def test_token_owner_is_preferred(stub: Stub, synapse: Synapse) -> None:
    view = room({ADMIN: "join", ALICE: "join"}, power_levels=levels({ADMIN: 100, ALICE: 100}))
    assert actor_of(stub, synapse, view) == Actor(ADMIN, Reach.API, AccountState.ACTIVE)


def test_joined_users_are_preferred_to_users_who_must_join(stub: Stub, synapse: Synapse) -> None:
    power = levels({ALICE: 100, CAROL: 100})
    view = room({ALICE: "leave", CAROL: "join", BOB: "join"}, power_levels=power)
    assert actor_of(stub, synapse, view) == Actor(CAROL, Reach.IMPERSONATE, AccountState.ACTIVE)
    view = room({ALICE: "leave", CAROL: "leave", BOB: "join"}, power_levels=power)
    found = actor_of(stub, synapse, view)
    assert found == Actor(ALICE, Reach.IMPERSONATE, AccountState.ACTIVE, inviter=BOB, enters=True)
    assert found.text == (
        f"Act as {ALICE}, accept an invitation by {BOB}, join the room for a short time, and set the levels."
    )
    public = replace(view, join_rule="public")
    assert actor_of(stub, synapse, public) == Actor(
        ALICE, Reach.IMPERSONATE, AccountState.ACTIVE, enters=True
    )


def test_invited_user_is_chosen_last(stub: Stub, synapse: Synapse) -> None:
    power = levels({ALICE: 100, CAROL: 100}, state_default=100)
    view = room({ALICE: "invite", CAROL: "leave", BOB: "join"}, power_levels=power)
    found = actor_of(stub, synapse, view)
    assert found == Actor(CAROL, Reach.IMPERSONATE, AccountState.ACTIVE, inviter=BOB, enters=True)
    invited = Actor(ALICE, Reach.IMPERSONATE, AccountState.ACTIVE, enters=True)
    assert change_levels.after_leaving(view, invited).membership_of(ALICE) == "leave"


def test_user_excluded_by_the_join_rule_cannot_act(stub: Stub, synapse: Synapse) -> None:
    view = room({ALICE: "invite", BOB: "join"}, power_levels=levels({ALICE: 100}), join_rule="private")
    with pytest.raises(RefusedError, match="no local user has enough power"):
        planned(stub, synapse, view)


def test_inactive_accounts_are_chosen_last(stub: Stub, synapse: Synapse) -> None:
    power = levels({ALICE: 100, CAROL: 100})
    inactive = {ALICE: "suspended", CAROL: "active"}
    view = room({ALICE: "join", CAROL: "leave", BOB: "join"}, power_levels=power, accounts=inactive)
    found = actor_of(stub, synapse, view)
    assert found is not None
    assert (found.user, found.reach) == (CAROL, Reach.IMPERSONATE)
    view = room({ALICE: "join", BOB: "join"}, power_levels=levels({ALICE: 100}), accounts=inactive)
    found = actor_of(stub, synapse, view)
    assert found == Actor(ALICE, Reach.REACTIVATE, AccountState.SUSPENDED)
    assert "reactivate the account (suspended) for a short time" in found.text


def test_equal_level_is_named_as_the_reason(stub: Stub, synapse: Synapse) -> None:
    view = room({ADMIN: "join", ALICE: "join"}, power_levels=levels({ADMIN: 100, ALICE: 100}))
    with pytest.raises(RefusedError, match=f"{ALICE} has the same level as your account"):
        planned(stub, synapse, view, Edit(users={ALICE: 50}), allow=Reach.API)


def test_guest_may_hold_a_level_that_does_not_give_control(stub: Stub, synapse: Synapse) -> None:
    view = room({ALICE: "join", BOB: "join"}, accounts={BOB: Account(guest=True)})
    assert actor_of(stub, synapse, view, Edit(users={BOB: 99})) is not None
    with pytest.raises(RefusedError, match=f"{BOB} is a guest account"):
        planned(stub, synapse, view, Edit(users={BOB: 100}))


def test_more_than_allowed_is_refused_with_the_needed_reach(stub: Stub, synapse: Synapse) -> None:
    view = room({ALICE: "join", BOB: "join"})
    with pytest.raises(RefusedError, match=f"Act as {ALICE} and set the levels") as caught:
        planned(stub, synapse, view, allow=Reach.API)
    assert caught.value.hint == "add --allow impersonate to permit this"


def test_shadow_banned_user_is_not_chosen_to_send(stub: Stub, synapse: Synapse) -> None:
    shadow_banned = {ALICE: Account(shadow_banned=True)}
    view = room({ALICE: "join", BOB: "join"}, accounts=shadow_banned)
    with pytest.raises(RefusedError, match="no local user has enough power"):
        planned(stub, synapse, view)


def test_inviter_must_be_active_and_not_shadow_banned(stub: Stub, synapse: Synapse) -> None:
    inactive = {BOB: Account(AccountState.LOCKED), CAROL: Account(shadow_banned=True)}
    view = room({ALICE: "leave", BOB: "join", CAROL: "join"}, accounts=inactive)
    with pytest.raises(RefusedError, match="no local user has enough power"):
        planned(stub, synapse, view)


def test_no_user_joins_a_blocked_room(stub: Stub, synapse: Synapse) -> None:
    view = room({ALICE: "leave", BOB: "join"}, join_rule="public", blocked=True)
    with pytest.raises(RefusedError, match="no local user has enough power"):
        planned(stub, synapse, view)


def test_only_own_power_counts_without_impersonation(stub: Stub, synapse: Synapse) -> None:
    view = room({ALICE: "join", BOB: "join"})
    with pytest.raises(RefusedError, match="Matrix Authentication Service"):
        planned(stub, synapse, view, with_mas=True)
    mine = room({ADMIN: "join", BOB: "join"}, power_levels=levels({ADMIN: 100}))
    found = planned(stub, synapse, mine, with_mas=True).actor
    assert found is not None
    assert found.user == ADMIN


def test_members_are_read_where_an_unnamed_one_would_be_enough(stub: Stub, synapse: Synapse) -> None:
    view = room({}, power_levels=levels({}, users_default=100), more_local_members=2)
    name, other = local("stranger"), local("other")
    members = f"/_synapse/admin/v1/rooms/{quote(view.room_id, safe='')}/members"
    stub.on(members, json_reply({"members": [MALLORY, name, other], "total": 3}))
    stub.on(f"/_synapse/admin/v2/users/{quote(name, safe='')}", json_reply({"name": name, "locked": True}))
    stub.on(f"/_synapse/admin/v2/users/{quote(other, safe='')}", json_reply({"name": other}))
    for user in (name, other):
        path = f"/_synapse/admin/v1/users/{quote(user, safe='')}/memberships"
        stub.on(path, json_reply({"memberships": {view.room_id: "join"}}))
    found = actor_of(stub, synapse, view)
    assert found == Actor(other, Reach.IMPERSONATE, AccountState.ACTIVE)
    # The list of members is not read where no member would be enough.
    before = len(stub.requests)
    with pytest.raises(RefusedError):
        planned(stub, synapse, replace(view, power_levels=levels({}, invite=50)))
    assert not any(request.target == members for request in stub.requests[before:])


@pytest.mark.parametrize("leave_rooms", [False, True])
def test_last_local_control_is_removed_only_with_leave_rooms(
    stub: Stub, synapse: Synapse, leave_rooms: bool
) -> None:
    view = room({ADMIN: "join", MALLORY: "join"}, power_levels=levels({ADMIN: 100, MALLORY: 100}))
    lower = Edit(users={ADMIN: 0})
    if leave_rooms:
        assert planned(stub, synapse, view, lower, leave_rooms=True).actor is not None
        return
    with pytest.raises(RefusedError, match="no user of this server would have control") as caught:
        planned(stub, synapse, view, lower)
    assert "--leave-rooms" in (caught.value.hint or "")


def test_room_loses_control_only_by_undo_of_its_recovery(stub: Stub, synapse: Synapse) -> None:
    view = room({ADMIN: "join"}, power_levels=levels({ADMIN: 100}))
    lower = Edit(users={ADMIN: 0})
    with pytest.raises(RefusedError, match="no user could ever change the room"):
        planned(stub, synapse, view, lower, leave_rooms=True)
    assert planned(stub, synapse, view, lower, leave_rooms=True, undoing=True).actor is not None


def test_unknown_account_gets_no_power(stub: Stub, synapse: Synapse) -> None:
    view = room({ADMIN: "join"}, power_levels=levels({ADMIN: 100, BOB: 50}), accounts={BOB: "missing"})
    with pytest.raises(RefusedError, match="anyone who registers that name"):
        planned(stub, synapse, view, Edit(users={BOB: 60}))
    assert planned(stub, synapse, view, Edit(users={BOB: 0})).actor is not None


def test_remote_user_of_equal_level_is_named(stub: Stub, synapse: Synapse) -> None:
    view = room({ADMIN: "join", MALLORY: "join"}, power_levels=levels({ADMIN: 100, MALLORY: 100}))
    with pytest.raises(RefusedError, match=f"{MALLORY} on another server"):
        planned(stub, synapse, view, Edit(users={MALLORY: 0}))


def test_unchanged_level_needs_no_user(stub: Stub, synapse: Synapse) -> None:
    assert actor_of(stub, synapse, room({ALICE: "join"}), Edit(users={BOB: 0})) is None


def test_room_without_local_members_cannot_be_edited(stub: Stub, synapse: Synapse) -> None:
    lost = LostRoom(stub, joined_local_members=0)
    lost.left_by_all()
    with pytest.raises(NotFoundError, match="no longer in"):
        change_levels.view_to_edit(Observer(synapse), RoomId(lost.id))


def event(content: Mapping[str, Any], event_id: str, *, replaces: str | None = None) -> Reply:
    """Return a reply with a power-levels event that has replaced another one."""
    levels_event = state("m.room.power_levels", content) | {"event_id": event_id}
    return json_reply({"state": [levels_event | {"unsigned": {"replaces_state": replaces}}]})


def with_users(**users: int) -> dict[str, Any]:
    named = {f"@{name}:example.org": level for name, level in users.items()}
    return {**LEVELS, "users": {**LEVELS["users"], ADMIN: 100, **named}}


class LevelRace:
    """A room where an admin sends an edit while another user changes the levels."""

    def __init__(self, stub: Stub, synapse: Synapse) -> None:
        self.room, self.stub, self.synapse = LostRoom(stub), stub, synapse
        self.path = f"{self.room.client_path}/state/m.room.power_levels/"
        stub.on(self.path, json_reply({"event_id": "$ours"}), json_reply({"event_id": "$again"}))
        self.room.on("messages", json_reply({"chunk": [], "start": "s"}))

    def send(self, edit: Edit = RAISE, *reads: Reply) -> Mapping[str, Any]:
        view = replace(room({ADMIN: "join"}, power_levels=with_users()), room_id=RoomId(self.room.id))
        self.room.on(POWER, *reads)
        return change_levels.send_levels(Observer(self.synapse), self.synapse, view, edit)

    def set_other_event(self, content: Mapping[str, Any]) -> None:
        """Set the content of the other user's event."""
        event = {
            "type": "m.room.power_levels",
            "sender": ALICE,
            "content": content,
            "origin_server_ts": 1,
        }
        self.stub.on("/_synapse/admin/v1/fetch_event/%24theirs", json_reply({"event": event}))

    @property
    def sent(self) -> list[dict[str, Any]]:
        return [request.json["users"] for request in self.stub.requests if request.target == self.path]


def test_change_sent_just_before_is_merged(stub: Stub, synapse: Synapse) -> None:
    race = LevelRace(stub, synapse)
    race.set_other_event(with_users(carol=20))
    both = with_users(bob=50, carol=20)
    content = race.send(
        RAISE,
        event(with_users(), "$base"),
        event(with_users(bob=50), "$ours", replaces="$theirs"),
        event(both, "$again", replaces="$ours"),
    )
    assert content == both
    assert race.sent == [with_users(bob=50)["users"], both["users"]]


def test_simultaneous_change_is_merged(stub: Stub, synapse: Synapse) -> None:
    # Both events have replaced the same one, and the room keeps ours.
    race = LevelRace(stub, synapse)
    common = {"type": "m.room.power_levels", "state_key": "", "sender": ALICE, "origin_server_ts": 1}
    newest = [
        {**common, "event_id": "$ours", "content": with_users(bob=50)},
        {**common, "event_id": "$theirs", "content": with_users(carol=20)},
        {**common, "event_id": "$base", "content": with_users()},
        {**common, "event_id": "$older", "content": {}},
    ]
    both = with_users(bob=50, carol=20)
    again = {**common, "event_id": "$again", "content": both}
    # The second read finds the other event again. Our new event has its levels already.
    race.room.on(
        "messages",
        json_reply({"chunk": newest, "start": "s"}),
        json_reply({"chunk": [again, newest[1], newest[0]], "start": "s"}),
    )
    content = race.send(
        RAISE,
        event(with_users(), "$base"),
        event(with_users(bob=50), "$ours", replaces="$base"),
        event(both, "$again", replaces="$ours"),
    )
    assert content == both
    assert race.sent == [with_users(bob=50)["users"], both["users"]]


def test_own_change_overwritten_by_another_event_is_sent_again(stub: Stub, synapse: Synapse) -> None:
    race = LevelRace(stub, synapse)
    both = with_users(bob=50, carol=20)
    content = race.send(
        RAISE,
        event(with_users(), "$base"),
        event(with_users(carol=20), "$theirs", replaces="$ours"),
        event(both, "$again", replaces="$theirs"),
    )
    assert content == both
    assert race.sent[-1] == both["users"]


def test_level_changed_by_two_users_at_once_is_an_error(stub: Stub, synapse: Synapse) -> None:
    race = LevelRace(stub, synapse)
    with pytest.raises(SynadminError, match=f"the same level at the same time: {BOB}"):
        race.send(RAISE, event(with_users(), "$base"), event(with_users(bob=10), "$theirs", replaces="$ours"))


def test_level_that_another_user_sets_twice_is_merged(stub: Stub, synapse: Synapse) -> None:
    race = LevelRace(stub, synapse)
    race.set_other_event(with_users(carol=20))
    both = with_users(bob=50, carol=30)
    content = race.send(
        RAISE,
        event(with_users(), "$base"),
        event(with_users(bob=50), "$ours", replaces="$theirs"),
        event(both, "$later", replaces="$again"),
        event(both, "$later", replaces="$again"),
    )
    assert content == both


def test_sender_that_lowered_itself_cannot_repeat_a_lost_change(stub: Stub, synapse: Synapse) -> None:
    # The sender has lost its power, so it cannot send the other user's change again.
    race = LevelRace(stub, synapse)
    forbidden = json_reply(
        {"errcode": "M_FORBIDDEN", "error": "user_level (0) < send_level (100)"}, status=403
    )
    stub.on(race.path, json_reply({"event_id": "$ours"}), forbidden)
    race.set_other_event(with_users(carol=20))
    with pytest.raises(
        SynadminError, match="a change that another user made at the same time is lost"
    ) as caught:
        race.send(
            RAISE,
            event(with_users(), "$base"),
            event(with_users(bob=50), "$ours", replaces="$theirs"),
        )
    assert not isinstance(caught.value, NotPermittedError)


def test_levels_changed_by_others_are_kept(stub: Stub, synapse: Synapse) -> None:
    race = LevelRace(stub, synapse)
    both = {**with_users(bob=50), "kick": 99}
    content = race.send(
        RAISE, event({**with_users(), "kick": 99}, "$base"), event(both, "$ours", replaces="$base")
    )
    assert content == both


def test_level_changed_meanwhile_is_not_overwritten(stub: Stub, synapse: Synapse) -> None:
    race = LevelRace(stub, synapse)
    with pytest.raises(SynadminError, match=f"{BOB} is 30 now"):
        race.send(RAISE, event(with_users(bob=30), "$base"))
    assert race.sent == []


def test_sender_that_lowered_itself_cannot_repeat_an_overwritten_edit(stub: Stub, synapse: Synapse) -> None:
    race = LevelRace(stub, synapse)
    forbidden = json_reply({"errcode": "M_FORBIDDEN", "error": "too low"}, status=403)
    stub.on(race.path, json_reply({"event_id": "$ours"}), forbidden)
    with pytest.raises(SynadminError, match="and overwrote the change: sending them again failed"):
        race.send(
            RAISE,
            event(with_users(), "$base"),
            event(with_users(carol=20), "$theirs", replaces="$ours"),
        )


@pytest.mark.parametrize("remote", [{}, {MALLORY: 100}], ids=["no user", "a remote user"])
def test_control_that_others_have_lost_meanwhile_is_not_removed(
    stub: Stub, synapse: Synapse, remote: dict[UserId, int]
) -> None:
    race = LevelRace(stub, synapse)
    before, now = with_users(bob=100), with_users(bob=0)
    before["users"] |= remote
    now["users"] |= remote
    view = room({ADMIN: "join", BOB: "join", **dict.fromkeys(remote, "join")}, power_levels=before)
    view = replace(view, room_id=RoomId(race.room.id))
    race.room.on(POWER, event(now, "$base"))
    with pytest.raises(WouldLoseControlError, match="no user of this server would control the room"):
        change_levels.send_levels(Observer(synapse), synapse, view, Edit(users={ADMIN: 0}))
    assert race.sent == []


@pytest.mark.parametrize(
    "not_reverted", [[], ["POST /deactivate/@alice:example.org"]], ids=["reverted", "not reverted"]
)
def test_room_is_locked_until_temporary_changes_are_reverted(
    monkeypatch: pytest.MonkeyPatch, not_reverted: list[str]
) -> None:
    calls: list[str] = []

    @contextmanager
    def lock(room_id: RoomId) -> Iterator[bool]:
        calls.append(f"lock {room_id}")
        yield False
        calls.append("unlock")

    def revert_since(_mark: int) -> list[str]:
        calls.append("revert")
        return not_reverted

    def send(*_: object) -> Mapping[str, Any]:
        calls.append("send")
        return with_users(bob=50)

    temporary = SimpleNamespace(mark=0, revert_since=revert_since)
    recovery = cast("Recovery", SimpleNamespace(lock=lock, temporary=temporary))
    monkeypatch.setattr(change_levels, "_send", send)
    view = room({ALICE: "join"}, power_levels=levels({ALICE: 100}))
    edit_plan = EditPlan(view, RAISE, Actor(ALICE, Reach.REACTIVATE, AccountState.DEACTIVATED))
    if not_reverted:
        with pytest.raises(
            SynadminError, match=f"these temporary changes were not reverted: {not_reverted[0]}"
        ):
            change_levels.carry_out(recovery, edit_plan)
    else:
        assert change_levels.carry_out(recovery, edit_plan).power_levels == with_users(bob=50)
    assert calls[:3] == [f"lock {view.room_id}", "send", "revert"]
    assert calls[3:] == ([] if not_reverted else ["unlock"])
