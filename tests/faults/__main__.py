"""``make faults``: run each scenario with faults at each of its requests, and print a table."""

from __future__ import annotations

import argparse
import sys
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

from synadmin.sandbox.homeserver import Homeserver
from tests.faults.judge import Cell, FaultRunner, Verdict
from tests.faults.proxy import FAULTS, FaultyProxy
from tests.faults.scenarios import SCENARIOS, World

# At each request that changes something, with a fifth of the other faults in turn.
_AT_CHANGES = [
    *(
        "drop-before",
        "drop-after",
        "delay-after",
        "drip",
        "truncated",
        "403",
        "404",
        "500-before",
        "500-after",
    ),
    *("502-after", "html-before", "html-after", "list", "empty", "bomb", "down-502"),
    *("SIGINT-before", "SIGINT-after", "SIGKILL-before", "SIGKILL-after"),
]
# At reads after the first change. Whether a read reached the server makes no difference.
_AT_READS = ["404", "500-before", "html-before", "list", "down-502", "SIGINT-before", "SIGKILL-before"]
# At reads before the first change, with one of the next list in turn.
_AT_FIRST_READS = ["500-before", "html-before", "down-502", "SIGINT-before"]
_AT_FIRST_READS_IN_TURN = [
    *("drop-before", "drip", "truncated", "403", "502-before", "null", "users-list", "empty"),
    *("redirect-before", "bomb", "delay-before", "SIGTERM-before"),
]


def cells_of(runner: FaultRunner, scenario: str, *, thorough: bool) -> list[Cell]:
    """Return the cells of a scenario: each request, with the faults that make sense there."""
    cells, changed, read_paths = [], False, set[str]()
    for number, request in enumerate(runner.requests_of(scenario), start=1):
        others = [name for name in FAULTS if name not in _AT_CHANGES]
        if thorough:
            faults = list(FAULTS)
        elif request.changes:
            changed, read_paths = True, set()
            faults = _AT_CHANGES + others[number % 5 :: 5]
        elif request.path in read_paths:
            continue  # the command polls this path
        else:
            read_paths.add(request.path)
            faults = _AT_READS if changed else _AT_FIRST_READS
            faults = faults + _AT_FIRST_READS_IN_TURN[number % len(_AT_FIRST_READS_IN_TURN) :][:1]
        cells += [Cell(scenario, fault, "any", number) for fault in faults]
    return cells


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.faults", description=__doc__)
    parser.add_argument("--scenario", action="append", choices=SCENARIOS, help="only this one; repeatable")
    parser.add_argument("--fault", action="append", choices=FAULTS, help="only this one; repeatable")
    parser.add_argument("--workers", type=int, default=4)
    parser.add_argument("--every", type=int, default=1, help="only each N-th cell")
    parser.add_argument("--thorough", action="store_true", help="every fault at every position")
    parser.add_argument("-v", "--verbose", action="store_true", help="show the output of each wrong cell")
    options = parser.parse_args()
    started = time.monotonic()
    verdicts: list[Verdict] = []
    # An audit reads all rooms of its server, so it gets a separate one with few rooms.
    for scenarios in (set(SCENARIOS) - {"audit"}, {"audit"}):
        chosen = [name for name in options.scenario or SCENARIOS if name in scenarios]
        if chosen:
            with Homeserver() as server:
                verdicts += _run_all(server, chosen, options)
    print(_table(verdicts))  # noqa: T201
    print(f"{len(verdicts)} cells in {time.monotonic() - started:.0f} s")  # noqa: T201
    return 0 if all(verdict.ok for verdict in verdicts) else 1


def _run_all(server: Homeserver, scenarios: list[str], options: argparse.Namespace) -> list[Verdict]:
    with FaultyProxy(server.url) as proxy:
        runner = FaultRunner(World(server, "count"), proxy)
        cells = [cell for name in scenarios for cell in cells_of(runner, name, thorough=options.thorough)]
    cells = [cell for cell in cells[:: options.every] if not options.fault or cell.fault in options.fault]
    worlds = [World(server, f"w{number}") for number in range(options.workers)]
    todo, verdicts = iter(cells), list[Verdict]()

    def work(world: World) -> None:
        with FaultyProxy(server.url) as proxy:
            runner = FaultRunner(world, proxy)
            while (cell := next(todo, None)) is not None:
                verdict = runner.run_cell(cell)
                verdicts.append(verdict)
                if len(verdicts) % 100 == 0:
                    print(f"[{len(verdicts)}/{len(cells)}]", file=sys.stderr, flush=True)  # noqa: T201
                if not verdict.ok:
                    shown = str(verdict) if options.verbose else str(verdict).partition("    |")[0].rstrip()
                    print(f"[{len(verdicts)}/{len(cells)}] {shown}", flush=True)  # noqa: T201

    with ThreadPoolExecutor(options.workers) as pool:
        for done in [pool.submit(work, world) for world in worlds]:
            done.result()
    return verdicts


def _table(verdicts: list[Verdict]) -> str:
    names = ("cells", "met", "reached", "wrong", "leftovers", "tracebacks", "late", "expiring")
    counts: dict[str, Counter[str]] = {}
    for verdict in verdicts:
        for row in (verdict.cell.scenario, "all"):
            count = counts.setdefault(row, Counter())
            count.update(cells=1, met=verdict.met, reached=verdict.reached)
            for name in names[3:]:
                count[name] += bool(getattr(verdict, name))
    rows: list[tuple[str, ...]] = [("", *names)]
    order = sorted(
        counts, key=lambda row: (row == "all", list(SCENARIOS).index(row) if row in SCENARIOS else 0)
    )
    rows += [(row, *(str(counts[row][name]) for name in names)) for row in order]
    return "\n".join(
        "  ".join(f"{cell:>{13 if i == 0 else 10}}" for i, cell in enumerate(row)) for row in rows
    )


if __name__ == "__main__":
    sys.exit(main())
