"""Federation destinations, with the library and with commands, on real Synapses."""

from __future__ import annotations

import contextlib
import json
import socket
import time
from typing import TYPE_CHECKING

import pytest

from synadmin.errors import NotFoundError

if TYPE_CHECKING:
    from synadmin.api.federation import Destination
    from synadmin.sandbox.homeserver import Homeserver
    from tests.live.conftest import Newcomer, Synadmin


def unreachable(server: Homeserver, newcomer: Newcomer) -> Destination:
    """Return a destination that the server could not reach."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        name = f"localhost:{probe.getsockname()[1]}"
    # A failed invitation does not count as a failure of the destination, but a failed key query does.
    body: dict[str, dict[str, list[str]]] = {"device_keys": {f"@bob:{name}": []}}
    newcomer("alice", server=server).call("POST", "/_matrix/client/v3/keys/query", body)
    until = time.monotonic() + 60
    while time.monotonic() < until:
        # Synapse stores the failure shortly after it answers.
        with contextlib.suppress(NotFoundError):
            found = server.admin.synapse.federation.destination(name)
            if found.retry_last_ts:
                return found
        time.sleep(0.05)
    pytest.fail(f"the failure to reach {name} was not stored")


def wait_for_destination(server: Homeserver, other: Homeserver) -> None:
    """Wait until the server has sent an event to the other server."""
    until = time.monotonic() + 60
    while time.monotonic() < until:
        if list(server.admin.synapse.federation.destinations(destination=other.server_name)):
            return
        time.sleep(0.05)
    pytest.fail(f"nothing was sent to {other.server_name}")


def test_destinations_are_listed_unreachable_ones_included(
    federation: tuple[Homeserver, Homeserver], newcomer: Newcomer, synadmin: Synadmin
) -> None:
    ours, _ = federation
    failed = [unreachable(ours, newcomer) for _ in range(2)]
    names = sorted(server.destination for server in failed)

    found = list(ours.admin.synapse.federation.destinations(destination="localhost", page_size=1))
    options = ("--search", "localhost", "--sort", "failure_ts:desc")
    answer = synadmin("federation", "destinations", *options, "-o", "ndjson", server=ours)
    shown = synadmin("federation", "show", names[0], server=ours)
    as_json = synadmin("federation", "show", names[0], "-o", "json", server=ours)

    assert set(names) <= {server.destination for server in found}
    assert all(server.failure_ts and server.retry_interval for server in failed)
    lines = [json.loads(line) for line in answer.stdout.splitlines()]
    failures = [line["failure_ts"] or 0 for line in lines]
    assert failures == sorted(failures, reverse=True)
    assert "failing since" in shown.stdout
    assert json.loads(as_json.stdout)["failure_ts"] > 0


def test_reset_retries_a_destination_at_once(
    federation: tuple[Homeserver, Homeserver], newcomer: Newcomer, synadmin: Synadmin
) -> None:
    ours, theirs = federation
    alice, bob = newcomer("alice", server=ours), newcomer("bob", server=theirs)
    room_id = alice.make_room("Neighbours", members=[bob])
    alice.send_state(room_id, "m.room.topic", {"topic": "both sides"})
    wait_for_destination(ours, theirs)
    one, two = (unreachable(ours, newcomer) for _ in range(2))
    federation_api = ours.admin.synapse.federation

    federation_api.reset_connection(one.destination)
    after = federation_api.destination(one.destination)
    planned = synadmin("federation", "reset", two.destination, "--dry-run", "-o", "json", server=ours)
    unknown = "never-heard-of.example"
    names = (two.destination, theirs.server_name, unknown)
    answer = synadmin("federation", "reset", *names, "-o", "ndjson", server=ours)

    assert after.retry_last_ts != one.retry_last_ts
    assert json.loads(planned.stdout)[0]["path"].endswith("/reset_connection")
    result = [json.loads(line) for line in answer.stdout.splitlines()]
    assert [line["outcome"] for line in result] == ["done", "done", "failed"]
    assert result[1]["message"] == "nothing to reset: the connection is not delayed"
    assert answer.code == 6


def test_rooms_shared_with_a_destination_are_listed(
    federation: tuple[Homeserver, Homeserver], newcomer: Newcomer, synadmin: Synadmin
) -> None:
    ours, theirs = federation
    alice, bob = newcomer("alice", server=ours), newcomer("bob", server=theirs)
    rooms = {alice.make_room(name, members=[bob]) for name in ("Bridge", "Market")}
    for room_id in rooms:
        alice.send_state(room_id, "m.room.topic", {"topic": "both sides"})
    wait_for_destination(ours, theirs)

    found = list(ours.admin.synapse.federation.rooms(theirs.server_name, page_size=1))
    answer = synadmin(
        "federation", "rooms", theirs.server_name, "--sort", "room_id:desc", "-o", "ndjson", server=ours
    )

    assert rooms <= {room.room_id for room in found}
    assert all(room.stream_ordering > 0 for room in found)
    assert [json.loads(line)["room_id"] for line in answer.stdout.splitlines()] == [
        room.room_id for room in reversed(found)
    ]


def test_unknown_destination_is_not_found(homeserver: Homeserver, synadmin: Synadmin) -> None:
    answer = synadmin("federation", "show", "never-heard-of.example")
    malformed = synadmin("federation", "rooms", "not a server")

    assert (answer.code, answer.stdout) == (4, "")
    assert (malformed.code, malformed.stdout) == (2, "")
    with pytest.raises(NotFoundError):
        next(iter(homeserver.admin.synapse.federation.rooms("never-heard-of.example")))
