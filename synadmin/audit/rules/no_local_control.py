"""A room of ours with local members that no local user controls.

No joined local user with an active account has the power level that is needed to change the power levels.
The finding names how far you have to go to regain the room:

- `api`: Make Room Admin is enough.
- `impersonate`: synadmin has to act as a local user for a short time.
- `reactivate`: it has to reactivate an account for a short time, too.
- none: no local user, present or past, can give control to another user.

Rooms in which the server sends its notices are left out: the server controls them.

Why it matters

No local user can moderate, rename or close the room. You notice on the day when you have to ban a user.
Until then it may become impossible to regain the room: when the last user leaves who could give control.

What it shows

    No local user controls the room; it has 3 local members. --allow impersonate regains it.
    (details: reach, reason, why, local_members, needed)

How to fix it

    synadmin room make-admin '!chess:example.org' --allow impersonate

with the reach that the finding names. Where none is enough, `synadmin room replace` makes a new room in
its place. The finding's `why` names the users who have the power: you can ask them.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from synadmin.audit.facts import Need, RoomFacts
from synadmin.audit.findings import Found, Severity
from synadmin.audit.regain import way_to_regain
from synadmin.power.room import Reach

ID = "no-local-control"
SEVERITY = Severity.ERROR
SUBJECT = RoomFacts
NEEDS = frozenset({Need.CREATORS, Need.WAY_TO_REGAIN})
OPTIONS: dict[str, Any] = {}


def check(facts: RoomFacts, _options: Mapping[str, Any]) -> Iterator[Found]:
    """Yield a finding for a room of ours that no local user controls."""
    view = facts.view
    if not facts.is_ours or not view.in_room or facts.controllers or facts.is_for_server_notices:
        return
    if facts.everybody_controls and view.unknown_local_members:
        return
    way = way_to_regain(facts)
    if way.reach is None:
        how = f"Nothing regains it. {way.message}"
    elif way.reach is Reach.API:
        how = "Make Room Admin regains it."
    else:
        how = f"--allow {way.reach} regains it."
    members = max(view.joined_local_members, len(view.known_local_members))
    count = "1 local member" if members == 1 else f"{members} local members"
    yield Found(
        message=f"No local user controls the room; it has {count}. {how}",
        fix=way.command,
        details={
            "reach": None if way.reach is None else str(way.reach),
            "reason": way.reason,
            "why": way.message,
            "local_members": members,
            "needed": view.levels.control,
        },
    )
