"""A room on this server that no local user is in.

Why it matters

It takes up space in the database, and nobody reads it. Where it was a room of this server only, nobody
can come in again.

What it shows

    No user of this server is in the room.
    (details: members, state_events)

How to fix it

    synadmin room delete '!chess:example.org'

What was removed cannot be brought back; it asks first. Rooms that are an archive are ignored, with the
reason.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from synadmin.audit.facts import RoomFacts
from synadmin.audit.findings import Finding, Severity
from synadmin.audit.regain import command

ID = "no-local-members"
SEVERITY = Severity.INFO
SUBJECT = RoomFacts
OPTIONS: dict[str, Any] = {}


def check(facts: RoomFacts, _options: Mapping[str, Any]) -> Iterator[Finding]:
    """Find a room without local members."""
    if facts.view.in_room:
        return
    yield Finding(
        rule=ID,
        severity=SEVERITY,
        subject=facts.subject,
        message="No user of this server is in the room.",
        fix=command("room", "delete", facts.room_id),
        details={"members": facts.view.joined_members, "state_events": facts.state_events},
    )
