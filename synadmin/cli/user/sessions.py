"""``synadmin user sessions|end-sessions``: sessions at the Matrix Authentication Service (MAS)."""

from typing import TYPE_CHECKING, Any

import click

from synadmin.cli.outcomes import NotAsAskedError, Record, unchanged
from synadmin.cli.targets import USERS, counted
from synadmin.cli.user.identities import account_of
from synadmin.cli.verbs import changes, reads
from synadmin.columns import Column, relative_time
from synadmin.errors import NotFoundError

if TYPE_CHECKING:
    from synadmin.client import Synapse
    from synadmin.ids import UserId
    from synadmin.mas.records import Resource
    from synadmin.recovery.mas_account import MasAccount

KINDS = ("browser", "compatibility", "client", "personal")
_COLUMNS = (
    Column("id", whole=True),
    Column("kind"),
    Column("name"),
    Column("last_active_at", title="last used", terminal=relative_time),
    Column("last_active_ip", title="ip address"),
    Column("created_at", title="created", shown=False, terminal=relative_time),
    Column("scope", shown=False),
    Column("device_id", title="device", shown=False),
    Column("user_agent", title="client", shown=False),
    Column("expires_at", title="expires", shown=False, terminal=relative_time),
)


@reads(
    "mas.user_sessions.list",
    "mas.compat_sessions.list",
    "mas.oauth2_sessions.list",
    columns=_COLUMNS,
    empty="No session.",
)
@click.option("--kind", "of_kind", type=click.Choice(KINDS), help="Only sessions of one kind.")
def sessions(synapse: "Synapse", user_id: "UserId", *, of_kind: str | None) -> object:
    """List a user's sessions of all four kinds.

    Only with the Matrix Authentication Service. The kinds are: browsers, clients that signed in with a
    password (compatibility) or with OAuth (client), and personal tokens. Without it, use
    `synadmin device list`.

    \b
    Examples:
        synadmin user sessions alice
        synadmin user sessions alice --kind personal -o json
    """
    from synadmin.recovery.mas_account import kind_of

    sessions = ((kind_of(session), session) for session in account_of(synapse, user_id).sessions())
    return [_record(name, session) for name, session in sessions if of_kind in {None, name}]


def _record(kind: str, session: "Resource[Any]") -> dict[str, Any]:
    flat = session.flat()
    name = flat.get("human_name") or flat.get("user_agent") or flat.get("client_id") or flat.get("device_id")
    return {"id": session.id, "kind": kind, "name": name, **flat}


@changes(
    USERS,
    "mas.user_sessions.finish",
    "mas.compat_sessions.finish",
    "mas.oauth2_sessions.finish",
    does="End the sessions of",
    columns=(Column("sessions"),),
)
@click.option("--kind", "of_kind", type=click.Choice(KINDS), help="Only sessions of one kind.")
def end_sessions(synapse: "Synapse", user_id: "UserId", *, of_kind: str | None) -> Record:
    """End the sessions of users: signs them out everywhere.

    Only with the Matrix Authentication Service. Without it, use `synadmin device delete-all`. Your current
    session stays. If a session has no device, the homeserver may accept its token for up to two minutes.

    \b
    Examples:
        synadmin user end-sessions alice
        synadmin user end-sessions --from compromised.txt --yes -o ndjson
    """
    from synadmin.recovery.mas_account import end_session

    account = account_of(synapse, user_id)
    sessions = _sessions_to_end(synapse, account, of_kind)
    if not sessions:
        return unchanged("no session to end", sessions=0)
    for session in sessions:
        end_session(account.mas, session)
    left = {session.id for session in account.sessions()} & {session.id for session in sessions}
    if left:
        message = f"MAS reported success, but {counted(len(left), 'session')} of {user_id} did not end"
        raise NotAsAskedError(message)
    return {"sessions": len(sessions)}


@end_sessions.question
def _(synapse: "Synapse", users: "list[UserId]", *, of_kind: str | None) -> str | None:
    number = 0
    for user_id in users:
        try:
            number += len(_sessions_to_end(synapse, account_of(synapse, user_id), of_kind))
        except NotFoundError:  # the account's outcome reports it
            continue
    whose = users[0] if len(users) == 1 else counted(len(users), "user")
    return f"{counted(number, 'session')} of {whose} will end. Continue?" if number else None


def _sessions_to_end(synapse: "Synapse", account: "MasAccount", of_kind: str | None) -> "list[Resource[Any]]":
    """Return the sessions of a kind, or of all kinds, without the session in use."""
    from synadmin.recovery.mas_account import kind_of

    of_this_kind = (session for session in account.sessions() if of_kind in {None, kind_of(session)})
    return [session for session in of_this_kind if not _is_own(synapse, session)]


def _is_own(synapse: "Synapse", session: "Resource[Any]") -> bool:
    """Whether a session may be the session of this run: of the same user, with the rights of the run.

    MAS does not say which session a token belongs to.
    """
    from synadmin.mas.oauth import MAS_ADMIN_SCOPE

    mas = synapse.mas
    if mas is None or mas.is_client:
        return False
    scope = getattr(session.attributes, "scope", "")
    if MAS_ADMIN_SCOPE not in scope:
        return False
    me = mas.users.by_username(synapse.owner[1:].partition(":")[0]).id
    return me in {getattr(session.attributes, name, None) for name in ("user_id", "actor_user_id")}
