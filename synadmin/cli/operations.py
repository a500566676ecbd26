"""All operations of the admin APIs, with their method and their command, read from the code."""

import re
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from synadmin.http.endpoint import Endpoint

SYNAPSE_ADMIN = "/_synapse/admin/"
MAS_ADMIN = "/api/admin/v1/"
"""The prefix of the paths of the admin API of the Matrix Authentication Service."""


@dataclass(frozen=True, slots=True)
class Operation:
    """An operation of a server.

    Attributes:
        path: the path, with ``{parameters}``.
        call: the client's method, ``rooms.make_admin``.
        command: the command, ``room make-admin``; None where there is none.
        since: the Synapse version that introduced it; None: every supported version has it.
        mas: Synapse serves it also where the Matrix Authentication Service manages the accounts.
        instead: for a deprecated operation, the method that replaces it.
    """

    method: str
    path: str
    call: str
    command: str | None
    since: str | None
    mas: bool
    instead: str | None

    def as_record(self) -> dict[str, Any]:
        """Return the record for ``synadmin api --list``."""
        record = asdict(self)
        if self.instead is None:
            del record["instead"]
        return record

    def is_asked_for_by(self, method: str, path: str) -> bool:
        """Whether a request, with or without filled-in parameters, is for this operation."""
        if method != self.method:
            return False
        template = re.sub(r"\\\{\w+\\\}", "[^/]*", re.escape(self.path))
        return path == self.path or re.fullmatch(template, path.partition("?")[0]) is not None


def operations(root: click.Command | None = None, api: str = SYNAPSE_ADMIN) -> list[Operation]:
    """Return all operations of an admin API, sorted by path and method.

    Args:
        root: the root of the command tree; without it no operation has a command.
        api: the prefix of its paths: ``SYNAPSE_ADMIN``, or ``MAS_ADMIN`` (``since`` is a version of MAS).
    """
    commands = {} if root is None else _commands_by_call(root)
    listed = [
        Operation(
            method=endpoint.method,
            path=endpoint.path,
            call=call,
            command=commands.get(call),
            since=endpoint.since,
            mas=endpoint.mas,
            instead=endpoint.instead,
        )
        for call, endpoint in endpoints()
        if endpoint.path.startswith(api)
    ]
    return sorted(listed, key=lambda operation: (operation.path, operation.method))


def operation_of(method: str, path: str) -> Operation | None:
    """Return the operation that a request is for, without its command; None where there is none."""
    known = [*operations(), *operations(api=MAS_ADMIN)]
    asked = [operation for operation in known if operation.is_asked_for_by(method, path)]
    # /media/delete goes before /media/{server_name}/{media_id}, as in Synapse.
    return min(asked, key=lambda operation: operation.path.count("{"), default=None)


def endpoints() -> "Iterator[tuple[str, Endpoint[Any]]]":
    """Yield all operations of the client: the method's name, such as ``rooms.make_admin``, and its data."""
    from synadmin.client import RESOURCE_GROUPS, Synapse
    from synadmin.http.endpoint import Endpoint
    from synadmin.mas import service
    from synadmin.mas.oauth import OAuth
    from synadmin.mas.service import Mas

    synapse = Synapse("http://127.0.0.1")
    mas = Mas(synapse.transport, OAuth(synapse.transport, {}))
    groups = [(name, getattr(synapse, name)) for name in RESOURCE_GROUPS]
    groups += [(f"mas.{name}", getattr(mas, name)) for name in service.RESOURCE_GROUPS]
    for name, group in groups:
        for base in type(group).__mro__:
            if not base.__module__.startswith(("synadmin.api.", "synadmin.mas.")):
                continue
            for constant, endpoint in vars(import_module(base.__module__)).items():
                if isinstance(endpoint, Endpoint) and constant.lower() in vars(base):
                    yield f"{name}.{constant.lower()}", endpoint


def commands(
    command: click.Command, path: tuple[str, ...] = ()
) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    """Yield all commands and groups: the words after ``synadmin``, and the command."""
    yield path, command
    if isinstance(command, click.Group):
        context = click.Context(command)
        for name in command.list_commands(context):
            below = command.get_command(context, name)
            if below is not None:
                yield from commands(below, (*path, name))


def _commands_by_call(root: click.Command) -> dict[str, str]:
    """Return the command of each method: the first command that names it."""
    named = [
        (calls.index(call), order, call, " ".join(path))
        for order, (path, command) in enumerate(commands(root))
        for calls in [getattr(command, "calls", ())]
        for call in calls
    ]
    return {call: command for _, _, call, command in sorted(named, reverse=True)}
