"""Power at or above 50 for a user who is not in the room.

Users of this server who were given a level, or created the room, and have left it, were put out, or never
came in. The limit is the option `level`. Users of other servers are judged only where it is known that
they are out; those who do not exist are a matter of `ghost-power`.

Why it matters

Whoever left with power comes back with it, invited by anybody who may invite. If that account is taken
over, so is the room.

What it shows

    @bob:example.org holds 100 and is not in the room.
    (details: user_id, power_level, account)

How to fix it

    synadmin room demote '!chess:example.org' @bob:example.org

Somebody in the room has to stand above them. The creators of a room of version 12 or later keep their
power, whatever is done.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from synadmin.audit.facts import RoomFacts
from synadmin.audit.findings import Finding, Severity
from synadmin.audit.regain import command
from synadmin.power.levels import shown
from synadmin.power.room import AccountState

ID = "departed-power"
SEVERITY = Severity.INFO
SUBJECT = RoomFacts
OPTIONS: dict[str, Any] = {"level": 50}


def check(facts: RoomFacts, options: Mapping[str, Any]) -> Iterator[Finding]:
    """Find power of those who are not in the room."""
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
        above = any(view.levels.level_of(controller) > level for controller in facts.controllers)
        yield Finding(
            rule=ID,
            severity=SEVERITY,
            subject=facts.subject,
            message=f"{user} holds {shown(level)} and is not in the room.",
            fix=command("room", "demote", facts.room_id, user) if above else None,
            details={
                "user_id": user,
                "power_level": shown(level),
                "account": None if state is None else str(state),
            },
            part=user,
        )
