"""Changes of an account: send them, and read the account back."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from synadmin.cli.mas_required import account_in_mas
from synadmin.cli.outcomes import NotAsAskedError
from synadmin.cli.user.read_back import require_fields
from synadmin.errors import NotFoundError, RefusedError, UsageError

if TYPE_CHECKING:
    from synadmin.api.users import UserDetails
    from synadmin.client import Synapse
    from synadmin.ids import UserId
    from synadmin.recovery.mas_account import MasAccount

_MEDIA = {"email", "msisdn"}
_AT_MAS = frozenset({"password", "admin"})
_TITLES = {"displayname": "display name", "avatar_url": "picture", "user_type": "account type"}
Pairs = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class AccountChanges:
    """The changes of an account: values to set, and items to add to and remove from lists."""

    fields: Mapping[str, Any]
    add_threepids: Pairs = ()
    remove_threepids: Pairs = ()
    add_external_ids: Pairs = ()
    remove_external_ids: Pairs = ()

    @property
    def of_one_account(self) -> bool:
        """Whether the changes are possible only for one account."""
        return bool(
            self.add_threepids or self.add_external_ids or {"displayname", "password"} & self.fields.keys()
        )

    def body(self, before: "UserDetails | None") -> dict[str, Any]:
        """Return the fields to send, without those that already have their value."""
        changed = {
            name: value
            for name, value in self.fields.items()
            if before is None or name == "password" or getattr(before, name) != value
        }
        threepids = (
            [] if before is None else [(threepid.medium, threepid.address) for threepid in before.threepids]
        )
        wanted = _edited(threepids, self.add_threepids, self.remove_threepids)
        if wanted != threepids:
            changed["threepids"] = [{"medium": medium, "address": address} for medium, address in wanted]
        ids = (
            []
            if before is None
            else [(external.auth_provider, external.external_id) for external in before.external_ids]
        )
        wanted = _edited(ids, self.add_external_ids, self.remove_external_ids)
        if wanted != ids:
            changed["external_ids"] = [
                {"auth_provider": provider, "external_id": external_id} for provider, external_id in wanted
            ]
        return changed

    @property
    def emails(self) -> tuple[str, ...]:
        """Return the e-mail addresses to add."""
        return tuple(address for medium, address in self.add_threepids if medium == "email")

    @property
    def holds(self) -> str:
        """The state after all changes, in words: ``display name: Alice; no picture``."""
        states = [
            f"{title}: {self.fields[name]}" if self.fields[name] else f"no {title}"
            for name, title in _TITLES.items()
            if name in self.fields
        ]
        if "approved" in self.fields:
            states.append("approved" if self.fields["approved"] else "not approved")
        added, removed = (
            (*self.add_threepids, *self.add_external_ids),
            (*self.remove_threepids, *self.remove_external_ids),
        )
        states += [f"has {kind} {name}" for kind, name in added]
        states += [f"does not have {kind} {name}" for kind, name in removed]
        return "; ".join(states)

    def at_synapse(self) -> "AccountChanges":
        """Return the changes that Synapse stores where MAS manages the accounts."""
        return replace(
            self,
            fields={name: value for name, value in self.fields.items() if name not in _AT_MAS},
            add_threepids=tuple(pair for pair in self.add_threepids if pair[0] != "email"),
            remove_threepids=tuple(pair for pair in self.remove_threepids if pair[0] != "email"),
        )

    def check(self, synapse: "Synapse", user_id: "UserId") -> None:
        """Check that no address belongs to another account: Synapse would move it without a warning.

        Raises:
            RefusedError: an address belongs to another account.
        """
        for medium, address in self.add_threepids:
            try:
                owner = synapse.lookup.by_threepid(medium, address).user_id
            except NotFoundError:
                continue
            if owner != user_id:
                raise RefusedError(f"{address} belongs to {owner}: nothing was changed for {user_id}")


def _edited(
    before: list[tuple[str, str]], add: Iterable[tuple[str, str]], remove: Iterable[tuple[str, str]]
) -> list[tuple[str, str]]:
    gone = set(remove)
    return list(dict.fromkeys(pair for pair in [*before, *add] if pair not in gone))


def parse_threepids(pairs: Pairs) -> Pairs:
    """Check third-party ids, and return them as Synapse stores them.

    Raises:
        UsageError: one of them is not valid.
    """
    for medium, address in pairs:
        if medium not in _MEDIA:
            message = f"{medium!a} is not a kind of address: use email or msisdn (a telephone number)"
            raise UsageError(message)
        if medium == "email" and (address.count("@") != 1 or not address.isprintable() or " " in address):
            raise UsageError(f"{address!a} is not an e-mail address")
        if medium == "msisdn" and not (address.isascii() and address.isdecimal()):
            raise UsageError(f"{address!a} is not a telephone number as Matrix has them: 44123456789")
    return tuple((medium, address.casefold()) for medium, address in pairs)


def parse_avatar(url: str) -> str:
    """Check the URI of a picture and return it; an empty text removes the picture.

    Raises:
        UsageError: it is not an mxc:// URI.
    """
    if url and not url.startswith("mxc://"):
        raise UsageError(f"{url!a} is not an mxc:// URI: upload the picture first")
    return url


def require_one_account(changes: AccountChanges, users: tuple[str, ...], source: str | None) -> None:
    """Refuse changes for several accounts that are possible only for one.

    Raises:
        UsageError: there are such changes for several accounts.
    """
    if changes.of_one_account and (len(users) > 1 or source is not None):
        message = "a display name, a password, an address and an external id are for one account"
        raise UsageError(message, hint="name one USER, and no --from")


def apply_changes(
    synapse: "Synapse", user_id: "UserId", changes: AccountChanges, before: "UserDetails | None"
) -> None:
    """Change an account, in MAS if that manages it, and read it back.

    Args:
        changes: the changes.
        before: the account before the change; None: it is created.

    Raises:
        SynadminError: the account was not changed, or an address belongs to another account.
    """
    if changes != changes.at_synapse():
        account = account_in_mas(synapse, user_id)
        if account is not None:
            _apply_in_mas(account, changes)
            changes = changes.at_synapse()
    body = changes.body(before)
    if not body and before is not None:
        return
    changes.check(synapse, user_id)
    # The answer of Synapse is the account, read back after the change.
    after = synapse.users.modify(user_id, **body)
    expected = {name: value for name, value in body.items() if name in changes.fields and name != "password"}
    # A value that is removed with "" is null afterwards.
    require_fields(after, **{name: None if value == "" else value for name, value in expected.items()})
    if "threepids" in body or "external_ids" in body:
        _compare_lists(after, body)


def _apply_in_mas(account: "MasAccount", changes: AccountChanges) -> None:
    """Change the values that MAS stores: password, rights, e-mail addresses."""
    from synadmin.cli.user.with_mas import add_email, remove_email

    kept = account.emails()
    for email in changes.emails:
        if email not in kept:
            add_email(account, email)
    if changes.fields.get("password"):
        account.mas.users.set_password(account.record.id, changes.fields["password"])
    if changes.fields.get("admin") not in {None, account.record.attributes.admin}:
        account.set_admin(admin=changes.fields["admin"])
    for medium, address in changes.remove_threepids:
        if medium == "email":
            remove_email(account, address)


def _compare_lists(after: "UserDetails", body: Mapping[str, Any]) -> None:
    threepids = {(threepid.medium, threepid.address) for threepid in after.threepids}
    ids = {(external.auth_provider, external.external_id) for external in after.external_ids}
    for name, pairs in (("threepids", threepids), ("external_ids", ids)):
        if name in body and pairs != {tuple(fields.values()) for fields in body[name]}:
            message = f"the server reported success, but the {name} of {after.name} are not as asked for"
            raise NotAsAskedError(message)
