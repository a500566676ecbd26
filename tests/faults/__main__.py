"""``make faults``: every scenario, every position, every fault; a table and counts."""

from __future__ import annotations

import argparse
import sys
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

from synadmin.sandbox.homeserver import Homeserver
from tests.faults.judge import Cell, Court, Verdict
from tests.faults.proxy import FAULTS, FaultyProxy
from tests.faults.scenarios import SCENARIOS, World

# At each request that changes something; of the others four in turn.
_CHANGING = [
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
# At a request that changes nothing, whether it arrived makes no difference. After the first change:
_LOOKING = ["404", "500-before", "html-before", "list", "down-502", "SIGINT-before", "SIGKILL-before"]
# And where nothing was changed yet; of the others one in turn.
_LOOKING_FIRST = ["500-before", "html-before", "down-502", "SIGINT-before"]
_LOOKING_IN_TURN = [
    *("drop-before", "drip", "truncated", "403", "502-before", "null", "users-list", "empty"),
    *("redirect-before", "bomb", "delay-before", "SIGTERM-before"),
]


def cells_of(court: Court, scenario: str, *, thorough: bool) -> list[Cell]:
    """All positions of a scenario, each with the faults that make sense there."""
    cells, changed, looked_at = [], False, set[str]()
    for number, passed in enumerate(court.requests_of(scenario), start=1):
        others = [name for name in FAULTS if name not in _CHANGING]
        if thorough:
            faults = list(FAULTS)
        elif passed.changes:
            changed, looked_at = True, set()
            faults = _CHANGING + others[number % 5 :: 5]
        elif passed.path in looked_at:
            continue  # it asks again and again until something is so
        else:
            looked_at.add(passed.path)
            faults = _LOOKING if changed else _LOOKING_FIRST
            faults = faults + _LOOKING_IN_TURN[number % len(_LOOKING_IN_TURN) :][:1]
        cells += [Cell(scenario, fault, "any", number) for fault in faults]
    return cells


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.faults", description=__doc__)
    parser.add_argument("--scenario", action="append", choices=SCENARIOS, help="only this one; repeatable")
    parser.add_argument("--fault", action="append", choices=FAULTS, help="only this one; repeatable")
    parser.add_argument("--workers", type=int, default=4)
    parser.add_argument("--every", type=int, default=1, help="only each N-th cell")
    parser.add_argument("--thorough", action="store_true", help="every fault at every position")
    parser.add_argument("-v", "--verbose", action="store_true", help="show what was said in each wrong cell")
    options = parser.parse_args()
    started = time.monotonic()
    verdicts: list[Verdict] = []
    # An audit looks at all rooms of its server: it has one to itself, with few.
    for scenarios in (set(SCENARIOS) - {"audit"}, {"audit"}):
        chosen = [one for one in options.scenario or SCENARIOS if one in scenarios]
        if chosen:
            with Homeserver() as server:
                verdicts += _run_all(server, chosen, options)
    print(_table(verdicts))  # noqa: T201
    print(f"{len(verdicts)} cells in {time.monotonic() - started:.0f} s")  # noqa: T201
    return 0 if all(verdict.ok for verdict in verdicts) else 1


def _run_all(server: Homeserver, scenarios: list[str], options: argparse.Namespace) -> list[Verdict]:
    with FaultyProxy(server.url) as proxy:
        court = Court(World(server, "count"), proxy)
        cells = [cell for name in scenarios for cell in cells_of(court, name, thorough=options.thorough)]
    cells = [cell for cell in cells[:: options.every] if not options.fault or cell.fault in options.fault]
    worlds = [World(server, f"w{number}") for number in range(options.workers)]
    todo, verdicts = iter(cells), list[Verdict]()

    def work(world: World) -> None:
        with FaultyProxy(server.url) as proxy:
            court = Court(world, proxy)
            while (cell := next(todo, None)) is not None:
                verdict = court.judge(cell)
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
