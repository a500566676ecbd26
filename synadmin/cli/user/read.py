"""``synadmin user list|show|find|search|available|whois``: show accounts."""

import re
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import click

from synadmin.api.choices import USER_ORDERS
from synadmin.cli.exit_codes import EXIT_DONE, EXIT_REFUSED
from synadmin.cli.mas_required import account_in_mas, require_mas, server_admins, usable_mas
from synadmin.cli.output import Output
from synadmin.cli.parameters import renamed, sort_option
from synadmin.cli.targets import user_id_of
from synadmin.cli.verbs import Shown, reads
from synadmin.columns import Column, relative_time, time_column
from synadmin.errors import MatrixError, NotFoundError, ReplyError, UsageError
from synadmin.ids import server_name_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from synadmin.api.users import User, UserDetails
    from synadmin.cli.invocation import Invocation
    from synadmin.client import Synapse
    from synadmin.ids import UserId
    from synadmin.mas.service import Mas

_FIRST = (
    "name",
    "displayname",
    "joined_rooms",
    "devices",
    "last_seen_ts",
    "threepids",
    "external_ids",
    "admin",
    "deactivated",
    "locked",
    "suspended",
)
_UNAVAILABLE = {"M_USER_IN_USE", "M_INVALID_USERNAME", "M_EXCLUSIVE"}


_LIST_COLUMNS = (
    Column("name", title="user", whole=True),
    Column("displayname", title="display name", breakable=True),
    Column("admin"),
    Column("deactivated"),
    Column("locked"),
    # The other columns are shown with --columns: only these fit into 80 columns.
    Column("shadow_banned", title="shadow-banned", shown=False),
    time_column("creation_ts", "created", shown=False),
    time_column("last_seen_ts", "last seen", shown=False),
    Column("user_type", title="type", shown=False),
    Column("is_guest", title="guest", shown=False),
    Column("erased", shown=False),
    Column("avatar_url", title="avatar", shown=False),
    Column("approved", shown=False),
)


@reads(
    "users.list",
    "users.list_v2",
    "mas.users.list",
    name="list",
    columns=_LIST_COLUMNS,
    empty="No account matches.",
)
@click.option("--name", metavar="TEXT", help="Part of a localpart or of a display name.")
@click.option("--user-id", metavar="TEXT", help="Part of a user id; not together with --name.")
@click.option("--admins/--no-admins", default=None, help="Only server admins, or only others.")
@click.option(
    "--deactivated/--not-deactivated",
    default=None,
    help="Only deactivated accounts, or none of them. [default: both]",
)
@click.option("--locked/--no-locked", default=None, help="Only (no) locked accounts. [default: none]")
@renamed("--not-locked", "--no-locked", is_flag=True)
@click.option("--guests/--no-guests", default=None, help="With guests, or without.")
@click.option(
    "--not-user-type",
    "not_user_types",
    metavar="TYPE",
    multiple=True,
    help="Leave this type out, such as bot or support; '' is for accounts without a type. Repeatable.",
)
@click.option(
    "--approved/--not-approved", default=None, help="Only accounts that wait for approval (MSC3866)."
)
@sort_option(USER_ORDERS, default="name")
@click.option(
    "--v2",
    "old",
    is_flag=True,
    help="Use version 2 of the endpoint, for Synapse before 1.103: active accounts, with "
    "--deactivated also deactivated accounts.",
)
def list_(synapse: "Synapse", *, filters: "Mapping[str, Any]", old: bool, invocation: "Invocation") -> object:
    """List the accounts of the server.

    Locked accounts are left out; --locked lists only these. With the Matrix Authentication Service, --admins
    lists the server admins of that service. The column admin has no meaning then.

    \b
    Examples:
        synadmin user list --name alice
        synadmin user list --admins -o json
        synadmin user list --locked --sort last_seen_ts:desc
    """
    ask = synapse.users.list_v2 if old else synapse.users.list
    accounts = ask(**filters)
    if filters["admins"] is not None and synapse.mas is not None:
        require_mas(synapse, "list-admin-users")
        admins = server_admins(synapse)
        answer = ask(**{**filters, "admins": None})
        return answer.where(lambda account: (account.name in admins) == filters["admins"])
    if filters["locked"]:
        # Synapse lists locked accounts together with the others.
        return accounts.where(lambda account: account.locked)
    is_silent = invocation.quiet or filters["locked"] is not None
    hint = "" if is_silent else "locked accounts are left out: --locked lists them"
    empty = "No account matches. Locked accounts are left out: --locked lists them."
    return Shown(accounts, empty=empty, hint=hint)


