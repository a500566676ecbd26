"""Power in a room for a user id of this server that does not exist.

Each user id with more power than everybody has, creators included, is looked up among the accounts.
Accounts that are deactivated exist: nobody can register their names again.

Who was named as an additional creator of a room of version 12 or later is looked up on servers of up to 250
rooms, and elsewhere where it may matter; with `look_at_creators = true` in every such room, which costs a
request for each.

Why it matters

Whoever registers that name has the power from the first moment in which they are in the room; where
registration is open that can be anybody. Usually it comes from a typing error while an admin was named.

What it shows

    @alcie:example.org holds 100, and there is no such account: whoever registers the name holds it.
    (details: user_id, power_level)

How to fix it

Take the power away, where somebody of this server stands above:

    synadmin room demote '!chess:example.org' @alcie:example.org

Where nobody does, take the name, so that nobody else can:

    synadmin user create @alcie:example.org
    synadmin user deactivate @alcie:example.org
"""

from collections.abc import Iterator, Mapping
from typing import Any

from synadmin.audit.facts import RoomFacts
from synadmin.audit.findings import Finding, Severity
from synadmin.audit.regain import command
from synadmin.power.levels import shown
from synadmin.power.room import AccountState

ID = "ghost-power"
SEVERITY = Severity.ERROR
SUBJECT = RoomFacts
OPTIONS: dict[str, Any] = {"look_at_creators": False}


def check(facts: RoomFacts, _options: Mapping[str, Any]) -> Iterator[Finding]:
    """Find power of those who do not exist."""
    view = facts.view
    if not view.in_room:
        return
    for user in facts.with_power:
        if not view.is_local(user) or view.account_of(user).state is not AccountState.MISSING:
            continue
        level = view.levels.level_of(user)
        above = any(view.levels.level_of(controller) > level for controller in facts.controllers)
        fix = command("room", "demote", facts.room_id, user) if above else command("user", "create", user)
        yield Finding(
            rule=ID,
            severity=SEVERITY,
            subject=facts.subject,
            message=f"{user} holds {shown(level)}, and there is no such account: "
            "whoever registers the name holds it.",
            fix=fix,
            details={"user_id": user, "power_level": shown(level)},
            part=user,
        )
