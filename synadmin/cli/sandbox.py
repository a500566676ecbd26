"""``synadmin sandbox``: run a throwaway Synapse to practise on."""

import contextlib
import os
import shlex
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any, NoReturn

import click

from synadmin.cli.invocation import Invocation, pass_invocation
from synadmin.cli.lazy import Group
from synadmin.columns import Column
from synadmin.errors import SynadminError, UsageError
from synadmin.text import command

if TYPE_CHECKING:
    from synadmin.ids import RoomId
    from synadmin.sandbox.community import Community

_DIRECTORY = click.argument("directory", required=False, type=click.Path(path_type=Path, file_okay=False))
# Greta does not answer, and only her account has power: a typical case for Make Room Admin.
_REGAINED = "committee"


@click.group(cls=Group)
def sandbox() -> None:
    """Run a throwaway Synapse on this machine, to practise.

    It has a small club, and many of its rooms have lost their admin.

    Only this machine can reach it, and it does not federate. It needs the package matrix-synapse in the
    environment of synadmin. If it is missing, the first command offers to install it.

    \b
    Examples:
        synadmin sandbox demo
        synadmin sandbox up && eval "$(synadmin sandbox env)"
    """


@sandbox.command()
@_DIRECTORY
@click.option(
    "--servers",
    type=click.IntRange(1, 2),
    metavar="1|2",
    default=1,
    show_default=True,
    help="Number of servers; 2 federate with each other.",
)
@click.option("--empty", is_flag=True, help="Only an admin account: no users and no rooms.")
@click.option("--mas", is_flag=True, help="A stand-in for MAS manages the accounts.")
@pass_invocation
def up(invocation: Invocation, directory: Path | None, *, servers: int, empty: bool, mas: bool) -> None:
    """Start a sandbox and leave it running.

    Its files are in DIRECTORY, or in a temporary directory.

    `down` keeps the files in a DIRECTORY, and the next `up` there starts the same sandbox again.

    \b
    Examples:
        synadmin sandbox up
        synadmin sandbox up ~/rehearsal --servers 2
        synadmin sandbox up --mas
    """
    from synadmin.sandbox.mas.homeserver import DelegatedHomeserver
    from synadmin.sandbox.registry import up as put_up

    _offer_synapse(invocation)
    with _clean_up_on_signal():
        made = put_up(
            directory,
            state=_state(),
            servers=servers,
            empty=empty,
            mas=mas,
            say=lambda text: invocation.say(f"{text} ..."),
        )
    ours, *others = made.servers
    named = "" if made.temporary else f" {shlex.quote(str(made.directory))}"
    lines = [
        f"A sandbox is up: {ours.url} is {ours.server_name}, with {len(made.rooms)} rooms.",
        *(
            f"A stand-in for MAS manages its accounts: {ours.mas_url}"
            for ours in made.servers
            if isinstance(ours, DelegatedHomeserver)
        ),
        *(f"It federates with {other.url}, which is {other.server_name}." for other in others),
        f"Its files are in {made.directory}.",
        "",
        f"The server admin is {made.admin}.",
        f"Every account's password is {ours.password}",
        f'Use it here:     eval "$(synadmin sandbox env{named})"',
        "List its rooms:  synadmin room list",
    ]
    if _REGAINED in made.rooms:
        lines.append(f"Regain a room:   synadmin room make-admin {shlex.quote(made.rooms[_REGAINED])}")
    lines.append(f"Remove it:       synadmin sandbox down{named}")
    click.echo("\n".join(lines))


@sandbox.command()
@_DIRECTORY
@pass_invocation
def down(invocation: Invocation, directory: Path | None) -> None:
    """Stop a sandbox and remove its temporary files.

    Without DIRECTORY, it stops all sandboxes, also those that a crash has left. The files in a DIRECTORY
    stay.

    \b
    Examples:
        synadmin sandbox down
        synadmin sandbox down ~/rehearsal
    """
    from synadmin.sandbox.registry import noted_sandboxes

    sandboxes = noted_sandboxes(_state())
    if directory is not None:
        sandboxes = [sandbox for sandbox in sandboxes if sandbox.directory == directory.resolve()]
    if not sandboxes:
        where = f" in {directory}" if directory is not None else ""
        invocation.say(f"No sandbox is up{where}.")
    for sandbox in sandboxes:
        sandbox.down()
        up = command("sandbox", "up", str(sandbox.directory))
        kept = "" if sandbox.temporary else f"; its files are kept, and `{up}` starts it again"
        invocation.say(f"The sandbox in {sandbox.directory} is down{kept}.")


