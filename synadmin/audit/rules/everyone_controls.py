"""A room in which everybody may change the power levels.

`users_default`, the level of all who are not listed, reaches what `m.room.power_levels` needs.

Why it matters

Any member, of any server, can take the room over: make themselves the only admin, put everybody out,
close it. Where the room is public, any passer-by can.

What it shows

    Everybody may change the power levels: users_default is 100, and changing them needs 100.
    (details: users_default, needed)

How to fix it

    synadmin room set-power '!chess:example.org' --default users_default 0

It shows who can do less afterwards, and refuses where nobody would be left to control the room: give
somebody a level of their own first.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from synadmin.audit.facts import RoomFacts
from synadmin.audit.findings import Finding, Severity
from synadmin.audit.regain import command
from synadmin.power.levels import POWER_LEVELS

ID = "everyone-controls"
SEVERITY = Severity.ERROR
SUBJECT = RoomFacts
OPTIONS: dict[str, Any] = {}


def check(facts: RoomFacts, _options: Mapping[str, Any]) -> Iterator[Finding]:
    """Find a room whose default level is enough for control."""
    levels = facts.view.levels
    if not facts.view.in_room or not facts.everybody_controls:
        return
    change = ("--default", "users_default", "0") if levels.control > 0 else ("--event", POWER_LEVELS, "100")
    yield Finding(
        rule=ID,
        severity=SEVERITY,
        subject=facts.subject,
        message=f"Everybody may change the power levels: users_default is {levels.users_default}, "
        f"and changing them needs {levels.control}.",
        fix=command("room", "set-power", facts.room_id, *change),
        details={"users_default": levels.users_default, "needed": levels.control},
    )
