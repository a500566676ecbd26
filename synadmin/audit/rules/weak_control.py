"""A room whose power levels can be changed with less than 50.

That is what `m.room.power_levels` needs there. The limit is the option `level`.

Why it matters

50 is what moderators have by custom. Where less is enough to change the levels, people who were given a
little trust hold all of it: they can raise themselves up to their own level's limit, and lower others.

What it shows

    The power levels can be changed with 25.
    (details: needed)

How to fix it

    synadmin room set-power '!chess:example.org' --event m.room.power_levels 50

It refuses where nobody would be left who reaches that: give somebody the level first.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from synadmin.audit.facts import RoomFacts
from synadmin.audit.findings import Finding, Severity
from synadmin.audit.regain import command
from synadmin.power.levels import POWER_LEVELS

ID = "weak-control"
SEVERITY = Severity.WARNING
SUBJECT = RoomFacts
OPTIONS: dict[str, Any] = {"level": 50}


def check(facts: RoomFacts, options: Mapping[str, Any]) -> Iterator[Finding]:
    """Find a room whose levels take little to change."""
    needed = facts.view.levels.control
    if not facts.view.in_room or needed >= options["level"]:
        return
    yield Finding(
        rule=ID,
        severity=SEVERITY,
        subject=facts.subject,
        message=f"The power levels can be changed with {needed}.",
        fix=command("room", "set-power", facts.room_id, "--event", POWER_LEVELS, str(options["level"])),
        details={"needed": needed},
    )
