"""Users as a person names them, and commands that change many of them."""

import functools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

import click

from synadmin.cli.change import NotAsAskedError, change
from synadmin.cli.confirm import change_options
from synadmin.cli.input_files import USERS, read_targets
from synadmin.cli.invocation import Invocation
from synadmin.cli.mas import refuse_under_mas
from synadmin.cli.output import Output, output_options
from synadmin.cli.targets import user_id_of
from synadmin.errors import NotAuthenticatedError

if TYPE_CHECKING:
    from synadmin.client import Synapse
    from synadmin.ids import UserId
    from synadmin.render import Column

P = ParamSpec("P")
R = TypeVar("R")
Act = Callable[["Synapse", "UserId"], Mapping[str, Any]]
UserIdOf = Callable[["Synapse", str], "UserId"]


named = user_id_of  # until these commands declare themselves


@dataclass(frozen=True, slots=True)
class Bulk:
    """Which users a command is to change, and how it was asked to go about it."""

    users: tuple[str, ...]
    source: str | None
    dry_run: bool
    yes: bool
    output: Output

    def named(self, synapse: "Synapse", user_id_of: "UserIdOf" = user_id_of) -> "list[UserId]":
        """Return the user ids, each once.

        Raises:
            UsageError: one of them is none, or there is none at all.
        """
        texts = read_targets(self.users, self.source, USERS)
        return list(dict.fromkeys(user_id_of(synapse, text) for text in texts))

    def carry_out(
        self,
        invocation: Invocation,
        act: Act,
        *,
        question: "Callable[[Synapse, Sequence[UserId]], str] | None" = None,
        guard: "Callable[[Synapse, Sequence[UserId]], None] | None" = None,
        columns: "Sequence[Column]" = (),
        mas: str | None = None,
        user_id_of: "UserIdOf" = user_id_of,
    ) -> int:
        """Change the users one after the other, and print what became of each.

        Args:
            invocation: the invocation.
            act: changes one of them, reads back, and returns what to tell about it.
            question: looks at how much it is and says what will happen; None where it needs no question.
            guard: raises where something else has to be said first, ``--yes`` or not.
            columns: what ``act`` returns that a table shows.
            user_id_of: how a user is named: of this server, unless given.
            mas: what ``mas-cli manage`` needs to do the same, where it is refused under MAS.

        Returns:
            The exit code.
        """
        with invocation.synapse() as synapse:
            users = self.named(synapse, user_id_of)
            if mas is not None:
                refuse_under_mas(synapse, mas, users)
            if guard is not None:
                # What takes somebody's own say away comes last.
                users.sort(key=lambda user: user == synapse.owner)
            if guard is not None and not self.dry_run:
                guard(synapse, users)
            asks = question is not None and not self.dry_run and not self.yes
            return change(
                invocation,
                synapse,
                users,
                # `change` passes on what it was given.
                lambda user: act(synapse, user),  # type: ignore[arg-type]
                what="user_id",
                question=question(synapse, users) if asks and question is not None else None,
                dry_run=self.dry_run,
                yes=self.yes,
                output=self.output,
                columns=columns,
            )


def changes_users(function: Callable[P, R]) -> Callable[P, R]:
    """Give a command ``USER...`` and ``--from``, and all that goes with a change, as ``bulk``."""

    @click.argument("users", nargs=-1, metavar="USER...")
    @click.option("--from", "source", metavar="FILE|-", help="Read users from a file, one a line.")
    @change_options
    @output_options
    @functools.wraps(function)
    def with_bulk(
        *args: Any,  # noqa: ANN401 (the command's own)
        users: tuple[str, ...],
        source: str | None,
        dry_run: bool,
        yes: bool,
        output: Output,
        **options: Any,  # noqa: ANN401
    ) -> R:
        bulk = Bulk(users, source, dry_run=dry_run, yes=yes, output=output)
        return function(*args, bulk=bulk, **options)  # type: ignore[arg-type]

    return with_bulk  # type: ignore[return-value]


def read_back(synapse: "Synapse", user_id: "UserId", **expected: object) -> None:
    """Look whether an account is as it should be now.

    Raises:
        NotAsAskedError: it is not.
    """
    try:
        details = synapse.users.get(user_id)
    except NotAuthenticatedError:
        if user_id != synapse.owner:
            raise
        # Somebody who locks or deactivates their own account has no say any more: that is what shows it.
        return
    for name, value in expected.items():
        found = getattr(details, name)
        if found != value:
            message = f"the server said yes, but {name} of {user_id} is {found!a}, not {value!a}"
            raise NotAsAskedError(message)


def listed(users: "Sequence[UserId]", *, most: int = 5) -> str:
    """Return users as a sentence names them: all of a few, the first of many."""
    if len(users) <= most:
        return ", ".join(users)
    return f"{', '.join(users[:most])} and {len(users) - most} more"
