"""Each operation of Synapse has a client method and a command."""

from __future__ import annotations

import json
import pkgutil
import re
from collections import Counter
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING
from unittest.mock import MagicMock

import click
import pytest
from synapse.rest import admin

from synadmin import cli
from synadmin.cli.app import app
from synadmin.cli.operations import MAS_ADMIN, commands, endpoints, operation_of, operations
from synadmin.client import Synapse

if TYPE_CHECKING:
    from collections.abc import Iterable
    from re import Pattern

OPERATIONS = json.loads((Path(__file__).parents[2] / "operations.json").read_text("utf-8"))["operations"]
COMMANDS = [(" ".join(path), command) for path, command in commands(app)]


def registered(*, mas: bool) -> set[tuple[str, str]]:
    """Return method and path template of each /_synapse/admin request of the installed Synapse."""
    registered_paths: set[tuple[str, str]] = set()

    class Recorder:
        def register_paths(self, method: str, patterns: Iterable[Pattern[str]], *_: object) -> None:
            for pattern in patterns:
                path = re.sub(r"\(\?P<(\w+)>[^)]*\)", r"{\1}", pattern.pattern)
                # An optional part, such as the event of purge_history, is not a separate operation.
                registered_paths.add((method, re.sub(r"\([^)]*\)\?", "", path).strip("^$")))

    server = MagicMock()
    server.config.worker.worker_app = None
    server.config.mas.enabled = mas
    server.config.experimental.msc3861.enabled = mas
    admin.register_servlets(server, Recorder())
    return {(method, path) for method, path in registered_paths if path.startswith("/_synapse/admin/")}


def test_every_operation_of_synapse_is_declared() -> None:
    ours = {(operation.method, operation.path) for operation in operations(app)}

    assert sorted(registered(mas=False) - ours) == []


def test_operations_match_the_list() -> None:
    ours = Counter((operation.method, operation.path) for operation in operations(app))
    listed = Counter((operation["method"], operation["path"]) for operation in OPERATIONS)

    assert sorted(ours - listed) == [], "tests/operations.json lists all operations: add these to it"
    assert sorted(listed - ours) == [], "no group in synadmin/api has these: add them"


def test_operations_match_the_47_of_mas() -> None:
    ours = operations(app, MAS_ADMIN)

    assert len({(operation.method, operation.path) for operation in ours}) == len(ours) == 47
    assert all(operation.path.startswith("/api/admin/v1/") and operation.mas for operation in ours)
    names = {name for name, _ in COMMANDS}
    assert {operation.command for operation in ours if operation.command} <= names


def test_operations_managed_by_mas_are_known() -> None:
    ours = {(operation.method, operation.path) for operation in operations(app) if operation.mas}
    known = {(operation.method, operation.path) for operation in operations(app)}
    listed = {(operation["method"], operation["path"]) for operation in OPERATIONS if operation["with_mas"]}

    assert sorted(ours ^ listed) == [], "`with_mas` in tests/operations.json is `mas` of the Endpoint"
    assert sorted(ours ^ (registered(mas=True) & known)) == [], (
        "this Synapse differs from `mas` of the Endpoint"
    )


def test_deprecated_operations_name_their_replacement() -> None:
    ours = {(operation.method, operation.path): operation.instead for operation in operations(app)}
    calls = {operation.call for operation in operations(app)}

    for operation in OPERATIONS:
        instead = ours[operation["method"], operation["path"]]
        assert (instead in calls) if operation.get("deprecated") else (instead is None)


def test_each_operation_has_a_client_method() -> None:
    synapse = Synapse("http://127.0.0.1")

    for operation in operations(app):
        group, _, method = operation.call.partition(".")
        assert callable(getattr(getattr(synapse, group), method))
    assert len({operation.call for operation in operations(app)}) == len(operations(app))


def test_each_operation_has_a_command() -> None:
    names = {name for name, _ in COMMANDS}

    assert [operation.call for operation in operations(app) if operation.command not in names] == [], (
        "no command names these calls of the client: add them to its @reads or @changes"
    )


def test_each_declared_command_is_in_a_group() -> None:
    reachable = {id(command) for _, command in COMMANDS}
    modules = pkgutil.walk_packages(cli.__path__, f"{cli.__name__}.")
    lost = [
        f"{module.name}.{name} is in no group: name it in the table of commands of its package"
        for module in modules
        for name, command in vars(import_module(module.name)).items()
        if isinstance(command, click.Command) and id(command) not in reachable and not name.startswith("_")
    ]

    assert lost == []


def test_commands_call_existing_methods() -> None:
    known = {call for call, _ in endpoints()}
    named = {call for _, command in COMMANDS for call in getattr(command, "calls", ())}

    assert sorted(named - known) == []


@pytest.mark.parametrize(("name", "command"), COMMANDS, ids=[name or "synadmin" for name, _ in COMMANDS])
def test_command_of_an_operation_has_help_with_an_example(name: str, command: click.Command) -> None:
    words = command.get_help(click.Context(command, info_name=f"synadmin {name}".strip()))

    assert command.help
    if not isinstance(command, click.Group):
        assert f"synadmin {name}" in words.partition("Example")[2]


@pytest.mark.parametrize(
    ("method", "path", "call"),
    [
        ("GET", "/_synapse/admin/v1/rooms/!a:b", "rooms.get"),
        ("GET", "/_synapse/admin/v1/rooms/{room_id}", "rooms.get"),
        ("GET", "/_synapse/admin/v1/rooms/%21a%3Ab/members?x=/", "rooms.members"),
        ("POST", "/_synapse/admin/v1/media/delete?before_ts=1", "media.delete_unused"),
        ("DELETE", "/_synapse/admin/v1/media/b.example/delete", "media.delete"),
        ("GET", "/_synapse/admin/v1/media/quarantine_changes", "media.quarantine_changes"),
        ("PATCH", "/_synapse/admin/v1/rooms/!a:b", None),
        ("GET", "/_synapse/admin/v1/levitate", None),
    ],
)
def test_request_is_matched_to_its_operation(method: str, path: str, call: str | None) -> None:
    operation = operation_of(method, path)

    assert (operation.call if operation else None) == call
