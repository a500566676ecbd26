"""Power levels are set and a room is replaced as another user, where MAS manages the accounts.

The tests of power levels are those of ``tests/live/recovery``. They compare the state at MAS, too.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from tests.live.recovery import test_levels as on_synapse

if TYPE_CHECKING:
    from tests.live.mas.scene import MasScene

test_admin_who_left = on_synapse.test_admin_who_left_rejoins_temporarily_to_set_a_level
test_deactivated_admin = on_synapse.test_deactivated_admin_is_demoted_and_stays_deactivated


def test_room_is_replaced_for_another_admin(scene: MasScene) -> None:
    chair, new_admin, mike = scene.someone("chair"), scene.someone("heir"), scene.someone("mike")
    room_id = chair.make_room("Committee", members=[mike], public=True, version="12")
    before = scene.standing(new_admin)
    arguments = ("room", "replace", room_id, "--admin", new_admin.user_id, "--anyway", "--confirm", room_id)
    refused = scene.run(*arguments, "-o", "json")
    assert (refused.code, json.loads(refused.stdout)["reason"]) == (5, "needs-impersonate"), refused
    answer = scene.run(*arguments, "--allow", "impersonate", "-o", "json")
    record = json.loads(answer.stdout)
    assert (answer.code, record["outcome"], record["control"]) == (0, "done", True), answer
    assert set(record["moved"]) == {chair.user_id, mike.user_id}
    assert scene.admin.membership(record["new_room_id"], new_admin) == "join"
    now = scene.standing(new_admin)
    assert now.memberships.pop(record["new_room_id"]) == "join"
    assert now == before
    assert scene.borrowed_tokens() == 0
