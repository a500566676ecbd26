"""Homeserver addresses: behind a proxy, with a base path, and on a unix socket."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import subprocess
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import trustme

from synadmin.sandbox.homeserver import Homeserver
from tests.live.delegation.test_proxies import (
    free_port,
    nginx_configuration,
    nginx_server,
    program,
    written,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.live.conftest import Synadmin

_START_TIMEOUT = 60.0  # seconds


def _running_nginx_server(
    folder: Path, listen: str, locations: str
) -> contextlib.AbstractContextManager[None]:
    """Run nginx with one server that has these locations, until the block ends."""
    return _running_nginx(folder, listen, f"server {{ listen {listen}; {locations} }}")


@contextlib.contextmanager
def _running_nginx(folder: Path, listen: str, servers: str) -> Iterator[None]:
    """Run nginx with these servers until the block ends; wait until it accepts connections."""
    path = nginx_configuration(folder, servers)
    command = [program("nginx"), "-p", str(folder), "-e", str(folder / "error.log"), "-c", str(path)]
    process = subprocess.Popen(command, cwd=folder, env={"PATH": os.environ["PATH"]})
    until = time.monotonic() + _START_TIMEOUT
    try:
        while not _accepts_connections(listen):
            assert process.poll() is None
            assert time.monotonic() < until
            time.sleep(0.05)
        yield
    finally:
        process.terminate()
        process.wait(60)


def _accepts_connections(listen: str) -> bool:
    unix = listen.startswith("unix:")
    address: object = listen.removeprefix("unix:") if unix else ("127.0.0.1", int(listen.rpartition(":")[2]))
    with socket.socket(socket.AF_UNIX if unix else socket.AF_INET) as probe:
        return probe.connect_ex(address) == 0  # type: ignore[arg-type]


@pytest.fixture
def folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o755)
        yield Path(name)


@pytest.fixture
def start_nginx(folder: Path) -> Iterator[Callable[[str], str]]:
    """Return a function that runs nginx with these locations on a free port, and returns the URL."""
    with contextlib.ExitStack() as stack:

        def serve(locations: str) -> str:
            listen = f"127.0.0.1:{free_port()}"
            stack.enter_context(_running_nginx_server(folder, listen, locations))
            return f"http://{listen}"

        yield serve


WITH_BASE_PATH = "location /matrix/ {{ rewrite_log off; rewrite ^/matrix(/.*)$ $1 break; proxy_pass {url}; }}"
REFUSES_ESCAPED_SLASH = 'if ($request_uri ~* "%2F") {{ return 404; }} location / {{ proxy_pass {url}; }}'


@pytest.mark.parametrize(
    "locations",
    [
        pytest.param("location / {{ proxy_pass {url}/; }}", id="decodes"),
        pytest.param(REFUSES_ESCAPED_SLASH, id="refuses"),
    ],
)
def test_proxy_that_changes_slashes_in_ids_is_named(
    homeserver: Homeserver, synadmin: Synadmin, start_nginx: Callable[[str], str], locations: str
) -> None:
    url = start_nginx(locations.format(url=homeserver.url))
    user = homeserver.register("with/slash")
    env = {"SYNADMIN_HOMESERVER": url}

    assert synadmin("user", "show", homeserver.admin.user_id, env=env).code == 0
    answer = synadmin("user", "show", user.user_id, env=env)

    assert answer.code == 1
    assert "a proxy in front of Synapse decodes or refuses %2F" in answer.stderr
    assert "proxy_pass" in answer.stderr
    assert "worker" not in answer.stderr


def test_proxy_that_keeps_ids_works(
    homeserver: Homeserver, synadmin: Synadmin, start_nginx: Callable[[str], str]
) -> None:
    url = start_nginx(f"location / {{ proxy_pass {homeserver.url}; }}")
    user = homeserver.register("another/slash")

    answer = synadmin("user", "show", user.user_id, "-o", "json", env={"SYNADMIN_HOMESERVER": url})

    assert json.loads(answer.stdout)["name"] == user.user_id


@pytest.mark.parametrize("kind", ["base path", "unix socket"])
def test_rooms_are_listed_regained_and_audited_at_every_address(
    homeserver: Homeserver,
    synadmin: Synadmin,
    start_nginx: Callable[[str], str],
    folder: Path,
    kind: str,
) -> None:
    room_id = homeserver.register(f"alice-{kind[:4]}").make_room("Lost")
    with contextlib.ExitStack() as stack:
        if kind == "unix socket":
            path = f"{folder}/s"
            stack.enter_context(
                _running_nginx_server(
                    folder, f"unix:{path}", f"location / {{ proxy_pass {homeserver.url}; }}"
                )
            )
            address = f"unix://{path}"
        else:
            address = start_nginx(WITH_BASE_PATH.format(url=homeserver.url)) + "/matrix"
        env = {"SYNADMIN_HOMESERVER": address}

        listed = synadmin("room", "list", "-o", "ndjson", env=env)
        regained = synadmin("room", "make-admin", room_id, "--yes", "-o", "json", env=env)
        audited = synadmin("audit", "rooms", "--fail-on", "never", "-o", "json", env=env)

    assert listed.code == 0, listed.stderr
    assert room_id in listed.stdout
    assert json.loads(regained.stdout)[0]["outcome"] == "done", regained.stderr
    assert audited.code == 0, audited.stderr
    assert json.loads(audited.stdout)["checked"]["rooms"] > 0


def test_well_known_base_url_may_have_a_path(
    homeserver: Homeserver, synadmin: Synadmin, folder: Path
) -> None:
    authority = trustme.CA()
    chain, key, _ = written(folder, authority.issue_cert("localhost"), "name")
    authority.cert_pem.write_to_path(folder / "ca.pem")
    port = free_port()
    content = json.dumps({"m.homeserver": {"base_url": f"https://localhost:{port}/matrix"}})
    body = (
        f"location = /.well-known/matrix/client {{ default_type application/json; return 200 '{content}'; }}"
        + WITH_BASE_PATH.format(url=homeserver.url)
    )
    env = {"SYNADMIN_HOMESERVER": f"localhost:{port}", "SYNADMIN_CA_FILE": f"{folder}/ca.pem"}
    with _running_nginx(folder, f"127.0.0.1:{port}", nginx_server("localhost", port, chain, key, body)):
        answer = synadmin("whoami", "-o", "json", env=env)
        listed = synadmin("room", "list", "-o", "ndjson", env=env)

    assert answer.code == 0, answer.stderr
    assert json.loads(answer.stdout)["user_id"] == homeserver.admin.user_id
    assert listed.code == 0, listed.stderr


def test_synapse_on_a_unix_socket_is_reached(synadmin: Synadmin, folder: Path) -> None:
    (folder / "synapse").mkdir()
    with Homeserver(folder / "synapse") as server:
        admin = server.admin
    # The same server again, with a unix socket in addition to its port.
    record = folder / "synapse" / "sandbox.json"
    settings = json.loads(record.read_text("utf-8"))
    client = {"type": "http", "resources": [{"names": ["client", "keys"]}]}
    listeners = [
        {"port": settings["port"], "bind_addresses": ["127.0.0.1"], **client},
        {"path": f"{folder}/s", **client},
    ]
    record.write_text(json.dumps(settings | {"extra_config": {"listeners": listeners}}), "utf-8")
    env = {"SYNADMIN_HOMESERVER": f"unix://{folder}/s"}
    with Homeserver(folder / "synapse") as server:
        assert server.admin.user_id == admin.user_id
        room_id = server.register("alice").make_room("Lost")
        regained = synadmin("room", "make-admin", room_id, "--yes", "-o", "json", server=server, env=env)
        assert server.admin.synapse.rooms.get(room_id).joined_local_members == 2

    assert regained.code == 0, regained.stderr
    assert json.loads(regained.stdout)[0]["outcome"] == "done"
