"""Heirs: who takes over a room whose controllers have all been inactive, and when.

The controllers are the joined local users with control. They get a server notice before the heirs take over.
A controller who is active again stops the takeover. A file records the notices, since the server does not
list them.
"""

import hashlib
import json
import time
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Any
from urllib.parse import quote

from synadmin import files
from synadmin.api.users import User
from synadmin.client import Synapse
from synadmin.control.file import Heirs, RoomsEntry
from synadmin.errors import NotFoundError, NotSupportedError, SettingsError
from synadmin.ids import RoomId, UserId
from synadmin.settings import state_directory


class Stage(StrEnum):
    """The stage of a succession."""

    ACTIVE = "active"
    """A controller was active lately: nothing has to be done."""
    ANNOUNCE = "announce"
    """The controllers are to be notified."""
    WAIT = "wait"
    """They were notified, and the heirs are not due yet."""
    DUE = "due"
    """The heirs take over."""


@dataclass(frozen=True, slots=True)
class Succession:
    """The takeover of a room by its heirs.

    Attributes:
        stage: its current stage.
        on: when the heirs take over unless a controller is active, in milliseconds since the epoch.
        controllers: the controllers of the room.
        active: when one of them was last active, in milliseconds since the epoch.
    """

    stage: Stage
    on: int = 0
    controllers: tuple[UserId, ...] = ()
    active: int = 0

    @property
    def date(self) -> str:
        """The day on which the heirs take over."""
        return f"{datetime.fromtimestamp(self.on / 1000, UTC):%Y-%m-%d}"


def succession(
    heirs: Heirs, *, active: int | None, notified: int | None, now: int, controllers: Iterable[UserId] = ()
) -> Succession:
    """Return the succession in a room; all times are in milliseconds since the epoch.

    Args:
        heirs: the heirs, and the time after which they get control.
        active: when a controller was last active; None where the room has no controller.
        notified: when the controllers were notified; None where they were not.
        now: the time.
        controllers: the controllers.
    """
    controllers = tuple(controllers)
    if active is None:
        return Succession(Stage.DUE, now, controllers)
    if notified is not None and notified < active:
        notified = None  # a controller was active again: the notice no longer counts
    by_inactivity = active + heirs.after
    if now < by_inactivity - heirs.notify:
        return Succession(Stage.ACTIVE, by_inactivity, controllers)
    if heirs.notify == 0:
        return Succession(Stage.DUE, by_inactivity, controllers)
    on = max(by_inactivity, (now if notified is None else notified) + heirs.notify)
    if notified is None:
        return Succession(Stage.ANNOUNCE, on, controllers, active)
    return Succession(Stage.DUE if now >= on else Stage.WAIT, on, controllers)


def with_heirs(entry: RoomsEntry) -> RoomsEntry:
    """Return an entry with its heirs among its admins."""
    heirs = entry.heirs.users if entry.heirs is not None else ()
    admins = tuple(dict.fromkeys((*entry.goal.admins, *heirs)))
    return replace(entry, goal=replace(entry.goal, admins=admins))


@dataclass(slots=True)
class HeirNotices:
    """The record of when the controllers of each room were notified.

    Attributes:
        path: the file; None keeps it in memory alone.
        now: the time of this run, in milliseconds since the epoch.
    """

    path: Path | None
    now: int
    _times: dict[str, int] = field(default_factory=dict)

    @classmethod
    def of(cls, homeserver: str) -> "HeirNotices":
        """Read the record of a homeserver from the state directory.

        Raises:
            SettingsError: the file cannot be read, or is not such a record.
        """
        path = state_directory() / "control" / f"{quote(homeserver, safe='')}.json"
        return cls.read(path, now=int(time.time() * 1000))

    @classmethod
    def read(cls, path: Path, *, now: int) -> "HeirNotices":
        """Read a record from its file; a missing file is an empty record.

        Raises:
            SettingsError: the file cannot be read, or is not such a record.
        """
        try:
            content = json.loads(path.read_text("utf-8"))
        except FileNotFoundError:
            return cls(path, now)
        except (OSError, ValueError) as error:
            message = f"cannot read {path}: {error}"
            raise SettingsError(
                message, hint="without it, controllers are notified again: move it away"
            ) from None
        times = content.get("notified") if isinstance(content, dict) else None
        if not isinstance(times, dict) or not all(isinstance(time, int) for time in times.values()):
            message = f"{path} is not a record of notifications"
            raise SettingsError(message, hint="without it, controllers are notified again: move it away")
        return cls(path, now, times)

    def notified(self, room_id: RoomId, user: UserId | None = None) -> int | None:
        """Return when all controllers of a room were notified, or when the given one was."""
        return self._times.get(_key(room_id, user))

    def record(self, room_id: RoomId, user: UserId | None = None) -> None:
        """Record that all controllers of a room were notified now, or only the given one.

        Raises:
            SettingsError: the file cannot be written.
        """
        self._times[_key(room_id, user)] = self.now
        if self.path is not None:
            files.make_directory(self.path.parent)
            files.replace_file(self.path, json.dumps({"version": 1, "notified": self._times}, indent=1))


def _key(room_id: RoomId, user: UserId | None) -> str:
    return room_id if user is None else f"{room_id} {user}"


def last_activity(synapse: Synapse, users: Iterable[UserId], *, now: int) -> int | None:
    """Return the time of the last activity of some local users; None if there are no users.

    Accounts of application services count as active: Synapse does not record their use.
    """
    times = [_last_seen(synapse, user, now=now) for user in users]
    return max(times, default=None)


def _last_seen(synapse: Synapse, user: UserId, *, now: int) -> int:
    try:
        if synapse.users.get(user).appservice_id is not None:
            return now
    except NotFoundError:
        return 0
    # The single account has its last use only for the last 28 days, the user list has every one.
    account = next((account for account in _accounts_named(synapse, user) if account.name == user), None)
    if account is None:
        return now
    return account.last_seen_ts or account.creation_ts or now


def _accounts_named(synapse: Synapse, user: UserId) -> Iterable[User]:
    try:
        yield from synapse.users.list(user_id=user, locked=True)
    except NotSupportedError:
        # Synapse before 1.103.
        yield from synapse.users.list_v2(user_id=user, deactivated=True, locked=True)


def notify(
    synapse: Synapse, room: str, room_id: RoomId, heirs: Heirs, planned: Succession, *, notices: HeirNotices
) -> None:
    """Send each controller a server notice that says who takes over, when, and how to stop it.

    Each notice is recorded when it is sent: after an interruption, a later run sends only the others.

    Args:
        synapse: the server.
        room: the name of the room for a sentence.
        room_id: the room.
        heirs: the heirs.
        planned: the date, and the controllers to notify.
        notices: the record of when controllers were notified.

    Raises:
        MatrixError: the server has no server notices.
        SettingsError: the record cannot be written.
    """
    body = (
        f"You are an admin of the room {room}, and no admin of it has been active for a long time. On "
        f"{planned.date}, {', '.join(heirs.users)} will become admin of the room. To stop this, use your "
        "account before that day."
    )
    content: dict[str, Any] = {"msgtype": "m.text", "body": body}
    for user in planned.controllers:
        notified = notices.notified(room_id, user)
        if notified is not None and notified >= planned.active:
            continue
        name = hashlib.sha256(f"{room_id} {user} {planned.date}".encode()).hexdigest()[:16]
        synapse.notices.send_once(user, content, txn_id=f"synadmin-heirs-{name}")
        notices.record(room_id, user)
    notices.record(room_id)
