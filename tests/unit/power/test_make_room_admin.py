"""Predictions of Make Room Admin in single situations; live tests compare them with Synapse."""

from dataclasses import replace

import pytest

from synadmin.ids import UserId
from synadmin.power.make_room_admin import Prediction, predict
from synadmin.power.room import Account, RoomView
from tests.unit.power.rooms import ADMIN, ALICE, BOB, CAROL, MALLORY, levels, room

NO_LOCAL_ADMIN = "No local admin user in room"
NO_LOCAL_POWER = "No local admin user in room with power to update power levels."


def answer(prediction: Prediction) -> tuple[int, str | None, str | None]:
    return prediction.status, prediction.errcode, prediction.message


def level_after(prediction: Prediction, user: UserId) -> object:
    """Return the level of the user in the predicted content."""
    return (prediction.content or {}).get("users", {}).get(user)


def test_outsider_is_invited_to_a_private_room() -> None:
    prediction = predict(room({ALICE: "join"}), ADMIN)
    assert answer(prediction) == (200, None, None)
    assert (prediction.promoter, level_after(prediction, ADMIN), prediction.invited) == (ALICE, 100, True)
    assert prediction.levels_changed


@pytest.mark.parametrize(
    ("membership", "join_rule", "invited"),
    [
        ("leave", "public", False),
        ("leave", None, True),
        ("leave", "knock", True),
        ("knock", "knock", True),
        ("leave", "restricted", True),
        ("invite", "invite", False),
        ("join", "invite", False),
        ("ban", "public", False),
    ],
)
def test_only_outsiders_of_non_public_rooms_are_invited(
    membership: str, join_rule: str | None, invited: bool
) -> None:
    prediction = predict(room({ALICE: "join", ADMIN: membership}, join_rule=join_rule), ADMIN)
    assert (prediction.status, prediction.invited, level_after(prediction, ADMIN)) == (200, invited, 100)


class TestThePromoter:
    def test_is_the_highest_joined_user(self) -> None:
        content = levels({ALICE: 100, BOB: 75, CAROL: 60}, events={"m.room.power_levels": 50})
        prediction = predict(room({ALICE: "leave", BOB: "join", CAROL: "join"}, power_levels=content), ADMIN)
        assert (prediction.promoter, level_after(prediction, ADMIN)) == (BOB, 75)

    def test_is_the_last_by_name_among_equals(self) -> None:
        content = levels({CAROL: 100, ALICE: 100, BOB: 100})
        view = room({ALICE: "join", BOB: "join", CAROL: "join"}, power_levels=content)
        assert predict(view, ADMIN).promoter == CAROL

    def test_is_never_found_through_the_default_level(self) -> None:
        view = room({ALICE: "join"}, power_levels=levels({}, users_default=100))
        assert answer(predict(view, ADMIN)) == (400, "M_UNKNOWN", NO_LOCAL_ADMIN)

    def test_is_never_a_remote_user(self) -> None:
        view = room({MALLORY: "join", BOB: "join"}, power_levels=levels({MALLORY: 100}))
        assert answer(predict(view, ADMIN)) == (400, "M_UNKNOWN", NO_LOCAL_ADMIN)

    def test_is_a_creator_before_listed_users_in_version_12(self) -> None:
        view = room({ALICE: "join", BOB: "join", CAROL: "join"}, version="12", creators=(ALICE, BOB))
        view = replace(view, power_levels=levels({CAROL: 100}))
        assert predict(view, ADMIN).promoter == ALICE
        without_alice = replace(view, memberships={**view.memberships, ALICE: "leave"})
        assert predict(without_alice, ADMIN).promoter == BOB
        assert level_after(predict(without_alice, ADMIN), ADMIN) == 100

    def test_is_the_creator_without_a_power_levels_event(self) -> None:
        view = room({ALICE: "join", BOB: "join"}, power_levels=None)
        assert predict(view, ADMIN).content == {"users": {ADMIN: 100}}
        without_alice = replace(view, memberships={BOB: "join"})
        assert answer(predict(without_alice, ADMIN)) == (400, "M_UNKNOWN", NO_LOCAL_POWER)
        assert answer(predict(replace(view, creators=(MALLORY,)), ADMIN)) == (
            400,
            "M_UNKNOWN",
            NO_LOCAL_ADMIN,
        )

    def test_is_not_found_without_power_levels_before_synapse_1_136(self) -> None:
        view = room({ALICE: "join"}, power_levels=None, needs_levels=True)
        assert answer(predict(view, ADMIN)) == (500, "M_UNKNOWN", "Internal server error")
        assert answer(predict(replace(view, creators=(MALLORY,)), ADMIN)) == (
            400,
            "M_UNKNOWN",
            NO_LOCAL_ADMIN,
        )
        assert predict(replace(view, power_levels=levels({ALICE: 100})), ADMIN).status == 200

    def test_may_be_locked_or_shadow_banned_but_not_suspended(self) -> None:
        for account in ("locked", Account(shadow_banned=True)):
            assert predict(room({ALICE: "join"}, accounts={ALICE: account}), ADMIN).status == 200
        prediction = predict(room({ALICE: "join"}, accounts={ALICE: "suspended"}), ADMIN)
        assert answer(prediction) == (
            403,
            "M_USER_SUSPENDED",
            "Sending messages while account is suspended is not allowed.",
        )
        assert not prediction.levels_changed


