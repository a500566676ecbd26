"""Statistics of a Synapse with a real PostgreSQL: the rooms with the most data."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, NamedTuple

import pytest

from synadmin.errors import ServerError
from synadmin.sandbox.homeserver import Homeserver
from tests.live.postgresql import execute, postgresql

if TYPE_CHECKING:
    from collections.abc import Iterator

    from synadmin.ids import RoomId
    from tests.live.conftest import Newcomer, Synadmin
    from tests.live.postgresql import Connection

_MANY, _FEW = 20, 2  # messages


class FilledServer(NamedTuple):
    """A Synapse on PostgreSQL with two rooms."""

    server: Homeserver
    database: Connection
    busy: RoomId
    quiet: RoomId


@pytest.fixture(scope="module")
def new_server() -> Iterator[tuple[Homeserver, Connection]]:
    """A new Synapse on PostgreSQL."""
    with postgresql() as database:
        config = {"database": {"name": "psycopg2", "args": {**database, "cp_min": 1, "cp_max": 5}}}
        with Homeserver(server_name="postgresql.example", extra_config=config) as server:
            yield server, database


@pytest.fixture(scope="module")
def filled_server(new_server: tuple[Homeserver, Connection]) -> FilledServer:
    """The same Synapse with messages in two rooms, and with statistics of PostgreSQL about its tables."""
    server, database = new_server
    alice, bob = server.register("alice"), server.register("bob")
    rooms = []
    for name, number in (("Busy", _MANY), ("Quiet", _FEW)):
        room_id = alice.make_room(name, members=[bob])
        for index in range(number):
            content = {"msgtype": "m.text", "body": f"{name}: message {index}"}
            alice.synapse.client_server.send_event(
                room_id, "m.room.message", content, txn_id=f"{name}-{index}"
            )
        rooms.append(room_id)
    execute(
        database,
        # Only old Synapse versions filled this column, and the endpoint fails if it is empty.
        "UPDATE event_edges SET room_id = e.room_id FROM events e WHERE e.event_id = event_edges.event_id",
        "ANALYZE",
    )
    busy, quiet = rooms
    return FilledServer(server, database, busy, quiet)


def test_new_database_has_no_room_sizes_and_the_command_says_why(
    new_server: tuple[Homeserver, Connection], synadmin: Synadmin
) -> None:
    server, _ = new_server

    with pytest.raises(ServerError) as failed:
        server.admin.synapse.statistics.rooms()
    answer = synadmin("stats", "rooms", server=server)

    assert failed.value.status == 500
    assert (answer.code, answer.stdout) == (1, "")
    assert "PostgreSQL has no statistics of a table" in answer.stderr


def test_room_with_most_messages_is_the_largest(filled_server: FilledServer, synadmin: Synadmin) -> None:
    server, _, busy, quiet = filled_server

    sizes = server.admin.synapse.statistics.rooms().rooms
    listed = json.loads(synadmin("stats", "rooms", "-o", "json", server=server).stdout)
    table = synadmin("stats", "rooms", server=server)

    assert [size.room_id for size in sizes] == [busy, quiet]
    assert sizes[0].estimated_size > sizes[1].estimated_size > 0
    assert listed == [{"room_id": size.room_id, "estimated_size": size.estimated_size} for size in sizes]
    assert table.code == 0
    title, _rule, *lines = table.stdout.splitlines()
    assert title.split() == ["room", "size"]
    assert [line.split() for line in lines] == [[size.room_id, str(size.estimated_size)] for size in sizes]


def test_media_statistics_are_the_same_on_postgresql(
    filled_server: FilledServer, newcomer: Newcomer, synadmin: Synadmin
) -> None:
    server = filled_server.server
    carol = newcomer("carol", server=server)
    carol.call("POST", "/_matrix/media/v3/upload", {"a": "file"})

    (usage,) = server.admin.synapse.statistics.media(search="carol")
    (listed,) = json.loads(synadmin("stats", "media", "-o", "json", server=server).stdout)

    assert (usage.user_id, usage.media_count) == (carol.user_id, 1)
    assert listed == usage.as_sent()


def test_background_updates_are_disabled_and_enabled_on_postgresql(
    filled_server: FilledServer, synadmin: Synadmin
) -> None:
    updates = filled_server.server.admin.synapse.background_updates

    paused = updates.set_enabled(enabled=False)
    updates.start_job("populate_stats_process_rooms")
    shown = json.loads(
        synadmin("background-update", "status", "-o", "json", server=filled_server.server).stdout
    )
    resumed = synadmin("background-update", "enable", server=filled_server.server)

    assert not paused.enabled
    assert shown["enabled"] is False
    assert resumed.code == 0
    assert updates.enabled().enabled
