"""Write rooms and users into the PostgreSQL database of a Synapse. Synapse itself would need hours for them.

60 % of the rooms are direct chats, 20 % have members on other servers, and 3 % are without control, because
their only admin has left. There are twice as many users as rooms; 5 % of the users have not been active for a
year. Event ids are the hashes of the events, which Synapse checks. There are no state groups, so the rooms
can be read, but no event can be sent into them. The random seed is fixed: each run writes the same rooms.
"""

import contextlib
import json
import random
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from io import StringIO
from typing import Any

import psycopg2
from synapse.api.room_versions import RoomVersions
from synapse.events import make_event_from_dict

VERSION = RoomVersions.V11
EPOCH = 1_700_000_000_000  # milliseconds
MANY = 1_000  # users with power in each of the two rooms of fill_holders()
BATCH = 20_000  # events
# Rooms of each kind, of a hundred rooms.
DIRECT, FEDERATED, LOST = 60, 20, 3
DORMANT = 5  # of a hundred users
DAY = 86_400  # seconds
YEAR = 400  # days
# The tables to fill, with the columns that need a value.
TABLES = {
    "users": "name, creation_ts, admin, is_guest, deactivated, approved",
    "profiles": "user_id, displayname, full_user_id",
    "devices": "user_id, device_id, last_seen, hidden",
    "rooms": "room_id, is_public, creator, room_version, has_auth_chain_index",
    "events": "stream_ordering, topological_ordering, event_id, type, room_id, processed, outlier, depth, "
    "origin_server_ts, received_ts, sender, contains_url, instance_name, state_key",
    "event_json": "event_id, room_id, internal_metadata, json, format_version",
    "state_events": "event_id, room_id, type, state_key",
    "current_state_events": "event_id, room_id, type, state_key, membership, event_stream_ordering",
    "room_memberships": "event_id, user_id, sender, room_id, membership, forgotten, display_name, "
    "event_stream_ordering",
    "local_current_membership": "room_id, user_id, event_id, membership, event_stream_ordering",
    "event_forward_extremities": "event_id, room_id",
    "room_stats_state": "room_id, name, join_rules, history_visibility, guest_access, is_federatable",
    "room_stats_current": "room_id, current_state_events, joined_members, invited_members, left_members, "
    "banned_members, local_users_in_room, completed_delta_stream_id, knocked_members",
}


@dataclass
class Room:
    """A room to write, with its members and power levels.

    Attributes:
        kind: the first word of the name; None for a direct chat, which has no name.
        memberships: the membership of each user id; the creator is the first.
        levels: the power level of each user id.
    """

    room_id: str
    kind: str | None
    memberships: dict[str, str]
    levels: dict[str, int]


