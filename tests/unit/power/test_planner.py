"""Plans and refusals for rows 1 to 26 of the behaviour of Make Room Admin, then plans beyond the API.

Rows 17 to 22 are errors of the server about an alias, a token or a rate limit. They occur before or after
planning, so they have no plan.
"""

from dataclasses import replace

import pytest

from synadmin.ids import UserId
from synadmin.power.levels import CREATOR_LEVEL
from synadmin.power.make_room_admin import predict
from synadmin.power.planner import plan
from synadmin.power.room import Account, Goal, Reach, RoomView
from synadmin.power.steps import Plan, Refusal
from tests.unit.power.rooms import ADMIN, ALICE, BOB, CAROL, DAVE, MALLORY, levels, local, remote, room

LEVELS_NEED_50 = {"m.room.power_levels": 50}


def planned(view: RoomView, target: UserId = ADMIN, allow: Reach = Reach.API, *, join: bool = True) -> Plan:
    found = plan(view, Goal(target=target, caller=ADMIN, allow=allow, join=join))
    assert isinstance(found, Plan), found
    return found


def refused(view: RoomView, target: UserId = ADMIN, allow: Reach = Reach.API) -> Refusal:
    found = plan(view, Goal(target=target, caller=ADMIN, allow=allow))
    assert isinstance(found, Refusal), found
    return found


def steps_of(found: Plan) -> list[str]:
    """Return the steps as ``action actor → user``, local users by their localpart."""
    return [
        f"{step.action} {_short(step.as_user)}"
        + (f" → {_short(step.user)}" if step.user != step.as_user else "")
        for step in found.steps
    ]


def _short(user: UserId | None) -> str:
    return "?" if user is None else user.removesuffix(":example.org").removeprefix("@")


