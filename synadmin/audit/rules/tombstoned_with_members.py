"""A room that was replaced by another, but still has local members.

On a server of more than 250 rooms, only rooms that look replaced are asked: an upgrade leaves an old room in
where only users with power may write or invite. With `look_at_every_room = true` all are asked, which costs a
request for each.

Why it matters

The members may write in a room that no one reads. Some clients show both rooms under the same name.

What it shows

    The room was replaced by !new:example.org, but 4 local users are still in it.
    (details: replacement, local_members)

How to fix it

List the remaining members, and have them join the new room:

    synadmin room members '!chess:example.org'
    synadmin room join '!new:example.org' alice bob

When all have moved, `synadmin room delete --no-purge` removes them from the old room, and keeps it.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from synadmin.audit.facts import Need, RoomFacts
from synadmin.audit.findings import Found, Severity
from synadmin.text import command

ID = "tombstoned-with-members"
SEVERITY = Severity.INFO
SUBJECT = RoomFacts
NEEDS = frozenset({Need.TOMBSTONE})
OPTIONS: dict[str, Any] = {"look_at_every_room": False}


def check(facts: RoomFacts, _options: Mapping[str, Any]) -> Iterator[Found]:
    """Yield a finding for a room that was replaced and still has local members."""
    members = facts.view.joined_local_members
    if not facts.tombstoned or not members:
        return
    by = f" by {facts.replacement}" if facts.replacement else ""
    are = "user is" if members == 1 else "users are"
    yield Found(
        message=f"The room was replaced{by}, but {members} local {are} still in it.",
        fix=command("room", "members", facts.room_id),
        details={"replacement": facts.replacement, "local_members": members},
    )