@list_.check
def _(*, name: str | None, user_id: str | None, options: "Mapping[str, Any]") -> dict[str, Any]:
    if name is not None and user_id is not None:
        raise UsageError("--name and --user-id do not go together: Synapse would look at --name only")
    filters = {key: value for key, value in options.items() if key not in {"old", "sort"}}
    order_by, reverse = options["sort"]
    return {"filters": {**filters, "order_by": order_by, "reverse": reverse}}


@reads("users.get", "mas.users.by_username")
def show(synapse: "Synapse", user_id: "UserId", *, output: Output) -> object:
    """Show an account: profile, addresses, external ids, rights.

    \b
    Examples:
        synadmin user show alice
        synadmin user show @alice:example.org -o json
    """
    details = {**synapse.users.get(user_id).as_sent(), **_in_mas(synapse, user_id)}
    details |= {"joined_rooms": None, "devices": None}
    with suppress(MatrixError, ReplyError):  # the account is shown also without these values
        details["joined_rooms"] = synapse.activity.joined_rooms(user_id).total
        details["devices"] = synapse.devices.list(user_id).total
    # The most important fields are first; the others follow in the server's order.
    names = [*(name for name in _FIRST if name in details), *(name for name in details if name not in _FIRST)]
    columns = [_detail(name) for name in names]
    if details.get("mas") and output.for_people:
        columns = [column for column in columns if column.name != "mas"]
        columns += [Column("mas", shown=False), *_mas_columns(details["mas"])]
    return Shown(details, columns)


def _mas_columns(record: "Mapping[str, Any]") -> list[Column]:
    """Return a column for each field of an account in MAS."""
    titles = {"locked_at": "mas locked", "deactivated_at": "mas deactivated", "created_at": "mas created"}
    titles["emails"] = "mas e-mail addresses"
    return [
        Column(
            f"mas.{name}",
            titles.get(name, f"mas {name.replace('_', ' ')}"),
            terminal=relative_time if name.endswith("_at") else None,
        )
        for name in record
        if name not in {"username", "admin"}  # the localpart, and a copy of `admin` above
    ]


def _in_mas(synapse: "Synapse", user_id: "UserId") -> dict[str, Any]:
    """Return the fields of an account in MAS; empty where MAS cannot be asked."""
    if usable_mas(synapse) is None:
        return {}
    account = account_in_mas(synapse, user_id)
    if account is None:
        return {"mas": None}
    record = {**account.record.flat(), "emails": account.emails()}
    return {"admin": account.record.attributes.admin, "mas": record}


_TITLES = {
    "name": "user id",
    "displayname": "display name",
    "last_seen_ts": "last seen",
    "threepids": "addresses",
    "appservice_id": "application service",
    "consent_server_notice_sent": "consent asked for version",
    "consent_version": "consent to version",
    "consent_ts": "consent given",
    "is_guest": "guest",
    "avatar_url": "avatar",
}
"""Titles for fields of Synapse with other names."""
_PAIRS = {"threepids": ("medium", "address"), "external_ids": ("auth_provider", "external_id")}


def _detail(name: str) -> Column:
    if name == "creation_ts":
        # Seconds here, but milliseconds in the list.
        return time_column(name, "created", unit=1000)
    if name in {"last_seen_ts", "consent_ts"}:
        return time_column(name, _TITLES[name])
    if name in _PAIRS:
        return Column(name, _TITLES.get(name), lambda record: _joined(record[name], *_PAIRS[name]))
    return Column(name, _TITLES.get(name))


