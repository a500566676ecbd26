"""``synadmin room replace``: create a new room in place of one that is lost."""

import shlex
import time
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import click

from synadmin.cli.confirm import allow_option, change_options, confirm_by_name
from synadmin.cli.exit_codes import EXIT_DONE, EXIT_PARTLY, EXIT_REFUSED
from synadmin.cli.invocation import Invocation, pass_invocation, print_block
from synadmin.cli.known_ids import complete_rooms
from synadmin.cli.lazy import Command
from synadmin.cli.outcomes import StillUnderWayError
from synadmin.cli.output import Output, output_options
from synadmin.cli.server_task import TaskFailedError, wait_for_task
from synadmin.cli.targets import counted, room_id_of
from synadmin.columns import Column
from synadmin.errors import SynadminError, UsageError
from synadmin.ids import RoomId, UserId, parse_user_id, server_name_of
from synadmin.text import command, option_words, safe_text

if TYPE_CHECKING:
    from synadmin.api.room_deletion import DeletionStatus
    from synadmin.client import Synapse
    from synadmin.recovery.replace_room import Replacement, ReplaceOptions
    from synadmin.recovery.workspace import Recovery

_COLUMNS = (
    Column("room_id", title="room", whole=True),
    Column("room.name", title="name", breakable=True),
    Column("outcome"),
    Column("reason"),
    Column("message"),
    Column("new_room_id", title="new room", whole=True),
    Column("admin"),
    Column("control"),
    Column("members_may_speak", title="members may speak"),
    Column("join_rule", title="join rule"),
    Column("moved"),
    Column("not_moved", title="not moved"),
    Column("invited", shown=False),
    Column("not_invited", title="not invited"),
    Column("aliases"),
    Column("delete_id", shown=False),
)
_AWAITED = 10.0  # seconds in which the server usually names the new room
_STEP = 0.05


@click.command(cls=Command)
@click.argument("room", shell_complete=complete_rooms)
@click.option("--admin", required=True, metavar="USER", help="The admin of the new room.")
@click.option("--name", metavar="NAME", help="The new room's name [default: that of the old room].")
@click.option("--message", metavar="TEXT", help="The first message in the new room.")
@click.option(
    "--purge", is_flag=True, help="Permanently remove the old room and its history from the database."
)
@click.option(
    "--block/--no-block",
    default=None,
    help="Block the old room for local users, or not [default: ask].",
)
@click.option(
    "--muted", is_flag=True, help="Keep the new room as Synapse creates it: only the admin can send messages."
)
@allow_option("Act as the new room's admin for a short time, to set its levels.")
@click.option("--anyway", is_flag=True, help="Replace the room even if it can be regained.")
@click.option("--confirm", "given", metavar="ROOM", help="Confirm the room without a question.")
@change_options
@output_options
@pass_invocation
def replace(
    invocation: Invocation,
    /,
    room: str,
    *,
    admin: str,
    allow: str | None,
    block: bool | None,
    given: str | None,
    dry_run: bool,
    yes: bool,
    output: Output,
    **rest: Any,  # noqa: ANN401  fields of ReplaceOptions
) -> int:
    """Create a new room in place of one that is lost.

    Use this where the room cannot be regained.

    All local users are removed from the old room and joined to a new one. The aliases then point to the new
    room. Messages are not moved: the history of the old room stays in the database, but the room is no longer
    in the list of rooms. Users of other servers are not moved: for them the old room continues.

    If the old room can be regained, the replacement is refused with the command to regain it. A replacement
    cannot be undone, so you type the room, or give it with --confirm; --yes is not enough.

    \b
    Examples:
        synadmin room replace '#club:example.org' --admin admin --dry-run
        synadmin room replace '#club:example.org' --admin alice \\
            --allow impersonate

    Exit codes: 0 done or planned; 5 refused, nothing was changed; 6 some could not be moved.
    """
    from synadmin.power.room import Reach
    from synadmin.recovery.replace_room import ReplaceOptions, plan_replacement

    with invocation.recovery() as recovery:
        synapse = recovery.synapse
        reach = Reach.of(allow)
        options = ReplaceOptions(admin=_local_user(synapse, admin), allow=reach, block=bool(block), **rest)
        room_id = room_id_of(synapse, room)
        planned = plan_replacement(recovery.observer, room_id, options, invocation.settings.journal)
        if planned.outcome != "refused" and not dry_run:
            ask_block = block is None and not yes
            options = _confirmed(invocation, planned, options, room, given=given, ask_block=ask_block)
            with recovery.lock(room_id):
                # If another run has begun meanwhile, this run continues it: there is only one new room.
                recovery.observer.forget_all()
                planned = plan_replacement(recovery.observer, room_id, options, invocation.settings.journal)
                if planned.outcome != "refused":
                    planned = _carry_out(invocation, recovery, planned, options)
    if output.in_words:
        print_block(_replacement_text(planned, _allowed_command(invocation, planned, options, given)))
    else:
        output.write_one(planned.as_record(), _COLUMNS)
    if planned.outcome == "planned":
        invocation.say("Nothing was changed: --dry-run.")
    return {"partly": EXIT_PARTLY, "refused": EXIT_REFUSED}.get(planned.outcome, EXIT_DONE)


