"""Shadow-bans and redactions, with the library and with commands, on a real Synapse."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any

import pytest

from synadmin.errors import NotFoundError
from synadmin.ids import EventId, RoomId, encoded

if TYPE_CHECKING:
    from synadmin.api.moderation import RedactionStatus
    from synadmin.sandbox.accounts import Person
    from synadmin.sandbox.homeserver import Homeserver
    from tests.live.conftest import Newcomer, Synadmin

_TIMEOUT = 90  # seconds for a redaction


def send_message(person: Person, room_id: RoomId, text: str) -> EventId:
    path = f"/_matrix/client/v3/rooms/{encoded(room_id)}/send/m.room.message/{time.monotonic_ns()}"
    return EventId(person.call("PUT", path, {"msgtype": "m.text", "body": text})["event_id"])


def content(person: Person, room_id: RoomId, event_id: EventId) -> dict[str, Any]:
    path = f"/_matrix/client/v3/rooms/{encoded(room_id)}/event/{encoded(event_id)}"
    found: dict[str, Any] = person.call("GET", path)["content"]
    return found


def wait_for_redaction(homeserver: Homeserver, redact_id: str) -> RedactionStatus:
    until = time.monotonic() + _TIMEOUT
    while True:
        status = homeserver.admin.synapse.moderation.redact_status(redact_id)
        if status.status not in {"scheduled", "active"} or time.monotonic() > until:
            return status
        time.sleep(0.1)


def test_messages_of_a_shadow_banned_user_reach_no_user(
    homeserver: Homeserver, newcomer: Newcomer, synadmin: Synadmin
) -> None:
    alice, bob = newcomer("alice"), newcomer("bob")
    moderation, users = homeserver.admin.synapse.moderation, homeserver.admin.synapse.users

    moderation.shadow_ban(alice.user_id)
    by_library = users.get(alice.user_id).shadow_banned
    moderation.lift_shadow_ban(alice.user_id)
    lifted = not users.get(alice.user_id).shadow_banned
    banned = synadmin(
        "user", "shadow-ban", alice.user_id, bob.user_id, "no-such-person", "--yes", "-o", "ndjson"
    )
    by_command = users.get(bob.user_id).shadow_banned
    unbanned = synadmin("user", "lift-shadow-ban", "--from", "-", stdin=f"{bob.user_id}\n{alice.user_id}\n")

    assert by_library
    assert lifted
    assert banned.code == 6
    assert by_command
    assert unbanned.code == 0
    assert not users.get(bob.user_id).shadow_banned


def test_messages_are_redacted_by_room_and_time(homeserver: Homeserver, newcomer: Newcomer) -> None:
    alice, spammer = newcomer("alice"), newcomer("spammer")
    here, there = (alice.make_room(name, members=[spammer]) for name in ("Here", "There"))
    earlier = send_message(spammer, here, "buy")
    time.sleep(0.05)
    between = int(time.time() * 1000)
    time.sleep(0.05)
    later, elsewhere = send_message(spammer, here, "buy now"), send_message(spammer, there, "buy here")
    mine = send_message(alice, here, "no")

    started = homeserver.admin.synapse.moderation.redact(
        spammer.user_id,
        rooms=[here],
        reason="spam",
        limit=50,
        use_admin=False,
        after_ts=between,
        before_ts=between + 3_600_000,
    )
    status = wait_for_redaction(homeserver, started.redact_id)

    assert status.status == "complete"
    assert status.failed_redactions == {}
    assert content(alice, here, later) == {}
    assert content(alice, here, earlier)["body"] == "buy"
    assert content(alice, there, elsewhere)["body"] == "buy here"
    assert content(alice, here, mine)["body"] == "no"
    with pytest.raises(NotFoundError):
        homeserver.admin.synapse.moderation.redact_status("no/such+id")


def test_user_redact_waits_until_all_messages_are_redacted(
    homeserver: Homeserver, newcomer: Newcomer, synadmin: Synadmin
) -> None:
    del homeserver
    alice, spammer = newcomer("alice"), newcomer("spammer")
    room_id = alice.make_room("Club", members=[spammer], alias=alice.user_id[1:].partition(":")[0])
    events = [send_message(spammer, room_id, text) for text in ("one", "two")]

    unconfirmed = synadmin("user", "redact", spammer.user_id)
    dry_run = synadmin("user", "redact", spammer.user_id, "--limit", "5", "--dry-run", "-o", "ndjson")
    untouched = content(alice, room_id, events[0])
    done = synadmin("user", "redact", spammer.user_id, "--reason", "spam", "--yes", "-o", "ndjson")
    outcome = json.loads(done.stdout)
    status = synadmin("user", "redact-status", outcome["redact_id"], "-o", "json")

    assert unconfirmed.code == 2
    assert json.loads(dry_run.stdout)["body"] == {"rooms": [room_id], "limit": 5}
    assert untouched["body"] == "one"
    assert (done.code, outcome["outcome"]) == (0, "done")
    assert [content(alice, room_id, event) for event in events] == [{}, {}]
    assert json.loads(status.stdout)["status"] == "complete"
    assert status.code == 0


def test_redaction_can_be_detached_and_reports_failed_messages(
    homeserver: Homeserver, newcomer: Newcomer, synadmin: Synadmin
) -> None:
    alice, spammer = newcomer("alice"), newcomer("spammer")
    room_id = alice.make_room("Club", members=[spammer])
    event = send_message(spammer, room_id, "one")
    # The server admin is not in the room, so the redaction fails.
    flags = ["--use-admin", "--room", room_id, "--yes"]

    detached = synadmin("user", "redact", spammer.user_id, *flags, "--no-wait", "-o", "ndjson")
    started = json.loads(detached.stdout)
    followed = synadmin("user", "redact-status", started["redact_id"], "--wait", "-o", "json")
    waited = synadmin("user", "redact", spammer.user_id, *flags)

    assert (detached.code, started["outcome"]) == (0, "pending")
    assert followed.code == 6
    assert event in json.loads(followed.stdout)["failed_redactions"]
    assert wait_for_redaction(homeserver, started["redact_id"]).failed_redactions
    assert waited.code == 1
    assert "0 of 2 messages" in waited.stderr
    assert content(alice, room_id, event)["body"] == "one"
    assert synadmin("user", "redact-status", "nonsense/+").code == 4
