"""A throwaway Synapse whose accounts a stand-in for MAS manages."""

import contextlib
import json
import secrets
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Self

from msgspec import UNSET

from synadmin.client import Synapse
from synadmin.errors import ConnectError, MatrixError
from synadmin.files import make_directory, replace_file
from synadmin.mas.service import Mas, MasAccess
from synadmin.sandbox import process
from synadmin.sandbox.accounts import Person
from synadmin.sandbox.homeserver import Homeserver
from synadmin.sandbox.mas.__main__ import FOLDER, RECORD
from synadmin.sandbox.mas.server import CLIENT_ID, delegation
from synadmin.sandbox.mas.store import ALL_SCOPES

_CONFLICT = 409


class DelegatedHomeserver(Homeserver):
    """A throwaway Synapse, and the stand-in for MAS that manages its accounts."""

    def __init__(self, directory: Path | None = None, **named: Any) -> None:  # noqa: ANN401 - as Homeserver
        """Prepare a server, as :class:`Homeserver` does."""
        super().__init__(directory, **named)
        self._service: subprocess.Popen[bytes] | None = None

    @staticmethod
    def is_in(directory: Path) -> bool:
        """Whether a directory has a server of this kind."""
        return (directory / FOLDER).is_dir()

    @property
    def mas_url(self) -> str:
        """The base URL of the stand-in. It does not change after the first start."""
        return f"http://127.0.0.1:{self._mas()['port']}/"

    @property
    def client(self) -> tuple[str, str]:
        """The OAuth client that may use MAS's admin API: its id and its secret."""
        return CLIENT_ID, str(self._mas()["client_secret"])

    def start(self, *, stay: bool = False) -> Self:
        """Start the stand-in, then Synapse."""
        if self.pid is None:
            self._start_mas(stay=stay)
            self._facts.extra_config |= delegation(self.mas_url, self._mas()["secret"])
        return super().start(stay=stay)

    def stop(self) -> bool:
        """Stop Synapse and the stand-in."""
        was_running = super().stop()
        process.end(self._mas_pid_file)
        if self._service is not None:
            for stream in (self._service.stdin, self._service.stdout):
                if stream is not None:
                    stream.close()
            self._service.wait()
            self._service = None
        return was_running

    def register(self, localpart: str, *, admin: bool = False, display_name: str | None = None) -> Person:
        """Return a user with a session; the user is created in MAS at the first call.

        The administrator has a personal session with the scopes of both admin APIs, which does not expire.
        Other users sign in with their password.
        """
        if localpart not in self._people:
            with self.mas() as mas:
                try:
                    user = mas.users.create(localpart, displayname=display_name or UNSET)
                except MatrixError as error:
                    if error.status != _CONFLICT:
                        raise
                    user = mas.users.by_username(localpart)
                else:
                    mas.users.set_password(user.id, self.password, skip_password_check=True)
                if admin:
                    mas.users.set_admin(user.id, admin=True)
                    made = mas.personal_sessions.create(user.id, "synadmin sandbox", ALL_SCOPES)
                    token = made.attributes.access_token or ""
                else:
                    with Synapse(self.mas_url) as service:
                        token = service.client_server.login(localpart, self.password).access_token
            self._people[localpart] = Person(self.url, self.user_id(localpart), token)
        return self._people[localpart]

    def deactivate(self, who: Person) -> None:
        """Deactivate an account at MAS."""
        with self.mas() as mas:
            mas.users.deactivate(self._id_of(mas, who), skip_erase=True)

    def lock(self, who: Person) -> None:
        """Lock an account at MAS."""
        with self.mas() as mas:
            mas.users.lock(self._id_of(mas, who))

    @contextlib.contextmanager
    def mas(self) -> Iterator[Mas]:
        """The stand-in's admin API, with the client's token."""
        client_id, secret = self.client
        access = MasAccess(client_id=client_id, client_secret=lambda: secret)
        with Synapse(self.url, mas=access) as synapse:
            mas = synapse.mas
            if mas is None:
                raise ConnectError(f"Synapse at {self.url} does not delegate to MAS")
            yield mas

    @staticmethod
    def _id_of(mas: Mas, who: Person) -> str:
        return mas.users.by_username(who.user_id[1:].partition(":")[0]).id

    @property
    def _mas_record(self) -> Path:
        return self.directory / FOLDER / RECORD

    @property
    def _mas_pid_file(self) -> Path:
        return self.directory / FOLDER / "process.json"

    def _mas(self) -> dict[str, Any]:
        record: dict[str, Any] = json.loads(self._mas_record.read_text("utf-8"))
        return record

    def _keep_mas(self, **facts: str | int) -> None:
        self._mas_record.touch(mode=0o600)
        replace_file(self._mas_record, json.dumps(facts))

    def _start_mas(self, *, stay: bool) -> None:
        make_directory(self._mas_record.parent, setting="XDG_STATE_HOME")
        if not self._mas_record.exists():
            self._keep_mas(port=0, secret=secrets.token_hex(), client_secret=secrets.token_hex())
        mode, output = "free" if stay else "tethered", self.directory / FOLDER / "output.log"
        with output.open("wb") as sink, process.uninterrupted():
            self._service = subprocess.Popen(
                [sys.executable, "-m", "synadmin.sandbox.mas", mode, str(self.directory)],
                stdin=subprocess.DEVNULL if stay else subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=sink,
                start_new_session=True,
            )
            process.note(self._mas_pid_file, self._service.pid)
        port = self._service.stdout.readline().strip() if self._service.stdout is not None else b""
        if not port:
            message = f"the stand-in for MAS did not start: {output.read_text('utf-8', 'replace')[-500:]}"
            raise ConnectError(message)
        self._keep_mas(**self._mas() | {"port": int(port)})