def _local_user(synapse: "Synapse", admin: str) -> UserId:
    """Return the id of the new room's admin.

    Raises:
        UsageError: the user is on another server.
    """
    home = server_name_of(synapse.owner)
    chosen = parse_user_id(admin, home=home)
    if server_name_of(chosen) != home:
        message = f"{chosen} is not a user of this server, and Synapse gives the new room only to local users"
        raise UsageError(message, hint="transfer it afterwards with `synadmin room transfer`")
    return chosen


def _confirmed(
    invocation: Invocation,
    planned: "Replacement",
    options: "ReplaceOptions",
    room: str,
    *,
    given: str | None,
    ask_block: bool,
) -> "ReplaceOptions":
    """Print what will happen, and ask for the room's name; return the last question."""
    from dataclasses import replace as changed

    if planned.delete_id is not None:
        invocation.warn(planned.message)
        return options
    invocation.warn("\n".join(_plan_text(planned, options)))
    if ask_block and given is None and invocation.on_terminal:
        question = "Block the old room too, so that local users cannot join it again?"
        options = changed(options, block=invocation.ask(question))
    why = "This removes all local users from the room and cannot be undone."
    confirm_by_name(invocation, room, why, given=given, dry_run=False)
    return options


def _plan_text(planned: "Replacement", options: "ReplaceOptions") -> list[str]:
    details = planned.details
    elsewhere = max(0, ((details.joined_members or 0) if details else 0) - len(planned.members))
    called = f"{safe_text(details.name)}: " if details and details.name else ""
    moved = f"{counted(len(planned.members), 'user')} of this server will be removed from it"
    lines = [
        f"{called}{planned.room_id}",
        f"  {moved} and joined to a new room that {options.admin} controls; the aliases will point there.",
    ]
    if elsewhere:
        lines.append(f"  {counted(elsewhere, 'user')} of other servers stay in the old room.")
    history = "is permanently removed from the database" if options.purge else "stays in the database"
    lines.append(f"  The history {history}; local users no longer see it in their clients.")
    if options.muted:
        lines.append("  Only the admin can send messages in the new room, and anyone can join.")
    return lines


def _carry_out(
    invocation: Invocation, recovery: "Recovery", planned: "Replacement", options: "ReplaceOptions"
) -> "Replacement":
    from dataclasses import replace as changed

    from synadmin.recovery.new_room import configure_new_room
    from synadmin.recovery.replace_room import NOTE, deletion_options, to_note

    again = _command(planned, options, planned.room_id)
    invocation.journal.arguments = again
    synapse, delete_id = recovery.synapse, planned.delete_id
    if delete_id is None:
        with synapse.transport.recording(**{NOTE: to_note(planned)}):
            delete_id = synapse.room_deletion.delete(
                planned.room_id, **deletion_options(planned, options)
            ).delete_id
    planned = changed(planned, delete_id=delete_id)
    watcher = _DeletionWatcher(recovery, planned, options)
    shut_down = watcher.wait(invocation, again=f"synadmin {shlex.join(again)}").shutdown_room
    if shut_down is None:
        raise UsageError("the server reports that it is done, without details")
    return configure_new_room(recovery, planned, options, shut_down)