@sandbox.command()
@_DIRECTORY
@click.option(
    "--write",
    "target",
    metavar="FILE",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Write the settings to a new file (.env) instead of printing them.",
)
@pass_invocation
def env(invocation: Invocation, directory: Path | None, *, target: Path | None) -> None:
    """Print the settings that point synadmin at the sandbox.

    They contain the administrator's token.

    \b
    Examples:
        eval "$(synadmin sandbox env)"
        synadmin sandbox env --write .env
    """
    from synadmin.sandbox.registry import running_sandbox

    settings = running_sandbox(directory, state=_state()).settings
    if target is None:
        click.echo("\n".join(f"export {name}={shlex.quote(value)}" for name, value in settings.items()))
        return
    try:
        descriptor = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    except FileExistsError:
        message = f"{target} is there already"
        raise UsageError(message, hint="name another file, or move that one away") from None
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write("".join(f"{name}={value}\n" for name, value in settings.items()))
    invocation.say(f"Written to {target}.")


@sandbox.command()
@pass_invocation
def demo(invocation: Invocation) -> None:
    """Show how a lost room is regained, in a sandbox.

    Starts a sandbox, shows its lost rooms, regains one of them, and removes everything.

    \b
    Example:
        synadmin sandbox demo
    """
    from synadmin.sandbox.community import fill
    from synadmin.sandbox.homeserver import Homeserver

    _offer_synapse(invocation)
    with _clean_up_on_signal():
        invocation.say("Starting a throwaway Synapse ...")
        with Homeserver() as homeserver:
            invocation.say("Creating accounts and rooms ...")
            community = fill(homeserver)
            _show_lost_rooms(community)
            regained = _regain(community, community.rooms[_REGAINED])
    if not regained:
        raise SynadminError("the room was not regained")
    # `make demo` runs a synadmin that is not in the PATH.
    is_in_path = shutil.which("synadmin") is not None or Path(sys.argv[0]).name != "synadmin"
    program = "synadmin" if is_in_path else shlex.quote(sys.argv[0])
    click.echo(f"\nThe Synapse is stopped, and its files are gone. To try it yourself: {program} sandbox up")


def _offer_synapse(invocation: Invocation) -> None:
    """Offer to install Synapse where it is missing.

    Raises:
        SettingsError: Synapse is still missing.
    """
    from synadmin.sandbox.homeserver import install_command, is_synapse_installed, require_synapse

    command = install_command()
    question = f"A sandbox needs Synapse, which is not installed. Install it now into {sys.prefix} (250 MB)?"
    can_ask = invocation.on_terminal and shutil.which(command[0]) is not None
    if not is_synapse_installed() and can_ask and invocation.ask(question):
        subprocess.run(command, stdout=sys.stderr, check=False)  # noqa: S603 - it was asked about
    require_synapse()


def _show_lost_rooms(community: "Community") -> None:
    from synadmin.tables import as_text

    lost = [
        {"name": situation.name, "about": situation.about}
        for situation in community.situations.values()
        if situation.lost
    ]
    server, version = community.homeserver, community.people["admin"].synapse.server.version().server_version
    click.echo(f"\n{server.server_name}, Synapse {version} on {server.url}, has lost {len(lost)} rooms:\n")
    width = shutil.get_terminal_size().columns if sys.stdout.isatty() else None
    click.echo(as_text(lost, [Column("name", "room"), Column("about", "what happened")], width=width))


def _regain(community: "Community", room_id: "RoomId") -> bool:
    """Regain the room with synadmin commands, as a person would; return whether this succeeded."""
    admin = community.people["admin"]
    home = community.homeserver.directory
    # Without the settings of the person: the commands must not reach a real server.
    environment = {
        "PATH": os.defpath,
        "HOME": str(home),
        "LC_ALL": "C.UTF-8",
        "SYNADMIN_HOMESERVER": community.homeserver.url,
        "SYNADMIN_ACCESS_TOKEN": admin.token,
    }
    click.echo(
        f'Greta is the only admin of "Committee" and does not answer. {admin.user_id} regains control:'
    )
    power = ("room", "power", room_id)
    return all(
        _run_synadmin(*command, environment=environment, directory=home)
        for command in (power, ("room", "make-admin", room_id, "--yes"), power)
    )


def _run_synadmin(*arguments: str, environment: Mapping[str, str], directory: Path) -> bool:
    click.echo(f"\n$ synadmin {shlex.join(arguments)}")
    sys.stdout.flush()
    ended = subprocess.run(  # noqa: S603 - this program itself
        [sys.executable, "-m", "synadmin", *arguments],
        env=environment,
        cwd=directory,
        stdin=subprocess.DEVNULL,
        check=False,
    )
    return ended.returncode == 0


@contextlib.contextmanager
def _clean_up_on_signal() -> Iterator[None]:
    """Clean up after `kill` and a closed terminal, as after Ctrl-C."""

    def stop(number: int, frame: FrameType | None) -> NoReturn:
        del frame
        raise SystemExit(128 + number)

    before: dict[int, Any] = {
        number: signal.signal(number, stop) for number in (signal.SIGTERM, signal.SIGHUP)
    }
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _state() -> Path:
    from synadmin.settings import state_directory

    return state_directory() / "sandbox"
