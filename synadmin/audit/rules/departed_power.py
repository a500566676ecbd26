"""A user who is not in the room but has a power level of 50 or more.

Local users who were given a level, or created the room, and have left, were kicked or banned, or never
joined. The option `level` sets the limit. A user of another server counts only where it is known that they
are not joined. A local user who does not exist is found by `ghost-power`.

Why it matters

A user who left with power comes back with it, invited by any member who may invite. If that account is
stolen, the room is stolen too.

What it shows

    @bob:example.org has power level 100 and is not in the room.
    (details: user_id, power_level, account)

How to fix it

    synadmin room demote '!chess:example.org' @bob:example.org

A member of the room needs a higher level than the user. Creators of a room of version 12 or later keep their
power, whatever you do.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from synadmin.audit.facts import Need, RoomFacts, has_level
from synadmin.audit.findings import Found, Severity
from synadmin.audit.regain import command_to_edit
from synadmin.power.level_changes import Edit
from synadmin.power.levels import format_level
from synadmin.power.room import AccountState

ID = "departed-power"
SEVERITY = Severity.INFO
SUBJECT = RoomFacts
NEEDS = frozenset({Need.CREATORS})
OPTIONS: dict[str, Any] = {"level": 50}


def check(facts: RoomFacts, options: Mapping[str, Any]) -> Iterator[Found]:
    """Yield a finding for each user with power who is not in the room."""
    view = facts.view
    if not view.in_room:
        return
    for user in facts.with_power:
        level = view.levels.level_of(user)
        local = view.is_local(user)
        known = local or user in view.memberships
        state = view.account_of(user).state if local else None
        if not known or view.membership_of(user) == "join" or level < options["level"]:
            continue
        if state is AccountState.MISSING:
            continue
        fix = None
        # A creator has no level that could be changed.
        if user in view.levels.listed():
            edit = Edit(users={user: None})
            fix = command_to_edit(facts, edit, "room", "demote", facts.room_id, user)
        yield Found(
            message=f"{user} {has_level(level)} and is not in the room.",
            fix=fix,
            details={
                "user_id": user,
                "power_level": format_level(level),
                "account": None if state is None else str(state),
            },
            part=user,
        )
