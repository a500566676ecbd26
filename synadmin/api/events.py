"""Events of all rooms, whether or not the admin has joined them.

Source: Synapse, ``docs/admin_api/rooms.md``, ``docs/admin_api/fetch_event.md``,
``synapse/rest/admin/rooms.py`` and ``synapse/rest/admin/events.py``.
"""

from collections.abc import Mapping
from typing import Any

import msgspec

from synadmin.http.endpoint import Endpoint, Paged, Record
from synadmin.http.group import ResourceGroup
from synadmin.http.paging import Pager
from synadmin.ids import EventId, RoomId, UserId


class Event(Record, frozen=True, kw_only=True):
    """An event, in the format of clients or of federation.

    Servers exchange ``auth_events`` to ``signatures``; only clients see ``age`` to ``replaces_state``.

    Attributes:
        origin_server_ts: milliseconds since the epoch, by the clock of the sender's server.
        content: its content; empty where it was redacted, except from :meth:`Events.fetch`.
        age: the milliseconds from ``origin_server_ts`` to the server's answer.
        room_id: absent from the create event of a room of version 12 or newer, as servers exchange it.
    """

    type: str
    sender: UserId
    content: dict[str, Any]
    origin_server_ts: int
    event_id: EventId | None = None
    room_id: RoomId | None = None
    state_key: str | None = None
    redacts: EventId | None = None
    unsigned: dict[str, Any] | None = None
    auth_events: tuple[Any, ...] = ()
    prev_events: tuple[Any, ...] = ()
    depth: int | None = None
    hashes: dict[str, str] | None = None
    signatures: dict[str, dict[str, str]] | None = None
    origin: str | None = None
    age: int | None = None
    user_id: UserId | None = None
    redacted_because: dict[str, Any] | None = None
    prev_content: dict[str, Any] | None = None
    replaces_state: EventId | None = None
    invite_room_state: tuple[dict[str, Any], ...] | None = None
    knock_room_state: tuple[dict[str, Any], ...] | None = None


class EventContext(Record, frozen=True, kw_only=True):
    """An event, with the events before and after it.

    Attributes:
        events_before: the newest first.
        event: the event itself.
        events_after: the oldest first.
        state: the state of the room at the last of these events; with a filter that has
            ``lazy_load_members``, only the members who sent one of them.
        start: the token from which :meth:`Events.messages` continues backwards.
        end: the token from which it continues forwards.
    """

    events_before: tuple[Event, ...]
    event: Event
    events_after: tuple[Event, ...]
    state: tuple[Event, ...]
    start: str
    end: str


class EventAtTime(Record, frozen=True, kw_only=True):
    """The event that is closest to a time; ``origin_server_ts`` is in milliseconds since the epoch."""

    event_id: EventId
    origin_server_ts: int


class FetchedEvent(Record, frozen=True, kw_only=True):
    """An event in the format of federation."""

    event: Event


MESSAGES = Paged(
    "GET",
    "/_synapse/admin/v1/rooms/{room_id}/messages",
    Event,
    items="chunk",
    next="end",
    total=None,
    key="event_id",
)
CONTEXT = Endpoint("GET", "/_synapse/admin/v1/rooms/{room_id}/context/{event_id}", EventContext)
AT_TIME = Endpoint("GET", "/_synapse/admin/v1/rooms/{room_id}/timestamp_to_event", EventAtTime)
FETCH = Endpoint("GET", "/_synapse/admin/v1/fetch_event/{event_id}", FetchedEvent, since="1.140")


class Events(ResourceGroup):
    """Events: ``synapse.events``."""

    def messages(
        self,
        room_id: str,
        *,
        backwards: bool = False,
        start: str | None = None,
        end: str | None = None,
        filter: Mapping[str, Any] | None = None,  # noqa: A002  Synapse's name
        raw: bool = False,
        page_size: int = 500,
    ) -> Pager[Event]:
        """Walk a room's events, the oldest first, including state events.

        Args:
            room_id: the room.
            backwards: walk from the newest event to the oldest.
            start: the token to start from, as :meth:`context` returns it; None: the oldest event, or with
                ``backwards`` the newest.
            end: the token to stop at.
            filter: a ``RoomEventFilter`` of the specification: ``{"types": [...]}``.
            raw: return the events in the format of federation.
            page_size: events a request; Synapse gives 1000 at most.

        Source: ``RoomMessagesRestServlet``.
        """
        return self._walk(
            MESSAGES,
            query={
                "from": start,
                "to": end,
                "dir": "b" if backwards else None,
                "limit": page_size,
                "filter": _as_json(filter),
                # Synapse looks only at whether the parameter is present.
                "raw": True if raw else None,
            },
            room_id=room_id,
        )

    def context(
        self,
        room_id: str,
        event_id: str,
        *,
        limit: int | None = None,
        filter: Mapping[str, Any] | None = None,  # noqa: A002  Synapse's name
    ) -> EventContext:
        """Return an event with the events before and after it.

        Args:
            room_id: the room.
            event_id: the event.
            limit: how many events before and after it in total; Synapse's default is 10.
            filter: a ``RoomEventFilter`` of the specification.

        Raises:
            NotFoundError: there is no such event in this room.

        Source: ``RoomEventContextServlet``.
        """
        query = {"limit": limit, "filter": _as_json(filter)}
        return self._send(CONTEXT, query=query, room_id=room_id, event_id=event_id)

    def at_time(self, room_id: str, timestamp: int, *, backwards: bool = False) -> EventAtTime:
        """Return the first event at or after a time. May ask other servers for it.

        Args:
            room_id: the room.
            timestamp: the time, in milliseconds since the epoch.
            backwards: return the last event at or before the time instead.

        Raises:
            NotFoundError: there is no such event.

        Source: ``RoomTimestampToEventRestServlet``.
        """
        query = {"ts": timestamp, "dir": "b" if backwards else None}
        return self._send(AT_TIME, query=query, room_id=room_id)

    def fetch(self, event_id: str) -> FetchedEvent:
        """Return an event of any room, with its content even where it was redacted.

        Synapse keeps the content of redacted events for a week, unless configured otherwise.

        Raises:
            NotFoundError: the server does not have the event.

        Source: ``EventRestServlet``.
        """
        return self._send(FETCH, event_id=event_id)


def _as_json(filter: Mapping[str, Any] | None) -> str | None:  # noqa: A002  Synapse's name
    return None if filter is None else msgspec.json.encode(filter).decode()
