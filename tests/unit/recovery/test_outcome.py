"""The record for scripts: the contract of ``room make-admin -o json``."""

from __future__ import annotations

from dataclasses import replace

import pytest

from synadmin.api.rooms import RoomDetails
from synadmin.power.levels import CREATOR_LEVEL
from synadmin.power.planner import plan
from synadmin.power.room import Goal, Reach
from synadmin.power.steps import Plan, Refusal
from synadmin.recovery import outcome
from synadmin.recovery.outcome import Outcome, StepTaken
from tests.unit.power.rooms import ADMIN, ALICE, levels, room

REFUSED = Outcome(room="#club:example.org", room_id=None, user_id=ADMIN, outcome="refused", message="No.")
FIELDS = [
    "room_id",
    "room",
    "user_id",
    "outcome",
    "reason",
    "message",
    "control",
    "power_level",
    "membership",
    "promoter",
    "reach",
    "steps",
]


def test_record_has_every_field() -> None:
    assert list(REFUSED.as_record()) == FIELDS
    assert REFUSED.as_record()["room"] == {"name": None, "canonical_alias": None, "version": None}
    assert REFUSED.as_record()["power_level"] == dict.fromkeys(["before", "after", "needed", "highest"])
    assert REFUSED.as_record()["membership"] == {"before": None, "after": None}
    assert REFUSED.as_record()["steps"] == []


def test_version_12_creator_is_shown_as_creator() -> None:
    record = replace(REFUSED, level_before=0, level_after=CREATOR_LEVEL, level_needed=100).as_record()
    assert record["power_level"] == {"before": 0, "after": "creator", "needed": 100, "highest": None}


@pytest.mark.parametrize(("reach", "word"), [*((reach, str(reach)) for reach in Reach), (None, None)])
def test_reach_is_a_word_or_null(reach: Reach | None, word: str | None) -> None:
    assert replace(REFUSED, reach=reach).as_record()["reach"] == word


def test_dry_run_shows_the_plan_and_claims_nothing() -> None:
    view = room({ALICE: "join", ADMIN: "leave"})
    found = plan(view, Goal(target=ADMIN, caller=ADMIN))
    assert isinstance(found, Plan)
    start = outcome.before("!room:example.org", ADMIN, RoomDetails(room_id=view.room_id), view)
    record = outcome.planned(start, found, view).as_record()
    assert record["outcome"] == "planned"
    assert record["control"] is False
    assert record["power_level"] == {"before": 0, "after": 100, "needed": 100, "highest": 100}
    assert record["membership"] == {"before": "leave", "after": "join"}
    assert {step["status"] for step in record["steps"]} == {"planned"}
    assert [(step["action"], step["as"]) for step in record["steps"]] == [
        ("make-room-admin", ALICE),
        ("join", ADMIN),
    ]


def test_refusal_reports_the_unchanged_state() -> None:
    view = room({ALICE: "leave", ADMIN: "ban"}, power_levels=levels({ALICE: 100}), more_local_members=1)
    found = plan(view, Goal(target=ADMIN, caller=ADMIN))
    assert isinstance(found, Refusal)
    start = outcome.before("!room:example.org", ADMIN, RoomDetails(room_id=view.room_id), view)
    record = outcome.refused(start, found).as_record()
    assert (record["outcome"], record["reason"]) == ("refused", found.reason)
    assert record["membership"] == {"before": "ban", "after": "ban"}
    assert record["power_level"]["before"] == record["power_level"]["after"] == 0


def test_step_has_user_action_and_status() -> None:
    found = plan(room({ALICE: "join"}), Goal(target=ADMIN, caller=ADMIN))
    assert isinstance(found, Plan)
    taken = StepTaken.of(found.steps[0], "failed", error="It did not work.")
    assert taken.as_record() == {
        "action": "make-room-admin",
        "as": ALICE,
        "status": "failed",
        "detail": f"{found.steps[0].detail} It did not work.",
    }