@dataclass
class _DeletionWatcher:
    """Waits for the deletion, and makes the new room private as soon as its id is known."""

    recovery: "Recovery"
    planned: "Replacement"
    options: "ReplaceOptions"
    new: RoomId | None = None
    is_awaited: bool = False

    def wait(self, invocation: Invocation, *, again: str) -> "DeletionStatus":
        """Wait for the end of the deletion.

        Raises:
            SynadminError: the deletion failed, or its end is not known; the message has the current state.
        """
        what = f"moving the users of {self.planned.room_id}"
        try:
            return wait_for_task(invocation, self._poll, what=what, again=again)
        except TaskFailedError as error:
            delete = command("room", "delete", self.planned.room_id, "--no-purge")
            hint = f"`{delete}` removes them from the old room"
            raise TaskFailedError(f"{error}. {self._state_now()}", hint=hint) from error
        except StillUnderWayError as error:
            message = f"{error}. {self._state_now()}"
            raise StillUnderWayError(message, hint=f"to go on, run: {again}") from error
        except KeyboardInterrupt:
            invocation.warn(self._state_now())
            raise

    def _poll(self) -> "DeletionStatus":
        """Return the status. The first call waits for the id of the new room, which is public at first."""
        until = time.monotonic() + (0 if self.is_awaited else _AWAITED)
        while True:
            status = self.recovery.synapse.room_deletion.status(self.planned.delete_id or "")
            if self.new is None:
                self._close(status.new_room_id)
            is_over = status.status not in {"scheduled", "active"}
            if self.new is not None or is_over or time.monotonic() > until:
                self.is_awaited = True
                return status
            time.sleep(_STEP)

    def _close(self, new: RoomId | None) -> None:
        from synadmin.recovery.new_room import secure

        self.new = new
        if new is not None:
            # A failure here is tried again, or reported, at the end.
            with suppress(SynadminError):
                secure(self.recovery, self.planned, self.options, new)

    def _state_now(self) -> str:
        """Return the current state; if the new room is not known, it is read from the list of tasks."""
        from synadmin.recovery.new_room import describe_new_room

        if self.new is None:
            with suppress(SynadminError):
                tasks = self.recovery.synapse.tasks.list(resource_id=self.planned.room_id).scheduled_tasks
                results = (task.result or {} for task in tasks if task.id == self.planned.delete_id)
                self._close(next((result.get("new_room_id") for result in results), None))
        return describe_new_room(self.recovery.observer, self.planned, self.new)


def _allowed_command(
    invocation: Invocation, planned: "Replacement", options: "ReplaceOptions", given: str | None
) -> str | None:
    """Return the command that would replace a refused room; None where the message has a better command."""
    from dataclasses import replace as changed

    from synadmin.power.room import Reach

    if planned.reason == "needs-impersonate":
        options = changed(options, allow=Reach.IMPERSONATE)
    elif planned.reason == "is-a-space":
        options = changed(options, anyway=True)
    else:
        return None
    confirm = None if given is None else planned.room_id  # the room as this command names it
    return invocation.again(_command(planned, options, confirm))


def _command(planned: "Replacement", options: "ReplaceOptions", confirm: str | None) -> list[str]:
    """Return the command line that continues this run without a second new room."""
    words = option_words(
        admin=options.admin,
        confirm=confirm,
        allow=options.allow or None,
        name=options.name,
        message=options.message,
        purge=options.purge,
        block=options.block,
        muted=options.muted,
        anyway=options.anyway,
    )
    return ["room", "replace", planned.room_id, *words]


def _replacement_text(replacement: "Replacement", hint: str | None) -> str:
    """Return the plan or result of a room as lines of safe text."""
    details, done = replacement.details, replacement.control
    name = f"{safe_text(details.name)}: " if details and details.name else ""
    version = f" (room version {details.version})" if details and details.version else ""
    lines = [f"{name}{replacement.room_id}{version}", f"  {replacement.outcome}: {replacement.message}"]
    if hint is not None:
        lines.append(f"    hint: `{hint}`")
    if replacement.outcome == "planned" and replacement.members:
        lines.append(f"  to be moved: {', '.join(replacement.members)}")
    if replacement.moved:
        lines.append(f"  moved: {', '.join(replacement.moved)}")
    if replacement.aliases:
        lines.append(f"  aliases: {', '.join(replacement.aliases)}")
    if done:
        lines.append(f"  join rule: {replacement.join_rule or 'invite'}")
    return "\n".join(safe_text(line) for line in lines)
