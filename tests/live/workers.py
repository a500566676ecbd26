"""A Synapse like those of large servers: PostgreSQL, Redis, nginx, and a worker with delayed replication.

The tests themselves send requests to the main process. The command line sends requests to nginx, which sends
some of them to the worker, as Synapse's ``docs/workers.md`` describes.
"""

from __future__ import annotations

import contextlib
import json
import os
import tempfile
import urllib.request
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from synadmin.sandbox import accounts
from synadmin.sandbox.config import listener, listeners
from synadmin.sandbox.homeserver import Homeserver
from tests.live.delayed import DelayedServer
from tests.live.postgresql import Connection, postgresql
from tests.live.programs import accepts, find_program, free_port, running_program

if TYPE_CHECKING:
    from synadmin.sandbox.accounts import Person

LAG = 0.5  # seconds by which replication to the worker is delayed
REQUESTED = bool(os.environ.get("SYNADMIN_TEST_WORKERS"))
"""Whether the shared servers have a worker: `make test-workers`."""

_delay_proxies: set[DelayedServer] = set()

# The requests that nginx sends to the worker, as "method path": a part of the list in docs/workers.md.
_CLIENT = "/_matrix/client/(?:api/v1|r0|v1|v3|unstable)"
_ROOM = f"{_CLIENT}/rooms/[^/]+"
_WORKER_ROUTES = (
    f"[A-Z]+ {_CLIENT}/(?:sync|events|initialSync|createRoom|publicRooms|joined_rooms|search|capabilities)$",
    f"[A-Z]+ {_CLIENT}/(?:account/(?:whoami|3pid|deactivate)|delete_devices|login|register|notifications)$",
    f"[A-Z]+ {_CLIENT}/(?:devices|keys|room_keys|profile|directory/room|join|knock|user/[^/]+/filter)(?:/|$)",
    f"[A-Z]+ {_CLIENT}/(?:register/available|password_policy|user_directory/search|voip/turnServer)$",
    f"[A-Z]+ {_ROOM}/(?:initialSync|joined_members|members|messages|state|aliases|hierarchy|threads)$",
    f"[A-Z]+ {_ROOM}/(?:join|invite|leave|ban|unban|kick|timestamp_to_event)$",
    f"[A-Z]+ {_ROOM}/(?:context|event|state|send|redact|relations)/",
    "[A-Z]+ /_matrix/client/versions$",
    "[A-Z]+ /_synapse/admin/v1/rooms/[^/]+$",
    f"GET {_CLIENT}/(?:pushrules|presence)/",
    f"GET {_CLIENT}/user/.*/(?:tags|account_data)",
)

_NGINX_TEMP_FOLDERS = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")


