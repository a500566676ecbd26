"""A room that was replaced by another, with local users still in it.

On a server of more than 250 rooms only those are asked that look like it: an upgrade leaves an old room in
which nobody without power may write or invite. With `look_at_every_room = true` all are, which costs a
request for each.

Why it matters

They may write where nobody reads any more, and wonder why it has gone quiet; some clients show both
rooms under the same name.

What it shows

    The room was replaced by !new:example.org, and 4 local users are still in it.
    (details: replacement, local_members)

How to fix it

See who is left, and have them join the new one:

    synadmin room members '!chess:example.org'
    synadmin room join '!new:example.org' alice bob

When all have moved, `synadmin room delete --no-purge` takes them out of the old room, and keeps it.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from synadmin.audit.facts import RoomFacts
from synadmin.audit.findings import Finding, Severity
from synadmin.audit.regain import command

ID = "tombstoned-with-members"
SEVERITY = Severity.INFO
SUBJECT = RoomFacts
OPTIONS: dict[str, Any] = {"look_at_every_room": False}


def check(facts: RoomFacts, _options: Mapping[str, Any]) -> Iterator[Finding]:
    """Find a room that was replaced and is still lived in."""
    members = facts.view.joined_local_members
    if not facts.tombstoned or not members:
        return
    by = f" by {facts.replacement}" if facts.replacement else ""
    are = "user is" if members == 1 else "users are"
    yield Finding(
        rule=ID,
        severity=SEVERITY,
        subject=facts.subject,
        message=f"The room was replaced{by}, and {members} local {are} still in it.",
        fix=command("room", "members", facts.room_id),
        details={"replacement": facts.replacement, "local_members": members},
    )
