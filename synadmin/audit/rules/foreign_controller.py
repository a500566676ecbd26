"""A room of ours in which a user of another server has as much power as the best of ours.

The best of ours is the highest level of a local user who is in the room; the other's level is also enough
to change the power levels.

Why it matters

The other can take power from everybody below, and the rules of Matrix let nobody take it from an equal.
If that account is taken over, or its owner falls out with you, the room is theirs. Where that is a
friend's server it may be just what you want: ignore it, with the reason.

What it shows

    @mallory:elsewhere.net holds 100, as much as the best of ours (100).
    (details: user_id, power_level, best)

How to fix it

Ask them to lower themselves. Where somebody of yours stands above them:

    synadmin room demote '!chess:example.org' @mallory:elsewhere.net

Otherwise what is left is a new room: `synadmin room replace`.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from synadmin.audit.facts import RoomFacts
from synadmin.audit.findings import Finding, Severity
from synadmin.power.levels import shown

ID = "foreign-controller"
SEVERITY = Severity.WARNING
SUBJECT = RoomFacts
OPTIONS: dict[str, Any] = {}


def check(facts: RoomFacts, _options: Mapping[str, Any]) -> Iterator[Finding]:
    """Find users of other servers who control a room of ours."""
    view = facts.view
    if not facts.is_ours or not view.in_room:
        return
    ours = (
        view.levels.level_of(user)
        for user in (*facts.with_power, *view.memberships)
        if view.is_local(user) and view.membership_of(user) == "join"
    )
    best = max(ours, default=view.levels.users_default)
    for user in facts.with_power:
        level = view.levels.level_of(user)
        # Where users of other servers are is not looked up; who is known to be out does not count.
        inside = view.memberships.get(user, "join") == "join"
        if view.is_local(user) or not inside or level < max(best, view.levels.control):
            continue
        compared = "as much as" if level == best else "more than"
        yield Finding(
            rule=ID,
            severity=SEVERITY,
            subject=facts.subject,
            message=f"{user} holds {shown(level)}, {compared} the best of ours ({shown(best)}).",
            details={"user_id": user, "power_level": shown(level), "best": shown(best)},
            part=user,
        )
