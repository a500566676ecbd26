"""``synadmin experimental-feature``: experimental features of single users."""

from typing import TYPE_CHECKING, Any

import click

from synadmin.cli.lazy import Group
from synadmin.cli.outcomes import NotAsAskedError, Record
from synadmin.cli.targets import USERS
from synadmin.cli.verbs import changes, reads
from synadmin.columns import Column
from synadmin.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from synadmin.client import Synapse
    from synadmin.ids import UserId


@click.group("experimental-feature", cls=Group)
def experimental_feature() -> None:
    """Show and set experimental features of users.

    For example msc3575.
    """


@experimental_feature.verb
@reads("experimental.get", columns=(Column("feature"), Column("enabled")))
def show(synapse: "Synapse", user_id: "UserId") -> object:
    """Show which experimental features a user has.

    \b
    Examples:
        synadmin experimental-feature show alice
        synadmin experimental-feature show alice -o json
    """
    features = synapse.experimental.get(user_id).features
    return [{"feature": feature, "enabled": enabled} for feature, enabled in features.items()]


@experimental_feature.verb
@changes(USERS, "experimental.set", name="set", does="Switch features for")
@click.option(
    "--on", "switched_on", metavar="FEATURE", multiple=True, help="Switch this feature on. Repeatable."
)
@click.option(
    "--off", "switched_off", metavar="FEATURE", multiple=True, help="Switch this feature off. Repeatable."
)
def set_(synapse: "Synapse", user_id: "UserId", *, features: "Mapping[str, bool]") -> Record:
    """Switch experimental features on or off for users.

    Other features do not change.

    \b
    Examples:
        synadmin experimental-feature set alice --on msc3575
        synadmin experimental-feature set --from testers.txt --on msc4222 \\
            --off msc3881
    """
    # Checked first: the server would store features for an account that does not exist.
    synapse.users.get(user_id)
    _require_known(features, synapse.experimental.get(user_id).features)
    synapse.experimental.set(user_id, features)
    after = dict(synapse.experimental.get(user_id).features)
    if any(after.get(feature) != enabled for feature, enabled in features.items()):
        raise NotAsAskedError(f"the server reported success, but the features of {user_id} are {after}")
    return {"features": after}


@set_.check
def _(*, switched_on: tuple[str, ...], switched_off: tuple[str, ...]) -> dict[str, Any]:
    if not switched_on and not switched_off:
        raise UsageError("no feature is named: name one with --on or --off")
    both = set(switched_on) & set(switched_off)
    if both:
        raise UsageError(f"{min(both)} cannot be on and off")
    return {"features": dict.fromkeys(switched_on, True) | dict.fromkeys(switched_off, False)}


def _require_known(features: "Mapping[str, bool]", known: "Mapping[str, bool]") -> None:
    """Refuse features that the server does not have."""
    import difflib

    for feature in features:
        if feature not in known:
            nearest_first = difflib.get_close_matches(feature, known, n=len(known) or 1, cutoff=0)
            message = f"this server has no feature {feature!a} to switch for single users"
            raise UsageError(message, hint=f"it has {', '.join(nearest_first)}" if nearest_first else None)
