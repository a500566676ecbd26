"""``synadmin user email|link``: addresses and links at the Matrix Authentication Service (MAS)."""

from typing import TYPE_CHECKING

import click

from synadmin.cli.lazy import Group
from synadmin.cli.mas_required import account_in_mas, service_of
from synadmin.cli.outcomes import NotAsAskedError, Record, done, unchanged
from synadmin.cli.targets import USERS
from synadmin.cli.user.with_mas import add_email, remove_email
from synadmin.cli.verbs import changes, reads
from synadmin.columns import Column, relative_time
from synadmin.errors import MatrixError, NotFoundError, RefusedError

if TYPE_CHECKING:
    from synadmin.client import Synapse
    from synadmin.ids import UserId
    from synadmin.recovery.mas_account import MasAccount

_CONFLICT = 409
_WITHOUT_MAS = "for addresses and external ids: `synadmin user modify`; for sessions: `synadmin device list`"


@click.group(cls=Group)
def email() -> None:
    """List, add and remove e-mail addresses at MAS."""


@email.verb
@reads(
    "mas.user_emails.list",
    name="list",
    columns=(
        Column("email", whole=True),
        Column("created_at", title="added", terminal=relative_time),
        Column("id", shown=False),
    ),
    empty="No e-mail address.",
)
def list_emails(synapse: "Synapse", user_id: "UserId") -> object:
    """List a user's e-mail addresses.

    \b
    Examples:
        synadmin user email list alice
        synadmin user email list alice -o json
    """
    account = account_of(synapse, user_id)
    return [email.flat() for email in account.mas.user_emails.list(user=account.record.id)]


@email.verb
@changes(USERS, "mas.user_emails.create", many=False, mas="add-email {user} ADDRESS")
@click.argument("address")
def add(synapse: "Synapse", user_id: "UserId", address: str) -> Record:
    """Add an e-mail address to an account.

    The user need not confirm it.

    \b
    Examples:
        synadmin user email add alice alice@example.org
        synadmin user email add alice alice@example.org --dry-run
    """
    account = account_of(synapse, user_id)
    if address in account.emails():
        return unchanged(f"already has {address}")
    add_email(account, address)
    return done(f"has {address}")


@email.verb
@changes(USERS, "mas.user_emails.delete", many=False)
@click.argument("address")
def remove(synapse: "Synapse", user_id: "UserId", address: str) -> Record:
    """Remove an e-mail address from an account.

    \b
    Examples:
        synadmin user email remove alice alice@example.org
        synadmin user email remove alice alice@example.org --dry-run
    """
    account = account_of(synapse, user_id)
    holds = f"does not have {address}"
    return done(holds) if remove_email(account, address) else unchanged(holds)


@click.group(cls=Group)
def link() -> None:
    """List, add and remove links to identity providers.

    PROVIDER is the id of a provider at MAS: `synadmin user link providers` lists them.
    """


@link.verb
@reads(
    "mas.upstream_links.list",
    name="list",
    columns=(
        Column("id", whole=True),
        Column("provider_id", title="provider", whole=True),
        Column("subject"),
        Column("human_account_name", title="name there"),
    ),
    empty="No link.",
)
def list_links(synapse: "Synapse", user_id: "UserId") -> object:
    """List a user's accounts at identity providers.

    \b
    Examples:
        synadmin user link list alice
        synadmin user link list alice -o json
    """
    account = account_of(synapse, user_id)
    return [link.flat() for link in account.mas.upstream_links.list(user=account.record.id)]


@link.verb
@reads(
    "mas.upstream_providers.list",
    columns=(
        Column("id", whole=True),
        Column("human_name", title="name"),
        Column("issuer"),
        Column("disabled_at", title="disabled", terminal=relative_time),
    ),
    empty="No identity provider.",
)
def providers(synapse: "Synapse") -> object:
    """List the identity providers of MAS.

    \b
    Examples:
        synadmin user link providers
        synadmin user link providers -o json
    """
    return [provider.flat() for provider in service_of(synapse, hint=_WITHOUT_MAS).upstream_providers.list()]


@link.verb
@changes(USERS, "mas.upstream_links.create", many=False, name="add")
@click.argument("provider")
@click.argument("subject")
def add_link(synapse: "Synapse", user_id: "UserId", provider: str, subject: str) -> Record:
    """Link an account to an account at an identity provider.

    \b
    Examples:
        synadmin user link add alice 01K3V7J4Q8XW4FAXT9SH13TVE0 4711
        synadmin user link add alice 01K3V7J4Q8XW4FAXT9SH13TVE0 4711 --dry-run
    """
    account = account_of(synapse, user_id)
    if _links(account, provider, subject):
        return unchanged("already linked")
    try:
        account.mas.upstream_links.create(account.record.id, provider, subject)
    except MatrixError as error:
        if error.status != _CONFLICT:
            raise
        raise RefusedError(f"{subject} is linked to another account: {error.reason}") from error
    if not _links(account, provider, subject):
        raise NotAsAskedError(f"MAS reported success, but {user_id} is not linked to {subject}")
    return done("linked")


@link.verb
@changes(USERS, "mas.upstream_links.delete", many=False, name="remove")
@click.argument("provider")
@click.argument("subject")
def remove_link(synapse: "Synapse", user_id: "UserId", provider: str, subject: str) -> Record:
    """Remove the link to an account at an identity provider.

    \b
    Examples:
        synadmin user link remove alice 01K3V7J4Q8XW4FAXT9SH13TVE0 4711
        synadmin user link remove alice 01K3V7J4Q8XW4FAXT9SH13TVE0 4711 --yes
    """
    account = account_of(synapse, user_id)
    links = _links(account, provider, subject)
    if not links:
        return unchanged("not linked")
    for id_ in links:
        account.mas.upstream_links.delete(id_)
    if _links(account, provider, subject):
        raise NotAsAskedError(f"MAS reported success, but {user_id} is still linked to {subject}")
    return done("not linked")


def _links(account: "MasAccount", provider: str, subject: str) -> list[str]:
    links = account.mas.upstream_links.list(user=account.record.id, provider=provider, subject=subject)
    return [link.id for link in links]


def account_of(synapse: "Synapse", user_id: "UserId") -> "MasAccount":
    """Return the account at MAS.

    Raises:
        RefusedError: MAS does not manage the accounts, or its admin API cannot be used.
        NotFoundError: MAS does not know the account.
    """
    service_of(synapse, hint=_WITHOUT_MAS)
    account = account_in_mas(synapse, user_id)
    if account is None:
        raise NotFoundError(status=404, errcode="", reason=f"MAS knows no account {user_id}")
    return account
