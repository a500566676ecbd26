"""Measure synadmin on a large homeserver, compared with curl, wrk, synadm and another commit of synadmin.

    python benchmarks/scale.py [--rooms 5000:3,20000:3] [--against COMMIT] [--synadm PATH] [--only REGEX]

For each number of rooms, `fill.py` writes the rooms and twice as many users into a PostgreSQL database. A
Synapse with a worker, Redis and nginx uses it, all on this machine. In each round the reference, synadmin,
the other commit and synadm run alternately, so that other load on the machine affects all of them. Each
figure is the median of the rounds, with the smallest and the largest. `x` means times the reference. The
reference is one request for the whole list by curl, one request for each room by wrk, or one request for each
item over one connection. Prints Markdown. Needs PostgreSQL, redis-server, nginx, curl and wrk (packages of
Debian).
"""

import argparse
import contextlib
import datetime as dt
import itertools
import json
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any
from urllib.parse import quote

import psycopg2
from fill import departed_holders, fill, fill_holders, joined_holders
from measuring import CONCURRENCY, Bench, Measurement, Tool

from tests.live.delayed import DelayedServer
from tests.live.workers import WorkerHomeserver

ROOT = Path(__file__).parents[1]
DELAY = 0.1  # seconds: the added delay of a round trip
LONG_DELAY = 0.5  # seconds: a delay that is long enough to count round trips by their time
LIMIT = 5  # seconds: the time limit of an audit
LIMITS = (1, 2, 4, 8, 16, 32, 64, 128)  # seconds: time limits, to find the shortest with a finding
MANY = 300  # rooms of a bulk run
FEW, ITEMS = 20, 120  # the difference of these numbers gives the cost of an item without start-up


@dataclass(frozen=True)
class Figure:
    """The result of one run.

    Attributes:
        value: the value in the unit of the row.
        run: the measurements of the run; None if the value is not from a single run.
    """

    value: float
    run: Measurement | None = None


@dataclass(frozen=True)
class Row:
    """A row of the table.

    Attributes:
        name: the measured command.
        goal: the goal of the project.
        unit: the unit of the figures.
        measure: measures a version of synadmin, with the seconds of the reference.
        reference: measures the reference in seconds, first in each round. None if the row has no reference.
        synadm: measures synadm, if it has such a command.
        grows: whether time and memory are compared between the numbers of rooms.
        holders: whether the row needs the rooms with a thousand power holders. They would slow down an audit.
    """

    name: str
    goal: str
    unit: str
    measure: Callable[[Bench, Tool, float], Figure]
    reference: Callable[[Bench], float] | None = None
    synadm: Callable[[Bench, float], Figure] | None = None
    grows: bool = False
    holders: bool = False


def listing(noun: str, path: str, goal: str) -> Row:
    """Return the row of a list command."""

    def measure(bench: Bench, tool: Tool, reference: float) -> Figure:
        run = bench.run(tool, noun, "list", "-o", "ndjson")
        with run.output.open("rb") as lines:
            if sum(1 for _ in lines) < len(bench.rooms):
                raise RuntimeError("the list is not complete")
        return Figure(run.seconds / reference, run)

    def synadm(bench: Bench, reference: float) -> Figure:
        run = bench.synadm_list(noun)
        return Figure(run.seconds / reference, run)

    return Row(
        f"`{noun} list -o ndjson`", goal, "x", measure, lambda bench: bench.curl(path), synadm, grows=True
    )


def audit(bench: Bench, tool: Tool, reference: float) -> Figure:
    """Audit all rooms, and record the findings."""
    arguments = ("--fail-on", "never", "-o", "ndjson")
    run = bench.run(tool, "audit", "rooms", *arguments, SYNADMIN_CONCURRENCY=str(CONCURRENCY))
    with run.output.open(encoding="utf-8") as lines:
        found = map(json.loads, lines)
        bench.findings[tool.name] = {(one["rule"], one["subject"]["id"]) for one in found if "rule" in one}
    return Figure(run.seconds / reference, run)


def limited_audit(bench: Bench, tool: Tool, seconds: int) -> tuple[dict[str, Any], Measurement]:
    """Audit with a time limit; return the report, which may have only a part of the rooms."""
    arguments = ("--time-limit", f"{seconds}s", "--fail-on", "never", "-o", "json")
    run = bench.run(tool, "audit", "rooms", *arguments, codes=(0, 1))
    return json.loads(run.output.read_text("utf-8")), run


def checked_in_time(bench: Bench, tool: Tool, _: float) -> Figure:
    """Count the rooms that an audit checks within the time limit."""
    report, run = limited_audit(bench, tool, LIMIT)
    return Figure(report["checked"]["rooms"], run)


