"""A throwaway Synapse: one directory, one process, bound to loopback.

synadmin does not import Synapse: it starts Synapse as a program, and talks to it over HTTP.
"""

import contextlib
import http.client
import importlib.util
import json
import re
import secrets
import shlex
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Self

from synadmin.errors import ConnectError, SettingsError
from synadmin.ids import UserId
from synadmin.sandbox import config, process
from synadmin.sandbox.accounts import Person, register

_START_UP = 60  # seconds; on an idle machine Synapse needs 2
_STEP = 0.05  # seconds between two checks
_TRIES = 5  # ports: a port that is free at the check may be taken a moment later
# Below the range of ports for outgoing connections on Linux, so that a port that is free now is probably
# still free when Synapse starts.
_PORTS = range(20_000, 32_000)
_TAKEN = re.compile(r"Address already in use|CannotListenError", re.IGNORECASE)
_PROCESSED = re.compile(
    r"\{(?P<requester>[^}]*)\} Processed request: .*? (?P<status>\d+)!? "
    r'"(?P<method>[A-Z]+) (?P<uri>\S+) HTTP/'
)


@dataclass(frozen=True, slots=True)
class Processed:
    """A request in Synapse's log.

    Attributes:
        requester: the user who sent it; ``first|second`` where the first user acts as the second.
        uri: path and query, percent-encoded as it arrived.
    """

    requester: str
    method: str
    uri: str
    status: int


@dataclass(slots=True)
class _Identity:
    """The properties of a server that do not change on a restart."""

    server_name: str
    federates: bool
    default_rate_limits: bool
    temporary: bool
    extra_config: dict[str, Any]
    password: str
    registration_shared_secret: str = field(default_factory=secrets.token_hex)
    port: int = 0
    federation_port: int | None = None


