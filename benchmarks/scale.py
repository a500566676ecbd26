"""synadmin against curl, wrk and synadm on a large homeserver, and against another commit of itself.

    python benchmarks/scale.py [--rooms 5000,20000] [--rounds 3] [--against COMMIT] [--synadm PATH]
                                [--only REGEX]

For each number of rooms a PostgreSQL is filled by SQL, with twice as many users (`fill.py`). Before it is a
Synapse with a worker, Redis and nginx. All is on this machine. In each round the reference, synadmin, the
other commit and synadm run in turn: what else the machine does strikes all of them. Each figure is the
median of the rounds, with the smallest and the largest. `x` means times the reference; a reference is one
request for everything by curl, one request for each room by wrk, or the bare request for each item on one
connection. Needs PostgreSQL, redis-server, nginx, curl and wrk (Debian's packages).
"""

import argparse
import contextlib
import http.client
import json
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote

from fill import departed_holders, fill, fill_holders, joined_holders

from tests.live.delayed import DelayedServer
from tests.live.workers import WorkerHomeserver

ROOT = Path(__file__).parents[1]
AT_ONCE = 8
DELAY = 0.1  # seconds: a round trip
LONG_DELAY = 0.5  # seconds: where round trips are counted by the time that they take
LIMIT = 5  # seconds of an audit with a time limit
MANY = 60  # rooms of a bulk
FEW, ITEMS = 20, 120  # the cost of an item is the difference between these, so that start-up is left out
WRK = """
local paths, at = {}, tonumber(os.getenv("SKIPPED"))
for line in io.lines(os.getenv("PATHS")) do paths[#paths + 1] = line end
request = function() at = at % #paths + 1; return wrk.format("GET", paths[at]) end
"""
WRK_SECONDS = 6
LAUNCH = """
import os, sys, time
started = time.perf_counter()
child = os.fork()
if not child:
    os.execvpe(sys.argv[2], sys.argv[2:], os.environ)
_, status, usage = os.wait4(child, 0)
with open(sys.argv[1], "w") as file:
    file.write(f"{time.perf_counter() - started} {usage.ru_maxrss}")
sys.exit(os.waitstatus_to_exitcode(status))
"""


@dataclass(frozen=True)
class Ran:
    """What a program took: seconds, peak memory in MB, and its output."""

    seconds: float
    memory: float
    output: Path


@dataclass(frozen=True)
class Tool:
    """A synadmin: this one, or another commit."""

    name: str
    source: Path


