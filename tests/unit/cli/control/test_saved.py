"""A saved plan is compared with the room when it is applied."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from synadmin.api.rooms import Room
from synadmin.cli.control.saved import added_to_plan, kept_to_plan
from synadmin.cli.saved_plan import SavedPlan
from synadmin.client import Synapse
from synadmin.control.file import parse
from synadmin.control.records import MatchedRoom, RoomChange, RoomReport
from synadmin.ids import RoomId
from tests.unit.stub import json_reply

if TYPE_CHECKING:
    from tests.unit.stub import Stub

ROOM = RoomId("!a:example.org")
DORA = "@dora:example.org"


def test_saved_plan_accepts_a_later_heir_date(stub: Stub) -> None:
    stub.on("*", json_reply({"state": []}))
    (entry,) = parse(f'version = 1\n[[rooms]]\nmatch = {{ ids = ["{ROOM}"] }}\n')
    heir = RoomChange("heir", DORA, None, "2026-12-24")
    report = RoomReport(target=MatchedRoom(Room(room_id=ROOM), entry), outcome="planned", changes=(heir,))
    with Synapse(stub.url, token="syt_token") as synapse:
        plan = SavedPlan.begin("@admin:example.org", None)
        assert [*added_to_plan(plan, synapse, [report])] == [report]

        later = replace(report, changes=(replace(heir, after="2026-12-25"),))
        assert kept_to_plan(plan, synapse, later) is later
        other = replace(report, changes=(replace(heir, subject="@erin:example.org"),))
        refused = kept_to_plan(plan, synapse, other)
        assert (refused.outcome, refused.reason) == ("refused", "changed-since-plan")
        in_order = replace(report, outcome="in-order")
        assert kept_to_plan(SavedPlan.begin("@admin:example.org", None), synapse, in_order) is in_order
