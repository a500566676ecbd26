"""``synadmin experimental-feature``: what is switched on for single users."""

from typing import TYPE_CHECKING, Any

import click

from synadmin.cli.change import NotAsAskedError
from synadmin.cli.invocation import Invocation, pass_invocation
from synadmin.cli.lazy import Command, Group
from synadmin.cli.output import Output, output_options
from synadmin.cli.user.named import Bulk, changes_users, named
from synadmin.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from synadmin.client import Synapse
    from synadmin.ids import UserId


@click.group("experimental-feature", cls=Group)
def experimental_feature() -> None:
    """Experimental features of Synapse, switched on for single users: msc3575 and the like."""


@experimental_feature.command(cls=Command, calls=["experimental.get"])
@click.argument("user")
@output_options
@pass_invocation
def show(invocation: Invocation, user: str, *, output: Output) -> None:
    """Show which features are on for a user, of those that can be switched for one.

    \b
    Examples:
        synadmin experimental-feature show alice
        synadmin experimental-feature show alice -o json
    """
    from synadmin.render import Column

    with invocation.synapse() as synapse:
        features = synapse.experimental.get(named(synapse, user)).features
    records = ({"feature": feature, "enabled": enabled} for feature, enabled in features.items())
    output.write(records, [Column("feature"), Column("enabled")])


@experimental_feature.command("set", cls=Command, calls=["experimental.set"])
@click.option("--on", "switched_on", metavar="FEATURE", multiple=True, help="Switch it on. Repeatable.")
@click.option("--off", "switched_off", metavar="FEATURE", multiple=True, help="Switch it off. Repeatable.")
@changes_users
@pass_invocation
def set_(
    invocation: Invocation,
    *,
    switched_on: tuple[str, ...],
    switched_off: tuple[str, ...],
    bulk: Bulk,
) -> int:
    """Switch features on or off for users. What is not named stays as it is.

    \b
    Examples:
        synadmin experimental-feature set alice --on msc3575
        synadmin experimental-feature set --from testers.txt --on msc4222 --off msc3881
    """
    if not switched_on and not switched_off:
        message = "which feature? Name it with --on or --off"
        raise UsageError(message)
    both = set(switched_on) & set(switched_off)
    if both:
        message = f"{min(both)} cannot be on and off"
        raise UsageError(message)
    wanted = dict.fromkeys(switched_on, True) | dict.fromkeys(switched_off, False)

    def act(synapse: "Synapse", user_id: "UserId") -> "Mapping[str, Any]":
        # Looked at first: the server would keep the switches of an account that does not exist.
        synapse.users.get(user_id)
        _require_known(wanted, synapse.experimental.get(user_id).features)
        synapse.experimental.set(user_id, wanted)
        found = synapse.experimental.get(user_id).features
        if any(found.get(feature) != enabled for feature, enabled in wanted.items()):
            message = f"the server said yes, but the features of {user_id} are {dict(found)}"
            raise NotAsAskedError(message)
        return {"features": dict(found)}

    return bulk.carry_out(invocation, act)


def _require_known(wanted: "Mapping[str, bool]", known: "Mapping[str, bool]") -> None:
    """Make sure that the server has these features to switch.

    Raises:
        UsageError: it has not.
    """
    import difflib

    for feature in wanted:
        if feature not in known:
            nearest_first = difflib.get_close_matches(feature, known, n=len(known) or 1, cutoff=0)
            message = f"this server has no feature {feature!a} to switch for single users"
            raise UsageError(message, hint=f"it has {', '.join(nearest_first)}" if nearest_first else None)
