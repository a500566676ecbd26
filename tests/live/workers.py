"""A Synapse as large servers have it: PostgreSQL, a generic worker that lags behind, Redis, nginx in front.

What people of the sandbox do goes to the main process: a test prepares and judges what the server holds.
The command line goes through nginx, and so, as Synapse's ``docs/workers.md`` says, partly to the worker.
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
from tests.live.tethered import accepts, free_port, program, tethered

if TYPE_CHECKING:
    from synadmin.sandbox.accounts import Person

LAG = 0.5  # seconds by which the worker hears later of what the main process has written
REQUESTED = bool(os.environ.get("SYNADMIN_TEST_WORKERS"))
"""Whether the servers that tests share are to have workers: `make test-workers`."""

_lagging: set[DelayedServer] = set()

# What a generic worker may answer, of what Synapse's docs/workers.md lists for it: method, and path.
_CLIENT = "/_matrix/client/(?:api/v1|r0|v1|v3|unstable)"
_ROOM = f"{_CLIENT}/rooms/[^/]+"
_WORKERS_SHARE = (
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

_TEMPORARY = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")


class WorkerHomeserver(Homeserver):
    """A Homeserver on PostgreSQL, with a generic worker behind nginx.

    Attributes:
        database: how ``psycopg2`` reaches its PostgreSQL.
        worker_port: where nginx finds the worker.
        front_port: where clients find nginx.
    """

    def __init__(self, directory: Path | None = None, *, lag: float = LAG, **options: Any) -> None:  # noqa: ANN401
        super().__init__(directory, **options)
        self._lag = lag
        self._stores = contextlib.ExitStack()
        self._fronts = contextlib.ExitStack()
        self.database: Connection = {}

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.front_port}"

    @property
    def main_port(self) -> int:
        """Where nginx finds the main process."""
        return self._facts.port

    def start(self, *, stay: bool = False) -> Self:
        if self.pid is not None:
            return self
        if not self.database:
            self._start_stores()
        super().start(stay=stay)
        # Where this is missing, a Homeserver takes itself for a new one, which gets another name.
        (self.directory / "homeserver.db").touch()
        self._start_fronts()
        return self

    def stop(self) -> bool:
        self._fronts.close()
        return super().stop()

    def discard(self) -> None:
        super().discard()
        self._stores.close()

    def register(self, localpart: str, *, admin: bool = False, display_name: str | None = None) -> Person:
        """As a Homeserver, at the main process."""
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

    def _start_stores(self) -> None:
        """Start PostgreSQL and Redis, and tell Synapse of them."""
        redis, nginx = program("redis-server", "redis-server"), program("nginx", "nginx-light")
        self._nginx = nginx
        self.database = self._stores.enter_context(postgresql())
        self._redis_port, replication_port = free_port(), free_port()
        self.worker_port, self.front_port = free_port(), free_port()
        folder = Path(self._stores.enter_context(tempfile.TemporaryDirectory(prefix="synadmin-redis-")))
        port = self._redis_port
        options = {"port": str(port), "bind": "127.0.0.1", "save": "", "dir": str(folder)}
        command = [redis, *(word for name, value in options.items() for word in (f"--{name}", value))]
        self._stores.enter_context(tethered(command, folder / "output.log", lambda: accepts(port)))
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

    def _start_fronts(self) -> None:
        """Start the worker, and nginx before it and the main process."""
        with contextlib.ExitStack() as stack:
            delayed = stack.enter_context(DelayedServer(self._redis_port, self._lag))
            _lagging.add(delayed)
            stack.callback(_lagging.discard, delayed)
            stack.enter_context(self._worker(delayed.port))
            stack.enter_context(self._front())
            self._fronts = stack.pop_all()

    def _worker(self, redis_port: int) -> contextlib.AbstractContextManager[None]:
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
        return tethered(command, log, lambda: _is_healthy(url), cwd=self.directory, env=environment)

    def _front(self) -> contextlib.AbstractContextManager[None]:
        folder = self.directory / "nginx"
        folder.mkdir(exist_ok=True)
        path = folder / "nginx.conf"
        path.write_text(self._front_configuration(folder), "utf-8")
        command = [self._nginx, "-p", str(folder), "-e", str(folder / "error.log"), "-c", str(path)]
        return tethered(command, folder / "output.log", lambda: accepts(self.front_port))

    def _front_configuration(self, folder: Path) -> str:
        shares = "\n".join(f'    "~^{share}" worker;' for share in _WORKERS_SHARE)
        temporary = "\n".join(f"  {name}_temp_path {folder}/{name};" for name in _TEMPORARY)
        user = "user root;" if os.geteuid() == 0 else ""  # the directory is for its owner alone
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
{shares}
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


def settle() -> None:
    """Wait until every worker knows what the tests have done so far."""
    for delayed in tuple(_lagging):
        delayed.settle()


def _is_healthy(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=5):  # noqa: S310 - 127.0.0.1
            return True
    except OSError:
        return False


def shared_server(**options: Any) -> Homeserver:  # noqa: ANN401 - those of Homeserver
    """Return a server for many tests: with a worker where that is asked for."""
    return WorkerHomeserver(**options) if REQUESTED else Homeserver(**options)