class Homeserver:
    """A throwaway Synapse.

    As a context manager it starts on entry and stops on exit; a temporary directory is removed then::

        with Homeserver() as homeserver:
            print(homeserver.url)

    Attributes:
        python: the interpreter that runs Synapse; the current one, unless a test sets another one.
    """

    python: ClassVar[Path] = Path(sys.executable)

    def __init__(
        self,
        directory: Path | None = None,
        *,
        server_name: str = "club.example",
        federates: bool = False,
        default_rate_limits: bool = False,
        extra_config: Mapping[str, Any] | None = None,
        password: str | None = None,
        port: int | None = None,
    ) -> None:
        """Prepare a server; :meth:`start` starts it.

        Args:
            directory: the directory of its configuration, database, media and log. If it has a server
                already, that server is used, and the other arguments are ignored. None: a temporary one.
            server_name: the part of its user ids after the colon. The name of a server that federates is
                ``localhost:PORT``, so that other servers find it.
            federates: federate with other sandboxes on this machine, over TLS.
            default_rate_limits: keep Synapse's default rate limits; else all are raised.
            extra_config: values that replace those of the configuration (Synapse's configuration manual).
            password: the password of all users; None: a random one.
            port: the port for clients, if it is free; None: any free port.
        """
        facts = _Identity(
            server_name=server_name,
            federates=federates,
            default_rate_limits=default_rate_limits,
            temporary=directory is None,
            extra_config=dict(extra_config or {}),
            password=password or secrets.token_urlsafe(12),
            port=port or 0,
        )
        if directory is None:
            directory = Path(tempfile.mkdtemp(prefix="synadmin-sandbox-"))
        self.directory = directory.resolve()
        if self._record.exists():
            facts = _Identity(**json.loads(self._record.read_text("utf-8")))
        self._facts = facts
        self._child: subprocess.Popen[bytes] | None = None
        self._people: dict[str, Person] = {}

    def __repr__(self) -> str:
        return f"Homeserver({str(self.directory)!r})"

    @property
    def server_name(self) -> str:
        """The part of its user ids after the colon. It does not change after the first start."""
        return self._facts.server_name

    @property
    def url(self) -> str:
        """The base URL for clients. It does not change after the first start."""
        return f"http://127.0.0.1:{self._facts.port}"

    @property
    def registration_shared_secret(self) -> str:
        """The shared secret for ``POST /_synapse/admin/v1/register``."""
        return self._facts.registration_shared_secret

    @property
    def password(self) -> str:
        """The password of all users, random for each sandbox: other people may use this machine."""
        return self._facts.password

    @property
    def admin(self) -> Person:
        """The server administrator, ``@admin``."""
        return self.register("admin", admin=True)

    @property
    def pid(self) -> int | None:
        """The id of its process; None where Synapse is not running."""
        return process.noted(self._pid_file)

    @property
    def log(self) -> Path:
        """Synapse's log: warnings, and a line for each request."""
        return self.directory / "homeserver.log"

    @property
    def _record(self) -> Path:
        return self.directory / "sandbox.json"

    @property
    def _pid_file(self) -> Path:
        return self.directory / "process.json"

    def start(self, *, stay: bool = False) -> Self:
        """Start Synapse, and return when it answers.

        Args:
            stay: keep Synapse running after this process has ended, until :meth:`stop` is called for this
                directory. Otherwise Synapse ends with this process, also after a crash.

        Raises:
            SettingsError: matrix-synapse is not installed.
            ConnectError: Synapse did not start; its last output is in the message.
        """
        require_synapse()
        if self.pid is not None:
            return self
        self.directory.mkdir(parents=True, exist_ok=True)
        key = config.make_signing_key(self.directory)
        database = self.directory / "homeserver.db"
        is_new = not database.exists()
        output: str | None = None
        for _ in range(_TRIES):
            self._choose_ports(is_new=is_new)
            output = self._launch(key, stay=stay)
            if output is None:
                return self
            self.stop()
            if is_new:
                database.unlink(missing_ok=True)
            elif self._facts.federates:
                break  # its server name contains the port: with another port it would be another server
            if not _TAKEN.search(output):
                break
        message = f"Synapse did not start: {_last_line(output)}"
        raise ConnectError(message, hint=f"its files are in {self.directory}")

    def stop(self) -> bool:
        """Stop Synapse, also from another process; return whether it was running. Its files stay."""
        self.close()
        was_running = process.end(self._pid_file)
        if self._child is not None:
            if self._child.stdin is not None:
                self._child.stdin.close()
            self._child.wait()
            self._child = None
        return was_running

    def close(self) -> None:
        """Close the connections of the users. The server is not changed."""
        for person in self._people.values():
            person.close()
        self._people.clear()

    def discard(self) -> None:
        """Stop Synapse, and remove its directory if that is temporary."""
        self.stop()
        if self._facts.temporary:
            shutil.rmtree(self.directory, ignore_errors=True)

    def register(self, localpart: str, *, admin: bool = False, display_name: str | None = None) -> Person:
        """Return a user with a session; the user is registered at the first call."""
        if localpart not in self._people:
            self._people[localpart] = register(
                self.url,
                localpart,
                password=self.password,
                shared_secret=self.registration_shared_secret,
                admin=admin,
                display_name=display_name,
            )
        return self._people[localpart]

    def deactivate(self, who: Person) -> None:
        """Deactivate an account. The server removes the user from rooms after it has answered."""
        self.admin.modify_user(who, deactivated=True)

    def lock(self, who: Person) -> None:
        """Lock an account."""
        self.admin.modify_user(who, locked=True)

    def user_id(self, localpart: str) -> UserId:
        """Return the user id for a localpart on this server."""
        return UserId(f"@{localpart}:{self.server_name}")

    def processed(self) -> tuple[Processed, ...]:
        """Return the requests that Synapse has answered, oldest first.

        Synapse writes the line just after it has answered, so the last request may be missing for a moment.
        """
        return tuple(
            Processed(match["requester"], match["method"], match["uri"], int(match["status"]))
            for match in _PROCESSED.finditer(self.log.read_text("utf-8", "replace"))
        )

    def __enter__(self) -> Self:
        """Start it."""
        try:
            return self.start()
        except BaseException:  # also after Ctrl-C no process and no directory may remain
            self.discard()
            raise

    def __exit__(self, *_: object) -> None:
        """Stop it."""
        self.discard()

    def _choose_ports(self, *, is_new: bool) -> None:
        facts = self._facts
        if facts.federates and is_new:
            facts.federation_port = _free_port()
            facts.server_name = f"localhost:{facts.federation_port}"
        if not facts.port or not process.port_is_free(facts.port):
            facts.port = _free_port(but=facts.federation_port)
        self._record.touch(mode=0o600)
        self._record.write_text(json.dumps(asdict(facts)), "utf-8")

    def _launch(self, key: str, *, stay: bool) -> str | None:
        """Start the process; return None when Synapse answers, else its output."""
        facts = self._facts
        path = config.write(
            self.directory,
            server_name=facts.server_name,
            port=facts.port,
            federation_port=facts.federation_port,
            registration_shared_secret=facts.registration_shared_secret,
            default_rate_limits=facts.default_rate_limits,
            extra=facts.extra_config,
        )
        launch = Path(__file__).with_name("launch.py")
        output = self.directory / "output.log"
        with output.open("wb") as sink, process.uninterrupted():
            self._child = subprocess.Popen(
                # -P: Python must not import modules from the script's directory.
                [str(self.python), "-P", str(launch), "free" if stay else "tethered", "-c", str(path)],
                cwd=self.directory,
                stdin=subprocess.DEVNULL if stay else subprocess.PIPE,
                stdout=sink,
                stderr=subprocess.STDOUT,
                # Ctrl-C at the terminal reaches only this process, which then stops Synapse with SIGTERM.
                start_new_session=True,
            )
            process.note(self._pid_file, self._child.pid)
        until = time.monotonic() + _START_UP
        while time.monotonic() < until:
            if _answers(facts.port, key):
                return None
            if self._child.poll() is not None:
                return output.read_text("utf-8", "replace") or f"it ended with code {self._child.returncode}"
            time.sleep(_STEP)
        return f"no answer on port {facts.port} after {_START_UP} seconds"