def _joined(pairs: "list[Mapping[str, Any]]", first: str, second: str) -> list[str]:
    return [f"{pair.get(first)} {pair.get(second)}" for pair in pairs]


@reads(
    "lookup.by_threepid",
    "lookup.by_external_id",
    columns=(Column("user_id", title="user", whole=True),),
    empty="No account found.",
)
@click.argument("text", required=False)
@click.option("--email", metavar="ADDRESS", help="The e-mail address of the account.")
@click.option("--phone", metavar="NUMBER", help="The telephone number of the account, with country code.")
@click.option(
    "--threepid",
    nargs=2,
    type=str,
    metavar="MEDIUM ADDRESS",
    help="A third-party id of the account, of any medium.",
)
@click.option(
    "--external-id",
    nargs=2,
    type=str,
    metavar="PROVIDER ID",
    help="An external id of the account at a single sign-on provider; oidc-… for OpenID Connect.",
)
def find(
    synapse: "Synapse",
    text: str | None,
    *,
    email: str | None,
    phone: str | None,
    threepid: tuple[str, str] | None,
    external_id: tuple[str, str] | None,
) -> object:
    """Find the account with an address or external id.

    TEXT is an e-mail address, a phone number with +, a user id, a localpart, or part of a name. Locked and
    deactivated accounts are found, too. Exit code 4 where no account is found.

    \b
    Examples:
        synadmin user find alice@example.org
        synadmin user find 'Alice Smith'
        synadmin user find --phone +44123456789
        synadmin user find --external-id oidc-keycloak 4711
    """
    if text is not None:
        if re.fullmatch(r"[^@\s]+@[^@\s:]+", text):
            email = text
        elif text.startswith("+"):
            phone = text
        else:
            return _by_name(synapse, text)
    if external_id is not None:
        try:
            return synapse.lookup.by_external_id(*external_id)
        except NotFoundError:
            found = _linked_in_mas(synapse, *external_id)
            if found is None:
                raise
            return found
    try:
        if email is not None:
            return _by_email(synapse, email)
        medium, address = threepid or ("msisdn", _number(phone or ""))
        return synapse.lookup.by_threepid(medium, address)
    except NotFoundError as error:
        address = email or phone or " ".join(threepid or ())
        reason = f"no account has the address {address!a}"
        # TEXT may be a user id without @ at the start; --email may not.
        hint = f"for a user id, write @{email.replace('@', ':', 1)}" if text and email else None
        raise NotFoundError(status=error.status, errcode=error.errcode, reason=reason, hint=hint) from None


def _by_email(synapse: "Synapse", email: str) -> object:
    try:
        # Synapse stores addresses in lower case.
        return synapse.lookup.by_threepid("email", email.casefold())
    except NotFoundError:
        mas = usable_mas(synapse)
        address = None if mas is None else next(iter(mas.user_emails.list(email=email)), None)
        if mas is None or address is None:
            raise
        return _user_record(synapse, mas, address.attributes.user_id)


_NAME_COLUMNS = (
    Column("user_id", title="user", whole=True),
    Column("displayname", title="display name", breakable=True),
    Column("deactivated"),
    Column("locked"),
)


def _by_name(synapse: "Synapse", text: str) -> object:
    """Return the account with this id or localpart; else the accounts with the text in their names."""
    with suppress(NotFoundError, UsageError):
        return Shown(_account(synapse.users.get(user_id_of(synapse, text))), _NAME_COLUMNS)
    # Locked and deactivated accounts are included: users often search for them.
    accounts = [_account(user) for user in synapse.users.list(name=text, locked=True)]
    if not accounts:
        reason = f"no account has {text!a} as an id, an address or part of its name"
        raise NotFoundError(status=404, errcode="M_NOT_FOUND", reason=reason)
    return Shown(accounts, _NAME_COLUMNS)


def _account(user: "User | UserDetails") -> dict[str, Any]:
    names = ("displayname", "deactivated", "locked")
    return {"user_id": user.name, **{name: getattr(user, name) for name in names}}