@dataclass
class Bench:
    """A filled server and what is measured on it.

    Attributes:
        numbers: of accounts, rooms and media that a run uses up.
    """

    server: WorkerHomeserver
    rooms: list[str]
    scratch: Path
    synadm: str | None
    used: int = 0
    found: dict[tuple[str, str], list[float]] = field(default_factory=dict)

    def run(self, tool: Tool, *arguments: str, url: str | None = None, **settings: str) -> Ran:
        """Run a synadmin."""
        home = self.scratch / "home"
        home.mkdir(exist_ok=True)
        environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(home),
            "LC_ALL": "C.UTF-8",
            "PYTHONPATH": str(tool.source),
            "SYNADMIN_HOMESERVER": url or self.server.url,
            "SYNADMIN_ACCESS_TOKEN": self.server.admin.token,
            **settings,
        }
        command = [sys.executable, "-m", "synadmin", *arguments]
        return self._measured(command, environment, {0, 5, 10})

    def synadm_list(self, noun: str) -> Ran:
        """Have synadm list all rooms or users."""
        config = self.scratch / "synadm.yaml"
        config.touch(mode=0o600)
        settings = {
            "user": "admin",
            "token": self.server.admin.token,
            "base_url": self.server.url,
            "admin_path": "/_synapse/admin",
            "matrix_path": "/_matrix",
            "timeout": 300,
            "server_discovery": "well-known",
            "homeserver": self.server.server_name,
            "format": "json",
            "ssl_verify": True,
        }
        config.write_text(json.dumps(settings), "utf-8")  # JSON is YAML
        words = ["--batch", "-o", "json", noun, "list", "--limit", "1000000"]
        return self._measured([str(self.synadm), "-c", str(config), *words], dict(os.environ), {0})

    def curl(self, path: str) -> float:
        """Fetch a path by one request; return the seconds."""
        header = f"Authorization: Bearer {self.server.admin.token}"
        return self._measured(
            ["curl", "-sSf", "-H", header, self.server.url + path], dict(os.environ), {0}
        ).seconds

    def wrk(self) -> float:
        """Return the seconds in which wrk asks for the power levels of all rooms."""
        script, paths = self.scratch / "rooms.lua", self.scratch / "paths"
        script.write_text(WRK, "utf-8")
        path = "/_synapse/admin/v1/rooms/{}/state?type=m.room.power_levels\n"
        paths.write_text("".join(path.format(quote(room, safe="")) for room in self.rooms), "utf-8")
        # Each run begins at other rooms: those of the last one are in Synapse's caches.
        self.used += len(self.rooms) // 3
        environment = os.environ | {"PATHS": str(paths), "SKIPPED": str(self.used % len(self.rooms))}
        header = f"Authorization: Bearer {self.server.admin.token}"
        command = ["wrk", "-t1", f"-c{AT_ONCE}", "-s", str(script), f"-d{WRK_SECONDS}s", "-H", header]
        said = self._measured([*command, self.server.url], environment, {0}).output.read_text("utf-8")
        rate = re.search(r"Requests/sec: *([0-9.]+)", said)
        if rate is None or "Non-2xx" in said:
            raise SystemExit(said)
        return len(self.rooms) / float(rate[1])

    def bare(self, requests: Sequence[tuple[str, str, object]]) -> float:
        """Send requests on one connection; return the seconds."""
        address = self.server.url.removeprefix("http://")
        headers = {"Authorization": f"Bearer {self.server.admin.token}"}
        with contextlib.closing(http.client.HTTPConnection(address)) as connection:
            started = time.perf_counter()
            for method, path, body in requests:
                connection.request(method, path, None if body is None else json.dumps(body), headers)
                answer = connection.getresponse()
                answer.read()
                if answer.status >= http.HTTPStatus.BAD_REQUEST:
                    raise SystemExit(f"{method} {path}: {answer.status}")
            return time.perf_counter() - started

    def asked(self, tool: Tool, *arguments: str) -> float:
        """Return the number of requests of a command."""
        before = len(self.server.processed())
        self.run(tool, *arguments)
        time.sleep(0.2)  # Synapse writes the line after the answer
        return len(self.server.processed()) - before

    def listed(self, lines: Sequence[str]) -> str:
        """Write a file for ``--from``; return its path."""
        path = self.scratch / "items"
        path.write_text("".join(f"{line}\n" for line in lines), "utf-8")
        return str(path)

    def fresh(self, number: int) -> list[int]:
        """Return numbers that no run has had."""
        self.used += number
        return list(range(self.used - number, self.used))

    def _measured(self, command: Sequence[str], environment: dict[str, str], codes: set[int]) -> Ran:
        output, usage = self.scratch / "output", self.scratch / "usage"
        with output.open("wb") as sink, (self.scratch / "errors").open("wb") as errors:
            # A child's peak memory counts what its parent holds: a small process starts it.
            child = subprocess.run(
                [sys.executable, "-S", "-E", "-c", LAUNCH, str(usage), *command],
                env=environment,
                cwd=self.scratch,
                stdin=subprocess.DEVNULL,
                stdout=sink,
                stderr=errors,
                check=False,
            )
        if child.returncode not in codes:
            said = (self.scratch / "errors").read_text("utf-8")
            raise RuntimeError(f"{command[0]} ended with {child.returncode}: {said}")
        seconds, kilobytes = map(float, usage.read_text("utf-8").split())
        return Ran(seconds, kilobytes / 1024, output)