class TestTable:
    def test_row_1_public_room_is_granted_then_joined(self) -> None:
        found = planned(room({ALICE: "join"}, join_rule="public"))
        assert steps_of(found) == ["make-room-admin alice → admin", "join admin"]
        assert (found.outcome, found.reach, found.level, found.promoter) == ("done", Reach.API, 100, ALICE)

    def test_row_1_another_user_has_to_join_a_public_room(self) -> None:
        found = planned(room({ALICE: "join"}, join_rule="public"), BOB)
        assert steps_of(found) == ["make-room-admin alice → bob"]
        assert found.outcome == "pending"
        assert found.message == f"{BOB} will have level 100, and has to join to have control."

    def test_row_2_private_room_is_granted_with_invitation_then_joined(self) -> None:
        found = planned(room({ALICE: "join"}))
        assert steps_of(found) == ["make-room-admin alice → admin", "join admin"]
        assert found.steps[0].invites
        assert found.outcome == "done"

    def test_row_2_another_user_has_to_accept(self) -> None:
        found = planned(room({ALICE: "join"}), BOB)
        assert (steps_of(found), found.outcome) == (["make-room-admin alice → bob"], "pending")
        assert "has to accept the invitation" in found.message

    def test_row_3_level_50_is_reported(self) -> None:
        view = room(
            {BOB: "join", ALICE: "leave"},
            power_levels=levels({ALICE: 100, BOB: 50}, events=LEVELS_NEED_50, ban=60),
        )
        found = planned(view)
        assert (found.level, found.promoter) == (50, BOB)
        assert found.warnings == (
            f"With level 50 {ADMIN} cannot ban (needs 60).",
            f"{ALICE} has 100 and stays above {ADMIN}, who cannot change that.",
        )

    @pytest.mark.parametrize("join_rule", ["public", "invite"])
    def test_rows_4_and_5_banned_target_is_refused(self, join_rule: str) -> None:
        refusal = refused(room({ALICE: "join", ADMIN: "ban"}, join_rule=join_rule))
        assert (refusal.reason, refusal.reach) == ("target-banned", Reach.IMPERSONATE)
        assert f"As {ALICE} lift the ban on {ADMIN}." in refusal.message

    def test_row_6_unknown_account_is_refused(self) -> None:
        ghost = local("ghost")
        view = room({ALICE: "join"}, accounts={ghost: "missing"})
        refusal = refused(view, ghost, Reach.REACTIVATE)
        assert (refusal.reason, refusal.reach) == ("target-unknown", None)

    def test_row_7_remote_user_is_promoted_and_invited(self) -> None:
        found = planned(room({ALICE: "join"}), MALLORY, Reach.REACTIVATE)
        assert (steps_of(found), found.outcome, found.reach) == (
            ["make-room-admin alice → mallory:elsewhere.net"],
            "pending",
            Reach.API,
        )
        assert found.warnings == (
            (
                f"{MALLORY} gets the level at once, but this server cannot make it join: that is up to "
                f"elsewhere.net."
            ),
        )

    def test_row_8_malformed_user_is_refused(self) -> None:
        prediction = predict(room({ALICE: "join"}), UserId("nobody"))
        assert (prediction.status, prediction.message) == (400, "Not a valid user_id: nobody")

    def test_row_9_too_little_power_is_left(self) -> None:
        view = room({ALICE: "leave", BOB: "join"}, power_levels=levels({ALICE: 100, BOB: 50}))
        refusal = refused(view)
        assert (refusal.reason, refusal.reach) == ("needs-impersonate", Reach.IMPERSONATE)
        assert steps_of(planned(view, allow=Reach.IMPERSONATE)) == [
            "invite bob → alice",
            "join alice",
            "make-room-admin alice → admin",
            "join admin",
            "leave alice",
        ]

    def test_row_9_is_final_where_power_is_on_other_servers(self) -> None:
        view = room({MALLORY: "join", BOB: "join"}, power_levels=levels({MALLORY: 100, BOB: 50}))
        refusal = refused(view, allow=Reach.REACTIVATE)
        assert (refusal.reason, refusal.reach) == ("insufficient-power", None)
        assert refusal.message == (
            "No user of this server has enough power: changing the levels needs 100, and of those "
            f"in the room {BOB} has the most, 50. {MALLORY} can change the levels: "
            "ask them, or replace the room."
        )

    def test_row_10_only_admin_left(self) -> None:
        view = room({ALICE: "leave", ADMIN: "join"})
        refusal = refused(view)
        assert refusal.reason == "needs-impersonate"
        found = planned(view, allow=Reach.IMPERSONATE)
        # For people each step is a separate line. Scripts get one text with all steps.
        steps = [f"{number}. {step.detail}" for number, step in enumerate(found.steps, 1)]
        assert refusal.lines[1:] == ("--allow impersonate can do it:", *steps)
        assert refusal.message == " ".join(refusal.lines)
        # The token's owner is a member and may invite, so no other user has to.
        assert steps_of(found) == [
            "invite admin → alice",
            "join alice",
            "make-room-admin alice → admin",
            "leave alice",
        ]
        assert found.warnings == (f"All members of the room see {ALICE} join and leave.",)

    def test_row_11_all_members_have_power_by_default(self) -> None:
        view = room({BOB: "join"}, power_levels=levels({}, users_default=100))
        assert refused(view).reason == "needs-impersonate"
        assert steps_of(planned(view, allow=Reach.IMPERSONATE)) == [
            "invite bob → admin",
            "join admin",
        ]

    def test_row_11_caller_has_the_default_level(self) -> None:
        view = room({ADMIN: "join"}, power_levels=levels({}, users_default=100))
        assert planned(view).steps == ()
        assert steps_of(planned(view, BOB)) == ["invite admin → bob"]

    def test_row_12_admin_is_deactivated(self) -> None:
        view = room({ALICE: "leave", BOB: "join"}, accounts={ALICE: "deactivated"})
        for allow in (Reach.API, Reach.IMPERSONATE):
            refusal = refused(view, allow=allow)
            assert (refusal.reason, refusal.reach) == ("needs-reactivate", Reach.REACTIVATE)
        found = planned(view, allow=Reach.REACTIVATE)
        assert steps_of(found) == [
            "reactivate admin → alice",
            "invite bob → alice",
            "join alice",
            "make-room-admin alice → admin",
            "join admin",
            "deactivate admin → alice",  # this makes Alice leave
        ]
        assert [step.puts_back for step in found.steps] == [False] * 5 + [True]

    def test_row_13_version_12_creator_stays_above(self) -> None:
        content = levels({}, events={"m.room.power_levels": 100, "m.room.tombstone": 150})
        found = planned(room({ALICE: "join"}, version="12", power_levels=content))
        assert (found.level, found.promoter) == (100, ALICE)
        assert found.warnings == (
            f"With level 100 {ADMIN} cannot upgrade or close the room (needs 150).",
            f"{ALICE} created the room and stays above {ADMIN}, who cannot change that.",
        )

    def test_row_14_creator_needs_only_to_join(self) -> None:
        assert planned(room({ADMIN: "join"}, version="12", creators=(ADMIN,))).steps == ()
        public = room({BOB: "join", ADMIN: "leave"}, version="12", creators=(ADMIN,), join_rule="public")
        found = planned(public)
        assert (steps_of(found), found.level, found.outcome) == (["join admin"], CREATOR_LEVEL, "done")
        private = replace(public, join_rule="invite")
        assert refused(private).reason == "needs-impersonate"
        assert steps_of(planned(private, allow=Reach.IMPERSONATE)) == ["invite bob → admin", "join admin"]

    def test_row_15_only_creator_left(self) -> None:
        view = room({ALICE: "leave", BOB: "join"}, version="12")
        assert refused(view).reason == "needs-impersonate"
        assert steps_of(planned(view, allow=Reach.IMPERSONATE))[:3] == [
            "invite bob → alice",
            "join alice",
            "make-room-admin alice → admin",
        ]

    def test_row_16_second_run_has_nothing_to_do(self) -> None:
        view = room({ALICE: "join", ADMIN: "join"}, power_levels=levels({ALICE: 100, ADMIN: 100}))
        found = planned(view)
        assert (found.steps, found.outcome, found.reach, found.warnings) == ((), "done", Reach.API, ())
        waiting = room({ALICE: "join", BOB: "invite"}, power_levels=levels({ALICE: 100, BOB: 100}))
        assert (planned(waiting, BOB).steps, planned(waiting, BOB).outcome) == ((), "pending")

    def test_row_23_promoter_is_suspended(self) -> None:
        view = room({ALICE: "join", BOB: "join"}, accounts={ALICE: "suspended"})
        assert refused(view).reason == "needs-reactivate"
        assert steps_of(planned(view, allow=Reach.REACTIVATE)) == [
            "unsuspend admin → alice",
            "make-room-admin alice → admin",
            "join admin",
            "suspend admin → alice",
        ]

    def test_row_23_another_power_holder_is_preferred_to_an_account_change(self) -> None:
        content = levels({ALICE: 100, BOB: 100})
        view = room({ALICE: "join", BOB: "join"}, power_levels=content, accounts={BOB: "suspended"})
        assert refused(view).reason == "needs-impersonate"
        found = planned(view, allow=Reach.REACTIVATE)
        assert steps_of(found) == ["set-level alice → admin", "invite alice → admin", "join admin"]
        assert found.reach is Reach.IMPERSONATE

    @pytest.mark.parametrize("account", [Account(shadow_banned=True), "locked"])
    def test_row_24_locked_or_shadow_banned_promoter_works(self, account: Account | str) -> None:
        found = planned(room({ALICE: "join"}, accounts={ALICE: account}))
        assert steps_of(found) == ["make-room-admin alice → admin", "join admin"]

    def test_row_25_suspended_target_is_refused(self) -> None:
        refusal = refused(room({ALICE: "join"}, accounts={BOB: "suspended"}), BOB, Reach.REACTIVATE)
        assert (refusal.reason, refusal.reach) == ("target-suspended", None)

    def test_row_26_blocked_room_is_refused_to_outsiders(self) -> None:
        refusal = refused(room({ALICE: "join"}, blocked=True), allow=Reach.REACTIVATE)
        assert (refusal.reason, refusal.reach) == ("room-blocked", None)

    def test_row_26_member_of_a_blocked_room_is_promoted(self) -> None:
        found = planned(room({ALICE: "join", ADMIN: "join"}, blocked=True))
        assert steps_of(found) == ["make-room-admin alice → admin"]
        assert found.warnings == (
            (
                "The room is blocked on this server: local users cannot be invited or join until it is "
                "unblocked."
            ),
        )