def _linked_in_mas(synapse: "Synapse", provider: str, subject: str) -> dict[str, Any] | None:
    """Return the user who is linked to an account at an identity provider; None if not exactly one.

    Synapse names the provider by its id in the old configuration, MAS by a ULID.
    """
    mas = usable_mas(synapse)
    if mas is None:
        return None
    links = [link.attributes for link in mas.upstream_links.list(subject=subject) if link.attributes.user_id]
    links = [link for link in links if link.provider_id == provider] or links
    return _user_record(synapse, mas, str(links[0].user_id)) if len(links) == 1 else None


def _user_record(synapse: "Synapse", mas: "Mas", id_: str) -> dict[str, Any]:
    return {"user_id": f"@{mas.users.get(id_).attributes.username}:{server_name_of(synapse.owner)}"}


@find.check
def _(*, text: str | None, options: "Mapping[str, Any]") -> None:
    if sum(value is not None for value in (text, *options.values())) != 1:
        raise UsageError("give exactly one of TEXT, --email, --phone, --threepid and --external-id")


def _number(text: str) -> str:
    """Return a telephone number as in Matrix: country code and number, only digits."""
    number = "".join(letter for letter in text if letter not in " +-()./")
    if not number.isascii() or not number.isdecimal():
        raise UsageError(f"{text!a} is not a telephone number: write +44 123 456789")
    return number


def _search_columns(*, password_hashes: bool) -> tuple[Column, ...]:
    return (
        Column("name", title="user", whole=True),
        Column("admin"),
        Column("is_guest", title="guest"),
        Column("user_type", title="type"),
        Column("password_hash", title="password hash", shown=password_hashes),
    )


@reads("lookup.search", columns=_search_columns, empty="No such account.")
@click.option("--password-hashes", is_flag=True, help="Print the hashes of the passwords, too.")
def search(synapse: "Synapse", term: str, *, password_hashes: bool) -> object:
    """Search in user ids.

    Includes deactivated and locked accounts; % and _ stand for any text and any character.

    The server also sends password hashes. They are printed only with --password-hashes.

    \b
    Examples:
        synadmin user search alice
        synadmin user search spam% -o ndjson
    """
    users = [user.as_sent() for user in synapse.lookup.search(term, user_id=synapse.owner)]
    return users if password_hashes else [_without_hash(user) for user in users]


def _without_hash(user: dict[str, Any]) -> dict[str, Any]:
    return {**user, "password_hash": "(withheld)"} if user.get("password_hash") else user


@reads(
    "lookup.username_available",
    columns=(Column("available"), Column("reason"), Column("errcode", shown=False)),
)
def available(synapse: "Synapse", localpart: str) -> object:
    """Check whether a username is available.

    Exit code 5 where it is not.

    \b
    Examples:
        synadmin user available alice
        synadmin user available alice -o json
    """
    record: dict[str, Any]
    try:
        sent = synapse.lookup.username_available(localpart).as_sent()
        record = {**sent, "errcode": None, "reason": None}
    except MatrixError as error:
        if error.errcode not in _UNAVAILABLE:
            raise
        record = {"available": False, "errcode": error.errcode, "reason": error.reason}
    return Shown(record, code=EXIT_DONE if record["available"] else EXIT_REFUSED)


_CONNECTION_COLUMNS = (
    Column("ip", title="ip address"),
    time_column("last_seen", "last seen"),
    Column("user_agent", title="client"),
    Column("user_id", title="user", shown=False),
    Column("device_id", title="device", shown=False),
)


@reads("activity.whois", columns=_CONNECTION_COLUMNS, empty="Not seen for a long time.", anyone=True)
def whois(synapse: "Synapse", user_id: "UserId", *, output: Output) -> object:
    """Show the IP addresses and clients of a user.

    The server updates this every few minutes.

    \b
    Examples:
        synadmin user whois alice
        synadmin user whois alice --columns ip,last_seen -o csv
    """
    sent = synapse.activity.whois(user_id).as_sent()
    if output.form == "json" and output.names is None:
        return sent
    return [
        {"user_id": sent["user_id"], "device_id": device_id or None, **connection}
        for device_id, device in sent["devices"].items()
        for session in device.get("sessions", ())
        for connection in session.get("connections", ())
    ]
