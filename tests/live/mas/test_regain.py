"""The situations that acting as others or reactivating solves, solved where MAS keeps the accounts.

The tests are those of ``tests/live/recovery``; what is compared before and after has MAS's half in it. More
of them are in ``test_recovery.py``.
"""

from tests.live.recovery import test_regain as on_synapse

test_public = on_synapse.test_an_admin_who_left_a_public_room_needs_no_invitation
test_restricted = on_synapse.test_an_admin_who_left_a_restricted_room_comes_in_as_a_member_of_the_allowed_one
test_knock = on_synapse.test_an_admin_who_left_a_knock_room_is_invited
test_woken = on_synapse.test_an_admin_who_left_and_can_do_nothing_is_woken_let_in_and_put_back
test_creator = on_synapse.test_an_additional_creator_who_left_has_the_power_still
test_banned_by_one_who_left = on_synapse.test_a_ban_is_lifted_by_an_admin_who_left
test_another_user = on_synapse.test_another_local_user_is_let_in_too
test_chosen_promoter = on_synapse.test_promoter_chooses_who_grants
