"""An audit of one server: its options, its lock and its exit code."""

import time
from collections.abc import Callable, Collection, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Self

from synadmin.cli.exit_codes import EXIT_DONE, EXIT_FAILED, EXIT_FOUND
from synadmin.cli.invocation import Invocation
from synadmin.cli.servers import file_of_profile
from synadmin.cli.targets import user_id_of
from synadmin.errors import NotFoundError, NotPermittedError, RefusedError, SettingsError, UsageError
from synadmin.ids import RoomAlias, RoomId, parse_room
from synadmin.text import command

if TYPE_CHECKING:
    from synadmin.audit.baseline import Baseline
    from synadmin.audit.config import Config
    from synadmin.audit.facts import Facts
    from synadmin.audit.findings import Finding
    from synadmin.audit.gather.coverage import Coverage
    from synadmin.audit.rules import Rule
    from synadmin.audit.runner import AuditResult
    from synadmin.client import Synapse
    from synadmin.ids import UserId

SCOPES = ("rooms", "users", "server")
RULES = "rules"
_MMAP_THRESHOLD = -3  # in malloc.h
_LARGE = 1_000_000  # bytes: pages of a list are larger


@dataclass(frozen=True, kw_only=True)
class Options:
    """The options of an audit from the command line.

    Raises:
        UsageError: options do not go together.
    """

    scopes: tuple[str, ...]
    only: tuple[str, ...]
    without: tuple[str, ...]
    skip: tuple[str, ...]
    fail_on: str
    config_file: str | None
    control: str | None
    baseline_file: str | None
    update_baseline: bool
    output_file: str | None
    notify: str | None
    wait: bool
    time_limit: int | None
    profiles: str | None = None

    def __post_init__(self) -> None:
        message = None
        unknown = next((scope for scope in self.scopes if scope not in SCOPES), None)
        if unknown is not None:
            message = f"{unknown!a} is not one of {', '.join((*SCOPES, RULES))}"
        elif self.update_baseline and self.baseline_file is None:
            message = "--update-baseline needs --baseline FILE"
        elif self.without and self.scopes != ("rooms",):
            message = "--without is about rooms: `synadmin audit rooms --without USER`"
        elif self.without and self.update_baseline:
            message = (
                "--without and --update-baseline do not go together: "
                "a baseline is for the current state, not for a possible one"
            )
        elif self.profiles is not None:
            message = self._not_with_profiles()
        if message is not None:
            raise UsageError(message)

    def _not_with_profiles(self) -> str | None:
        """Return the error for an option that does not go with --profiles; None where there is none."""
        of_one_server = {"--without": self.without, "--control": self.control}
        name = next((name for name, value in of_one_server.items() if value), None)
        return None if name is None else f"{name} is about one server: it does not go with --profiles"

    @property
    def baseline(self) -> Path | None:
        """The file of the baseline."""
        return None if self.baseline_file is None else Path(self.baseline_file)

    def until(self) -> float | None:
        """Return the end of the time limit, by the monotonic clock."""
        return None if self.time_limit is None else time.monotonic() + self.time_limit / 1000

    def at_profile(self, name: str) -> Self:
        """Return the options for one server of several.

        Each server has a separate baseline: ``audit.NAME.json`` for ``audit.json``. It has a separate
        configuration if the file exists: ``audit.NAME.toml`` for ``audit.toml``.
        """
        config = None if self.config_file is None else file_of_profile(Path(self.config_file), name)
        return replace(
            self,
            baseline_file=None if self.baseline is None else str(file_of_profile(self.baseline, name)),
            config_file=str(config) if config is not None and config.is_file() else self.config_file,
        )


def audit_server(
    invocation: Invocation,
    synapse: "Synapse",
    options: Options,
    *,
    until: float | None,
    count_controllers: bool,
    progress: "Callable[[Coverage], Callable[[Facts], None]]" = lambda _: lambda _: None,
    found: "Callable[[Finding], None]" = lambda _: None,
) -> "AuditResult":
    """Gather the facts and run the rules.

    Args:
        until: the time when it stops, by the monotonic clock.
        progress: gets the coverage, and returns a function that is called with each checked fact.
        found: is called with each new finding.
    """
    from synadmin.library import audit as library

    _return_large_blocks()
    settings = invocation.settings
    begin = not options.only and "rooms" in (options.scopes or SCOPES)
    with library.prefetching(synapse, settings.concurrency, begin=begin) as prefetcher:
        rules, config = rules_and_config(options)
        run = library.AuditRun(
            rules,
            config,
            _baseline(options.baseline, may_be_missing=options.update_baseline),
            until,
            count_controllers=count_controllers,
            without=_leavers(synapse, options.without),
            control=None if options.control is None else Path(options.control),
        )
        return library.run(
            prefetcher,
            run,
            timeout=settings.timeout,
            ca_file=settings.ca_file,
            progress=progress,
            found=found,
        )


