"""``synadmin user``: accounts."""

import click

from synadmin.cli.lazy import Group

_READ = "synadmin.cli.user.read"
_ACTIVITY = "synadmin.cli.user.activity"
_ACCOUNT = "synadmin.cli.user.account"
_STATE = "synadmin.cli.user.state"
_ACCESS = "synadmin.cli.user.access"
_REDACT = "synadmin.cli.user.redact"
_SESSIONS = "synadmin.cli.user.sessions"
_IDENTITIES = "synadmin.cli.user.identities"
_COMMANDS = {
    "list": (f"{_READ}:list_", "List the accounts of the server."),
    "show": (f"{_READ}:show", "Show an account: profile, addresses, external ids, rights."),
    "find": (f"{_READ}:find", "Find the account with an address or external id."),
    "search": (f"{_READ}:search", "Search in user ids."),
    "available": (f"{_READ}:available", "Check whether a username is available."),
    "whois": (f"{_READ}:whois", "Show the IP addresses and clients of a user."),
    "offboard": (
        "synadmin.cli.user.offboard:offboard",
        "Hand over the rooms of a leaver, then lock the account.",
    ),
    "rooms": ("synadmin.cli.user.rooms:rooms", "List the rooms of an account, with its power in them."),
    "joined-rooms": (f"{_ACTIVITY}:joined_rooms", "List the rooms that a user has joined."),
    "memberships": (f"{_ACTIVITY}:memberships", "List all memberships of a user, past ones included."),
    "invites-sent": (f"{_ACTIVITY}:invites_sent", "Count the invitations that a user has sent."),
    "joined-count": (f"{_ACTIVITY}:joined_count", "Count the rooms that a user has joined over time."),
    "account-data": (f"{_ACTIVITY}:account_data", "Show a user's account data."),
    "pushers": (f"{_ACTIVITY}:pushers", "List where a user's notifications are sent."),
    "create": (f"{_ACCOUNT}:create", "Create accounts."),
    "modify": (f"{_ACCOUNT}:modify", "Change profiles, addresses, external ids or account types."),
    "register": (f"{_ACCOUNT}:register", "Create an account with the registration shared secret."),
    "password": (f"{_ACCESS}:password", "Set a new password for an account."),
    "admin": (f"{_ACCESS}:admin", "Show, grant and revoke server admin rights."),
    "login": (f"{_ACCESS}:login", "Get a token to act as a user."),
    "sessions": (f"{_SESSIONS}:sessions", "List a user's sessions of all four kinds."),
    "end-sessions": (f"{_SESSIONS}:end_sessions", "End the sessions of users: signs them out everywhere."),
    "email": (f"{_IDENTITIES}:email", "List, add and remove e-mail addresses at MAS."),
    "link": (f"{_IDENTITIES}:link", "List, add and remove links to identity providers."),
    "validity": (f"{_ACCESS}:validity", "Set when accounts expire."),
    "cross-signing-reset": (f"{_ACCESS}:cross_signing_reset", "Let users replace their cross-signing keys."),
    "rate-limit": (
        "synadmin.cli.user.rate_limit:rate_limit",
        "Show, set and remove rate limits of accounts.",
    ),
    "lock": (f"{_STATE}:lock", "Lock accounts: their sessions stay, but stop working."),
    "unlock": (f"{_STATE}:unlock", "Unlock accounts."),
    "suspend": (f"{_STATE}:suspend", "Suspend accounts: they can read, but send nothing."),
    "unsuspend": (f"{_STATE}:unsuspend", "End suspensions."),
    "shadow-ban": (f"{_STATE}:shadow_ban", "Shadow-ban users: they reach nobody and do not see it."),
    "lift-shadow-ban": (f"{_STATE}:lift_shadow_ban", "Lift shadow-bans."),
    "deactivate": (f"{_STATE}:deactivate", "Deactivate accounts."),
    "reactivate": (f"{_STATE}:reactivate", "Make deactivated accounts active again."),
    "redact": (f"{_REDACT}:redact", "Redact the messages of users."),
    "redact-status": (f"{_REDACT}:redact_status", "Show the progress of a redaction, and its failures."),
}


_SECTIONS = {
    "Show": ("list", "show", "find", "search", "available", "rooms", "whois"),
    "Leave and stop": ("offboard", "lock", "unlock", "deactivate", "reactivate"),
    "Moderation": ("suspend", "unsuspend", "shadow-ban", "lift-shadow-ban", "redact", "redact-status"),
    "Create and change": ("create", "register", "modify", "password", "admin", "rate-limit", "validity"),
    "With MAS": ("sessions", "end-sessions", "email", "link"),
    "Details": (
        "memberships",
        "joined-rooms",
        "joined-count",
        "invites-sent",
        "account-data",
        "pushers",
        "login",
        "cross-signing-reset",
    ),
}


@click.group(cls=Group, lazy=_COMMANDS, sections=_SECTIONS)
def user() -> None:
    """Show, create, change and remove accounts.

    USER is a user id (@alice:example.org), or a localpart (alice) on your own server.
    """
