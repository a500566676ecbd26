"""``synadmin mas``: the Matrix Authentication Service (MAS), and its tokens."""

from typing import TYPE_CHECKING, Any

import click

from synadmin.cli.lazy import Group
from synadmin.cli.mas_required import service_of
from synadmin.cli.outcomes import NotAsAskedError, Record, done, unchanged
from synadmin.cli.output import Output
from synadmin.cli.parameters import FUTURE_TIME
from synadmin.cli.targets import USERS, Kind, counted, user_id_of
from synadmin.cli.verbs import changes, reads
from synadmin.columns import Column, relative_time
from synadmin.errors import UsageError
from synadmin.ids import UserId, localpart_of

if TYPE_CHECKING:
    from synadmin.client import Synapse
    from synadmin.mas.personal_sessions import PersonalSession
    from synadmin.mas.records import Resource
    from synadmin.mas.service import Mas

SESSIONS = Kind("token", "session_id", "ID", listed=None)
_SCOPES = {
    "matrix": "urn:matrix:client:api:*",
    "synapse-admin": "urn:synapse:admin:*",
    "mas-admin": "urn:mas:admin",
}


@click.group(cls=Group)
def mas() -> None:
    """Show the Matrix Authentication Service and its tokens."""


@mas.verb
@reads("mas.site.version", "mas.site.site_config")
def show(synapse: "Synapse", *, output: Output) -> None:
    """Show the service: address, version, what users may do.

    Exit code 5 where Synapse manages the accounts, or the admin API of MAS cannot be used.

    \b
    Examples:
        synadmin mas show
        synadmin mas show -o json
    """
    service = service_of(synapse)
    record: dict[str, Any] = {
        "url": service.url,
        "version": ".".join(map(str, service.version)),
        **(service.site.site_config().as_sent() if service.version != (0,) else {}),
        "account_management": str(service.oauth.metadata.get("account_management_uri") or "") or None,
    }
    output.write_one(record, [Column(name) for name in record])


@click.group(cls=Group)
def token() -> None:
    """Create, list and revoke personal tokens.

    A personal token acts as a user until it expires.
    """


mas.add_command(token)

_TOKEN_COLUMNS = (
    Column("id", whole=True),
    Column("human_name", title="name"),
    Column("actor", title="acts as"),
    Column("scope"),
    Column("expires_at", title="expires", terminal=relative_time),
    Column("last_active_at", title="last used", terminal=relative_time),
    Column("created_at", title="created", shown=False, terminal=relative_time),
    Column("owner", shown=False),
    Column("revoked_at", title="revoked", shown=False, terminal=relative_time),
)


@token.verb
@reads("mas.personal_sessions.list", name="list", columns=_TOKEN_COLUMNS, empty="No token matches.")
@click.option("--user", help="Only tokens that act as this user.")
@click.option("--revoked", is_flag=True, help="Only revoked tokens.")
@click.option("--unending", is_flag=True, help="Only tokens that never expire.")
def list_(synapse: "Synapse", *, user: str | None, revoked: bool, unending: bool) -> object:
    """List personal tokens, without their secrets.

    \b
    Examples:
        synadmin mas token list
        synadmin mas token list --unending -o json
    """
    service = _with_tokens(synapse)
    sessions = service.personal_sessions.list(
        status="revoked" if revoked else "active",
        expires=False if unending else None,
        actor_user=None if user is None else _id_of(synapse, user),
    )
    names: dict[str, str] = {}
    return (_token_record(service, session, names) for session in sessions)


def _token_record(
    service: "Mas", session: "Resource[PersonalSession]", names: dict[str, str]
) -> dict[str, Any]:
    fields = session.attributes
    for id_ in (fields.actor_user_id, fields.owner_user_id):
        if id_ is not None and id_ not in names:
            names[id_] = service.users.get(id_).attributes.username
    owner = names.get(fields.owner_user_id or "") or fields.owner_client_id
    return {**session.flat(), "actor": names[fields.actor_user_id], "owner": owner}


@token.verb
@changes(
    USERS,
    "mas.personal_sessions.create",
    columns=(
        Column("access_token", title="token", whole=True),
        Column("expires_at", title="expires", terminal=relative_time),
    ),
    many=False,
    resumable=False,
    does="Make a token for",
)
@click.option("--name", required=True, help="What the token is for.")
@click.option(
    "--scope",
    "scopes",
    type=click.Choice(list(_SCOPES)),
    multiple=True,
    help="A scope of the token [default: all three]. Repeatable.",
)
@click.option("--expires", type=FUTURE_TIME, help="Expiry: 30d, 2027-01-31.")
@click.option("--never-expires", is_flag=True, help="The token does not expire.")
def create(
    synapse: "Synapse", user_id: UserId, *, name: str, scopes: tuple[str, ...], expires: int | None
) -> Record:
    """Create a personal token that acts as a user.

    For cron and other servers. With the scopes synapse-admin and mas-admin it has the rights of a server
    admin. The token is shown once: synadmin does not keep it.

    \b
    Examples:
        synadmin mas token create audit-bot --name "nightly audit" --expires 90d
        synadmin mas token create audit-bot --name backup --scope matrix \\
            --scope synapse-admin --expires 30d -o json
    """
    from msgspec import UNSET

    service = _with_tokens(synapse)
    scope = " ".join(_SCOPES[scope_name] for scope_name in scopes or _SCOPES)
    lasts = UNSET if expires is None else max(1, round(expires / 1000 - service.transport.server_time()))
    made = service.personal_sessions.create(_id_of(synapse, user_id), name, scope, expires_in=lasts)
    return made.flat()


@create.check
def _(*, expires: int | None, never_expires: bool) -> None:
    if (expires is None) != never_expires:
        raise UsageError("say when the token ends: --expires 30d, or --never-expires")


@create.question
def _(_: "Synapse", users: list[UserId]) -> str:
    return f"This shows a token. With it, anyone can act as {users[0]}. Continue?"


@token.verb
@changes(SESSIONS, "mas.personal_sessions.revoke", does="Revoke")
def revoke(synapse: "Synapse", session_id: str) -> Record:
    """Revoke personal tokens, by their ids.

    \b
    Examples:
        synadmin mas token revoke 01K3V7J4Q8XW4FAXT9SH13TVE0
        synadmin mas token list --user audit-bot -o name |
            xargs synadmin mas token revoke --yes
    """
    service = _with_tokens(synapse)
    if service.personal_sessions.get(session_id).attributes.revoked_at is not None:
        return unchanged("already revoked")
    service.personal_sessions.revoke(session_id)
    if service.personal_sessions.get(session_id).attributes.revoked_at is None:
        raise NotAsAskedError(f"MAS reported success, but {session_id} is not revoked")
    return done("revoked")


@revoke.question
def _(_: "Synapse", sessions: list[str]) -> str:
    return f"{counted(len(sessions), 'token')} will be revoked permanently. Continue?"


def _with_tokens(synapse: "Synapse") -> "Mas":
    from synadmin.mas.service import PERSONAL_SESSIONS

    service = service_of(synapse)
    service.require(PERSONAL_SESSIONS, for_what="personal tokens")
    return service


def _id_of(synapse: "Synapse", user: str) -> str:
    return service_of(synapse).users.by_username(localpart_of(user_id_of(synapse, user))).id