class WorkerHomeserver(Homeserver):
    """A Homeserver on PostgreSQL, with a generic worker behind nginx.

    Attributes:
        database: the arguments that connect ``psycopg2`` to its PostgreSQL.
        worker_port: the port of the worker.
        front_port: the port of nginx, for clients.
    """

    def __init__(self, directory: Path | None = None, *, lag: float = LAG, **options: Any) -> None:  # noqa: ANN401
        super().__init__(directory, **options)
        self._lag = lag
        self._databases = contextlib.ExitStack()
        self._worker_and_nginx = contextlib.ExitStack()
        self.database: Connection = {}

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.front_port}"

    @property
    def main_port(self) -> int:
        """The port of the main process."""
        return self._facts.port

    def start(self, *, stay: bool = False) -> Self:
        if self.pid is not None:
            return self
        if not self.database:
            self._start_databases()
        super().start(stay=stay)
        # Without this file, the next start would treat the server as new and give it another name.
        (self.directory / "homeserver.db").touch()
        self._start_worker_and_nginx()
        return self

    def stop(self) -> bool:
        self._worker_and_nginx.close()
        return super().stop()

    def discard(self) -> None:
        super().discard()
        self._databases.close()

    def register(self, localpart: str, *, admin: bool = False, display_name: str | None = None) -> Person:
        """Register a user at the main process."""
        if localpart not in self._people:
            self._people[localpart] = accounts.register(
                super().url,
                localpart,
                password=self.password,
                shared_secret=self.registration_shared_secret,
                admin=admin,
                display_name=display_name,
            )
        return self._people[localpart]

    def _start_databases(self) -> None:
        """Start PostgreSQL and Redis, and configure Synapse to use them."""
        redis = find_program("redis-server", "redis-server")
        nginx = find_program("nginx", "nginx-light")
        self._nginx = nginx
        self.database = self._databases.enter_context(postgresql())
        self._redis_port, replication_port = free_port(), free_port()
        self.worker_port, self.front_port = free_port(), free_port()
        folder = Path(self._databases.enter_context(tempfile.TemporaryDirectory(prefix="synadmin-redis-")))
        port = self._redis_port
        options = {"port": str(port), "bind": "127.0.0.1", "save": "", "dir": str(folder)}
        command = [redis, *(word for name, value in options.items() for word in (f"--{name}", value))]
        self._databases.enter_context(running_program(command, folder / "output.log", lambda: accepts(port)))
        self._facts.extra_config |= {
            "database": {"name": "psycopg2", "args": {**self.database, "cp_min": 1, "cp_max": 5}},
            "redis": {"enabled": True, "host": "127.0.0.1", "port": port},
            "instance_map": {"main": {"host": "127.0.0.1", "port": replication_port}},
            "worker_replication_secret": self.registration_shared_secret,
        }
        self._replication_port = replication_port

    def _launch(self, key: str, *, stay: bool) -> str | None:
        facts = self._facts
        facts.extra_config["listeners"] = [
            *listeners(facts.port, facts.federation_port),
            listener(self._replication_port, "replication"),
        ]
        return super()._launch(key, stay=stay)

    def _start_worker_and_nginx(self) -> None:
        """Start the worker, and nginx in front of the worker and the main process."""
        with contextlib.ExitStack() as stack:
            delayed = stack.enter_context(DelayedServer(self._redis_port, self._lag))
            _delay_proxies.add(delayed)
            stack.callback(_delay_proxies.discard, delayed)
            stack.enter_context(self._running_worker(delayed.port))
            stack.enter_context(self._running_nginx())
            self._worker_and_nginx = stack.pop_all()

    def _running_worker(self, redis_port: int) -> contextlib.AbstractContextManager[None]:
        path = self.directory / "worker.yaml"
        settings = {
            "worker_app": "synapse.app.generic_worker",
            "worker_name": "generic",
            "worker_listeners": [listener(self.worker_port, "client")],
            "worker_log_config": str(self.directory / "log.config"),
            "redis": {"enabled": True, "host": "127.0.0.1", "port": redis_port},
        }
        path.write_text(json.dumps(settings), "utf-8")
        configs = ["-c", str(self.directory / "homeserver.yaml"), "-c", str(path)]
        command = [str(self.python), "-m", "synapse.app.generic_worker", *configs]
        url = f"http://127.0.0.1:{self.worker_port}/health"
        environment = os.environ | {"GIT_DIR": os.devnull}
        log = self.directory / "worker.log"
        return running_program(command, log, lambda: _is_healthy(url), cwd=self.directory, env=environment)

    def _running_nginx(self) -> contextlib.AbstractContextManager[None]:
        folder = self.directory / "nginx"
        folder.mkdir(exist_ok=True)
        path = folder / "nginx.conf"
        path.write_text(self._nginx_configuration(folder), "utf-8")
        command = [self._nginx, "-p", str(folder), "-e", str(folder / "error.log"), "-c", str(path)]
        return running_program(command, folder / "output.log", lambda: accepts(self.front_port))

    def _nginx_configuration(self, folder: Path) -> str:
        routes = "\n".join(f'    "~^{route}" worker;' for route in _WORKER_ROUTES)
        temporary = "\n".join(f"  {name}_temp_path {folder}/{name};" for name in _NGINX_TEMP_FOLDERS)
        user = "user root;" if os.geteuid() == 0 else ""  # only its owner can read the directory
        return f"""
{user}
daemon off;
worker_processes 1;
pid {folder}/nginx.pid;
events {{ worker_connections 512; }}
http {{
  access_log off;
{temporary}
  upstream main {{ server 127.0.0.1:{self._facts.port}; }}
  upstream worker {{ server 127.0.0.1:{self.worker_port}; }}
  map "$request_method $uri" $process {{
    default main;
{routes}
  }}
  server {{
    listen 127.0.0.1:{self.front_port};
    client_max_body_size 50M;
    location / {{
      proxy_pass http://$process;
      proxy_http_version 1.1;
      proxy_set_header Host $http_host;
      proxy_set_header X-Forwarded-For $remote_addr;
      proxy_read_timeout 600s;
    }}
  }}
}}
"""


def wait_for_workers() -> None:
    """Wait until the workers have received all changes that the tests have made so far."""
    for proxy in tuple(_delay_proxies):
        proxy.wait_until_sent()


def _is_healthy(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=5):  # noqa: S310 - 127.0.0.1
            return True
    except OSError:
        return False


def shared_server(**options: Any) -> Homeserver:  # noqa: ANN401 - the arguments of Homeserver
    """Return a server for many tests, with a worker if `make test-workers` runs."""
    return WorkerHomeserver(**options) if REQUESTED else Homeserver(**options)
