"""The library's Synapse: the client, and the main tasks of the command line as methods."""

import logging
import os
import time
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Self, Unpack

from synadmin import client
from synadmin.errors import RefusedError, UsageError
from synadmin.ids import (
    RoomId,
    parse_local_user_id,
    parse_room,
    parse_server_name,
    parse_user_id,
    server_name_of,
)
from synadmin.journal import Journal
from synadmin.library.connect import Options, connection_of

if TYPE_CHECKING:
    from synadmin.audit.report import Report
    from synadmin.http.transport import Body, Query
    from synadmin.recovery.outcome import Outcome
    from synadmin.recovery.transfer_plan import RoomTransfer
    from synadmin.recovery.workspace import Recovery

Allow = Literal["api", "impersonate", "reactivate"]
"""How far a task may go: with your own token alone, as other local users, also with reactivated accounts."""
Scope = Literal["rooms", "users", "server"]
"""What an audit checks."""

_COMMAND = "library"
_POLL = 1.0  # seconds between two checks whether the new owner has joined
_log = logging.getLogger("synadmin")


class Synapse(client.Synapse):
    """A Synapse homeserver: its Admin API, and the tasks of the command line.

    >>> with Synapse.from_profile() as synapse:
    ...     outcome = synapse.regain("#club:example.org", dry_run=True)
    ...     print(outcome.outcome, outcome.message)

    Warnings go to the logger ``synadmin``.
    """

    def __init__(
        self,
        homeserver: str,
        *,
        journal: Journal | Path | Literal["default"] | None = "default",
        **options: Unpack[Options],
    ) -> None:
        """Prepare the client; nothing is sent yet.

        Args:
            homeserver: the base URL, or ``unix://`` and the path of a socket.
            journal: where every change is recorded before it is sent. ``"default"`` is the journal of the
                command line, so ``synadmin journal`` shows what your program changed; None records nothing.
            **options: ``token``, ``timeout`` and others, as for :class:`synadmin.client.Synapse`.

        Raises:
            SettingsError: the homeserver is not a base URL, or the token cannot be one.
        """
        options.setdefault("notify", _log.info)
        self._own_journal = None if "transport" in options else _journal(journal)
        super().__init__(homeserver, journal=self._own_journal, **options)

    def __exit__(self, *error: object) -> None:
        if self._own_journal is not None:
            self._own_journal.end(1 if any(error) else 0)
        super().__exit__(*error)

    @classmethod
    def from_profile(
        cls, name: str | None = None, *, journal: Journal | Path | Literal["default"] | None = "default"
    ) -> Self:
        """Return the client for the settings of the command line.

        Args:
            name: the profile; None reads what the command line reads: the environment, ``.env``, then the
                profile ``default``.
            journal: as for :class:`Synapse`; ``"default"`` is the journal that the settings name.

        Raises:
            SettingsError: no homeserver or no token is set, or a file cannot be read.
        """
        from synadmin import settings

        loaded = settings.load() if name is None else settings.of_profile(name)
        for warning in loaded.warnings:
            _log.warning(warning)
        homeserver, options = connection_of(loaded)
        return cls(homeserver, journal=loaded.journal if journal == "default" else journal, **options)

    @contextmanager
    def impersonate(self, user: str) -> "Iterator[Self]":
        """Act as a local user in a ``with`` block; the token is ended after it.

        Args:
            user: a user id, or a localpart of this server.

        Raises:
            NotFoundError: there is no such account.
            RefusedError: the Matrix Authentication Service manages the accounts, and its admin API cannot be
                used.
        """
        from synadmin.recovery.impersonation import Impersonation

        with Impersonation(self, _log.warning) as sessions:
            acting = sessions.of(parse_local_user_id(user, home=server_name_of(self.owner)))
            yield type(self)(acting.transport.homeserver, transport=acting.transport)

    def regain(
        self,
        room: str,
        user: str | None = None,
        *,
        allow: Allow = "api",
        promoter: str | None = None,
        via: Collection[str] = (),
        join: bool = True,
        dry_run: bool = False,
    ) -> "Outcome":
        """Give a user control of a room, as ``synadmin room make-admin`` does.

        Looks at the room, plans, acts and reads the room back. Temporary changes are reverted. Every change
        is in the journal, unless the client was made with ``journal=None``. For the bare request of the Admin
        API use ``rooms.make_admin``.

        Args:
            room: a room id or an alias.
            user: a user id or a local localpart; None is the token's owner.
            allow: how far it may go.
            promoter: the local user who grants the power; None: the best one is found.
            via: servers to join the room through.
            join: join the room where the token's owner is the one to have control.
            dry_run: read and plan only; the outcome is ``planned``, ``refused`` or ``done``.

        Returns:
            The outcome. A room that is refused was not changed; ``reason`` and ``message`` tell why.

        Raises:
            NotPermittedError: the token is not a server admin's.
            UsageError: an id is not valid.
            SynadminError: the server gave no usable answer, or a temporary change was not reverted.
        """
        from synadmin.power.room import Goal, Reach
        from synadmin.recovery import make_admin

        parsed = parse_room(room)
        caller = self.owner
        home = server_name_of(caller)
        goal = Goal(
            target=caller if user is None else parse_user_id(user, home=home),
            caller=caller,
            allow=Reach.of(allow),
            join=join,
            promoter=None if promoter is None else parse_user_id(promoter, home=home),
        )
        servers = tuple(parse_server_name(server) for server in via)
        with self._changing(servers, dry_run=dry_run) as recovery:
            preview = next(make_admin.preview_rooms(recovery.observer, [parsed], goal))
            return preview.result if dry_run else make_admin.Run(recovery, goal).carry_out(preview)

    def set_power(
        self,
        room: str,
        user: str,
        level: int,
        *,
        allow: Allow = "api",
        leave_rooms: bool = False,
        dry_run: bool = False,
    ) -> "Outcome":
        """Set a user's power level in a room, as ``synadmin room set-power`` does.

        A local user with enough power sends the change; all other levels stay as they are. What was sent is
        read back. The change is in the journal, unless the client was made with ``journal=None``.

        Args:
            room: a room id or an alias.
            user: a user id or a local localpart.
            level: the power level.
            allow: how far it may go.
            leave_rooms: allow that no local user has control of the room afterwards.
            dry_run: read and plan only; the outcome is ``planned``, ``refused`` or ``done``.

        Returns:
            The outcome. A room that is refused was not changed; ``reason`` and ``message`` tell why.

        Raises:
            NotFoundError: there is no such room, alias or account.
            NotPermittedError: the token is not a server admin's.
            UsageError: an id is not valid.
            SynadminError: the change was not made, or a temporary change was not reverted.
        """
        from synadmin.power.level_changes import Edit
        from synadmin.power.room import Reach
        from synadmin.recovery import change_levels, outcome

        target = parse_user_id(user, home=server_name_of(self.owner))
        room_id = self._room_id(room)
        with self._changing(dry_run=dry_run) as recovery:
            observer = recovery.observer
            view = observer.with_users(change_levels.view_to_edit(observer, room_id), [target])
            start = outcome.before(room, target, self.rooms.get(room_id), view)
            try:
                edit, reach = Edit(users={target: level}), Reach.of(allow)
                planned = change_levels.plan(observer, view, edit, allow=reach, leave_rooms=leave_rooms)
            except RefusedError as error:
                hint = f" Next: {error.hint}." if error.hint else ""
                return replace(start, outcome=outcome.REFUSED, reason=error.reason, message=f"{error}.{hint}")
            actor = planned.actor
            if actor is None:
                done = "Nothing to change: the user has this level already."
                return replace(start, outcome=outcome.DONE, message=done)
            start = replace(start, promoter=actor.user, reach=actor.reach)
            if dry_run:
                return replace(start, outcome=outcome.PLANNED, message=actor.text, level_after=level)
            content = change_levels.carry_out(recovery, planned).power_levels
            now = start.with_state(replace(view, power_levels=content))
            return replace(now, outcome=outcome.DONE, message=f"{target} has level {level}.")

    def transfer(
        self,
        room: str,
        to: str,
        old_owner: str | None = None,
        *,
        allow: Allow = "api",
        wait: float = 0.0,
        leave_rooms: bool = False,
        dry_run: bool = False,
    ) -> "RoomTransfer":
        """Move a room to another account, mostly on another server, as ``synadmin room transfer`` does.

        The new owner gets power and an invitation. When the new owner has joined and has control, the old
        owner's power is removed. Every change is in the journal, unless the client was made with
        ``journal=None``.

        Args:
            room: a room id or an alias.
            to: the user id of the new owner.
            old_owner: a user id or a local localpart; None is the token's owner.
            allow: how far it may go.
            leave_rooms: allow that no local user has control of the room afterwards.
            wait: seconds to wait for the new owner to join; after that the outcome is ``pending``, and the
                same call goes on later.
            dry_run: read and plan only; the outcome is ``planned``, ``refused`` or ``done``.

        Raises:
            NotPermittedError: the token is not a server admin's.
            UsageError: an id is not valid, or both owners are the same.
            SynadminError: the server gave no usable answer, or a temporary change was not reverted.
        """
        from synadmin.power.room import Reach
        from synadmin.recovery import transfer
        from synadmin.recovery.transfer_as_admin import AsAdmin
        from synadmin.recovery.transfer_plan import Move

        parsed, caller = parse_room(room), self.owner
        old = caller if old_owner is None else parse_user_id(old_owner, home=server_name_of(caller))
        move = Move(parse_user_id(to), old)
        if move.new == move.old:
            raise UsageError(f"{move.new} is the old and the new owner")
        missing = transfer.missing_account(self, move)
        if missing is not None:
            return transfer.refused(parsed, missing)
        with self._changing(dry_run=dry_run) as recovery:
            way = AsAdmin(recovery, move, Reach.of(allow), leave_rooms=leave_rooms)
            looked = way.plan(parsed)
            if dry_run:
                return looked
            (result,) = transfer.hand_over(way, [looked], move, accept=None, pause=_pausing(wait))
            return result

    def audit(
        self,
        scopes: Collection[Scope] = (),
        *,
        rules: Collection[str] = (),
        skip: Collection[str] = (),
        config: Path | None = None,
    ) -> "Report":
        """Audit the server, as ``synadmin audit`` does. Nothing is changed.

        Args:
            scopes: the scopes to audit; empty: all.
            rules: the ids of the rules to run; empty: all that are enabled.
            skip: the ids of rules not to run.
            config: a TOML file with limits, lists and ignores.

        Returns:
            The report. ``skipped`` and ``errors`` are empty where everything was checked.

        Raises:
            NotPermittedError: the token is not a server admin's.
            SettingsError: the configuration is not valid, or there is no such rule.
            UsageError: no rule is left to run.
        """
        from synadmin.audit.baseline import Baseline
        from synadmin.audit.config import Config, read
        from synadmin.library import audit

        configuration = Config() if config is None else read(config)
        chosen = audit.rules_of(configuration, scopes, rules, skip)
        connection = self.transport.connection
        with audit.prefetching(self, connection.pool_size) as prefetcher:
            order = audit.AuditRun(chosen, configuration, Baseline(), count_controllers=True)
            return audit.run(prefetcher, order, timeout=connection.timeout, ca_file=connection.ca_file).report

    def request(
        self,
        method: str,
        path: str,
        *,
        query: "Query | None" = None,
        body: "Body | None" = None,
        **parameters: str,
    ) -> dict[str, Any]:
        """Send a request of your own and return the JSON object of the answer.

        A request that is not a GET is recorded in the journal. It is not sent again if no answer came.

        Args:
            method: the HTTP method.
            path: the path; ``{names}`` in it are filled from ``parameters``, percent-encoded.
            query: the query; values that are None are left out.
            body: the JSON body.
            **parameters: fill the path.

        Raises:
            MatrixError: the server answered with an error.
            ReplyError: the answer is not a JSON object.
            ConnectError: there was no answer.
        """
        from synadmin.http.endpoint import Endpoint

        endpoint = Endpoint(method, path, dict[str, Any], idempotent=method == "GET")
        return self.transport.send(endpoint, parameters, query=query, body=body)

    def _room_id(self, room: str) -> RoomId:
        parsed = parse_room(room)
        if parsed.startswith("#"):
            return self.client_server.resolve_alias(parsed).room_id
        return RoomId(parsed)

    @contextmanager
    def _changing(self, via: tuple[str, ...] = (), *, dry_run: bool = False) -> "Iterator[Recovery]":
        """Revert first what a crash has left, and at the end the temporary changes of this block."""
        from synadmin.recovery.workspace import Recovery

        journal = self.transport.journal or _journal(None)
        with Recovery(self, journal, _log.warning, via=via) as recovery:
            if not dry_run:
                recovery.revert_crashed_runs()
            yield recovery


def _pausing(seconds: float) -> Callable[[int], bool]:
    """Return a function that waits a little and returns whether time is left for another check."""
    end = time.monotonic() + seconds

    def pause(_: int) -> bool:
        remaining = end - time.monotonic()
        time.sleep(max(0.0, min(_POLL, remaining)))
        return remaining > 0

    return pause


def _journal(journal: Journal | Path | Literal["default"] | None) -> Journal:
    if isinstance(journal, Journal):
        return journal
    if journal == "default":
        from synadmin.settings import default_journal

        journal = default_journal()
    return Journal(journal or Path(os.devnull), command=_COMMAND, warn=_log.warning)