class TestTarget:
    def test_deactivated_target_is_refused(self) -> None:
        refusal = refused(room({ALICE: "join"}, accounts={BOB: "deactivated"}), BOB, Reach.REACTIVATE)
        assert (refusal.reason, refusal.reach) == ("target-deactivated", None)

    def test_guest_is_refused(self) -> None:
        refusal = refused(room({ALICE: "join"}, accounts={BOB: Account(guest=True)}), BOB, Reach.REACTIVATE)
        assert (refusal.reason, refusal.reach) == ("target-guest", None)

    def test_locked_target_gets_the_level_and_a_warning(self) -> None:
        found = planned(room({ALICE: "join", BOB: "join"}, accounts={BOB: "locked"}), BOB)
        assert found.warnings == (
            f"The account {BOB} is locked, and cannot use its power until that is lifted.",
        )

    def test_banned_target_is_unbanned_where_allowed(self) -> None:
        found = planned(room({ALICE: "join", ADMIN: "ban"}), allow=Reach.IMPERSONATE)
        assert steps_of(found) == ["unban alice → admin", "make-room-admin alice → admin", "join admin"]

    def test_lifting_a_ban_needs_impersonation_for_the_caller_too(self) -> None:
        view = room({ADMIN: "join", BOB: "ban"}, power_levels=levels({ADMIN: 100}))
        refusal = refused(view, BOB)
        assert (refusal.reason, refusal.reach) == ("target-banned", Reach.IMPERSONATE)

    def test_target_that_no_user_may_unban_is_refused(self) -> None:
        view = room({ALICE: "join", ADMIN: "ban"}, power_levels=levels({ALICE: 100}, ban=101))
        refusal = refused(view, allow=Reach.REACTIVATE)
        assert (refusal.reason, refusal.reach) == ("target-banned", None)

    def test_another_local_target_joins_where_allowed(self) -> None:
        found = planned(room({ALICE: "join"}), BOB, Reach.IMPERSONATE)
        assert steps_of(found) == ["make-room-admin alice → bob", "join bob"]
        assert found.outcome == "done"

    def test_no_join_leaves_the_target_outside(self) -> None:
        found = planned(room({ALICE: "join"}), join=False)
        assert (steps_of(found), found.outcome) == (["make-room-admin alice → admin"], "pending")

    def test_remote_target_cannot_enter_a_room_without_federation(self) -> None:
        refusal = refused(room({ALICE: "join"}, federate=False), MALLORY)
        assert (refusal.reason, refusal.reach) == ("insufficient-power", None)
        assert "m.federate is false" in refusal.message


