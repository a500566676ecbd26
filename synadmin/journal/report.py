"""A report for auditors from the journal: who changed which rooms and accounts, and why."""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import unquote

from synadmin.journal.entry import was_refused

_SIGILS: Final = {"!": "room", "#": "room", "@": "user"}
_ACTIONS: Final = tuple(
    (method, re.compile(pattern), words)
    for method, pattern, words in (
        ("POST", "/rooms/[^/]+/make_room_admin$", "give power (Make Room Admin)"),
        ("PUT", r"/state/m\.room\.power_levels", "change power levels"),
        ("PUT", r"/state/m\.room\.join_rules", "change the join rule"),
        ("PUT", r"/state/m\.space\.(child|parent)", "change a space"),
        ("PUT", "/state/", "change a setting of the room"),
        ("POST", "/rooms/[^/]+/upgrade$", "upgrade"),
        ("POST", "/rooms/[^/]+/invite$", "invite"),
        ("POST", "/rooms/[^/]+/kick$", "remove from the room"),
        ("POST", "/rooms/[^/]+/unban$", "lift a ban"),
        ("POST", "/rooms/[^/]+/ban$", "ban"),
        ("POST", "/rooms/[^/]+/leave$", "leave"),
        ("POST", "/join/", "join"),
        ("POST", "/rooms/[^/]+/send/|/send/m", "send a message"),
        ("PUT", "/rooms/[^/]+/send/", "send a message"),
        ("PUT", "/send_server_notice/", "send a server notice"),
        ("PUT", "/rooms/[^/]+/block$", "block or unblock"),
        ("DELETE", "/_synapse/admin/v[12]/rooms/[^/]+$", "delete"),
        ("POST", "/purge_history/", "purge history"),
        ("POST", "/users/[^/]+/login$", "get a short-lived token"),
        ("POST", "/logout$", "end a short-lived token"),
        ("POST", "/deactivate/", "deactivate"),
        ("PUT", "/suspend/", "suspend or unsuspend"),
        ("POST", "/users/[^/]+/shadow_ban$", "shadow-ban"),
        ("DELETE", "/users/[^/]+/shadow_ban$", "lift a shadow-ban"),
        ("POST", "/users/[^/]+/override_ratelimit$", "change rate limits"),
        ("DELETE", "/users/[^/]+/override_ratelimit$", "change rate limits"),
        ("PUT", "/users/[^/]+/admin$", "change server admin rights"),
        ("POST", "/reset_password/", "reset the password"),
        ("POST", "/user/[^/]+/redact$", "redact messages"),
        ("POST", "/registration_tokens/new$", "create a registration token"),
    )
)
"""The actions of requests: method, path and action. The first match counts."""
_FIELDS: Final = {"locked": ("lock", "unlock"), "deactivated": ("deactivate", "reactivate")}


@dataclass(slots=True)
class ReportRow:
    """The changes of one run to one room or account.

    Attributes:
        time: of the first change, in ISO 8601, UTC.
        user: the owner of the token.
        kind: ``room``, ``user`` or ``server``.
        target: the room or the account; the homeserver where it is neither.
        actions: the actions, each once, in order.
        acted_as: the local users that the run acted as.
        reason: the value of ``--reason``.
        requests: how many changes were sent.
        refused: how many of them the server refused.
        unknown: how many of them got no answer.
    """

    time: str
    run: str
    user: str | None
    command: str | None
    server: str
    kind: str
    target: str
    actions: list[str] = field(default_factory=list)
    acted_as: list[str] = field(default_factory=list)
    reason: str | None = None
    requests: int = 0
    refused: int = 0
    unknown: int = 0

    @property
    def result(self) -> str:
        """``done``, ``failed``, ``partly``; ``unknown`` where a change got no answer."""
        if self.unknown:
            return "unknown"
        if not self.refused:
            return "done"
        return "failed" if self.refused == self.requests else "partly"

    def add(self, entry: Mapping[str, Any]) -> None:
        """Count a change."""
        status, errcode = entry.get("status"), entry.get("errcode")
        self.requests += 1
        if was_refused(status, errcode) or errcode is not None:
            self.refused += 1
        elif status is None:
            self.unknown += 1
        for value, values in ((action_of(entry), self.actions), (entry.get("on_behalf_of"), self.acted_as)):
            if isinstance(value, str) and value not in values:
                values.append(value)
        reason = entry.get("reason")
        if self.reason is None and isinstance(reason, str):
            self.reason = reason

    def as_record(self) -> dict[str, Any]:
        """Return the row as a record for scripts."""
        names = ("time", "run", "user", "command", "server", "kind", "target", "actions", "acted_as")
        return {
            **{name: getattr(self, name) for name in names},
            "reason": self.reason,
            "result": self.result,
            "requests": self.requests,
            "refused": self.refused,
            "unknown": self.unknown,
        }


def rows(entries: Iterable[Mapping[str, Any]], *, since: str = "") -> Iterator[ReportRow]:
    """Return a row for each room and account of each run, in the order of their first changes.

    Args:
        entries: of the journal, oldest first.
        since: a time in ISO 8601, UTC: earlier changes are left out.
    """
    rows: dict[tuple[str, str], ReportRow] = {}
    for entry in entries:
        time = str(entry.get("time"))
        if time < since:
            continue
        kind, target = target_of(entry)
        run = str(entry.get("run"))
        row = rows.get((run, target))
        if row is None:
            row = rows[run, target] = ReportRow(
                time,
                run,
                _text(entry.get("user")),
                _text(entry.get("command")),
                str(entry.get("server")),
                kind,
                target,
            )
        row.add(entry)
    return iter(rows.values())


def target_of(entry: Mapping[str, Any]) -> tuple[str, str]:
    """Return the kind and the id of a request's target: the room, where the path has a room and a user."""
    parts = [unquote(part) for part in str(entry.get("path")).partition("?")[0].split("/")]
    before = entry.get("before")
    if isinstance(before, Mapping):
        parts.insert(0, str(before.get("room_id")))
    ids = [part for part in parts if part[:1] in _SIGILS and len(part) > 1]
    # The path of a membership event has a room and a user: the room is the target.
    target = next((id_ for id_ in ids if _SIGILS[id_[0]] == "room"), ids[0] if ids else None)
    restoring = entry.get("restoring")
    if target is None and isinstance(restoring, Mapping) and restoring.get("user"):
        target = str(restoring["user"])
    if target is None and entry.get("on_behalf_of"):
        target = str(entry["on_behalf_of"])
    if target is None:
        return "server", str(entry.get("server"))
    return _SIGILS.get(target[:1], "user"), target


def action_of(entry: Mapping[str, Any]) -> str:
    """Return the action of a request in words, else its method and path."""
    method, path = str(entry.get("method")), unquote(str(entry.get("path")).partition("?")[0])
    body = entry.get("body")
    if method == "PUT" and re.search("/_synapse/admin/v2/users/[^/]+$", path) and isinstance(body, Mapping):
        done = [words[0] if body[name] else words[1] for name, words in _FIELDS.items() if name in body]
        return ", ".join(done) or "change the account"
    for expected, pattern, words in _ACTIONS:
        if method == expected and pattern.search(path):
            return words
    return f"{method} {path}"


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None
