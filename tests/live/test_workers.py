"""Test the Synapse with a worker, which `make test-workers` uses for other tests."""

from __future__ import annotations

import re
import socket
import threading
import time
from typing import TYPE_CHECKING

import pytest

from tests.live.delayed import DelayedServer
from tests.live.workers import REQUESTED, WorkerHomeserver

if TYPE_CHECKING:
    from tests.live.conftest import Newcomer, Synadmin

_DELAY = 0.3  # seconds


def test_delayed_server_delays_answers_and_keeps_their_order() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:

        def answer() -> None:
            connection, _ = server.accept()
            with connection:
                for word in (b"first ", b"second"):
                    connection.sendall(connection.recv(100) + word)

        threading.Thread(target=answer, daemon=True).start()
        with (
            DelayedServer(server.getsockname()[1], _DELAY) as delayed,
            socket.create_connection(("127.0.0.1", delayed.port)) as client,
        ):
            received = b""
            for question in (b"1 ", b" 2 "):
                asked_at = time.monotonic()
                client.sendall(question)
                received += client.recv(100)
                assert time.monotonic() - asked_at >= _DELAY
            delayed.wait_until_sent()
            assert (received, client.recv(100)) == (b"1 first  2 second", b"")


@pytest.mark.skipif(not REQUESTED, reason="`make test-workers` runs it")
def test_requests_are_routed_to_worker_and_main_process(
    homeserver: WorkerHomeserver, synadmin: Synadmin, newcomer: Newcomer
) -> None:
    room_id = newcomer("alice").make_room("asked about")
    answer = synadmin("room", "make-admin", room_id, "--yes")
    assert answer.code == 0, answer
    ports = {"worker": homeserver.worker_port, "main": homeserver.main_port}
    asked = {
        who: set(
            re.findall(
                rf'synapse\.access\.http\.{port} .* "\w+ /(\w+/\w+)/', homeserver.log.read_text("utf-8")
            )
        )
        for who, port in ports.items()
    }
    assert "_matrix/client" in asked["worker"]
    assert "_synapse/admin" in asked["main"]
