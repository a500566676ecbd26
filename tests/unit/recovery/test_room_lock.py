"""Two runs on one room: the second waits and says so."""

from __future__ import annotations

from threading import Event, Thread
from typing import TYPE_CHECKING

from synadmin.ids import RoomId
from synadmin.recovery.room_lock import room_lock

if TYPE_CHECKING:
    from synadmin.client import Synapse
    from synadmin.journal import Journal

ROOM = RoomId("!chess:example.org")
TIMEOUT = 60  # seconds, after which the test fails


def test_second_run_waits_for_the_room_lock(synapse: Synapse, journal: Journal) -> None:
    messages: list[str] = []
    events: list[str] = []
    waits = Event()

    def say(message: str) -> None:
        messages.append(message)
        waits.set()

    def second_run() -> None:
        with room_lock(synapse, journal, ROOM, say) as waited:
            events.append(f"second run, waited: {waited}")
        waits.set()

    thread = Thread(target=second_run)
    with room_lock(synapse, journal, ROOM) as waited:
        assert not waited
        thread.start()
        assert waits.wait(TIMEOUT)
        events.append("first run ends")
    thread.join(TIMEOUT)

    assert events == ["first run ends", "second run, waited: True"]
    assert messages == [f"Another run is changing {ROOM}: waiting for it to end."]
