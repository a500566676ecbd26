"""A room whose power levels can be changed with a level below 50.

That is the level that `m.room.power_levels` needs in this room. The option `level` sets the limit.

Why it matters

Moderators have 50 by convention. Where less is enough to change the power levels, users whom you trust a
little can do too much: they can raise others up to their own level, and lower users below it.

What it shows

    Power level 25 is enough to change the power levels.
    (details: needed)

How to fix it

    synadmin room set-power '!chess:example.org' --event m.room.power_levels 50

The command refuses if no user would reach that level: give a user the level first.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from synadmin.audit.facts import RoomFacts
from synadmin.audit.findings import Found, Severity
from synadmin.audit.regain import command_to_edit
from synadmin.power.events import POWER_LEVELS
from synadmin.power.level_changes import Edit

ID = "weak-control"
SEVERITY = Severity.WARNING
SUBJECT = RoomFacts
NEEDS = frozenset[Any]()
OPTIONS: dict[str, Any] = {"level": 50}


def check(facts: RoomFacts, options: Mapping[str, Any]) -> Iterator[Found]:
    """Yield a finding for a room whose power levels can be changed with a low level."""
    needed, level = facts.view.levels.control, options["level"]
    if not facts.view.in_room or needed >= level:
        return
    words = ("room", "set-power", facts.room_id, "--event", POWER_LEVELS, str(level))
    yield Found(
        message=f"Power level {needed} is enough to change the power levels.",
        fix=command_to_edit(facts, Edit(events={POWER_LEVELS: level}), *words),
        details={"needed": needed},
    )