def _return_large_blocks() -> None:
    """Make glibc return freed memory of large lists to the system; otherwise each thread keeps it."""
    import ctypes

    # Other C libraries have no such function.
    with suppress(AttributeError, OSError, TypeError):
        ctypes.CDLL(None).mallopt(_MMAP_THRESHOLD, _LARGE)


def rules_and_config(options: Options) -> "tuple[tuple[Rule, ...], Config]":
    """Return the rules to run, and the configuration.

    Raises:
        UsageError: there is no such rule, or no rule is left to run.
        SettingsError: the configuration is not valid.
    """
    from synadmin.audit.config import Config, read
    from synadmin.library.audit import rules_of

    config = Config() if options.config_file is None else read(Path(options.config_file))
    return rules_of(config, options.scopes, options.only, options.skip), config


def _leavers(synapse: "Synapse", without: tuple[str, ...]) -> "Collection[UserId]":
    """Return the accounts of --without.

    Raises:
        NotFoundError: there is no such account.
    """
    names = (name.strip() for text in without for name in text.split(","))
    users = dict.fromkeys(user_id_of(synapse, name) for name in names if name)
    for user in users:
        synapse.users.get(user)
    return users


def _baseline(path: Path | None, *, may_be_missing: bool) -> "Baseline":
    from synadmin.audit.baseline import Baseline, read

    return Baseline() if path is None else read(path, may_be_missing=may_be_missing)


def room_to_notify(synapse: "Synapse", name: str) -> RoomId:
    """Return the room for the findings; it is checked before the audit.

    Raises:
        RefusedError: the token's owner is not in the room.
    """
    room = parse_room(name)
    room_id = (
        synapse.client_server.resolve_alias(RoomAlias(room)).room_id if room.startswith("#") else RoomId(room)
    )
    owner = synapse.owner
    with suppress(NotFoundError, NotPermittedError):
        if synapse.client_server.state_event(room_id, "m.room.member", owner).get("membership") == "join":
            return room_id
    raise RefusedError(
        f"--notify: {owner} is not in {name}", hint=f"`{command('room', 'join', name, owner)}`"
    )


@contextmanager
def exclusive(
    invocation: Invocation, baseline: Path | None, *, wait: bool, until: float | None
) -> Iterator[None]:
    """Refuse other audits of the same server, or with the same baseline, while this one runs."""
    from urllib.parse import quote

    from synadmin.files import LockedError, locked
    from synadmin.settings import state_directory

    homeserver = invocation.settings.homeserver or ""
    with ExitStack() as stack:
        try:
            # An audit changes nothing, so it also runs without a writable state directory.
            with suppress(SettingsError, RuntimeError):
                path = state_directory() / "audit" / f"{quote(homeserver, safe='')}.lock"
                stack.enter_context(locked(path, wait=wait, until=until))
            if baseline is not None:
                path = baseline.with_name(f".{baseline.name}.lock")
                stack.enter_context(locked(path, wait=wait, until=until, setting="--baseline"))
        except LockedError:
            if wait:
                message = "another audit is still running, and the time limit was reached"
                raise LockedError(message, hint="raise --time-limit") from None
            raise LockedError("another audit is running", hint="--wait waits until it has ended") from None
        yield


def exit_code(outcome: "AuditResult", fail_on: str) -> int:
    """Return the exit code of an audit that has ended."""
    from synadmin.audit.findings import Severity

    if not outcome.complete:
        return EXIT_FAILED
    if fail_on == "never":
        return EXIT_DONE
    least = Severity(fail_on).rank
    found = any(one.new and one.finding.severity.rank >= least for one in outcome.report.findings)
    return EXIT_FOUND if found else EXIT_DONE
