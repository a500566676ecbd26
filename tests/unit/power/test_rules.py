"""Our authorization rules decide as Synapse's do."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import event, given, settings
from hypothesis import strategies as st

from synadmin.ids import UserId
from synadmin.power import rules
from synadmin.power.levels import RoomVersion
from synadmin.power.room import RoomView
from tests.unit.power.rooms import ADMIN, ALICE, ALL_USERS, BOB, MALLORY, contents, levels, room, views
from tests.unit.power.synapse_rules import SynapseRules

THOROUGH = settings(max_examples=max(120, settings().max_examples), deadline=None)


def pairs() -> st.SearchStrategy[tuple[UserId, UserId]]:
    return st.lists(st.sampled_from(ALL_USERS), min_size=2, max_size=2, unique=True).map(
        lambda users: (users[0], users[1])
    )


def without_unnamed(view: RoomView) -> RoomView:
    """Return the room without unnamed members: Synapse's rules know all members by name."""
    return replace(view, joined_local_members=len(view.known_local_members))


@given(views(), st.sampled_from(ALL_USERS))
@THOROUGH
def test_levels_equal_those_of_synapse(view: RoomView, user: UserId) -> None:
    assert view.levels.level_of(user) == SynapseRules(view).level_of(user)


@given(st.data())
@THOROUGH
def test_level_changes_are_allowed_as_in_synapse(data: st.DataObject) -> None:
    view = data.draw(views())
    # Without power most changes are forbidden, which other tests cover. So the sender is mostly a creator.
    sender = data.draw(st.sampled_from([*ALL_USERS, *[view.creators[0]] * 7]))
    if data.draw(st.integers(0, 4)):
        view = replace(view, memberships={**view.memberships, sender: "join"}, federate=True)
    new: dict[str, Any] = dict(view.power_levels or {})
    for key in data.draw(st.lists(st.sampled_from([*new, "drop"]), max_size=2)):
        new.pop(key, None)
    # Mostly small changes: there single rules decide.
    creators = view.creators if view.version == "12" and data.draw(st.integers(0, 4)) else ()
    other = data.draw(contents(view.version, tuple(user for user in ALL_USERS if user not in creators)))
    for key, value in other.items():
        if data.draw(st.integers(0, 2)) == 0:
            new[key] = {**new.get(key, {}), **value} if isinstance(value, dict) else value
    ours = rules.changing_power_levels(view, sender, new)
    event(f"allowed: {ours is None}")
    assert (ours is None) == SynapseRules(view).allows(sender, "m.room.power_levels", new)


@given(views(), pairs())
@THOROUGH
def test_invitations_are_allowed_as_in_synapse(view: RoomView, users: tuple[UserId, UserId]) -> None:
    assert (rules.inviting(view, *users) is None) == SynapseRules(view).membership(*users, "invite")


@given(views(), st.sampled_from(ALL_USERS))
@THOROUGH
def test_joins_are_allowed_as_in_synapse(view: RoomView, user: UserId) -> None:
    view = without_unnamed(view)
    assert (rules.joining(view, user) is None) == SynapseRules(view).join(user)


@given(views(), st.sampled_from(ALL_USERS))
@THOROUGH
def test_leaves_are_allowed_as_in_synapse(view: RoomView, user: UserId) -> None:
    assert (rules.leaving(view, user) is None) == SynapseRules(view).membership(user, user, "leave")


@given(views(), pairs())
@THOROUGH
def test_kicks_and_unbans_are_allowed_as_in_synapse(view: RoomView, users: tuple[UserId, UserId]) -> None:
    theirs = SynapseRules(view).membership(*users, "leave")
    assert (rules.kicking(view, *users) is None) == theirs
    if view.membership_of(users[1]) == "ban":
        assert (rules.unbanning(view, *users) is None) == theirs


@given(views(), st.sampled_from(ALL_USERS))
@THOROUGH
def test_state_events_need_the_level_of_synapse(view: RoomView, user: UserId) -> None:
    ours = rules.sending_state(view, user, "m.room.name")
    assert (ours is None) == SynapseRules(view).allows(user, "m.room.name", {"name": "x"})


