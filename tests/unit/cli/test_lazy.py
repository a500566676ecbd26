"""Groups import only the commands in use; common options may be anywhere on the command line."""

from __future__ import annotations

import re
import subprocess
import sys
from typing import TYPE_CHECKING

import click
import pytest

from synadmin.cli.app import app
from synadmin.cli.lazy import Group
from tests.unit.stub import WHOAMI, json_reply

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.unit.cli.conftest import Synadmin
    from tests.unit.stub import Stub

# Modules that a help page does not need; importing them takes longer than the help page.
HEAVY = (
    "requests",
    "urllib3",
    "msgspec",
    "tabulate",
    "dotenv",
    "importlib.metadata",
    "json",
    "ssl",
    "logging",
    "pathlib",
    "shutil",
    "subprocess",
    "urllib.parse",
    "synadmin.client",
    "synadmin.http",
    "synadmin.journal",
    "synadmin.recovery",
    "synadmin.cli.outcomes",
    "synadmin.cli.server_task",
)
ADMIN_ROOMS = "/_synapse/admin/v1/rooms"


def _commands(
    group: click.Group, path: tuple[str, ...] = ()
) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None
        yield (*path, name), command
        if isinstance(command, click.Group):
            yield from _commands(command, (*path, name))


COMMANDS = dict(_commands(app))


@pytest.mark.parametrize(
    "arguments",
    [
        (),
        ("room",),
        ("room", "make-admin"),
        ("room", "list"),
        ("user", "list"),
        ("login",),
        ("journal",),
        ("journal", "list"),
    ],
)
def test_help_imports_only_what_it_needs(arguments: tuple[str, ...]) -> None:
    program = (
        "import sys\n"
        "from synadmin.cli.app import main\n"
        "try:\n"
        f"    main([*{arguments!r}, '--help'])\n"
        "except SystemExit as left:\n"
        "    assert not left.code\n"
        f"print(*sorted(set({HEAVY!r}) & set(sys.modules)), file=sys.stderr)\n"
    )
    process = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False
    )
    assert (process.stderr, process.returncode) == ("\n", 0)


def test_group_imports_only_the_commands_in_use() -> None:
    program = (
        "import sys\n"
        "from synadmin.cli.app import main\n"
        "try:\n"
        "    main(['journal', '--help'])\n"
        "except SystemExit:\n"
        "    others = {f'synadmin.cli.{name}' for name in ('room', 'login', 'sandbox')}\n"
        "    print(*sorted(others & set(sys.modules)), file=sys.stderr)\n"
    )
    process = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False
    )
    assert process.stderr == "\n"


@pytest.mark.parametrize("path", COMMANDS, ids=" ".join)
def test_every_command_can_be_imported_and_has_a_summary(path: tuple[str, ...]) -> None:
    command = COMMANDS[path]
    assert command.help
    assert command.get_short_help_str(200)
    if not isinstance(command, click.Group):
        assert re.search(r"Examples?:\n\s+(\w.*\| |\$ |\w+=\S+ |eval .*)?synadmin ", command.help), (
            "has no example"
        )
        assert f"synadmin {' '.join(path)}" in command.help


@pytest.mark.parametrize("path", COMMANDS, ids=" ".join)
def test_every_command_takes_the_common_options(path: tuple[str, ...]) -> None:
    command = COMMANDS[path]
    options = [
        parameter
        for parameter in command.get_params(click.Context(command))
        if isinstance(parameter, click.Option)
    ]
    names = {name for option in options for name in option.opts}
    assert {"--profile", "--env-file", "--homeserver", "--timeout", "-v", "-q"} <= names
    for option in options:
        if re.search(r"password|access|secret", str(option.name)):
            # Other users can read command lines, but no private file and no pipe.
            assert option.is_flag or isinstance(option.type, click.Path | click.File)


@pytest.mark.parametrize(
    "path", [path for path, command in COMMANDS.items() if isinstance(command, Group)], ids=" ".join
)
def test_every_command_has_a_short_help(path: tuple[str, ...], synadmin: Synadmin) -> None:
    page = synadmin(*path, "--help").stdout
    for other in COMMANDS:
        if other[:-1] == path:
            assert re.search(rf"^  {other[-1]}  +\S", page, re.MULTILINE)


def test_common_options_have_their_own_section(synadmin: Synadmin) -> None:
    page = synadmin("journal", "list", "--help").stdout
    assert "--columns" in page
    assert "--profile" not in page
    assert page.endswith("Common options: `synadmin help options`\n")
    common = synadmin("help", "options").stdout
    for option in (
        "--profile NAME",
        "--env-file FILE",
        "--homeserver URL",
        "--timeout SECONDS",
        "-v,",
        "-q,",
    ):
        assert option in common


@pytest.fixture
def server(stub: Stub, work: Path) -> Stub:
    (work / "other.env").write_text(f"SYNADMIN_HOMESERVER={stub.url}\nSYNADMIN_ACCESS_TOKEN=syt_x\n")
    (work / "other.env").chmod(0o600)
    stub.on(WHOAMI, json_reply({"user_id": "@admin:example.org", "device_id": "D"}))
    stub.on(ADMIN_ROOMS, json_reply({"rooms": [], "total_rooms": 3}))
    return stub


@pytest.mark.usefixtures("server")
@pytest.mark.parametrize(
    "arguments",
    [
        ["--env-file", "other.env", "-v", "whoami", "-o", "json"],
        ["whoami", "--env-file", "other.env", "-v", "-o", "json"],
        ["--env-file=other.env", "whoami", "-o", "json", "-v"],
    ],
)
def test_common_options_may_be_before_or_after_the_verb(arguments: list[str], synadmin: Synadmin) -> None:
    result = synadmin(*arguments)
    assert result.code == 0
    assert '"user_id": "@admin:example.org"' in result.stdout
    assert f"GET {WHOAMI} -> 200" in result.stderr


def test_last_option_wins(server: Stub, synadmin: Synadmin) -> None:
    arguments = ["--env-file", "other.env", "--homeserver", "https://matrix.invalid", "whoami"]
    assert synadmin(*arguments).code == 1
    assert synadmin(*arguments, "--homeserver", server.url).code == 0


@pytest.mark.usefixtures("server")
@pytest.mark.parametrize(
    "arguments",
    [
        ["-vv", "nonsense"],
        ["-v", "whoami", "-v", "--profile", "none"],
        ["whoami", "-vv", "--profile", "none"],
    ],
)
def test_verbosity_adds_up(arguments: list[str], synadmin: Synadmin) -> None:
    assert "Traceback" in synadmin(*arguments).stderr


def test_journal_records_the_command(server: Stub, synadmin: Synadmin) -> None:
    server.on("/_matrix/client/v3/logout", json_reply({}))
    assert synadmin("--env-file", "other.env", "logout").code == 0
    assert synadmin("journal", "list", "-o", "csv", "--columns", "command").stdout == "command\nlogout\n"
