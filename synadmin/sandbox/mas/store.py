"""The records of the stand-in: users, four kinds of sessions, tokens, jobs; and the rights of sessions.

A record is a dict, so that it can be written to a file as JSON. The admin API shows no attribute with a name
that begins with ``_``.
"""

import datetime as dt
import json
import re
import threading
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, TypeAlias

from synadmin.files import replace_file
from synadmin.sandbox.mas.names import moment, new_id, new_token, now, written

Record: TypeAlias = dict[str, Any]

API, UNSTABLE_API = "urn:matrix:client:api:*", "urn:matrix:org.matrix.msc2967.client:api:*"
SYNAPSE_ADMIN, MAS_ADMIN = "urn:synapse:admin:*", "urn:mas:admin"
ALL_SCOPES = f"{API} {SYNAPSE_ADMIN} {MAS_ADMIN}"
"""The scopes of an administrator's token: the Matrix API, and the admin APIs of Synapse and of MAS."""
_DEVICES = ("urn:matrix:client:device:", "urn:matrix:org.matrix.msc2967.client:device:")
OAUTH, COMPAT, BROWSER, PERSONAL = "oauth2-session", "compat-session", "user-session", "personal-session"
_ENDED = {OAUTH: "finished_at", COMPAT: "finished_at", BROWSER: "finished_at", PERSONAL: "revoked_at"}
_OF_USER = {OAUTH: "user_id", COMPAT: "user_id", BROWSER: "user_id", PERSONAL: "actor_user_id"}


@dataclass
class Knobs:
    """The settings of the stand-in.

    Attributes:
        adminapi: whether the admin API is served. In MAS an operator has to switch it on.
        version: the simulated version of MAS. Newer operations are missing; newer filters are not.
        device_code: whether the device code grant is switched on.
        worker: whether jobs are run.
        failures: how many of the next jobs fail; they are tried again later.
        passwords: whether users sign in with passwords.
        minimum_password_complexity: the least complexity of a password, 0 to 4.
        admin_clients: the clients that may ask for ``urn:mas:admin``.
        access_token_seconds: the life of OAuth access tokens.
        device_code_seconds: the life of a device code.
        interval: seconds between two requests of a client that waits for a device code.
    """

    adminapi: bool = True
    version: str = "v1.22.0"
    device_code: bool = True
    worker: bool = True
    failures: int = 0
    passwords: bool = True
    minimum_password_complexity: int = 0
    admin_clients: list[str] = field(default_factory=list)
    access_token_seconds: int = 300
    device_code_seconds: int = 1200
    interval: int = 5

    def is_at_least(self, since: tuple[int, int]) -> bool:
        """Whether the simulated version is this one or newer."""
        major, minor = self.version.lstrip("v").split(".")[:2]
        return (int(major), int(minor)) >= since


