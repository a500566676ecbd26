"""``synadmin user``: accounts."""

import click

from synadmin.cli.lazy import Group

_COMMANDS = {
    "Show": {
        "list": ("read:list_", "List the accounts of the server."),
        "show": ("read:show", "Show an account: profile, addresses, external ids, rights."),
        "find": ("read:find", "Find the account with an address or external id."),
        "search": ("read:search", "Search in user ids."),
        "available": ("read:available", "Check whether a username is available."),
        "rooms": ("rooms:rooms", "List the rooms of an account, with its power in them."),
        "whois": ("read:whois", "Show the IP addresses and clients of a user."),
    },
    "Leave and stop": {
        "offboard": ("offboard:offboard", "Hand over the rooms of a leaver, then lock the account."),
        "lock": ("state:lock", "Lock accounts: their sessions stay, but stop working."),
        "unlock": ("state:unlock", "Unlock accounts."),
        "deactivate": ("state:deactivate", "Deactivate accounts."),
        "reactivate": ("state:reactivate", "Make deactivated accounts active again."),
    },
    "Moderation": {
        "suspend": ("state:suspend", "Suspend accounts: they can read, but send nothing."),
        "unsuspend": ("state:unsuspend", "End suspensions."),
        "shadow-ban": ("state:shadow_ban", "Shadow-ban users: only they see their own messages."),
        "lift-shadow-ban": ("state:lift_shadow_ban", "Lift shadow-bans."),
        "redact": ("redact:redact", "Redact the messages of users."),
        "redact-status": ("redact:redact_status", "Show the progress of a redaction, and its failures."),
    },
    "Create and change": {
        "create": ("account:create", "Create accounts."),
        "register": ("account:register", "Create an account with the registration shared secret."),
        "modify": ("account:modify", "Change profiles, addresses, external ids or account types."),
        "password": ("access:password", "Set a new password for an account."),
        "admin": ("access:admin", "Show, grant and revoke server admin rights."),
        "rate-limit": ("rate_limit:rate_limit", "Show, set and remove rate limits of accounts."),
        "validity": ("access:validity", "Set when accounts expire."),
    },
    "With MAS": {
        "sessions": ("sessions:sessions", "List a user's sessions of all four kinds."),
        "end-sessions": ("sessions:end_sessions", "End the sessions of users: signs them out everywhere."),
        "email": ("identities:email", "List, add and remove e-mail addresses at MAS."),
        "link": ("identities:link", "List, add and remove links to identity providers."),
    },
    "Details": {
        "memberships": ("activity:memberships", "List all memberships of a user, past ones included."),
        "joined-rooms": ("activity:joined_rooms", "List the rooms that a user has joined."),
        "joined-count": ("activity:joined_count", "Count the rooms that a user has joined over time."),
        "invites-sent": ("activity:invites_sent", "Count the invitations that a user has sent."),
        "account-data": ("activity:account_data", "Show a user's account data."),
        "pushers": ("activity:pushers", "List where a user's notifications are sent."),
        "login": ("access:login", "Get a token to act as a user."),
        "cross-signing-reset": ("access:cross_signing_reset", "Let users replace their cross-signing keys."),
    },
}


@click.group(cls=Group, lazy=_COMMANDS, package=__name__)
def user() -> None:
    """Show, create, change and remove accounts.

    USER is a user id (@alice:example.org), or a localpart (alice) on your own server.
    """
