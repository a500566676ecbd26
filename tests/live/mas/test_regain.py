"""Rooms that need impersonation or reactivation are regained where MAS manages the accounts.

The tests are those of ``tests/live/recovery``. They compare the state at MAS before and after, too. More
tests are in ``test_recovery.py``.
"""

from tests.live.recovery import test_regain as on_synapse

test_public = on_synapse.test_admin_who_left_a_public_room_needs_no_invitation
test_restricted = on_synapse.test_admin_who_left_a_restricted_room_joins_as_a_member_of_the_allowed_room
test_knock = on_synapse.test_admin_who_left_a_knock_room_is_invited
test_deactivated = on_synapse.test_admin_who_left_and_is_deactivated_is_reactivated_and_rejoined_temporarily
test_creator = on_synapse.test_additional_creator_who_left_still_has_power
test_banned_by_admin_who_left = on_synapse.test_ban_is_lifted_by_an_admin_who_left
test_another_user = on_synapse.test_another_local_target_joins
test_chosen_promoter = on_synapse.test_promoter_option_chooses_the_granting_user
