"""Run a command with a fault in its requests, and compare its words with the state of the server."""

from __future__ import annotations

import copy
import json
import os
import re
import signal
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests import loaded
from tests.faults.proxy import FAULTS, FaultyProxy
from tests.faults.scenarios import SCENARIOS, World, clean_up
from tests.faults.state import last_expiry
from tests.live.conftest import environment_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.faults.proxy import ProxiedRequest
    from tests.faults.scenarios import Case
    from tests.faults.state import State

TIMEOUT = 3.0  # seconds that the command waits for an answer
DEADLINE = 90.0  # seconds for a command, however many of its requests fail; on a busy machine, too
_MEMORY = 600 * 1024  # KiB: an answer may unpack to 256 MB
_SETTLE_TIME = 15.0  # seconds that the server gets to finish the request
# The words of a command for a change that was made, may have been made, or continues.
_CHANGE_NAMED = re.compile(
    r"may have been|may be|unknown|goes on|go on|continue|resume|was done|were done|has been|is done|still"
    r'|"status": "(done|failed|undone)"|"outcome": "(pending|partly|unknown|done)"|before that|put back'
    r"|reverted|restored",
    re.IGNORECASE,
)
_NOTHING_CHANGED = re.compile(
    r"nothing was (changed|done)|was not changed|nothing has been changed", re.IGNORECASE
)
_TOKEN_EXPIRES = "It expires by itself at"
_TOKEN_LIFE = 200.0  # seconds: synadmin asks for 180, and the clocks are read one after the other
_UNCHANGED_CODES = frozenset({2, 3, 4, 5})


@dataclass(frozen=True)
class Cell:
    """A scenario, a fault, and the number of the request that gets it, from 1.

    ``kind`` says which requests are counted: ``change``, ``read`` or ``any``.
    """

    scenario: str
    fault: str
    kind: str
    number: int

    def __str__(self) -> str:
        return f"{self.scenario}:{self.fault}@{self.kind}{self.number}"

    def is_target(self, requests: Sequence[ProxiedRequest], request: ProxiedRequest) -> bool:
        """Whether this request gets the fault; it is the last of those that were sent."""

        def is_counted(sent: ProxiedRequest) -> bool:
            return self.kind == "any" or (self.kind == "change") == sent.changes

        return is_counted(request) and sum(map(is_counted, requests)) == self.number


@dataclass
class CommandResult:
    """The exit code, output, time and memory of a command."""

    code: int
    stdout: str
    stderr: str
    took: float
    memory: int

    @property
    def text(self) -> str:
        return f"{self.stdout}\n{self.stderr}"

    @property
    def records(self) -> list[dict[str, Any]]:
        try:
            value = json.loads(self.stdout)
        except ValueError:
            return []
        return [item for item in (value if isinstance(value, list) else [value]) if isinstance(item, dict)]


@dataclass
class Verdict:
    """The result of a cell; all lists of problems are empty where everything is right.

    ``expiring`` counts tokens with a lost secret that expire within 3 minutes, see `FaultRunner._expiring`.
    """

    cell: Cell
    met: bool = False
    wrong: list[str] = field(default_factory=list)
    leftovers: list[str] = field(default_factory=list)
    tracebacks: list[str] = field(default_factory=list)
    late: list[str] = field(default_factory=list)
    expiring: int = 0
    reached: bool = False
    output: list[str] = field(default_factory=list)

    @property
    def ok(self) -> bool:
        return not (self.wrong or self.leftovers or self.tracebacks or self.late)

    def __str__(self) -> str:
        lines = [f"{self.cell}{'' if self.met else ' (not met)'}"]
        for name in ("wrong", "leftovers", "tracebacks", "late"):
            lines += [f"  {name}: {problem}" for problem in getattr(self, name)]
        return "\n".join([*lines, *(f"    | {line}" for text in self.output for line in text.splitlines())])