def first_finding(bench: Bench, tool: Tool, _: float) -> Figure:
    """Find the shortest time limit with a finding in the report."""
    for seconds in LIMITS:
        report, run = limited_audit(bench, tool, seconds)
        if report["findings"]:
            return Figure(seconds, run)
    raise RuntimeError(f"no finding in {LIMITS[-1]} seconds")


def one_make_admin(bench: Bench, tool: Tool, _: float) -> Figure:
    """Count the round trips of one make-admin by the time that a delay of each adds."""
    runs = []
    with DelayedServer(bench.server.front_port, LONG_DELAY) as delayed:
        for url in (None, f"http://127.0.0.1:{delayed.port}"):
            room_id = bench.server.register("owner").make_room("to be regained")
            runs.append(bench.run(tool, "room", "make-admin", room_id, "--yes", url=url))
    return Figure((runs[1].seconds - runs[0].seconds) / LONG_DELAY, runs[1])


def bulk(bench: Bench, tool: Tool, _: float) -> Figure:
    """Compare a dry run of many rooms with a concurrency of 1 and of 4."""
    path = bench.write_lines(bench.rooms[:MANY])
    command = ("room", "make-admin", "--from", path, "--dry-run", "-o", "ndjson", "--allow", "impersonate")
    with DelayedServer(bench.server.front_port, DELAY) as delayed:
        url = f"http://127.0.0.1:{delayed.port}"
        one, four = (
            bench.run(tool, *command, url=url, codes=(0, 5, 6), SYNADMIN_CONCURRENCY=number)
            for number in ("1", "4")
        )
    return Figure(one.seconds / four.seconds, four)


def items(
    name: str,
    make: Callable[[Bench, int], list[str]],
    request_for: Callable[[Bench, str], tuple[str, str, object]],
    *command: str,
) -> Row:
    """Return the row of a change of many items: the time for one item, compared with its request alone."""

    def reference(bench: Bench) -> float:
        requests = [request_for(bench, target) for target in make(bench, ITEMS)]
        return bench.send_requests(requests) / ITEMS

    def measure(bench: Bench, tool: Tool, reference: float) -> Figure:
        runs = []
        for number in (FEW, ITEMS + FEW):
            path = bench.write_lines(make(bench, number))
            runs.append(bench.run(tool, *command, "--from", path, "--yes", "-o", "ndjson"))
        return Figure((runs[1].seconds - runs[0].seconds) / ITEMS / reference, runs[1])

    return Row(f"`{name}`, one of {ITEMS} items", "1.3 x", "x", measure, reference)


def accounts(bench: Bench, number: int) -> list[str]:
    """Return accounts that no earlier run has changed."""
    return [f"@user-{one}:{bench.server.server_name}" for one in bench.new_numbers(number)]


def new_names(bench: Bench, number: int) -> list[str]:
    """Return names that no account has."""
    return [f"@new-{one}:{bench.server.server_name}" for one in bench.new_numbers(number)]


def media(bench: Bench, number: int) -> list[str]:
    """Upload files; return their ids."""
    owner = bench.server.register("owner")
    uploads = (
        owner.call("POST", "/_matrix/media/v3/upload", {"a": one}) for one in bench.new_numbers(number)
    )
    return [str(upload["content_uri"]) for upload in uploads]


def put_user(body: dict[str, Any]) -> Callable[[Bench, str], tuple[str, str, object]]:
    """Return a function that returns the request to change or create an account."""
    return lambda _, user: ("PUT", f"/_synapse/admin/v2/users/{quote(user, safe='')}", body)


def delete_media(_: Bench, uri: str) -> tuple[str, str, object]:
    """Return the request to delete a file."""
    return "DELETE", f"/_synapse/admin/v1/media/{uri.removeprefix('mxc://')}", None


def holders(name: str, goal: str, *words: str, room: Callable[[str], str]) -> Row:
    """Return the row of a command on a room with a thousand power holders."""

    def measure(bench: Bench, tool: Tool, _: float) -> Figure:
        run = bench.run(tool, *words, room(bench.server.server_name))
        return Figure(run.requests, run)

    return Row(name, goal, "requests", measure, holders=True)


