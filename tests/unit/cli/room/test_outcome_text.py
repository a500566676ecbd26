"""The text of an outcome for a room."""

from __future__ import annotations

from synadmin.cli.room.outcome_text import outcome_text
from synadmin.ids import RoomId
from synadmin.power.room import Reach
from synadmin.power.steps import Refusal
from synadmin.recovery.outcome import Outcome, refused
from tests.unit.power.rooms import ADMIN

ROOM = RoomId("!a:example.org")


def test_refusal_lists_the_steps_that_would_help() -> None:
    lines = (
        "Henry has level 100. 2 others have less.",
        "--allow impersonate can do it:",
        "1. Come in as Henry.",
        "2. Give Alice level 100.",
        "3. Leave.",
    )
    start = Outcome(room=ROOM, room_id=ROOM, user_id=ADMIN, outcome="planned", message="")
    refusal = Refusal(
        reason="needs-impersonate", reach=Reach.IMPERSONATE, message=" ".join(lines), lines=lines
    )

    command = "synadmin room make-admin '!a:example.org' --allow impersonate"

    text = outcome_text(refused(start, refusal), hint=command)

    assert text == (
        "!a:example.org\n"
        "  refused: Henry has level 100. 2 others have less.\n"
        "    --allow impersonate can do it:\n"
        "    1. Come in as Henry.\n"
        "    2. Give Alice level 100.\n"
        "    3. Leave.\n"
        "    hint: `synadmin room make-admin '!a:example.org' --allow impersonate`"
    )
    assert outcome_text(refused(start, refusal), with_steps=False, hint=command) == (
        "!a:example.org\n  refused: Henry has level 100. 2 others have less."
    )
