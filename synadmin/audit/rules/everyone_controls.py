"""A room in which every member can change the power levels.

`users_default`, the level of all users who are not listed, is enough for `m.room.power_levels`.

Why it matters

Any member, of any server, can take over the room: make themselves the only admin, ban all others,
close it. In a public room that is any user.

What it shows

    Every member can change the power levels: users_default is 100, and changing them needs 100.
    (details: users_default, needed)

How to fix it

    synadmin room set-power '!chess:example.org' --default users_default 0

The command shows who can do less afterwards. It refuses if no user would control the room afterwards.
Then give a user a level of their own in the same step:

    synadmin room set-power '!chess:example.org' alice 100 --default users_default 0 --allow impersonate
"""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from synadmin.audit.facts import Need, RoomFacts
from synadmin.audit.findings import Found, Severity
from synadmin.audit.regain import command_to_edit
from synadmin.power.events import POWER_LEVELS
from synadmin.power.level_changes import Edit
from synadmin.power.room import AccountState

ID = "everyone-controls"
SEVERITY = Severity.ERROR
SUBJECT = RoomFacts
NEEDS = frozenset({Need.LOCAL_MEMBERS})
OPTIONS: dict[str, Any] = {}

_ADMIN = 100


def check(facts: RoomFacts, _options: Mapping[str, Any]) -> Iterator[Found]:
    """Yield a finding for a room whose default level is enough for control."""
    levels = facts.view.levels
    if not facts.view.in_room or not facts.everybody_controls:
        return
    yield Found(
        message=f"Every member can change the power levels: users_default is {levels.users_default}, "
        f"and changing them needs {levels.control}.",
        fix=_fix(facts),
        details={"users_default": levels.users_default, "needed": levels.control},
    )


def _fix(facts: RoomFacts) -> str | None:
    view = facts.view
    edit, words = Edit(named={"users_default": 0}), ["--default", "users_default", "0"]
    if view.levels.control <= 0:
        edit, words = Edit(events={POWER_LEVELS: _ADMIN}), ["--event", POWER_LEVELS, str(_ADMIN)]
    fix = command_to_edit(facts, edit, "room", "set-power", facts.room_id, *words)
    level = max(_ADMIN, view.levels.control)
    # Where no member would keep control, a member gets a separate level: if possible, the token's owner.
    for user in sorted(view.known_local_members, key=lambda user: (user != facts.caller, user)):
        if fix is None and view.account_of(user).state is AccountState.ACTIVE:
            given = replace(edit, users={user: level})
            fix = command_to_edit(facts, given, "room", "set-power", facts.room_id, user, str(level), *words)
    return fix