class TestCallerAsMember:
    """The token's owner may do what any user may; that needs only the reach ``api``."""

    def test_another_user_invites_where_the_promoter_may_not(self) -> None:
        content = levels({ALICE: 100}, users_default=50, invite=50, events=LEVELS_NEED_50)
        view = room({ALICE: "leave", ADMIN: "join"}, power_levels=content)
        assert steps_of(planned(view, BOB)) == ["invite admin → bob"]

    def test_level_is_set_directly_where_make_room_admin_finds_no_user(self) -> None:
        content = levels({}, users_default=0, state_default=0, events={})
        view = room({ADMIN: "join", BOB: "join"}, power_levels={**content, "users_default": -1, "users": {}})
        view = replace(view, power_levels={**content, "users": {BOB: -1}})
        assert steps_of(planned(view, BOB)) == ["set-level admin → bob"]

    def test_admin_rejoins_a_public_room_to_promote_and_leaves(self) -> None:
        view = room({ADMIN: "leave", BOB: "join"}, power_levels=levels({ADMIN: 100}), join_rule="public")
        assert steps_of(planned(view, BOB)) == ["join admin", "make-room-admin admin → bob", "leave admin"]

    def test_admin_joins_a_restricted_room_as_a_member_of_the_space(self) -> None:
        view = room({ADMIN: "leave", BOB: "join"}, power_levels=levels({ADMIN: 100}), join_rule="restricted")
        assert refused(view).reason == "needs-impersonate"
        assert steps_of(planned(replace(view, allowed_members=frozenset({ADMIN})))) == ["join admin"]


