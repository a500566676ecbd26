"""A room of ours in which a user of another server has as much power as the highest local user.

The user's level is also enough to change the power levels. Only local users who are joined are compared.

Why it matters

This user can demote all users with a lower level. A user with the same level cannot be demoted. If the
account is stolen, or its owner turns against you, they have the room. If you trust the user, add an ignore,
with the reason.

What it shows

    @mallory:elsewhere.net has power level 100, as much as the highest local user (100).
    (details: user_id, power_level, best)

How to fix it

Ask the user to lower their own level. If a local user has a higher level:

    synadmin room demote '!chess:example.org' @mallory:elsewhere.net

Otherwise only a new room helps: `synadmin room replace`.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from synadmin.audit.facts import Need, RoomFacts, has_level
from synadmin.audit.findings import Found, Severity
from synadmin.power.levels import format_level

ID = "foreign-controller"
SEVERITY = Severity.WARNING
SUBJECT = RoomFacts
NEEDS = frozenset({Need.CREATORS, Need.FOREIGN_CONTROLLERS})
OPTIONS: dict[str, Any] = {}


def check(facts: RoomFacts, _options: Mapping[str, Any]) -> Iterator[Found]:
    """Yield a finding for each user of another server who controls a room of ours."""
    view = facts.view
    if not facts.is_ours or not view.in_room:
        return
    local_levels = (
        view.levels.level_of(user)
        for user in (*facts.with_power, *view.memberships)
        if view.is_local(user) and view.membership_of(user) == "join"
    )
    best = max(local_levels, default=view.levels.users_default)
    for user in facts.with_power:
        level = view.levels.level_of(user)
        # A user of another server counts as joined unless it is known that they are not.
        joined = view.memberships.get(user, "join") == "join"
        if view.is_local(user) or not joined or level < max(best, view.levels.control):
            continue
        compared = "as much as" if level == best else "more than"
        yield Found(
            message=f"{user} {has_level(level)}, {compared} the highest local user ({format_level(best)}).",
            details={"user_id": user, "power_level": format_level(level), "best": format_level(best)},
            part=user,
        )