class FaultRunner:
    """Runs cells one after another, on a server with the proxy in front of it."""

    def __init__(self, world: World, proxy: FaultyProxy) -> None:
        self.world, self.proxy = world, proxy
        proxy.client_timeout = TIMEOUT

    def requests_of(self, scenario: str) -> list[ProxiedRequest]:
        """Run a scenario without a fault, and return its requests."""
        verdict = self.run_cell(Cell(scenario, "none", "any", 0))
        assert verdict.ok, str(verdict)
        assert verdict.reached, str(verdict)
        return self.requests

    def run_cell(self, cell: Cell) -> Verdict:
        """Run a cell and return its verdict."""
        if cell.scenario == "audit" and cell.fault in FAULTS and not self.world.findings:
            self.requests_of("audit")  # sets the findings without a fault
        verdict = Verdict(cell)
        case = SCENARIOS[cell.scenario](self.world)
        before = self.world.read(case)
        with tempfile.TemporaryDirectory(prefix="synadmin-faults-") as name:
            home = Path(name)
            self.proxy.set_fault(FAULTS.get(cell.fault), cell.is_target)
            result = self._run(home, case.arguments)
            self.requests, self.faulted, verdict.met = (
                self.proxy.requests,
                self.proxy.faulted,
                self.proxy.fault_count > 0,
            )
            self.proxy.set_fault(None, cell.is_target)
            self._record(verdict, result)
            now = self._settled_state(case, before, result)
            verdict.wrong += _wrong_claims(case, result, before, now)
            if result.code != 0 or left_over(case, before, now):
                now = self._resumed(verdict, home, case, before)
            verdict.reached = case.goal(before, now)
            self._expiring(verdict, case, now)
            verdict.leftovers += left_over(case, before, now)
        clean_up(self.world, case, before)
        return verdict

    def _expiring(self, verdict: Verdict, case: Case, now: State) -> None:
        """Count a token separately if its secret was in the lost answer.

        Without the secret Synapse can neither list nor end the token. It is no leftover if it expires within
        the 3 minutes for which it was requested, and if `journal resume` keeps it open, says when it expires,
        and exits with 1.
        """
        ends = last_expiry(self.world.server.directory / "homeserver.db", case.users)
        lost = verdict.met and any(request.path.endswith("/login") for request in self.faulted)
        last = verdict.output[-1]
        is_open = last.startswith("exit 1 ") and _TOKEN_EXPIRES in last
        if now.impersonation_tokens and lost and is_open and ends < time.time() + _TOKEN_LIFE:
            verdict.expiring, now.impersonation_tokens = now.impersonation_tokens, 0

    def _resumed(self, verdict: Verdict, home: Path, case: Case, before: State) -> State:
        now = self.world.read(case)
        for _ in range(2):
            earlier = now
            result = self._run(home, ["journal", "resume", "last", "-o", "json"])
            self._record(verdict, result)
            now = self._settled_state(case, before, result)
            if result.code == 0 and _claims_done(result) and not case.goal(before, now):
                verdict.wrong.append("resume says done, and the goal is not reached")
            if case.goal(before, now) and not left_over(case, before, now):
                break
            if result.code != 0 and now == earlier:
                break
        return now

    def _settled_state(self, case: Case, before: State, result: CommandResult) -> State:
        """Return the state when the goal is reached, or when the time for that is over."""
        until = time.monotonic() + (_SETTLE_TIME if result.code == 0 and _claims_done(result) else 0)
        while True:
            now = self.world.read(case)
            if case.goal(before, now) or time.monotonic() > until:
                return now
            time.sleep(0.1)

    def _record(self, verdict: Verdict, result: CommandResult) -> None:
        verdict.output.append(f"exit {result.code} after {result.took:.1f} s\n{result.text.strip()[:4000]}")
        if "Traceback" in result.text:
            verdict.tracebacks.append(result.stderr.strip().splitlines()[-1])
        if result.took > DEADLINE:
            verdict.late.append(f"{result.took:.0f} s")
        if result.memory > _MEMORY:
            verdict.wrong.append(f"took {result.memory // 1024} MiB of memory")

    def _run(self, home: Path, arguments: list[str]) -> CommandResult:
        environment = environment_of(home, self.proxy.url, self.world.operator)
        environment["SYNADMIN_TIMEOUT"] = str(TIMEOUT)
        out, err = home / "stdout", home / "stderr"
        started = time.monotonic()
        with out.open("wb") as stdout, err.open("wb") as stderr, Path(os.devnull).open("rb") as stdin:
            process = loaded.start(
                arguments, cwd=home, env=environment, stdin=stdin, stdout=stdout, stderr=stderr
            )
        self.proxy.pid = process.pid
        code = process.wait(DEADLINE + 10)
        took = time.monotonic() - started
        return CommandResult(code, out.read_text(), err.read_text(), took, process.memory)


def _claims_done(result: CommandResult) -> bool:
    return not any(
        record.get("outcome") in {"pending", "unknown", "failed", "refused"} for record in result.records
    )


def _wrong_claims(case: Case, result: CommandResult, before: State, now: State) -> list[str]:
    """Return the wrong claims of a command about the state."""
    if result.code == -signal.SIGKILL:
        return []
    if result.code == 0:
        if not case.goal(before, now):
            done = _claims_done(result)
            return ["says done, and the goal is not reached" if done else "exit 0, and pending for ever"]
        return case.check_output(result.stdout) if case.check_output else []
    changes = before.differences(now)
    if _TOKEN_EXPIRES in result.text:
        changes = [change for change in changes if not change.startswith("impersonation_tokens:")]
    nothing = _NOTHING_CHANGED.search(result.text) or any(
        record.get("outcome") == "refused" for record in result.records
    )
    names = _CHANGE_NAMED.search(result.text)
    if changes and (nothing or (result.code in _UNCHANGED_CODES and not names)):
        return [f"exit {result.code} says that nothing was changed: {changes}"]
    if changes and not names:
        return [f"exit {result.code} does not name what was changed: {changes}"]
    return []


def left_over(case: Case, before: State, now: State) -> list[str]:
    """Return the differences that are not part of the request."""
    return _without_goal(case, before, before).differences(_without_goal(case, now, before))


def _without_goal(case: Case, state: State, before: State) -> State:
    """Return the state without the parts that the command may change."""
    rest = copy.deepcopy(state)
    new = rest.rooms - before.rooms
    operator = case.users[0]
    rest.memberships = {
        (user, room_id): membership
        for (user, room_id), membership in rest.memberships.items()
        if not (
            (room_id == case.room and (user in {operator, case.account} or case.may_move))
            or (room_id in new and case.may_move)
        )
    }
    for room_id in (*new, case.room):
        rest.levels.pop(room_id or "", None)
        rest.join_rules.pop(room_id or "", None)
        rest.creators.pop(room_id or "", None)
    rest.rooms = {room_id for room_id in rest.rooms if room_id != case.room and room_id not in new}
    if case.may_move and len(new) > 1:
        rest.rooms |= new  # only one new room was requested
    if case.account is not None:
        rest.accounts.pop(case.account, None)
        rest.sessions.pop(case.account, None)
    rest.media, rest.tokens = set(), set()
    return rest