class TestBeyondTheApi:
    def test_departed_admin_rejoins_a_public_room(self) -> None:
        view = room({ALICE: "leave", BOB: "join"}, join_rule="public")
        assert steps_of(planned(view, allow=Reach.IMPERSONATE)) == [
            "join alice",
            "make-room-admin alice → admin",
            "join admin",
            "leave alice",
        ]

    def test_suspended_user_leaves_before_it_is_suspended_again(self) -> None:
        view = room({ALICE: "leave", BOB: "join"}, accounts={ALICE: "suspended"})
        assert steps_of(planned(view, allow=Reach.REACTIVATE))[-2:] == [
            "leave alice",
            "suspend admin → alice",
        ]

    def test_string_levels_are_replaced_by_a_direct_event(self) -> None:
        view = room({ALICE: "join", ADMIN: "join"}, version="5", power_levels=levels({ALICE: "100"}))
        assert refused(view).reason == "needs-impersonate"
        found = planned(view, allow=Reach.IMPERSONATE)
        assert (steps_of(found), found.level) == (["set-level alice → admin"], 100)

    def test_creator_grants_the_level_for_control(self) -> None:
        content = levels({}, events={"m.room.power_levels": 150})
        view = room({ALICE: "join", ADMIN: "join"}, version="12", power_levels=content)
        assert refused(view).reason == "needs-impersonate"  # Make Room Admin gives 100
        assert planned(view, allow=Reach.IMPERSONATE).level == 150

    def test_unnamed_member_is_enough_where_no_user_is_known(self) -> None:
        view = room({ALICE: "leave"}, more_local_members=40)
        refusal = refused(view)
        assert (refusal.reason, refusal.needs_member) == ("needs-impersonate", True)
        found = planned(view, allow=Reach.IMPERSONATE)
        assert steps_of(found)[0] == "invite ? → alice"
        assert found.needs_member
        assert found.steps[0].detail == f"As a local member, yet to be found, invite {ALICE}."
        # Once the members are read, the plan names one of them.
        with_dave = replace(view, memberships={**view.memberships, DAVE: "join"})
        assert steps_of(planned(with_dave, allow=Reach.IMPERSONATE))[0] == "invite dave → alice"

    def test_target_may_invite_the_helper(self) -> None:
        view = room({ALICE: "leave", BOB: "join"})
        assert steps_of(planned(view, BOB, Reach.IMPERSONATE)) == [
            "invite bob → alice",
            "join alice",
            "make-room-admin alice → bob",
            "leave alice",
        ]

    def test_shadow_banned_admin_rejoins_for_make_room_admin(self) -> None:
        # Synapse silently drops the events that a shadow-banned user sends.
        view = room({ALICE: "leave", BOB: "join"}, accounts={ALICE: Account(shadow_banned=True)})
        assert "make-room-admin alice → admin" in steps_of(planned(view, allow=Reach.IMPERSONATE))