@dataclass
class Filler:
    """Collects rows in memory, and copies them into the database.

    Attributes:
        server_name: the server name of the Synapse.
        position: the stream ordering of the last event.
    """

    database: Mapping[str, Any]
    server_name: str
    position: int
    rows: dict[str, StringIO] = field(default_factory=lambda: {name: StringIO() for name in TABLES})

    def add(self, table: str, *values: object) -> None:
        """Add a row. No value has a tab, a newline or a backslash, so they need no escapes."""
        self.rows[table].write("\t".join("\\N" if value is None else str(value) for value in values) + "\n")

    def user(self, number: int, *, deactivated: bool) -> None:
        """Add an account."""
        user_id = self.user_id(number)
        self.add("users", user_id, EPOCH // 1000 + number, 0, 0, int(deactivated), "t")
        self.add("profiles", f"user-{number}", f"User {number}", user_id)
        days = YEAR if number % 100 < DORMANT else number % 28
        self.add("devices", user_id, "PHONE", int(time.time() - days * DAY) * 1000, "f")

    def user_id(self, number: int) -> str:
        """Return the id of the account with this number."""
        return f"@user-{number}:{self.server_name}"

    def room(self, room: Room) -> None:
        """Add a room with the initial state events of Synapse, and with its memberships."""
        creator, *others = room.memberships
        self.add("rooms", room.room_id, "f", creator, VERSION.identifier, "t")
        chain: list[tuple[str, str, dict[str, Any]]] = [
            ("m.room.create", "", {"room_version": VERSION.identifier}),
            ("m.room.member", creator, {"membership": room.memberships[creator]}),
            ("m.room.power_levels", "", {**LEVELS, "users": room.levels}),
            ("m.room.join_rules", "", {"join_rule": "invite"}),
            ("m.room.history_visibility", "", {"history_visibility": "shared"}),
            ("m.room.guest_access", "", {"guest_access": "can_join"}),
        ]
        name = None if room.kind is None else f"{room.kind} room {room.room_id[1:9]}"
        if name is not None:
            chain.append(("m.room.name", "", {"name": name}))
        chain += [("m.room.member", user_id, {"membership": room.memberships[user_id]}) for user_id in others]
        last: tuple[int, str | None] = 0, None
        for state in chain:
            sender = state[1] if state[0] == "m.room.member" else creator
            last = self._event(room.room_id, state, sender, last)
        self.add("event_forward_extremities", last[1], room.room_id)
        self.add("room_stats_state", room.room_id, name, "invite", "shared", "can_join", "t")
        joined = [user_id for user_id, membership in room.memberships.items() if membership == "join"]
        local = [user_id for user_id in joined if self._is_local(user_id)]
        counts = (len(joined), 0, len(room.memberships) - len(joined), 0, len(local), 1, 0)
        self.add("room_stats_current", room.room_id, len(chain), *counts)

    def _event(
        self,
        room_id: str,
        state: tuple[str, str, dict[str, Any]],
        sender: str,
        previous: tuple[int, str | None],
    ) -> tuple[int, str]:
        """Add a state event after the previous one; return its depth and its id."""
        kind, key, content = state
        depth = previous[0] + 1
        self.position += 1
        position, sent = self.position, EPOCH + self.position
        event = {
            "type": kind,
            "state_key": key,
            "room_id": room_id,
            "sender": sender,
            "content": content,
            "depth": depth,
            "origin_server_ts": sent,
            "prev_events": [previous[1]] if previous[1] else [],
            "auth_events": [],
            "hashes": {"sha256": f"{position:043d}"},
            "signatures": {},
        }
        event_id = make_event_from_dict(event, VERSION).event_id
        encoded = json.dumps({**event, "unsigned": {}}, separators=(",", ":"))
        where = (event_id, room_id, kind, key)
        self.add(
            "events",
            position,
            depth,
            event_id,
            kind,
            room_id,
            "t",
            "f",
            depth,
            sent,
            sent,
            sender,
            "f",
            "master",
            key,
        )
        self.add("event_json", event_id, room_id, "{}", encoded, VERSION.event_format)
        self.add("state_events", *where)
        membership = content.get("membership")
        self.add("current_state_events", *where, membership, position)
        if membership is not None:
            name = key[1:].partition(":")[0]
            self.add("room_memberships", event_id, key, sender, room_id, membership, 0, name, position)
            if self._is_local(key):
                self.add("local_current_membership", room_id, key, event_id, membership, position)
        return depth, event_id

    def _is_local(self, user_id: str) -> bool:
        return user_id.endswith(f":{self.server_name}")

    def write(self) -> None:
        """Copy the rows into the database, and clear them."""
        with (
            contextlib.closing(psycopg2.connect(**self.database)) as session,
            session,
            session.cursor() as cursor,
        ):
            for table, columns in TABLES.items():
                self.rows[table].seek(0)
                cursor.copy_expert(f"COPY {table} ({columns}) FROM STDIN", self.rows[table])
                self.rows[table] = StringIO()


LEVELS = {
    "users_default": 0,
    "events_default": 0,
    "state_default": 50,
    "ban": 50,
    "kick": 50,
    "redact": 50,
    "invite": 0,
    "events": {"m.room.power_levels": 100, "m.room.history_visibility": 100, "m.room.tombstone": 100},
}


def fill(database: Mapping[str, Any], server_name: str, rooms: int) -> None:
    """Fill the database of a stopped Synapse that already has a server admin.

    Args:
        database: the connection arguments for ``psycopg2``.
        server_name: the server name of the Synapse.
        rooms: the number of rooms.
    """
    with open_filler(database, server_name) as filler:
        users = 2 * rooms
        for number in range(users):
            # The last users are deactivated, and have no rooms.
            filler.user(number, deactivated=number >= users - users // 100)
        written = filler.position
        for room in random_rooms(filler, rooms, users - users // 100):
            filler.room(room)
            if filler.position - written > BATCH:
                filler.write()
                written = filler.position


def fill_holders(database: Mapping[str, Any], server_name: str) -> None:
    """Add two rooms with a thousand power holders: in one they are joined, in the other they have left."""
    with open_filler(database, server_name) as filler:
        holders = {filler.user_id(number): 100 for number in range(MANY)}
        filler.room(Room(joined_holders(server_name), "Joined", dict.fromkeys(holders, "join"), holders))
        gone = dict.fromkeys(holders, "leave") | {
            filler.user_id(MANY + number): "join" for number in range(2)
        }
        filler.room(Room(departed_holders(server_name), "Departed", gone, holders))


@contextlib.contextmanager
def open_filler(database: Mapping[str, Any], server_name: str) -> Iterator[Filler]:
    """Yield a filler that continues after the last event; then write its rows and the stream positions."""
    with contextlib.closing(psycopg2.connect(**database)) as session, session.cursor() as cursor:
        session.autocommit = True
        cursor.execute("SELECT coalesce(max(stream_ordering), 1) FROM events")
        (position,) = cursor.fetchone() or (1,)
        filler = Filler(database, server_name, position)
        yield filler
        filler.write()
        cursor.execute("SELECT setval('events_stream_seq', %s)", (filler.position,))
        # Synapse must not process these events again.
        cursor.execute("UPDATE federation_stream_position SET stream_id = %s", (filler.position,))
        cursor.execute("UPDATE room_forgetter_stream_pos SET stream_id = %s", (filler.position,))
        cursor.execute("UPDATE appservice_stream_position SET stream_ordering = %s", (filler.position,))
        cursor.execute("VACUUM ANALYZE")


def joined_holders(server_name: str) -> str:
    """Return the id of a room in which a thousand local users have level 100."""
    return f"!joined-holders:{server_name}"


def departed_holders(server_name: str) -> str:
    """Return the id of a room that a thousand local users with level 100 have left."""
    return f"!departed-holders:{server_name}"


def random_rooms(filler: Filler, rooms: int, users: int) -> Iterator[Room]:
    """Generate random rooms."""
    generator = random.Random(1)  # noqa: S311 - the same rooms each time
    for number in range(rooms):
        room_id = f"!{number:06d}{generator.getrandbits(60):015x}:{filler.server_name}"
        share = number % 100

        def random_users(count: int) -> list[str]:
            return [filler.user_id(user) for user in generator.sample(range(users), count)]

        if share < DIRECT:
            pair = random_users(2)
            yield Room(room_id, None, dict.fromkeys(pair, "join"), dict.fromkeys(pair, 100))
            continue
        local = random_users(generator.randint(3, 8))
        memberships, levels = dict.fromkeys(local, "join"), {local[0]: 100, local[1]: 50}
        if share < DIRECT + FEDERATED:
            remote_users = [
                f"@guest-{generator.randrange(5000)}:server-{generator.randrange(50)}.example"
                for _ in range(3)
            ]
            yield Room(room_id, "Federated", memberships | dict.fromkeys(remote_users, "join"), levels)
        elif share < DIRECT + FEDERATED + LOST:
            yield Room(room_id, "Lost", memberships | {local[0]: "leave"}, levels)
        else:
            yield Room(room_id, "Club", memberships, levels)