@dataclass(frozen=True)
class Row:
    """One line of the table.

    Attributes:
        name: what is measured.
        goal: what the project wants.
        unit: of the figures.
        reference: measured first in each round; what it returns is given to the others.
        figures: measures a synadmin; a second figure is its peak memory in MB.
        synadm: the same of synadm, where it can do that.
    """

    name: str
    goal: str
    unit: str
    figures: Callable[[Bench, Tool, float], tuple[float, ...]]
    reference: Callable[[Bench], float] = lambda _: 1.0
    synadm: Callable[[Bench, float], tuple[float, ...]] | None = None


def listing(noun: str, path: str, goal: str) -> Row:
    """Return the row of a long list."""

    def figures(bench: Bench, tool: Tool, reference: float) -> tuple[float, ...]:
        ran = bench.run(tool, noun, "list", "-o", "ndjson")
        with ran.output.open("rb") as lines:
            if sum(1 for _ in lines) < len(bench.rooms):
                raise RuntimeError("the list is not complete")
        return ran.seconds / reference, ran.memory, ran.seconds

    def synadm(bench: Bench, reference: float) -> tuple[float, ...]:
        ran = bench.synadm_list(noun)
        return ran.seconds / reference, ran.memory

    return Row(f"{noun} list -o ndjson", goal, "x", figures, lambda bench: bench.curl(path), synadm)


def audit(bench: Bench, tool: Tool, reference: float) -> tuple[float, ...]:
    """Audit all rooms."""
    settings = {"SYNADMIN_CONCURRENCY": str(AT_ONCE)}
    ran = bench.run(tool, "audit", "rooms", "--fail-on", "never", "-o", "ndjson", **settings)
    return ran.seconds / reference, ran.memory, ran.seconds


def limited_audit(bench: Bench, tool: Tool, _: float) -> tuple[float, ...]:
    """Audit for some seconds, and count the rooms that were checked."""
    arguments = ("--time-limit", f"{LIMIT}s", "--fail-on", "never", "-o", "json")
    home = bench.scratch / "limited"
    try:
        report = bench.run(tool, "audit", "rooms", *arguments, HOME=str(home)).output
    except RuntimeError:
        report = bench.scratch / "output"  # it ends with 1: not everything was checked
    return (float(json.loads(report.read_text("utf-8"))["checked"]["rooms"]),)


def one_make_admin(bench: Bench, tool: Tool, _: float) -> tuple[float, ...]:
    """Count the round trips of one make-admin by what a delay of each adds."""
    taken = []
    with DelayedServer(bench.server.front_port, LONG_DELAY) as delayed:
        for url in (None, f"http://127.0.0.1:{delayed.port}"):
            room_id = bench.server.register("owner").make_room("to be regained")
            taken.append(bench.run(tool, "room", "make-admin", room_id, "--yes", url=url).seconds)
    return ((taken[1] - taken[0]) / LONG_DELAY,)


def bulk(bench: Bench, tool: Tool, _: float) -> tuple[float, ...]:
    """Compare a dry run of many rooms, one at a time, with one of four at a time."""
    path = bench.listed(bench.rooms[:MANY])
    arguments = ("room", "make-admin", "--from", path, "--dry-run", "-o", "name", "--allow", "impersonate")
    with DelayedServer(bench.server.front_port, DELAY) as delayed:
        url = f"http://127.0.0.1:{delayed.port}"
        one, four = (
            bench.run(tool, *arguments, url=url, SYNADMIN_CONCURRENCY=number).seconds for number in ("1", "4")
        )
    return (one / four,)


def items(
    name: str,
    make: Callable[[Bench, int], list[str]],
    bare: Callable[[Bench, str], tuple[str, str, object]],
    *command: str,
) -> Row:
    """Return the row of a change of many targets: what one costs, against the bare request."""

    def reference(bench: Bench) -> float:
        requests = [bare(bench, target) for target in make(bench, ITEMS)]
        return bench.bare(requests) / ITEMS

    def figures(bench: Bench, tool: Tool, reference: float) -> tuple[float, ...]:
        taken = []
        for number in (FEW, ITEMS + FEW):
            path = bench.listed(make(bench, number))
            taken.append(bench.run(tool, *command, "--from", path, "--yes", "-o", "name").seconds)
        return ((taken[1] - taken[0]) / ITEMS / reference,)

    return Row(f"{name}, an item", "at most 1.3 x", "x", figures, reference)