class TestGivenLimits:
    def test_promoter_may_be_named(self) -> None:
        content = levels({ALICE: 100, BOB: 100})
        view = room({ALICE: "join", BOB: "join", ADMIN: "join"}, power_levels=content)
        goal = Goal(target=ADMIN, caller=ADMIN, allow=Reach.IMPERSONATE, promoter=ALICE)
        found = plan(view, goal)
        assert isinstance(found, Plan)
        assert (steps_of(found), found.promoter) == (["set-level alice → admin"], ALICE)

    def test_unable_promoter_differs_from_no_promoter(self) -> None:
        refusal = plan(room({ALICE: "join", BOB: "join"}), Goal(target=ADMIN, caller=ADMIN, promoter=BOB))
        assert isinstance(refusal, Refusal)
        assert refusal.message == f"{BOB} cannot grant it, another local user can: leave out --promoter."

    def test_no_other_reach_is_offered_without_logins(self) -> None:
        view = room({ALICE: "leave", BOB: "join"})
        goal = Goal(
            target=ADMIN, caller=ADMIN, allow=Reach.REACTIVATE, possible=Reach.API, why_not="MAS is too old."
        )
        refusal = plan(view, goal)
        assert isinstance(refusal, Refusal)
        assert (refusal.reason, refusal.reach) == ("needs-impersonate", None)
        assert refusal.message.endswith("This needs acting as other users. MAS is too old.")


class TestImpossible:
    def test_server_is_not_in_the_room(self) -> None:
        refusal = refused(room({ALICE: "leave"}), allow=Reach.REACTIVATE)
        assert (refusal.reason, refusal.reach) == ("not-in-room", None)
        assert "replace it" in refusal.message
        theirs = room({ALICE: "leave"}, creators=(MALLORY,))
        assert "by its alias" in refused(theirs).message

    def test_no_user_may_invite(self) -> None:
        view = room({ALICE: "leave", BOB: "join"}, power_levels=levels({ALICE: 100}, invite=50))
        refusal = refused(view, allow=Reach.REACTIVATE)
        assert (refusal.reason, refusal.reach) == ("no-local-power", None)
        assert refusal.message == (
            f"{ALICE} can change the levels, but is not in the room, and no local user can invite "
            "them (needs 50). No user of another server can either: replace the room "
            f"(`synadmin room replace '{view.room_id}' --admin USER`)."
        )

    def test_all_power_is_on_other_servers(self) -> None:
        view = room({MALLORY: "join", BOB: "join"}, power_levels=levels({MALLORY: 100, remote("oscar"): 100}))
        refusal = refused(view, allow=Reach.REACTIVATE)
        assert (refusal.reason, refusal.reach) == ("no-local-power", None)
        assert f"{MALLORY} and {remote('oscar')} can change the levels" in refusal.message

    def test_power_of_a_missing_account_does_not_count(self) -> None:
        ghost = local("ghost")
        view = room({BOB: "join"}, power_levels=levels({ghost: 100}), accounts={ghost: "missing"})
        refusal = refused(view, allow=Reach.REACTIVATE)
        assert (refusal.reason, refusal.reach) == ("no-local-power", None)


def test_first_power_levels_event_removes_the_creator_level() -> None:
    found = planned(room({ALICE: "join", ADMIN: "join"}, power_levels=None))
    assert found.warnings == (
        f"The room has no power levels yet. When they are set, {ALICE} loses the level 100 of its creator.",
    )


def test_creator_sets_the_first_levels_before_synapse_1_136() -> None:
    view = room({ALICE: "join", ADMIN: "join"}, power_levels=None, needs_levels=True)
    refusal = refused(view)
    assert (refusal.reason, refusal.reach) == ("needs-impersonate", Reach.IMPERSONATE)
    assert refusal.message.startswith(
        "The room has no power-levels event. Make Room Admin fails there before Synapse 1.136, and takes "
        "the creator's level later. --allow impersonate can do it:"
    )
    assert steps_of(planned(view, allow=Reach.IMPERSONATE)) == ["set-level alice → admin"]


def test_plan_names_users_it_has_not_verified() -> None:
    view = replace(room({ALICE: "join", CAROL: "join"}), accounts={})
    assert planned(view).unverified == (ALICE,)
    assert planned(view, BOB).unverified == (BOB, ALICE)
    assert planned(replace(view, accounts={ALICE: Account()})).unverified == ()
