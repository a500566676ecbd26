"""Reading and changing a room as one of its members, with only the user's own token."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from synadmin.api.client_server import MemberEvent
from synadmin.api.rooms import StateEvent
from synadmin.client import Synapse
from synadmin.errors import NotFoundError
from synadmin.ids import EventId, RoomAlias, RoomId, UserId, server_name_of
from synadmin.power.events import CREATE, JOIN_RULES, MEMBER, NAME, POWER_LEVELS, creators
from synadmin.power.room import RoomView


@dataclass(frozen=True, slots=True)
class Member:
    """A room member who reads and changes rooms with their own token."""

    synapse: Synapse

    @property
    def user_id(self) -> UserId:
        """The member's user id."""
        return self.synapse.owner

    def resolved(self, room: RoomId | RoomAlias) -> RoomId:
        """Return the room id of a room that may be given by alias."""
        if room.startswith("#"):
            return self.synapse.client_server.resolve_alias(RoomAlias(room)).room_id
        return RoomId(room)

    def view_of(self, room_id: RoomId, *others: UserId) -> RoomView:
        """Return a view of a room with this member and the others named.

        Raises:
            NotPermittedError: this user is not in the room.
        """
        create = self._state(room_id, CREATE, event=True)
        if create is None:
            raise NotFoundError(
                status=404, errcode="M_NOT_FOUND", reason=f"you cannot read the state of {room_id}"
            )
        content = create.get("content")
        content = content if isinstance(content, dict) else {}
        join_rules = self._state(room_id, JOIN_RULES) or {}
        users = (self.user_id, *others)
        return RoomView(
            room_id=room_id,
            version=str(content.get("room_version", "1")),
            creators=creators(str(create.get("sender")), content),
            power_levels=self._state(room_id, POWER_LEVELS),
            server_name=server_name_of(self.user_id),
            join_rule=str(join_rules.get("join_rule", "invite")),
            memberships={user: self.membership(room_id, user) for user in users},
            federate=content.get("m.federate", True) is True,
            joined_local_members=1,
            joined_members=1,
        )

    def name(self, room_id: RoomId) -> str | None:
        """Return the room's name."""
        name = (self._state(room_id, NAME) or {}).get("name")
        return name if isinstance(name, str) else None

    def membership(self, room_id: RoomId, user: UserId) -> str:
        """Return a user's membership; ``leave`` for a user who never was in the room."""
        return str((self._state(room_id, MEMBER, user) or {}).get("membership", "leave"))

    def state_event(self, room_id: RoomId, event_type: str) -> StateEvent | None:
        """Return a room's state event of a type with an empty state key, read again."""
        event = self._state(room_id, event_type, event=True)
        return None if event is None else msgspec.convert(event, StateEvent)

    def newest_events(self, room_id: RoomId, count: int) -> Iterable[MemberEvent]:
        """Return at most ``count`` events that this member may see, the newest first."""
        return self.synapse.client_server.newest_events(room_id, limit=count)

    def content_of(self, room_id: RoomId, event_id: EventId) -> Mapping[str, Any]:
        """Return the content of an event that may no longer be part of the state."""
        return self.synapse.client_server.event(room_id, event_id).content

    def _state(
        self,
        room_id: RoomId,
        event_type: str,
        key: str = "",
        *,
        event: bool = False,
    ) -> Mapping[str, Any] | None:
        try:
            return self.synapse.client_server.state_event(room_id, event_type, key, whole=event)
        except NotFoundError:
            return None
