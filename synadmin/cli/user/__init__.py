"""``synadmin user``: accounts."""

import click

from synadmin.cli.lazy import Group

_LOOK = "synadmin.cli.user.look"
_ACTIVITY = "synadmin.cli.user.activity"
_ACCOUNT = "synadmin.cli.user.account"
_STATE = "synadmin.cli.user.state"
_ACCESS = "synadmin.cli.user.access"
_REDACT = "synadmin.cli.user.redact"
_COMMANDS = {
    "list": (f"{_LOOK}:list_", "List the accounts of the server."),
    "show": (f"{_LOOK}:show", "Show an account."),
    "find": (f"{_LOOK}:find", "Find out whose an address or an external id is."),
    "search": (f"{_LOOK}:search", "Search in user ids, deactivated and locked ones included."),
    "available": (f"{_LOOK}:available", "Tell whether a name can be had."),
    "whois": (f"{_LOOK}:whois", "Show from which addresses a user was seen."),
    "offboard": ("synadmin.cli.user.offboard:offboard", "Give control of rooms to others, then lock."),
    "rooms": ("synadmin.cli.user.rooms:rooms", "List the rooms of an account, with its power."),
    "joined-rooms": (f"{_ACTIVITY}:joined_rooms", "List the rooms a user is in."),
    "memberships": (f"{_ACTIVITY}:memberships", "List every room a user was ever in or invited to."),
    "invites-sent": (f"{_ACTIVITY}:invites_sent", "Count the invitations a user has sent."),
    "joined-count": (f"{_ACTIVITY}:joined_count", "Count the rooms a user has joined."),
    "account-data": (f"{_ACTIVITY}:account_data", "Show what a user's clients keep on the server."),
    "pushers": (f"{_ACTIVITY}:pushers", "List where a user's notifications are sent."),
    "create": (f"{_ACCOUNT}:create", "Make accounts."),
    "modify": (f"{_ACCOUNT}:modify", "Change a profile, addresses, external ids, the type."),
    "register": (f"{_ACCOUNT}:register", "Make an account with the shared secret, without a token."),
    "password": (f"{_ACCESS}:password", "Give an account a new password."),
    "admin": (f"{_ACCESS}:admin", "Show, grant and revoke the rights of a server admin."),
    "login": (f"{_ACCESS}:login", "Get a token to act as a user."),
    "validity": (f"{_ACCESS}:validity", "Say until when accounts are valid."),
    "cross-signing-reset": (f"{_ACCESS}:cross_signing_reset", "Let a user replace their keys."),
    "rate-limit": ("synadmin.cli.user.rate_limit:rate_limit", "Show, set and clear message limits."),
    "lock": (f"{_STATE}:lock", "Lock accounts: their sessions stay, but can do nothing."),
    "unlock": (f"{_STATE}:unlock", "Unlock accounts."),
    "suspend": (f"{_STATE}:suspend", "Suspend accounts: they read, and do almost nothing else."),
    "unsuspend": (f"{_STATE}:unsuspend", "End suspensions."),
    "shadow-ban": (f"{_STATE}:shadow_ban", "Let what users send seem to succeed, and reach nobody."),
    "lift-shadow-ban": (f"{_STATE}:lift_shadow_ban", "Lift shadow-bans."),
    "deactivate": (f"{_STATE}:deactivate", "Deactivate accounts, for good."),
    "reactivate": (f"{_STATE}:reactivate", "Make deactivated accounts active again."),
    "redact": (f"{_REDACT}:redact", "Redact the messages of users."),
    "redact-status": (f"{_REDACT}:redact_status", "Show how far a redaction is."),
}


@click.group(cls=Group, lazy=_COMMANDS)
def user() -> None:
    """Accounts: list them, look into them, change them, keep them from doing harm.

    USER is a user id (@alice:example.org), or a localpart (alice) on your own server.
    """