def accounts(bench: Bench, number: int) -> list[str]:
    """Return accounts that no run has changed."""
    return [f"@user-{one}:{bench.server.server_name}" for one in bench.fresh(number)]


def new_names(bench: Bench, number: int) -> list[str]:
    """Return names that no account has."""
    return [f"@new-{one}:{bench.server.server_name}" for one in bench.fresh(number)]


def media(bench: Bench, number: int) -> list[str]:
    """Upload files; return their ids."""
    owner = bench.server.register("owner")
    uploads = (owner.call("POST", "/_matrix/media/v3/upload", {"a": one}) for one in bench.fresh(number))
    return [str(upload["content_uri"]) for upload in uploads]


def put_user(body: dict[str, Any]) -> Callable[[Bench, str], tuple[str, str, object]]:
    """Return the bare request that changes or creates an account."""
    return lambda _, user: ("PUT", f"/_synapse/admin/v2/users/{quote(user, safe='')}", body)


def delete_media(_: Bench, uri: str) -> tuple[str, str, object]:
    """Return the bare request that deletes a file."""
    return "DELETE", f"/_synapse/admin/v1/media/{uri.removeprefix('mxc://')}", None


def holders(name: str, goal: str, *words: str, room: Callable[[str], str]) -> Row:
    """Return the row of a command on a room with a thousand users with power."""

    def figures(bench: Bench, tool: Tool, _: float) -> tuple[float, ...]:
        return (bench.asked(tool, *words, room(bench.server.server_name)),)

    return Row(name, goal, "requests", figures)


ROWS = (
    listing("room", "/_synapse/admin/v1/rooms?limit=1000000", "at most 3 x, 64 MB"),
    listing("user", "/_synapse/admin/v3/users?limit=1000000", "at most 3 x, 64 MB"),
    Row("audit rooms", "at most 1.4 x, 80 MB", "x", audit, Bench.wrk),
    Row(f"audit rooms --time-limit {LIMIT}s", "more than 0", "rooms", limited_audit),
    holders("room power, 1,000 holders", "at most 12", "room", "power", room=joined_holders),
    holders(
        "make-admin --dry-run, 1,000 holders, none joined",
        "at most 20",
        *("room", "make-admin", "--dry-run"),
        room=departed_holders,
    ),
    Row("one make-admin", "at most 6", "round trips", one_make_admin),
    Row(f"make-admin --dry-run, {MANY} rooms, four at a time", "2.5 x faster", "x", bulk),
    items("user lock", accounts, put_user({"locked": True}), "user", "lock"),
    items("user create", new_names, put_user({}), "user", "create"),
    items("media delete", media, delete_media, "media", "delete"),
)


@contextlib.contextmanager
def served(rooms: int) -> Iterator[WorkerHomeserver]:
    """Run a Synapse with so many rooms."""
    with WorkerHomeserver(lag=0) as server:
        assert server.admin  # registered, so that there is one to ask  # noqa: S101
        server.stop()
        started = time.perf_counter()
        fill(server.database, server.server_name, rooms)
        print(f"filled in {time.perf_counter() - started:.0f} s", file=sys.stderr)
        server.start()
        yield server


def measured(
    bench: Bench, row: Row, tools: Sequence[Tool], rounds: int
) -> dict[str, list[tuple[float, ...]]]:
    """Measure a row; return the figures of each round by who they are of."""
    found: dict[str, list[tuple[float, ...]]] = {}
    for _ in range(rounds):
        reference = row.reference(bench)
        for tool in tools:
            try:
                found.setdefault(tool.name, []).append(row.figures(bench, tool, reference))
            except (RuntimeError, ValueError, KeyError) as error:  # another commit may not know the command
                print(f"{row.name}, {tool.name}: {str(error)[-300:]}", file=sys.stderr)
        if bench.synadm and row.synadm:
            found.setdefault("synadm", []).append(row.synadm(bench, reference))
    return found


