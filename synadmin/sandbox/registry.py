"""Sandboxes that run in the background until they are stopped.

Each has a directory with one or two servers, and a file in the state directory, the note. The note is written
before a server is started, so ``down`` also finds sandboxes after a crash.
"""

import contextlib
import hashlib
import json
import shutil
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from synadmin.errors import UsageError
from synadmin.files import make_directory, replace_file
from synadmin.ids import RoomId, UserId
from synadmin.sandbox import process
from synadmin.sandbox.community import fill
from synadmin.sandbox.homeserver import Homeserver, require_synapse
from synadmin.sandbox.mas.homeserver import DelegatedHomeserver

_RECORD = "community.json"
_FOLDERS = ("ours", "next-door")


@dataclass(frozen=True, slots=True)
class Sandbox:
    """A sandbox: a directory with one or two servers.

    Attributes:
        directory: the directory of its servers.
        temporary: whether the directory is removed when the sandbox is stopped.
        note: the file in the state directory that names the directory.
    """

    directory: Path
    temporary: bool
    note: Path

    @property
    def servers(self) -> tuple[Homeserver, ...]:
        """Its servers; the first one has the community."""
        folders = (self.directory / name for name in _FOLDERS)
        return tuple(_server_in(folder) for folder in folders if folder.is_dir())

    @property
    def is_up(self) -> bool:
        """Whether one of its servers is running."""
        return any(server.pid is not None for server in self.servers)

    @property
    def settings(self) -> dict[str, str]:
        """The settings for synadmin, with the administrator's access token."""
        record = self._record()
        return {"SYNADMIN_HOMESERVER": record["homeserver"], "SYNADMIN_ACCESS_TOKEN": record["access_token"]}

    @property
    def admin(self) -> UserId:
        """The user id of its server admin."""
        return UserId(self._record()["admin"])

    @property
    def rooms(self) -> dict[str, RoomId]:
        """The ids of the community's rooms by slug (:mod:`synadmin.sandbox.community`)."""
        return {slug: RoomId(room_id) for slug, room_id in self._record()["rooms"].items()}

    def _record(self) -> dict[str, Any]:
        try:
            record: dict[str, Any] = json.loads((self.directory / _RECORD).read_text("utf-8"))
        except FileNotFoundError:
            message = f"the sandbox in {self.directory} was never finished"
            raise UsageError(message, hint="`synadmin sandbox down` removes it") from None
        return record

    def down(self) -> bool:
        """Stop the sandbox; return whether a server was running. A temporary directory is removed.

        In another directory, the files of a sandbox that was never finished are removed.
        """
        servers = self.servers
        was_up = [server.stop() for server in servers]
        if self.temporary:
            shutil.rmtree(self.directory, ignore_errors=True)
        elif not (self.directory / _RECORD).exists():
            for server in servers:
                shutil.rmtree(server.directory, ignore_errors=True)
        self.note.unlink(missing_ok=True)
        return any(was_up)


def up(
    directory: Path | None,
    *,
    state: Path,
    servers: int = 1,
    empty: bool = False,
    mas: bool = False,
    say: Callable[[str], None] = lambda _: None,
) -> Sandbox:
    """Start a sandbox, and leave it running.

    Args:
        directory: its directory; an earlier sandbox in it is started again. None: a temporary one.
        state: the directory of the notes.
        servers: 1, or 2 for two servers that federate.
        empty: make only the administrator, and no other users and rooms.
        mas: a stand-in for MAS manages the accounts of the first server.
        say: prints the progress.

    Raises:
        UsageError: the directory is not empty and not a sandbox, or its sandbox is up already.
        ConnectError: Synapse did not start.
    """
    require_synapse()
    with contextlib.ExitStack() as undo:
        with process.uninterrupted():
            if directory is not None:
                root = _checked(directory, servers, mas=mas)
            else:
                root = Path(tempfile.mkdtemp(prefix="synadmin-sandbox-"))
            sandbox = Sandbox(root, directory is None, _note_of(root, state))
            if sandbox.is_up:
                message = f"the sandbox in {root} is up already"
                raise UsageError(message, hint="`synadmin sandbox env` shows how to use it")
            undo.callback(sandbox.down)  # also after Ctrl-C no server may remain
            make_directory(state, setting="XDG_STATE_HOME")
            note = json.dumps({"directory": str(root), "temporary": sandbox.temporary})
            replace_file(sandbox.note, note, setting="XDG_STATE_HOME")
        started: list[Homeserver] = []
        for folder in _FOLDERS[:servers]:
            say(f"starting Synapse ({len(started) + 1} of {servers})" if servers > 1 else "starting Synapse")
            # One password for all servers: it is for practice, and protects nothing.
            password = started[0].password if started else None
            kind = DelegatedHomeserver if mas and not started else Homeserver
            server = kind(root / folder, federates=servers > 1, password=password)
            started.append(server.start(stay=True))
        _set_up(sandbox, started, empty=empty, say=say)
        for server in started:
            server.close()
        undo.pop_all()
    return sandbox