ROWS = (
    listing("room", "/_synapse/admin/v1/rooms?limit=1000000", "3 x, 64 MB"),
    listing("user", "/_synapse/admin/v3/users?limit=1000000", "3 x, 64 MB"),
    Row("`audit rooms`", "1.4 x, 80 MB", "x", audit, Bench.wrk, grows=True),
    Row(f"`audit rooms --time-limit {LIMIT}s`", "more than 0", "rooms", checked_in_time),
    Row("`audit rooms --time-limit`, the shortest with a finding", "1 s", "s", first_finding),
    holders("`room power`, 1,000 local holders", "12", "room", "power", room=joined_holders),
    holders(
        "`make-admin --dry-run`, 1,000 holders, none joined",
        "20",
        *("room", "make-admin", "--dry-run"),
        room=departed_holders,
    ),
    Row("one `make-admin`", "6", "round trips", one_make_admin),
    Row(
        f"`make-admin --dry-run`, {MANY} rooms, {DELAY:g} s: 4 at a time against 1",
        "2.5 x faster",
        "x faster",
        bulk,
    ),
    items("user lock", accounts, put_user({"locked": True}), "user", "lock"),
    items("user create", new_names, put_user({}), "user", "create"),
    items("media delete", media, delete_media, "media", "delete"),
)


@contextlib.contextmanager
def homeserver_with_rooms(rooms: int) -> Iterator[WorkerHomeserver]:
    """Run a Synapse with this number of rooms."""
    with WorkerHomeserver(lag=0) as server:
        assert server.admin  # registers the server admin before the database is filled  # noqa: S101
        server.stop()
        started = time.perf_counter()
        fill(server.database, server.server_name, rooms)
        print(f"filled in {time.perf_counter() - started:.0f} s", file=sys.stderr)
        server.start()
        yield server


@dataclass
class Measured:
    """The figures of a row, one for each round: of the reference, and of each tool by its name."""

    row: Row
    references: list[float]
    figures: dict[str, list[Figure]]

    def cells(self, names: Sequence[str]) -> Iterator[str]:
        """Yield the cells of the row."""
        yield self.row.name
        yield self.row.goal
        yield format_figures(self.references, "s") if self.references else "-"
        for name in names:
            figures = self.figures.get(name)
            yield cell(figures, self.row.unit) if figures else "-"


def measure_row(bench: Bench, row: Row, tools: Sequence[Tool], rounds: int) -> Measured:
    """Measure a row."""
    found = Measured(row, [], {})
    for _ in range(rounds):
        reference = 1.0
        if row.reference is not None:
            reference = row.reference(bench)
            found.references.append(reference)
        for tool in tools:
            try:
                figure = row.measure(bench, tool, reference)
            except (RuntimeError, ValueError, KeyError) as error:  # another commit may not have the command
                print(f"{row.name}, {tool.name}: {str(error)[-300:]}", file=sys.stderr)
            else:
                found.figures.setdefault(tool.name, []).append(figure)
        if bench.synadm and row.synadm:
            found.figures.setdefault("synadm", []).append(row.synadm(bench, reference))
    return found


def format_figures(figures: Sequence[float], unit: str) -> str:
    """Return the median, with the smallest and the largest figure if they differ."""
    median = statistics.median(figures)
    whole = all(float(one).is_integer() for one in figures)
    digits = 0 if whole else 2 if median >= 0.1 else 4  # noqa: PLR2004
    text = f"{median:,.{digits}f} {unit}"
    if min(figures) < max(figures):
        text += f" ({min(figures):,.{digits}f} to {max(figures):,.{digits}f})"
    return text


def cell(figures: Sequence[Figure], unit: str) -> str:
    """Return a cell of the table: the figure, the largest peak memory, and the number of requests."""
    text = format_figures([figure.value for figure in figures], unit)
    runs = [figure.run for figure in figures if figure.run is not None]
    if runs:
        text += f", {max(run.memory for run in runs):.0f} MB"
        if unit != "requests":
            text += f", {statistics.median(run.requests for run in runs):,.0f} requests"
    return text


def compare_findings(findings: dict[str, set[tuple[str, str]]], tools: Sequence[Tool]) -> None:
    """Print the findings that only one of two commits has, by rule."""
    if len(findings) < 2:  # noqa: PLR2004
        return
    one, two = tools
    both = findings[one.name] & findings[two.name]
    print(f"\nFindings of `audit rooms` (rule and subject): {len(both):,} are the same.")
    for tool, other in ((one, two), (two, one)):
        only: dict[str, list[str]] = {}
        for rule, subject in sorted(findings[tool.name] - both):
            only.setdefault(rule, []).append(subject)
        for rule, subjects in only.items():
            why = f"such as {subjects[0]}" if other.has_rule(rule) else "the other commit has no such rule"
            print(f"- only `{tool.name}`: {len(subjects):,} of `{rule}` ({why})")


def print_growth(found: dict[int, list[Measured]]) -> None:
    """Print the growth of time and memory from each number of rooms to the next."""
    for few, many in itertools.pairwise(sorted(found)):
        print(f"\nGrowth from {few:,} to {many:,} rooms (goal: 1.3 x linear, 1.3 x the memory):\n")
        for small, large in itertools.product(found[few], found[many]):
            if small.row is not large.row or not small.row.grows:
                continue
            for name in small.figures.keys() & large.figures.keys():
                small_run, large_run = median_run(small.figures[name]), median_run(large.figures[name])
                linear = large_run[0] / small_run[0] / (many / few)
                memory = large_run[1] / small_run[1]
                print(
                    f"- {small.row.name}, `{name}`: {linear:.2f} x linear ({small_run[0]:.1f} s to "
                    f"{large_run[0]:.1f} s), {memory:.2f} x the memory ({small_run[1]:.0f} MB to "
                    f"{large_run[1]:.0f} MB)"
                )


