"""History purges of rooms, with the library and with commands, on a real Synapse."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING

import pytest

from synadmin.errors import NotFoundError

if TYPE_CHECKING:
    from collections.abc import Callable

    from synadmin.ids import EventId, RoomId
    from synadmin.sandbox.homeserver import Homeserver
    from tests.live.conftest import Newcomer, Synadmin


@pytest.fixture
def topics(newcomer: Newcomer) -> tuple[RoomId, list[EventId]]:
    """Return a room, and the ids of five topic events of a local user."""
    alice = newcomer("alice")
    room_id = alice.make_room("Club")
    return room_id, [alice.send_state(room_id, "m.room.topic", {"topic": str(number)}) for number in range(5)]


def wait_until_finished(poll: Callable[[], str]) -> str:
    until = time.monotonic() + 60
    while (status := poll()) in {"active", "scheduled"}:
        assert time.monotonic() < until
        time.sleep(0.05)
    return status


def remaining_events(homeserver: Homeserver, room_id: RoomId) -> list[EventId | None]:
    return [event.event_id for event in homeserver.admin.synapse.events.messages(room_id)]


def test_purge_removes_events_before_an_event(
    homeserver: Homeserver, topics: tuple[RoomId, list[EventId]]
) -> None:
    room_id, events = topics
    history = homeserver.admin.synapse.history

    started = history.purge(room_id, up_to_event_id=events[3], delete_local_events=True)

    assert wait_until_finished(lambda: history.purge_status(started.purge_id).status) == "complete"
    assert remaining_events(homeserver, room_id) == events[3:]


def test_nothing_to_purge_and_unknown_purge_id_are_not_found(
    homeserver: Homeserver, topics: tuple[RoomId, list[EventId]]
) -> None:
    room_id, _ = topics
    history = homeserver.admin.synapse.history

    with pytest.raises(NotFoundError):
        history.purge(room_id, up_to_ts=1)
    with pytest.raises(NotFoundError):
        history.purge_status("no/such+purge=")


def test_command_purges_events_before_a_time_and_waits(
    homeserver: Homeserver, topics: tuple[RoomId, list[EventId]], synadmin: Synadmin
) -> None:
    room_id, events = topics

    answer = synadmin(
        "room", "purge-history", room_id, "--before", "0s", "--delete-local-events", "--yes", "-o", "json"
    )

    (result,) = json.loads(answer.stdout)
    assert answer.code == 0, answer.stderr
    assert (result["outcome"], result["status"]) == ("done", "complete")
    assert result["message"].startswith("deleted: events before ")
    assert result["message"].endswith("; kept: the state of the room")
    assert remaining_events(homeserver, room_id) == events[-1:]


def test_command_can_be_detached_and_followed_again(
    homeserver: Homeserver, topics: tuple[RoomId, list[EventId]], synadmin: Synadmin
) -> None:
    room_id, events = topics

    started = synadmin(
        *("room", "purge-history", room_id, "--before", events[2], "--delete-local-events"),
        *("--no-wait", "--yes", "-o", "json"),
    )
    (result,) = json.loads(started.stdout)
    waited = synadmin("room", "purge-status", result["purge_id"], "--wait")
    status = synadmin("room", "purge-status", result["purge_id"], "-o", "json")
    unknown = synadmin("room", "purge-status", "nonsense")

    assert started.code == 0
    assert result["outcome"] == "pending"
    assert result["purge_id"] in result["message"]
    assert waited.stdout.split() == ["status", "complete", "error", "-"]
    assert json.loads(status.stdout) == {"status": "complete"}
    assert unknown.code == 4
    assert remaining_events(homeserver, room_id) == events[2:]


def test_nothing_is_purged_without_a_yes_or_in_a_dry_run(
    homeserver: Homeserver, topics: tuple[RoomId, list[EventId]], synadmin: Synadmin
) -> None:
    room_id, events = topics
    command = ("room", "purge-history", room_id, "--delete-local-events")

    unconfirmed = synadmin(*command, "--before", events[3])
    dry_run = synadmin(*command, "--before", events[3], "--dry-run", "-o", "json")
    elsewhere = synadmin(*command, "#other:club.example", "--before", events[3])
    nonsense = synadmin(*command, "--before", "yesterday")

    assert (unconfirmed.code, dry_run.code, elsewhere.code, nonsense.code) == (2, 0, 2, 2)
    assert json.loads(dry_run.stdout)[0]["body"] == {
        "purge_up_to_event_id": events[3],
        "delete_local_events": True,
    }
    assert len(remaining_events(homeserver, room_id)) > len(events)