class TestChangingPowerLevels:
    """Single rules, and their messages."""

    view = room({ALICE: "join", BOB: "join"}, power_levels=levels({ALICE: 100, BOB: 50}))

    def test_no_user_grants_more_than_their_level(self) -> None:
        low = room({BOB: "join"}, power_levels=levels({BOB: 50}, events={"m.room.power_levels": 50}))
        assert rules.changing_power_levels(
            low, BOB, levels({BOB: 50, ADMIN: 51}, events={"m.room.power_levels": 50})
        )
        assert not rules.changing_power_levels(
            low, BOB, levels({BOB: 50, ADMIN: 50}, events={"m.room.power_levels": 50})
        )

    def test_user_of_equal_level_cannot_be_lowered(self) -> None:
        equals = room({ALICE: "join"}, power_levels=levels({ALICE: 100, BOB: 100}))
        forbidden = rules.changing_power_levels(equals, ALICE, levels({ALICE: 100, BOB: 0}))
        assert forbidden is not None
        assert str(forbidden) == f"{BOB} has the same level as {ALICE}: only a higher one may change it"

    def test_user_may_lower_themselves(self) -> None:
        assert rules.changing_power_levels(self.view, ALICE, levels({ALICE: 0, BOB: 50})) is None

    def test_version_12_creator_may_not_be_listed(self) -> None:
        view = room({ALICE: "join"}, version="12", creators=(ALICE, BOB))
        first = rules.changing_power_levels(view, ALICE, levels({ALICE: 100}))
        second = rules.changing_power_levels(view, ALICE, levels({BOB: 100}))
        assert first is not None
        assert second is not None
        assert (first.status, first.reason) == (400, f"Creator user {ALICE} must not appear in content.users")
        assert (second.status, second.reason) == (
            400,
            "Additional creators users must not appear in content.users",
        )

    def test_outsider_cannot_send(self) -> None:
        assert rules.changing_power_levels(replace(self.view, memberships={}), ALICE, levels({ALICE: 0}))


@pytest.mark.parametrize(
    ("content", "version", "message"),
    [
        ({"users": {"@a:b": 100}}, "11", None),
        ({}, "1", None),
        ({"users": {"@a:b": 100.0}}, "5", None),
        ({"users": {"@a:b": 100.0}}, "6", "Bad JSON value: float"),
        ({"users": {"@a:b": "100"}}, "5", "\"@a:b\": '100' is not of type 'integer'"),
        ({"ban": None}, "11", "\"ban\": None is not of type 'integer'"),
        ({"ban": True}, "11", "\"ban\": True is not of type 'integer'"),
        ({"events": []}, "11", "\"events\": [] is not of type 'object'"),
        ({"users_default": 2**53}, "11", "JSON integer out of range"),
        ({"org.example": [{"deep": 0.5}]}, "11", "Bad JSON value: float"),
    ],
)
def test_synapse_accepts_only_integers_from_local_users(
    content: dict[str, Any], version: str, message: str | None
) -> None:
    forbidden = rules.unacceptable(content, RoomVersion.of(version))
    assert (forbidden and forbidden.reason) == message
    if forbidden:
        assert (forbidden.status, forbidden.errcode) == (400, "M_BAD_JSON")


def test_room_without_federation_refuses_remote_users() -> None:
    view = room({ALICE: "join", MALLORY: "invite"}, federate=False, join_rule="public")
    assert str(rules.inviting(view, ALICE, MALLORY)) == "This room has been marked as unfederatable."
    assert rules.joining(view, MALLORY) is not None
    assert rules.joining(view, BOB) is None


def test_unnamed_member_can_authorise_a_restricted_join() -> None:
    view = room({ADMIN: "leave"}, join_rule="restricted", allowed_members=frozenset({ADMIN}))
    assert str(rules.joining(view, ADMIN)) == "no member on this server may vouch for a join"
    assert rules.joining(replace(view, joined_local_members=1), ADMIN) is None
