"""Run a command whose requests meet a fault, and judge it by the state of the server, not by its words."""

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
from tests.faults.scenarios import SCENARIOS, World, forget
from tests.faults.state import last_expiry
from tests.live.conftest import environment_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.faults.proxy import Passed
    from tests.faults.scenarios import Case
    from tests.faults.state import State

TIMEOUT = 3.0  # seconds: what the command waits for an answer
DEADLINE = 90.0  # seconds for a command, however many of its requests fail; on a busy machine, too
_MEMORY = 600 * 1024  # KiB: an answer may unpack to 256 MB
_SETTLED = 15.0  # seconds that the server gets to finish what it was asked for
# How a command says that something was changed, or may have been, or how it goes on.
_NAMES_CHANGE = re.compile(
    r"may have been|may be|unknown|goes on|go on|continue|resume|was done|were done|has been|is done|still"
    r'|"status": "(done|failed|undone)"|"outcome": "(pending|partly|unknown|done)"|before that|put back'
    r"|reverted|restored",
    re.IGNORECASE,
)
_NOTHING = re.compile(r"nothing was (changed|done)|was not changed|nothing has been changed", re.IGNORECASE)
_TOKEN_EXPIRES = "It expires by itself at"
_TOKEN_LIFE = 200.0  # seconds: synadmin asks for 180, and the clocks are read one after the other
_NOTHING_CODES = frozenset({2, 3, 4, 5})


@dataclass(frozen=True)
class Cell:
    """A scenario, a fault, and which request meets it: the first one is 1.

    ``kind`` says which requests are counted: ``change``, ``look`` (those that change nothing) or ``any``.
    """

    scenario: str
    fault: str
    kind: str
    number: int

    def __str__(self) -> str:
        return f"{self.scenario}:{self.fault}@{self.kind}{self.number}"

    def strikes(self, seen: Sequence[Passed], passed: Passed) -> bool:
        """Whether this request is the one; the last one seen is itself."""

        def counts(one: Passed) -> bool:
            return self.kind == "any" or (self.kind == "change") == one.changes

        return counts(passed) and sum(map(counts, seen)) == self.number


@dataclass
class Ended:
    """How a command ended."""

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
        return [one for one in (value if isinstance(value, list) else [value]) if isinstance(one, dict)]


@dataclass
class Verdict:
    """What came of a cell; all lists are empty where everything is right.

    ``expiring`` counts tokens that nobody can end, and that expire within 3 minutes; see `Court._expiring`.
    """

    cell: Cell
    met: bool = False
    wrong: list[str] = field(default_factory=list)
    leftovers: list[str] = field(default_factory=list)
    tracebacks: list[str] = field(default_factory=list)
    late: list[str] = field(default_factory=list)
    expiring: int = 0
    reached: bool = False
    said: list[str] = field(default_factory=list)

    @property
    def ok(self) -> bool:
        return not (self.wrong or self.leftovers or self.tracebacks or self.late)

    def __str__(self) -> str:
        lines = [f"{self.cell}{'' if self.met else ' (not met)'}"]
        for name in ("wrong", "leftovers", "tracebacks", "late"):
            lines += [f"  {name}: {one}" for one in getattr(self, name)]
        return "\n".join([*lines, *(f"    | {line}" for one in self.said for line in one.splitlines())])