def summary(figures: Sequence[float], unit: str) -> str:
    """Return the median, the spread and the rounds."""
    digits = 0 if unit in {"requests", "rooms", "MB"} else 2
    middle, low, high = (f"{take(figures):.{digits}f}" for take in (statistics.median, min, max))
    return f"{middle} {unit} ({low} to {high}, {len(figures)} rounds)"


def cell(figures: Sequence[tuple[float, ...]], unit: str) -> str:
    """Return a cell of the table: the figure, and the memory where it was measured."""
    if not figures:
        return "-"
    text = summary([one[0] for one in figures], unit)
    if len(figures[0]) > 1:
        text += f", {max(one[1] for one in figures):.0f} MB"
    return text


def print_growth(found: dict[int, dict[str, list[tuple[float, ...]]]]) -> None:
    """Print how time and memory grow from the smallest server to the largest one."""
    (few, small), (many, large) = min(found.items()), max(found.items())
    print(f"Growth from {few} to {many} rooms (at most 1.3 x linear, 1.3 x the memory):\n")
    for name in small:
        if name not in large or not small[name] or not large[name]:
            continue
        seconds, memory = (
            statistics.median(one[at] for one in large[name])
            / statistics.median(one[at] for one in small[name])
            for at in (2, 1)
        )
        print(f"- {name}: {seconds / (many / few):.2f} x linear, {memory:.2f} x the memory")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description="synadmin against curl, wrk and synadm on a large homeserver."
    )
    parser.add_argument("--rooms", default="5000,20000", help="numbers of rooms, separated by commas")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--against", metavar="COMMIT", help="another commit of this repository")
    parser.add_argument("--synadm", metavar="PATH", help="the command; in a virtual environment of its own")
    parser.add_argument("--only", default="", metavar="REGEX", help="only rows with such a name")
    options = parser.parse_args()
    tools = [Tool("synadmin", ROOT)]
    grown: dict[int, dict[str, list[tuple[float, ...]]]] = {}
    with contextlib.ExitStack() as stack:
        scratch = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="synadmin-scale-")))
        if options.against:
            tree = scratch / "other"
            git = ["git", "-C", str(ROOT), "worktree"]
            subprocess.run([*git, "add", "--quiet", "--detach", str(tree), options.against], check=True)
            stack.callback(subprocess.run, [*git, "remove", "--force", str(tree)], check=True)
            tools.append(Tool(options.against, tree))
        names = [tool.name for tool in tools] + (["synadm"] if options.synadm else [])
        for rooms in map(int, options.rooms.split(",")):
            with served(rooms) as server:
                listed = server.admin.call("GET", "/_synapse/admin/v1/rooms", query={"limit": 10**6})
                ids = [room["room_id"] for room in listed["rooms"]]
                bench = Bench(server, ids, scratch, options.synadm)
                print(f"\n{rooms} rooms, {2 * rooms} users:\n\n| what | goal | {' | '.join(names)} |")
                print("|---" * (2 + len(names)) + "|", flush=True)
                holders_are_there = False  # an audit of these two rooms would take most of its time for them
                for row in ROWS:
                    if not re.search(options.only, row.name):
                        continue
                    if row.unit == "requests" and not holders_are_there:
                        server.stop()
                        fill_holders(server.database, server.server_name)
                        server.start()
                        holders_are_there = True
                    found = measured(bench, row, tools, options.rounds)
                    cells = [cell(found.get(name, []), row.unit) for name in names]
                    print(f"| {row.name} | {row.goal} | {' | '.join(cells)} |", flush=True)
                    first = found.get("synadmin", [()])[0]
                    if len(first) > 2:  # noqa: PLR2004 - ratio, memory, seconds
                        grown.setdefault(rooms, {})[row.name] = found["synadmin"]
        if len(grown) > 1:
            print()
            print_growth(grown)


if __name__ == "__main__":
    main()
