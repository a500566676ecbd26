"""Reads the facts of one room that the rules need."""

from contextlib import suppress
from dataclasses import KW_ONLY, dataclass, field, replace

from synadmin.api.rooms import Room
from synadmin.audit.facts import RoomFacts
from synadmin.audit.gather.power_holders import PowerHolders
from synadmin.audit.gather.room_events import RoomEvents
from synadmin.client import Synapse
from synadmin.errors import NotSupportedError
from synadmin.ids import UserId, server_name_of
from synadmin.power.events import CREATE, creators


@dataclass(slots=True)
class RoomReader:
    """Reads one room while it is checked.

    Attributes:
        room: the room as the list has it.
        events: its state.
        has_few_events: all of its state is a short answer.
        reads_all: all of its state is read in one request; it names the members.
        asks_everything: everything is read of each room.
        creators_known: all its creators are known.
        members: the joined users; None where they were not read.
    """

    synapse: Synapse
    holders: PowerHolders
    room: Room
    events: RoomEvents
    _: KW_ONLY
    has_few_events: bool
    reads_all: bool
    asks_everything: bool
    creators_known: bool = False
    members: frozenset[UserId] | None = field(default=None)

    def is_in(self, user: UserId) -> bool:
        """Return whether a user is joined."""
        if self.reads_all and self.events.is_complete:
            return user in self.joined()
        return self.holders.is_in(user, self.room.room_id)

    def membership(self, user: UserId) -> str:
        """Return the membership of a user who is not joined: invite, knock, ban or leave."""
        if user in self.holders.without:
            return "leave"
        if not self.events.is_complete:
            # Synapse before 1.145 does not list memberships: the room's member events have them.
            with suppress(NotSupportedError):
                return self.holders.membership(user, self.room.room_id)
        return self.events.memberships().get(user, "leave")

    def local_members(self) -> int | None:
        """Return how many local users are joined; None where they were not read."""
        if self.reads_all and self.events.is_complete:
            return sum(server_name_of(user) == self.holders.server_name for user in self.joined())
        return self.holders.local_members(self.room.room_id)

    def joined(self) -> frozenset[UserId]:
        """Return the joined users, without those who are treated as deactivated."""
        if self.members is None:
            if self.events.is_complete:
                how = self.events.memberships()
                members = [UserId(user) for user, membership in how.items() if membership == "join"]
            else:
                members = list(self.synapse.rooms.members(self.room.room_id).members)
            self.members = frozenset(members).difference(self.holders.without)
        return self.members

    def creators(self, fallback: tuple[UserId, ...]) -> tuple[UserId, ...]:
        """Return the creators that the room's first event names."""
        self.creators_known = True
        event = self.events.single(CREATE)
        if event is None:
            return fallback
        return creators(event.sender, event.content)

    def with_members(self, facts: RoomFacts) -> RoomFacts:
        """Return the facts with the room's members in them."""
        view, members = facts.view, self.joined()
        users = dict.fromkeys((*view.memberships, *facts.with_power))
        memberships = {
            user: "join" if user in members else view.memberships.get(user, "leave").replace("join", "leave")
            for user in users
        }
        local = sum(map(view.is_local, members))
        view = replace(view, memberships=memberships, joined_local_members=local, joined_members=len(members))
        return replace(facts, view=view)