class TestMalformedLevels:
    def test_string_levels_are_refused(self) -> None:
        view = room({ALICE: "join"}, version="5", power_levels=levels({ALICE: "100"}))
        assert answer(predict(view, ADMIN)) == (
            400,
            "M_BAD_JSON",
            f"\"{ALICE}\": '100' is not of type 'integer'",
        )

    def test_string_levels_are_compared_as_strings(self) -> None:
        view = room({ALICE: "join", BOB: "join"}, version="5", power_levels=levels({ALICE: "100", BOB: "9"}))
        assert predict(view, ADMIN).promoter == BOB

    def test_strings_among_numbers_make_synapse_fail(self) -> None:
        view = room({ALICE: "join"}, version="5", power_levels=levels({ALICE: "100", BOB: 50}))
        assert predict(view, ADMIN).status == 500

    def test_users_that_are_not_an_object_make_synapse_fail(self) -> None:
        assert predict(room({ALICE: "join"}, power_levels={"users": None}), ADMIN).status == 500

    def test_malformed_user_among_users_is_refused(self) -> None:
        view = room({ALICE: "join"}, power_levels=levels({ALICE: 100, UserId("@broken"): 0}))
        assert answer(predict(view, ADMIN)) == (400, "M_UNKNOWN", "Not a valid user_id: @broken")

    def test_malformed_target_is_refused(self) -> None:
        prediction = predict(room({ALICE: "join"}), UserId("nonsense"))
        assert answer(prediction) == (400, "M_UNKNOWN", "Not a valid user_id: nonsense")


class TestUnchangedLevels:
    view = room({ALICE: "join", BOB: "join"}, power_levels=levels({ALICE: 50, BOB: 50}))

    def test_repeated_event_of_the_promoter_is_deduplicated(self) -> None:
        # Changing levels needs 100. Bob is the promoter and the target, and has 50.
        prediction = predict(replace(self.view, power_levels_sender=BOB), BOB)
        assert (prediction.status, prediction.new_event, prediction.levels_changed) == (200, False, False)

    def test_equal_event_of_another_sender_is_authorized(self) -> None:
        assert answer(predict(self.view, BOB)) == (400, "M_UNKNOWN", NO_LOCAL_POWER)

    def test_new_event_may_change_nothing(self) -> None:
        view = room({ALICE: "join", BOB: "join"}, power_levels=levels({ALICE: 100, BOB: 100}))
        prediction = predict(view, BOB)
        assert (prediction.status, prediction.new_event, prediction.levels_changed) == (200, True, False)


class TestLevelsGrantedDespiteTheError:
    def check(self, view: RoomView, target: UserId, errcode: str, message: str) -> None:
        prediction = predict(view, target)
        assert answer(prediction) == (403, errcode, message)
        assert (level_after(prediction, target), prediction.levels_changed, prediction.invited) == (
            100,
            True,
            False,
        )

    def test_for_a_banned_target(self) -> None:
        view = room({ALICE: "join", BOB: "ban"})
        self.check(view, BOB, "M_BAD_STATE", "Cannot invite user who was banned")

    def test_in_a_blocked_room(self) -> None:
        view = room({ALICE: "join"}, blocked=True)
        self.check(view, BOB, "M_UNKNOWN", "This room has been blocked on this server")

    def test_where_the_promoter_may_not_invite(self) -> None:
        view = room({ALICE: "join"}, power_levels=levels({ALICE: 100}, invite=101))
        self.check(view, BOB, "M_FORBIDDEN", "You don't have permission to invite users")

    def test_for_a_user_of_another_server_in_a_closed_room(self) -> None:
        view = room({ALICE: "join"}, federate=False)
        self.check(view, MALLORY, "M_FORBIDDEN", "This room has been marked as unfederatable.")


def test_room_without_local_members_has_no_state() -> None:
    assert answer(predict(room({ALICE: "leave"}), ADMIN)) == (400, "M_UNKNOWN", "Server not in room")


def test_target_above_the_promoter_is_not_lowered() -> None:
    content = levels({ADMIN: 100, ALICE: 50}, events={"m.room.power_levels": 50})
    prediction = predict(room({ALICE: "join"}, power_levels=content), ADMIN)
    assert answer(prediction) == (400, "M_UNKNOWN", NO_LOCAL_POWER)
    assert level_after(prediction, ADMIN) == 100
