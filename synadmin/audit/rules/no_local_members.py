"""A room on this server that no local user has joined.

Why it matters

The room takes up space in the database, and no user reads it. Where it was a room of this server only, no
user can join it again.

What it shows

    No local user is in the room.
    (details: members, state_events)

How to fix it

    synadmin room delete '!chess:example.org'

`synadmin room delete --empty` deletes all such rooms in the room list, also those with an ignore.

The commands ask first: what they remove cannot be brought back. To keep a room as an archive, add an ignore,
with the reason.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from synadmin.audit.facts import RoomFacts
from synadmin.audit.findings import Found, Severity
from synadmin.text import command

ID = "no-local-members"
SEVERITY = Severity.INFO
SUBJECT = RoomFacts
NEEDS = frozenset[Any]()
OPTIONS: dict[str, Any] = {}


def check(facts: RoomFacts, _options: Mapping[str, Any]) -> Iterator[Found]:
    """Yield a finding for a room without local members."""
    if facts.view.in_room:
        return
    yield Found(
        message="No local user is in the room.",
        fix=command("room", "delete", facts.room_id),
        details={"members": facts.view.joined_members, "state_events": facts.state_events},
    )
