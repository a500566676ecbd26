"""The current state of a room, read as far as it is needed."""

from collections.abc import Callable, Mapping

from synadmin.api.rooms import RoomState, StateEvent
from synadmin.power.events import MEMBER


class RoomEvents:
    """The current state of a room, read by event type, each type once, or all at once.

    Synapse before 1.127 always answers with all of the state; then all of it is kept.

    Attributes:
        is_complete: all of the state is known.
    """

    def __init__(self, ask: Callable[[str | None], RoomState]) -> None:
        """Create the reader; no request is sent yet.

        Args:
            ask: asks for the events of a type; for all events where it is None.
        """
        self._ask = ask
        self._events: dict[str, list[StateEvent]] = {}
        # Of the member events only this is kept: there are many.
        self._memberships: dict[str, str] | None = None
        self._count = 0
        self.is_complete = False

    def single(self, event_type: str) -> StateEvent | None:
        """Return the event of a type with an empty state key."""
        if event_type not in self._events and not self.is_complete:
            self._read(event_type)
        return next((event for event in self._events.get(event_type, ()) if not event.state_key), None)

    def memberships(self) -> Mapping[str, str]:
        """Return the membership of each user who has one."""
        if self._memberships is None:
            self._read(MEMBER)
        return self._memberships or {}

    def count(self) -> int:
        """Return the number of state events."""
        self.read_all()
        return self._count

    def read_all(self) -> None:
        """Ask for all of the state, unless it is known."""
        if not self.is_complete:
            self._read(None)

    def _read(self, event_type: str | None) -> None:
        state = self._ask(event_type).state
        if event_type is None or any(event.type != event_type for event in state):
            self.is_complete = True
            self._count = len(state)
            self._events.clear()
        else:
            self._events[event_type] = []
        if self.is_complete or event_type == MEMBER:
            self._memberships = {
                event.state_key: text_of(event, "membership") or "leave"
                for event in state
                if event.type == MEMBER
            }
        for event in state:
            if event.type != MEMBER:
                self._events.setdefault(event.type, []).append(event)


def text_of(event: StateEvent | None, name: str) -> str | None:
    """Return a text of an event's content; None where it has none of that name."""
    value = None if event is None else event.content.get(name)
    return value if isinstance(value, str) else None