class MasStore:
    """The records, by kind and id. Hold ``lock`` to read or change them.

    Attributes:
        lock: the lock for reading and writing records.
        knobs: the settings.
        tables: records by kind, then by id, in the order in which they were made.
    """

    def __init__(self, path: Path | None = None) -> None:
        """Read the file if it exists; None: the records are only in memory."""
        self.lock = threading.RLock()
        self.knobs = Knobs()
        self.tables: dict[str, dict[str, Record]] = {}
        self._path = path
        if path is not None and path.exists():
            kept = json.loads(path.read_text("utf-8"))
            self.knobs, self.tables = Knobs(**kept["knobs"]), kept["tables"]

    def save(self) -> None:
        """Write the file."""
        if self._path is not None:
            with self.lock:
                kept = json.dumps({"knobs": asdict(self.knobs), "tables": self.tables})
            replace_file(self._path, kept)

    def table(self, kind: str) -> dict[str, Record]:
        """Return the records of a kind by id."""
        return self.tables.setdefault(kind, {})

    def add(self, kind: str, attributes: Record) -> Record:
        """Store a new record with ``_id``, ``_kind`` and ``created_at``, and return it."""
        record = {"_id": new_id(), "_kind": kind, "created_at": written(now()), **attributes}
        self.table(kind)[record["_id"]] = record
        return record

    def add_user(self, username: str) -> Record:
        """Store a new user, and return it."""
        user = {"username": username, "locked_at": None, "deactivated_at": None, "admin": False}
        return self.add("user", {**user, "legacy_guest": False, "_password": None})

    def user_named(self, username: str) -> Record | None:
        """Return the user with this name, in upper or lower case."""
        matching = (user for user in self.table("user").values() if user["username"] == username.lower())
        return next(matching, None)

    def add_session(self, kind: str, attributes: Record) -> Record:
        """Store a new session of a kind, and return it."""
        # MAS records the last use of a session within a minute; the stand-in does not.
        session = {_ENDED[kind]: None, "last_active_at": None, "last_active_ip": None}
        if kind != PERSONAL:
            session["user_agent"] = None
        return self.add(kind, session | attributes)

    def add_token(self, session: Record, kind: str, seconds: int | None, **more: Any) -> Record:  # noqa: ANN401
        """Store a new token of a session, and return it; None seconds: it does not expire."""
        expires = None if seconds is None else written(now() + dt.timedelta(seconds=seconds))
        token = {"_session": session["_id"], "_session_kind": session["_kind"], "_revoked": False}
        token |= {"_token": new_token(kind), "_expires": expires, "_used": False, "_kind": "token", **more}
        self.table("token")[token["_token"]] = token | {"created_at": written(now())}
        return self.table("token")[token["_token"]]

    def session_of(self, token: Record) -> Record:
        """Return the session that a token belongs to."""
        return self.table(token["_session_kind"])[token["_session"]]

    def is_live(self, token: Record) -> bool:
        """Whether a token is not revoked and not expired, and its session has not ended."""
        expired = token["_expires"] is not None and moment(token["_expires"]) <= now()
        return not (token["_revoked"] or expired or has_ended(self.session_of(token)))

    def is_valid(self, user_id: str | None) -> bool:
        """Whether a user is neither locked nor deactivated; true for None."""
        user = self.table("user").get(user_id or "")
        return user is None or not (user["locked_at"] or user["deactivated_at"])

    def sessions(self, kind: str, user_id: str) -> list[Record]:
        """Return a user's active sessions; of personal sessions, those that act as the user."""
        every = self.table(kind).values()
        return [session for session in every if session[_OF_USER[kind]] == user_id and not has_ended(session)]

    def devices(self, user_id: str) -> list[str]:
        """Return the devices of a user's sessions."""
        compat = [session["device_id"] for session in self.sessions(COMPAT, user_id)]
        scopes = [session["scope"] for kind in (OAUTH, PERSONAL) for session in self.sessions(kind, user_id)]
        return [device for device in compat if device] + [
            device for scope in scopes for device in devices_in(scope)
        ]

    def end(self, session: Record) -> None:
        """End a session."""
        session[_ENDED[session["_kind"]]] = written(now())

    def end_all(self, user_id: str) -> None:
        """End all sessions of a user, and the personal sessions that the user owns."""
        for kind in _ENDED:
            for session in self.sessions(kind, user_id):
                self.end(session)
        for session in self.table(PERSONAL).values():
            if session["owner_user_id"] == user_id and not has_ended(session):
                self.end(session)


def has_ended(session: Record) -> bool:
    """Whether a session was finished or revoked."""
    return session[_ENDED[session["_kind"]]] is not None


def is_scope(text: str) -> bool:
    """Whether the text is a valid scope of RFC 6749."""
    return re.fullmatch(r"[!#-\[\]-~]+( [!#-\[\]-~]+)*", text) is not None


def devices_in(scope: str) -> list[str]:
    """Return the devices that a scope names, each once."""
    devices = [
        token.removeprefix(prefix)
        for token in scope.split()
        for prefix in _DEVICES
        if token.startswith(prefix)
    ]
    return list(dict.fromkeys(devices))


def with_twins(scope: str) -> str:
    """Return a scope that has, for each token with two names, both the stable and the unstable one."""
    tokens = set(scope.split())
    if tokens & {API, UNSTABLE_API}:
        tokens |= {API, UNSTABLE_API}
    tokens |= {prefix + device for device in devices_in(scope) for prefix in _DEVICES}
    return " ".join(sorted(tokens))
