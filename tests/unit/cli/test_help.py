"""The help of each command: a short summary, an example, and at most 80 columns."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click
import pytest

from synadmin import __version__
from synadmin.cli.app import app
from synadmin.cli.lazy import Group

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.unit.cli.conftest import Synadmin

MAX_SUMMARY = 60  # characters of a summary
MAX_WIDTH = 80


def _commands(group: Group, context: click.Context) -> Iterator[tuple[str, click.Command, click.Context]]:
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None
        command_context = click.Context(
            command, parent=context, info_name=name, terminal_width=MAX_WIDTH - 2, max_content_width=MAX_WIDTH
        )
        yield command_context.command_path, command, command_context
        if isinstance(command, Group):
            yield from _commands(command, command_context)


ROOT = click.Context(app, info_name="synadmin")
COMMANDS = list(_commands(app, ROOT))
each_command = pytest.mark.parametrize(
    ("path", "command", "context"), COMMANDS, ids=[path for path, *_ in COMMANDS]
)


@each_command
def test_summary_is_short_and_ends_with_a_period(
    path: str, command: click.Command, context: click.Context
) -> None:
    del path, context
    summary = (command.help or "").partition("\n\n")[0]
    assert "\n" not in summary
    assert len(summary) <= MAX_SUMMARY
    assert summary.endswith(".")
    assert summary[0].isupper()


@each_command
def test_help_fits_80_columns(path: str, command: click.Command, context: click.Context) -> None:
    del path
    assert max(map(len, command.get_help(context).splitlines())) <= MAX_WIDTH


@each_command
def test_every_command_has_an_example(path: str, command: click.Command, context: click.Context) -> None:
    del context
    if not isinstance(command, Group):
        assert f"    {path}" in (command.help or "")


@pytest.mark.parametrize(
    ("path", "group"),
    [("synadmin", app), *((path, command) for path, command, _ in COMMANDS if isinstance(command, Group))],
    ids=str,
)
def test_group_lists_each_command_once_with_its_summary(path: str, group: Group) -> None:
    context = click.Context(group, info_name=path, terminal_width=200, max_content_width=200)
    shown = group.get_help(context)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None
        summary = (command.help or "").partition("\n\n")[0]
        lines = [line.split() for line in shown.splitlines() if line.split()[:1] == [name]]
        assert lines == [[name, *summary.split()]], (
            f"{path}: list {name} once in the sections of the group, with the summary of its docstring"
        )


def test_version_is_a_command(synadmin: Synadmin) -> None:
    assert synadmin("version").stdout == synadmin("-V").stdout == f"synadmin {__version__}\n"