def require_synapse() -> None:
    """Raise an error where Synapse is not installed.

    Raises:
        SettingsError: matrix-synapse is not installed.
    """
    if not is_synapse_installed():
        command = shlex.join(install_command())
        raise SettingsError(
            "a sandbox needs Synapse, and matrix-synapse is not installed",
            hint=f"install it beside synadmin: `{command}`",
        )


def is_synapse_installed() -> bool:
    """Return whether Synapse is installed."""
    importlib.invalidate_caches()
    return importlib.util.find_spec("synapse") is not None


def install_command() -> list[str]:
    """Return the command that installs Synapse into the environment of synadmin."""
    if importlib.util.find_spec("pip") is None:  # environments of `uv tool install` have no pip
        return ["uv", "pip", "install", "--python", sys.executable, "matrix-synapse"]
    return [sys.executable, "-m", "pip", "install", "matrix-synapse"]


def _answers(port: int, key: str) -> bool:
    """Whether the server with this signing key answers on the port, not another server."""
    for path in ("/health", "/_matrix/key/v2/server"):
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
        with contextlib.closing(connection):
            try:
                connection.request("GET", path)
                answer = connection.getresponse()
                body = answer.read()
            except (OSError, http.client.HTTPException):
                return False
        if answer.status != http.HTTPStatus.OK:
            return False
    return key.encode() in body


def _free_port(*, but: int | None = None) -> int:
    while True:
        port = secrets.choice(_PORTS)
        if port != but and process.port_is_free(port):
            return port


def _last_line(output: str | None) -> str:
    lines = [line.strip() for line in (output or "").splitlines() if line.strip()]
    return ascii(lines[-1])[1:-1] if lines else "it printed nothing"