def noted_sandboxes(state: Path) -> list[Sandbox]:
    """Return the sandboxes that were started and not stopped with ``down``, running or not."""
    sandboxes = []
    for note in sorted(state.glob("*.json")):
        try:
            noted = json.loads(note.read_text("utf-8"))
            sandboxes.append(Sandbox(Path(noted["directory"]), bool(noted["temporary"]), note))
        except (ValueError, KeyError, TypeError):
            continue
    return sandboxes


def running_sandbox(directory: Path | None, *, state: Path) -> Sandbox:
    """Return the running sandbox in the directory, or the only running one.

    Raises:
        UsageError: none is running, or several are.
    """
    running = [sandbox for sandbox in noted_sandboxes(state) if sandbox.is_up]
    if directory is not None:
        running = [sandbox for sandbox in running if sandbox.directory == directory.resolve()]
    if not running:
        where = f"no sandbox is up in {directory}" if directory is not None else "no sandbox is up"
        raise UsageError(where, hint="`synadmin sandbox up` starts one")
    if len(running) > 1:
        which = ", ".join(str(sandbox.directory) for sandbox in running)
        message = f"{len(running)} sandboxes are up: {which}"
        raise UsageError(message, hint="name the directory of the one that you mean")
    return running[0]


def _server_in(folder: Path) -> Homeserver:
    return DelegatedHomeserver(folder) if DelegatedHomeserver.is_in(folder) else Homeserver(folder)


def _checked(directory: Path, servers: int, *, mas: bool) -> Path:
    root = directory.resolve()
    if not root.exists():
        root.mkdir(parents=True)
    elif not root.is_dir() or (any(root.iterdir()) and not (root / _FOLDERS[0]).is_dir()):
        message = f"{directory} is not empty and not a sandbox"
        raise UsageError(message, hint="name an empty directory, or one that was a sandbox before")
    present = sum((root / folder).is_dir() for folder in _FOLDERS)
    if present not in {0, servers}:
        message = (
            f"the sandbox in {directory} has {present} server{'s' if present > 1 else ''}, not {servers}"
        )
        raise UsageError(message, hint=f"`--servers {present}`, or another directory")
    if present and mas != DelegatedHomeserver.is_in(root / _FOLDERS[0]):
        message = f"the sandbox in {directory} was made {'without' if mas else 'with'} --mas"
        raise UsageError(
            message, hint=f"start it {'without' if mas else 'with'} --mas, or name another directory"
        )
    return root


def _note_of(root: Path, state: Path) -> Path:
    return state / f"{hashlib.sha256(str(root).encode()).hexdigest()[:16]}.json"


def _set_up(sandbox: Sandbox, started: list[Homeserver], *, empty: bool, say: Callable[[str], None]) -> None:
    """Make the community if there is none yet, and write the settings to the record."""
    ours = started[0]
    path = sandbox.directory / _RECORD
    rooms: dict[str, RoomId] = {}
    if path.exists():
        rooms = sandbox.rooms
    elif not empty:
        say("creating accounts and rooms")
        rooms = dict(fill(ours, *started[1:]).rooms)
    for neighbour in started[1:]:
        neighbour.register("admin", admin=True)  # to practise with several servers
    record = {
        "homeserver": ours.url,
        "admin": ours.admin.user_id,
        "access_token": ours.admin.token,
        "rooms": rooms,
    }
    replace_file(path, json.dumps(record))
