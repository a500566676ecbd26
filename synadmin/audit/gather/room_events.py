"""The current state of a room, asked for as far as it is needed."""

from collections.abc import Callable

from synadmin.api.rooms import RoomState, StateEvent


class RoomEvents:
    """The current state of a room, asked for by event type, each type once.

    Synapse before 1.127 answers with all of the state whatever is asked for; that is kept then.
    """

    def __init__(self, ask: Callable[[str | None], RoomState]) -> None:
        """Begin, with nothing known.

        Args:
            ask: asks for the events of a type; for all events where it is None.
        """
        self._ask = ask
        self._events: dict[str, list[StateEvent]] = {}
        self._is_whole = False

    def of(self, event_type: str) -> list[StateEvent]:
        """Return the events of a type."""
        if event_type not in self._events and not self._is_whole:
            self._read(event_type)
        return self._events.get(event_type, [])

    def single(self, event_type: str) -> StateEvent | None:
        """Return the event of a type of which a room has no more than one."""
        return next((event for event in self.of(event_type) if not event.state_key), None)

    def count(self) -> int:
        """Return how many state events there are."""
        if not self._is_whole:
            self._read(None)
        return sum(map(len, self._events.values()))

    def _read(self, event_type: str | None) -> None:
        state = self._ask(event_type).state
        if event_type is None or any(event.type != event_type for event in state):
            self._is_whole = True
            self._events.clear()
        else:
            self._events[event_type] = []
        for event in state:
            self._events.setdefault(event.type, []).append(event)


def text_of(event: StateEvent | None, name: str) -> str | None:
    """Return a text of an event's content; None where it has none of that name."""
    value = None if event is None else event.content.get(name)
    return value if isinstance(value, str) else None
