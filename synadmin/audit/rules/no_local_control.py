"""A room of ours with local members that no local user controls.

Nobody of this server who is in the room, with an active account, reaches the level that changing its
power levels takes. It is looked up how far one would have to go to regain the room:

- `api`: Make Room Admin does it.
- `impersonate`: a local user has to be acted as for a moment.
- `reactivate`: an account has to be woken for a moment, too.
- none: no user of this server, present or past, can give anybody control.

Why it matters

The room cannot be moderated, renamed or closed by anybody here. It is noticed on the day when somebody
has to be put out. Until then the way back may close: the last user through whom the room could be
regained leaves, and takes it along.

What it shows

    No user of this server controls the room, in which 3 of ours are. --allow impersonate would regain it.
    (details: reach, reason, why, local_members, needed)

How to fix it

    synadmin room make-admin '!chess:example.org' --allow impersonate

with the reach that the finding names. Where none would do, `synadmin room replace` makes a new room in
its place; the finding's `why` tells who else holds the power and could be asked.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from synadmin.audit.facts import RoomFacts
from synadmin.audit.findings import Finding, Severity
from synadmin.audit.regain import way_in
from synadmin.power.room import Reach

ID = "no-local-control"
SEVERITY = Severity.ERROR
SUBJECT = RoomFacts
OPTIONS: dict[str, Any] = {}


def check(facts: RoomFacts, _options: Mapping[str, Any]) -> Iterator[Finding]:
    """Find a room of ours that no local user controls."""
    view = facts.view
    if not facts.is_ours or not view.in_room or facts.controllers:
        return
    if facts.everybody_controls and view.unknown_local_members:
        return
    way = way_in(facts)
    if way.reach is None:
        how = f"Nothing would regain it. {way.message}"
    elif way.reach is Reach.API:
        how = "Make Room Admin would regain it."
    else:
        how = f"--allow {way.reach} would regain it."
    members = max(view.joined_local_members, len(view.known_local_members))
    are = "is" if members == 1 else "are"
    yield Finding(
        rule=ID,
        severity=SEVERITY,
        subject=facts.subject,
        message=f"No user of this server controls the room, in which {members} of ours {are}. {how}",
        fix=way.command,
        details={
            "reach": None if way.reach is None else str(way.reach),
            "reason": way.reason,
            "why": way.message,
            "local_members": members,
            "needed": view.levels.control,
        },
    )
