"""Predictions for single situations. That Synapse then does so is what the live tests are for."""

from dataclasses import replace

import pytest

from synadmin.ids import UserId
from synadmin.power.make_room_admin import Prediction, predict
from synadmin.power.room import Account, RoomView
from tests.unit.power.rooms import ADMIN, ALICE, BOB, CAROL, MALLORY, levels, room

NOBODY = "No local admin user in room"
TOO_WEAK = "No local admin user in room with power to update power levels."


def answer(prediction: Prediction) -> tuple[int, str | None, str | None]:
    return prediction.status, prediction.errcode, prediction.message


def held(prediction: Prediction, user: UserId) -> object:
    """Return what the room's levels then say about the user."""
    return (prediction.content or {}).get("users", {}).get(user)


def test_a_stranger_is_invited_into_a_private_room() -> None:
    prediction = predict(room({ALICE: "join"}), ADMIN)
    assert answer(prediction) == (200, None, None)
    assert (prediction.promoter, held(prediction, ADMIN), prediction.invited) == (ALICE, 100, True)
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
def test_only_who_is_outside_a_room_that_is_not_public_is_invited(
    membership: str, join_rule: str | None, invited: bool
) -> None:
    prediction = predict(room({ALICE: "join", ADMIN: membership}, join_rule=join_rule), ADMIN)
    assert (prediction.status, prediction.invited, held(prediction, ADMIN)) == (200, invited, 100)


class TestThePromoter:
    def test_is_the_highest_who_is_joined(self) -> None:
        content = levels({ALICE: 100, BOB: 75, CAROL: 60}, events={"m.room.power_levels": 50})
        prediction = predict(room({ALICE: "leave", BOB: "join", CAROL: "join"}, power_levels=content), ADMIN)
        assert (prediction.promoter, held(prediction, ADMIN)) == (BOB, 75)

    def test_is_the_last_of_the_alphabet_among_equals(self) -> None:
        content = levels({CAROL: 100, ALICE: 100, BOB: 100})
        view = room({ALICE: "join", BOB: "join", CAROL: "join"}, power_levels=content)
        assert predict(view, ADMIN).promoter == CAROL

    def test_is_never_found_through_the_default(self) -> None:
        view = room({ALICE: "join"}, power_levels=levels({}, users_default=100))
        assert answer(predict(view, ADMIN)) == (400, "M_UNKNOWN", NOBODY)

    def test_is_never_a_user_of_another_server(self) -> None:
        view = room({MALLORY: "join", BOB: "join"}, power_levels=levels({MALLORY: 100}))
        assert answer(predict(view, ADMIN)) == (400, "M_UNKNOWN", NOBODY)

    def test_is_a_creator_before_anybody_listed_in_version_12(self) -> None:
        view = room({ALICE: "join", BOB: "join", CAROL: "join"}, version="12", creators=(ALICE, BOB))
        view = replace(view, power_levels=levels({CAROL: 100}))
        assert predict(view, ADMIN).promoter == ALICE
        gone = replace(view, memberships={**view.memberships, ALICE: "leave"})
        assert predict(gone, ADMIN).promoter == BOB
        assert held(predict(gone, ADMIN), ADMIN) == 100

    def test_is_the_creator_where_there_are_no_levels_joined_or_not(self) -> None:
        view = room({ALICE: "join", BOB: "join"}, power_levels=None)
        assert predict(view, ADMIN).content == {"users": {ADMIN: 100}}
        gone = replace(view, memberships={BOB: "join"})
        assert answer(predict(gone, ADMIN)) == (400, "M_UNKNOWN", TOO_WEAK)
        assert answer(predict(replace(view, creators=(MALLORY,)), ADMIN)) == (400, "M_UNKNOWN", NOBODY)

    def test_is_not_found_by_synapse_before_1_136_where_there_are_no_levels(self) -> None:
        view = room({ALICE: "join"}, power_levels=None, needs_levels=True)
        assert answer(predict(view, ADMIN)) == (500, "M_UNKNOWN", "Internal server error")
        assert answer(predict(replace(view, creators=(MALLORY,)), ADMIN)) == (400, "M_UNKNOWN", NOBODY)
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


class TestOddLevels:
    def test_strings_are_refused_whoever_sends_them(self) -> None:
        view = room({ALICE: "join"}, version="5", power_levels=levels({ALICE: "100"}))
        assert answer(predict(view, ADMIN)) == (
            400,
            "M_BAD_JSON",
            f"\"{ALICE}\": '100' is not of type 'integer'",
        )

    def test_strings_are_compared_as_strings(self) -> None:
        view = room({ALICE: "join", BOB: "join"}, version="5", power_levels=levels({ALICE: "100", BOB: "9"}))
        assert predict(view, ADMIN).promoter == BOB

    def test_strings_among_numbers_make_synapse_fail(self) -> None:
        view = room({ALICE: "join"}, version="5", power_levels=levels({ALICE: "100", BOB: 50}))
        assert predict(view, ADMIN).status == 500

    def test_users_that_are_no_object_make_synapse_fail(self) -> None:
        assert predict(room({ALICE: "join"}, power_levels={"users": None}), ADMIN).status == 500

    def test_a_malformed_user_among_the_users_stops_everything(self) -> None:
        view = room({ALICE: "join"}, power_levels=levels({ALICE: 100, UserId("@broken"): 0}))
        assert answer(predict(view, ADMIN)) == (400, "M_UNKNOWN", "Not a valid user_id: @broken")

    def test_a_malformed_target_is_refused(self) -> None:
        prediction = predict(room({ALICE: "join"}), UserId("nonsense"))
        assert answer(prediction) == (400, "M_UNKNOWN", "Not a valid user_id: nonsense")


class TestTheSameAgain:
    view = room({ALICE: "join", BOB: "join"}, power_levels=levels({ALICE: 50, BOB: 50}))

    def test_what_the_promoter_said_last_is_not_said_again_and_not_judged(self) -> None:
        # 100 is needed, and Bob, who is asked to promote himself, has 50.
        prediction = predict(replace(self.view, power_levels_sender=BOB), BOB)
        assert (prediction.status, prediction.new_event, prediction.levels_changed) == (200, False, False)

    def test_what_somebody_else_said_last_is_judged(self) -> None:
        assert answer(predict(self.view, BOB)) == (400, "M_UNKNOWN", TOO_WEAK)

    def test_a_new_event_may_change_nothing(self) -> None:
        view = room({ALICE: "join", BOB: "join"}, power_levels=levels({ALICE: 100, BOB: 100}))
        prediction = predict(view, BOB)
        assert (prediction.status, prediction.new_event, prediction.levels_changed) == (200, True, False)


class TestLevelsGrantedDespiteTheError:
    def check(self, view: RoomView, target: UserId, errcode: str, message: str) -> None:
        prediction = predict(view, target)
        assert answer(prediction) == (403, errcode, message)
        assert (held(prediction, target), prediction.levels_changed, prediction.invited) == (100, True, False)

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


def test_a_room_without_local_members_has_no_state_left() -> None:
    assert answer(predict(room({ALICE: "leave"}), ADMIN)) == (400, "M_UNKNOWN", "Server not in room")


def test_a_higher_target_cannot_be_set_to_the_level_of_a_lower_promoter() -> None:
    content = levels({ADMIN: 100, ALICE: 50}, events={"m.room.power_levels": 50})
    prediction = predict(room({ALICE: "join"}, power_levels=content), ADMIN)
    assert answer(prediction) == (400, "M_UNKNOWN", TOO_WEAK)
    assert held(prediction, ADMIN) == 100