def median_run(figures: Sequence[Figure]) -> tuple[float, float]:
    """Return the median of time and memory."""
    runs = [figure.run for figure in figures if figure.run is not None]
    return statistics.median(run.seconds for run in runs), statistics.median(run.memory for run in runs)


def print_setting(server: WorkerHomeserver, rooms: int, rounds: int) -> None:
    """Print the date, the versions and the machine of the measurements."""
    with contextlib.closing(psycopg2.connect(**server.database)) as session:
        postgresql = session.server_version // 10_000
    git = ["git", "-C", str(ROOT), "rev-parse", "--short", "HEAD"]
    commit = subprocess.run(git, check=True, capture_output=True, text=True).stdout.strip()
    now = dt.datetime.now(dt.UTC)
    load, cores = os.getloadavg()[0], os.cpu_count()
    of = "One round" if rounds == 1 else f"Median of {rounds} rounds (smallest to largest)"
    print(f"\n### {rooms:,} rooms, {2 * rooms:,} users\n")
    print(
        f"{now:%d %B %Y, %H:%M} UTC, commit `{commit}`, Synapse {version('matrix-synapse')}, PostgreSQL "
        f"{postgresql}, {cores} cores, load {load:.1f}. "
        f"{of}, peak memory, requests of a run.\n"
    )


def measure_server(bench: Bench, tools: Sequence[Tool], rounds: int, only: str) -> list[Measured]:
    """Measure all rows on a server, and print the table."""
    names = [tool.name for tool in tools] + (["synadm"] if bench.synadm else [])
    print_setting(bench.server, len(bench.rooms), rounds)
    print(f"| What | Goal | Reference | {' | '.join(f'`{name}`' for name in names)} |")
    print("|---" * (3 + len(names)) + "|", flush=True)
    taken: list[Measured] = []
    has_holder_rooms = False
    for row in ROWS:
        if not re.search(only, row.name):
            continue
        if row.holders and not has_holder_rooms:
            bench.server.stop()
            fill_holders(bench.server.database, bench.server.server_name)
            bench.server.start()
            has_holder_rooms = True
        started = time.perf_counter()
        taken.append(measure_row(bench, row, tools, rounds))
        print(f"| {' | '.join(taken[-1].cells(names))} |", flush=True)
        print(f"{row.name}: {time.perf_counter() - started:.0f} s", file=sys.stderr)
    compare_findings(bench.findings, tools)
    return taken


def main() -> None:
    """Measure each number of rooms, and print the tables."""
    parser = argparse.ArgumentParser(
        description="Measure synadmin on a large homeserver, compared with curl, wrk and synadm."
    )
    parser.add_argument(
        "--rooms",
        default="5000:3,20000:3",
        metavar="ROOMS[:ROUNDS],…",
        help="numbers of rooms, each with its number of rounds (default: 3)",
    )
    parser.add_argument("--against", metavar="COMMIT", help="measure this commit of the repository, too")
    parser.add_argument(
        "--synadm",
        metavar="PATH",
        help="path of synadm, which is installed in a separate virtual environment",
    )
    parser.add_argument("--only", default="", metavar="REGEX", help="measure only rows whose names match")
    options = parser.parse_args()
    tools = [Tool("synadmin", ROOT)]
    found: dict[int, list[Measured]] = {}
    with contextlib.ExitStack() as stack:
        scratch = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="synadmin-scale-")))
        if options.against:
            tree = scratch / "other"
            git = ["git", "-C", str(ROOT), "worktree"]
            subprocess.run([*git, "add", "--quiet", "--detach", str(tree), options.against], check=True)
            stack.callback(subprocess.run, [*git, "remove", "--force", str(tree)], check=True)
            tools.append(Tool(options.against, tree))
        for size in options.rooms.split(","):
            rooms, _, rounds = size.partition(":")
            with homeserver_with_rooms(int(rooms)) as server:
                room_list = server.admin.call("GET", "/_synapse/admin/v1/rooms", query={"limit": 10**6})
                ids = [room["room_id"] for room in room_list["rooms"]]
                bench = Bench(server, ids, scratch, options.synadm)
                found[len(ids)] = measure_server(bench, tools, int(rounds or 3), options.only)
        print_growth(found)


if __name__ == "__main__":
    main()
