"""``synadmin profile``: list, choose and remove the profiles of `synadmin login`."""

from typing import TYPE_CHECKING

import click

from synadmin.cli.confirm import confirm, profile_options
from synadmin.cli.exit_codes import EXIT_DONE
from synadmin.cli.invocation import Invocation, pass_invocation
from synadmin.cli.lazy import Command, Group
from synadmin.cli.output import Output, output_options
from synadmin.columns import Column

if TYPE_CHECKING:
    from collections.abc import Iterator


@click.group(cls=Group)
def profile() -> None:
    """List, choose and remove profiles.

    A profile holds a homeserver and a token. `synadmin login --profile NAME` makes one.
    """


@profile.command("list", cls=Command)
@output_options
@pass_invocation
def list_(invocation: Invocation, *, output: Output) -> None:
    """List the profiles.

    \b
    Examples:
        synadmin profile list
        synadmin profile list -o name
    """
    columns = [Column("profile", whole=True), Column("in_use"), Column("homeserver"), Column("token")]
    output.write(_profiles(invocation), columns, empty="No profiles: `synadmin login` makes one.")


def _profiles(invocation: Invocation) -> "Iterator[dict[str, object]]":
    import os

    from synadmin import settings
    from synadmin.settings.places import chosen_profile, profiles

    used = invocation.profile or os.environ.get("SYNADMIN_PROFILE") or chosen_profile() or "default"
    for name in profiles():
        held = settings.of_profile(name)
        kept = next((key for key in _TOKENS if held.values.get(key)), None)
        yield {
            "profile": name,
            "in_use": name == used,
            "homeserver": held.homeserver,
            "token": None if kept is None else _TOKENS[kept],
        }


_TOKENS = {
    "SYNADMIN_ACCESS_TOKEN": "in the profile",
    "SYNADMIN_ACCESS_TOKEN_FILE": "in a file",
    "SYNADMIN_ACCESS_TOKEN_COMMAND": "from a command",
}
"""The kinds of places of a token; the token itself is never shown."""


@profile.command(cls=Command)
@click.argument("name")
@pass_invocation
def use(invocation: Invocation, name: str) -> int:
    """Make a profile the default.

    --profile, SYNADMIN_PROFILE, and settings of the environment and of .env take precedence.

    \b
    Examples:
        synadmin profile use work
        synadmin profile use default
    """
    from synadmin.settings.places import choose_profile

    choose_profile(name)
    invocation.say(f"The profile {name} is used from now on.")
    return EXIT_DONE


@profile.command(cls=Command)
@click.argument("name")
@profile_options
@pass_invocation
def remove(invocation: Invocation, name: str, *, dry_run: bool, yes: bool) -> int:
    """Remove a profile with its token.

    The token stays valid: `synadmin logout --profile NAME` ends it.

    \b
    Examples:
        synadmin profile remove old --yes
    """
    from synadmin import settings
    from synadmin.settings.places import remove_profile

    homeserver = settings.of_profile(name).homeserver
    if dry_run:
        invocation.say(f"Would remove the profile {name} ({homeserver}). Nothing was changed: --dry-run.")
        return EXIT_DONE
    confirm(invocation, f"Remove the profile {name} ({homeserver}) with its token?", yes=yes)
    remove_profile(name)
    invocation.say(f"The profile {name} was removed.")
    return EXIT_DONE
