"""Commands for several servers: read ``--profiles``, and work with all servers at the same time."""

from collections.abc import Callable, Collection, Iterator
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

import click

from synadmin.cli.exit_codes import EXIT_FAILED
from synadmin.cli.invocation import Invocation
from synadmin.errors import SettingsError, UsageError

R = TypeVar("R")

_ALL = "all"
_AT_ONCE = 16  # servers


def _complete(_context: click.Context, _option: click.Parameter, start: str) -> list[str]:
    from synadmin.settings.places import profiles

    before, comma, last = start.rpartition(",")
    names = profiles() if comma else [_ALL, *profiles()]
    return [f"{before}{comma}{name}" for name in names if name.startswith(last)]


profiles_option = click.option(
    "--profiles",
    metavar="NAME,...|all",
    help="The servers of these profiles, or of all, side by side.",
    shell_complete=_complete,
)


def profiles_named(invocation: Invocation, text: str) -> list[str]:
    """Return the profiles in ``--profiles``.

    Raises:
        UsageError: it names none, or an option names another server.
        SettingsError: there is no such profile.
    """
    from synadmin.settings.places import profiles

    others = {
        "--profile": invocation.profile,
        "--homeserver": invocation.homeserver,
        "--env-file": invocation.env_file,
    }
    other = next((name for name, value in others.items() if value is not None), None)
    if other is not None:
        raise UsageError(f"--profiles and {other} do not go together: both name servers")
    there = profiles()
    names = list(dict.fromkeys(name.strip() for name in text.split(",") if name.strip()))
    if names == [_ALL]:
        names = there
        if not names:
            raise SettingsError(
                "--profiles all: there are no profiles", hint="`synadmin login --profile NAME` makes one"
            )
    if not names:
        raise UsageError("--profiles names no profile")
    unknown = [name for name in names if name not in there]
    if unknown:
        raise SettingsError(
            f"--profiles: there is no profile {', '.join(map(ascii, unknown))}",
            hint="`synadmin profile list` lists the profiles",
        )
    return names


def invocations(invocation: Invocation, text: str) -> list[Invocation]:
    """Return an invocation for each profile in ``--profiles``, with its own settings and journal.

    Raises:
        UsageError: it names none, or an option names another server.
        SettingsError: there is no such profile.
    """
    return [
        replace(invocation, profile=name, profile_alone=True) for name in profiles_named(invocation, text)
    ]


def at_each(
    invocation: Invocation, work: Callable[[Invocation], R], servers: list[Invocation]
) -> Iterator[R]:
    """Yield the result of the work for each server, in their order. Each server has one thread."""
    from synadmin.parallel import side_by_side

    results = side_by_side(work, servers, at_once=min(len(servers), _AT_ONCE))
    for number, result in enumerate(results, start=1):
        if invocation.is_watched and len(servers) > 1:
            invocation.draw(f"{number} of {len(servers)} servers")
        yield result
    invocation.draw("")


def file_of_profile(path: Path, profile: str) -> Path:
    """Return the file of one server, beside that of the option: ``audit.work.json`` for ``audit.json``."""
    return path.with_name(f"{path.stem}.{profile}{path.suffix}")


def common_code(codes: Collection[int]) -> int:
    """Return the exit code for several servers: the common code where all have the same one, else 1."""
    return next(iter(codes)) if len(set(codes)) == 1 else EXIT_FAILED