class Court:
    """A server with a proxy before it, and one case after the other."""

    def __init__(self, world: World, proxy: FaultyProxy) -> None:
        self.world, self.proxy = world, proxy
        proxy.patience = TIMEOUT

    def requests_of(self, scenario: str) -> list[Passed]:
        """Run it without a fault, and return what was sent."""
        verdict = self.judge(Cell(scenario, "none", "any", 0))
        assert verdict.ok, str(verdict)
        assert verdict.reached, str(verdict)
        return self.requests

    def judge(self, cell: Cell) -> Verdict:
        """Carry out one cell."""
        if cell.scenario == "audit" and cell.fault in FAULTS and not self.world.findings:
            self.requests_of("audit")  # what there is to be found
        verdict = Verdict(cell)
        case = SCENARIOS[cell.scenario](self.world)
        before = self.world.read(case)
        with tempfile.TemporaryDirectory(prefix="synadmin-faults-") as name:
            home = Path(name)
            self.proxy.arm(FAULTS.get(cell.fault), cell.strikes)
            ended = self._run(home, case.arguments)
            self.requests, self.struck, verdict.met = self.proxy.seen, self.proxy.struck, self.proxy.met > 0
            self.proxy.arm(None, cell.strikes)
            self._note(verdict, ended)
            now = self._settled(case, before, ended)
            verdict.wrong += _judged(case, ended, before, now)
            if ended.code != 0 or left_over(case, before, now):
                now = self._resumed(verdict, home, case, before)
            verdict.reached = case.goal(before, now)
            self._expiring(verdict, case, now)
            verdict.leftovers += left_over(case, before, now)
        forget(self.world, case, before)
        return verdict

    def _expiring(self, verdict: Verdict, case: Case, now: State) -> None:
        """Set a token apart whose secret was in the answer that the fault has taken.

        Nobody has the secret, and Synapse lists and ends a token by nothing else. It is no leftover where its
        life is bounded: it expires within the 3 minutes that it was made for, and `journal resume` still has
        it open, says when it expires, and exits with 1.
        """
        ends = last_expiry(self.world.server.directory / "homeserver.db", case.people)
        lost = verdict.met and any(one.path.endswith("/login") for one in self.struck)
        last = verdict.said[-1]
        is_open = last.startswith("exit 1 ") and _TOKEN_EXPIRES in last
        if now.borrowed and lost and is_open and ends < time.time() + _TOKEN_LIFE:
            verdict.expiring, now.borrowed = now.borrowed, 0

    def _resumed(self, verdict: Verdict, home: Path, case: Case, before: State) -> State:
        now = self.world.read(case)
        for _ in range(2):
            earlier = now
            ended = self._run(home, ["journal", "resume", "last", "-o", "json"])
            self._note(verdict, ended)
            now = self._settled(case, before, ended)
            if ended.code == 0 and _claims_done(ended) and not case.goal(before, now):
                verdict.wrong.append("resume says done, and it is not so")
            if case.goal(before, now) and not left_over(case, before, now):
                break
            if ended.code != 0 and now == earlier:
                break
        return now

    def _settled(self, case: Case, before: State, ended: Ended) -> State:
        """The state, once what was promised is so, or for some time was not."""
        until = time.monotonic() + (_SETTLED if ended.code == 0 and _claims_done(ended) else 0)
        while True:
            now = self.world.read(case)
            if case.goal(before, now) or time.monotonic() > until:
                return now
            time.sleep(0.1)

    def _note(self, verdict: Verdict, ended: Ended) -> None:
        verdict.said.append(f"exit {ended.code} after {ended.took:.1f} s\n{ended.text.strip()[:4000]}")
        if "Traceback" in ended.text:
            verdict.tracebacks.append(ended.stderr.strip().splitlines()[-1])
        if ended.took > DEADLINE:
            verdict.late.append(f"{ended.took:.0f} s")
        if ended.memory > _MEMORY:
            verdict.wrong.append(f"took {ended.memory // 1024} MiB of memory")

    def _run(self, home: Path, arguments: list[str]) -> Ended:
        environment = environment_of(home, self.proxy.url, self.world.chief)
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
        return Ended(code, out.read_text(), err.read_text(), took, process.memory)


def _claims_done(ended: Ended) -> bool:
    return not any(one.get("outcome") in {"pending", "unknown", "failed", "refused"} for one in ended.records)


def _judged(case: Case, ended: Ended, before: State, now: State) -> list[str]:
    """What the command said and what is not so."""
    if ended.code == -signal.SIGKILL:
        return []
    if ended.code == 0:
        if not case.goal(before, now):
            done = _claims_done(ended)
            return ["says done, and it is not so" if done else "exit 0, and it is pending for ever"]
        return case.result(ended.stdout) if case.result else []
    changes = before.differences(now)
    if _TOKEN_EXPIRES in ended.text:
        changes = [change for change in changes if not change.startswith("borrowed:")]
    nothing = _NOTHING.search(ended.text) or any(one.get("outcome") == "refused" for one in ended.records)
    names = _NAMES_CHANGE.search(ended.text)
    if changes and (nothing or (ended.code in _NOTHING_CODES and not names)):
        return [f"exit {ended.code} says that nothing was changed: {changes}"]
    if changes and not names:
        return [f"exit {ended.code} does not name what was changed: {changes}"]
    return []


def left_over(case: Case, before: State, now: State) -> list[str]:
    """What is other than before and no part of what was asked for."""
    return _without_goal(case, before, before).differences(_without_goal(case, now, before))


def _without_goal(case: Case, one: State, before: State) -> State:
    """The state without what the command may change."""
    rest = copy.deepcopy(one)
    new = rest.rooms - before.rooms
    chief = case.people[0]
    rest.memberships = {
        (user, room): membership
        for (user, room), membership in rest.memberships.items()
        if not (
            (room == case.ours and (user in {chief, case.target} or case.may_move))
            or (room in new and case.may_move)
        )
    }
    for room in (*new, case.ours):
        rest.levels.pop(room or "", None)
        rest.join_rules.pop(room or "", None)
        rest.creators.pop(room or "", None)
    rest.rooms = {room for room in rest.rooms if room != case.ours and room not in new}
    if case.may_move and len(new) > 1:
        rest.rooms |= new  # one is what was asked for
    if case.target is not None:
        rest.accounts.pop(case.target, None)
        rest.sessions.pop(case.target, None)
    rest.media, rest.tokens = set(), set()
    return rest
