"""Run synadmin, another commit of it, synadm, curl and wrk on a server, and measure each run."""

import contextlib
import http.client
import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote

from tests.live.workers import WorkerHomeserver

CONCURRENCY = 8
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
class Measurement:
    """The measurements of one run of a program.

    Attributes:
        seconds: the elapsed time.
        memory: the peak memory in MB.
        requests: the number of requests that the server has answered during the run.
        output: the file with the standard output.
    """

    seconds: float
    memory: float
    requests: int
    output: Path


@dataclass(frozen=True)
class Tool:
    """A version of synadmin: the current one, or another commit."""

    name: str
    source: Path

    def has_rule(self, rule: str) -> bool:
        """Return whether the audit of this version has a rule."""
        return (self.source / "synadmin/audit/rules" / f"{rule.replace('-', '_')}.py").exists()


@dataclass
class Bench:
    """A server with rooms, and the programs that run on it.

    Attributes:
        server: the Synapse.
        rooms: the ids of its rooms.
        scratch: a temporary directory.
        synadm: the path of synadm; None to leave it out.
        used: how many accounts, rooms and media earlier runs have changed.
        findings: rule and subject of each finding of the last audit, by tool.
    """

    server: WorkerHomeserver
    rooms: list[str]
    scratch: Path
    synadm: str | None
    used: int = 0
    findings: dict[str, set[tuple[str, str]]] = field(default_factory=dict)

    def run(
        self,
        tool: Tool,
        *arguments: str,
        url: str | None = None,
        codes: Collection[int] = (0, 5, 10),
        **settings: str,
    ) -> Measurement:
        """Run a version of synadmin.

        Raises:
            RuntimeError: the exit code is not in ``codes``.
        """
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
        return self._run_measured([sys.executable, "-m", "synadmin", *arguments], environment, codes)

    def synadm_list(self, noun: str) -> Measurement:
        """List all rooms or users with synadm."""
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
        return self._run_measured([str(self.synadm), "-c", str(config), *words], dict(os.environ))

    def curl(self, path: str) -> float:
        """Request a path with curl; return the seconds."""
        header = f"Authorization: Bearer {self.server.admin.token}"
        return self._run_measured(
            ["curl", "-sSf", "-H", header, self.server.url + path], dict(os.environ)
        ).seconds

    def wrk(self) -> float:
        """Return the seconds of wrk for the power levels of all rooms, calculated from its request rate."""
        script, paths = self.scratch / "rooms.lua", self.scratch / "paths"
        script.write_text(WRK, "utf-8")
        path = "/_synapse/admin/v1/rooms/{}/state?type=m.room.power_levels\n"
        paths.write_text("".join(path.format(quote(room, safe="")) for room in self.rooms), "utf-8")
        # Each run starts with other rooms, because Synapse has cached the rooms of the previous run.
        self.used += len(self.rooms) // 3
        environment = os.environ | {"PATHS": str(paths), "SKIPPED": str(self.used % len(self.rooms))}
        header = f"Authorization: Bearer {self.server.admin.token}"
        command = ["wrk", "-t1", f"-c{CONCURRENCY}", "-s", str(script), f"-d{WRK_SECONDS}s", "-H", header]
        printed = self._run_measured([*command, self.server.url], environment).output.read_text("utf-8")
        rate = re.search(r"Requests/sec: *([0-9.]+)", printed)
        if rate is None or "Non-2xx" in printed:
            raise SystemExit(printed)
        return len(self.rooms) / float(rate[1])

    def send_requests(self, requests: Sequence[tuple[str, str, object]]) -> float:
        """Send requests over one connection, without a program; return the seconds."""
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

    def write_lines(self, lines: Sequence[str]) -> str:
        """Write lines to a file for ``--from``; return its path."""
        path = self.scratch / "items"
        path.write_text("".join(f"{line}\n" for line in lines), "utf-8")
        return str(path)

    def new_numbers(self, number: int) -> list[int]:
        """Return numbers that no earlier run has used."""
        self.used += number
        return list(range(self.used - number, self.used))

    def _run_measured(
        self, command: Sequence[str], environment: dict[str, str], codes: Collection[int] = (0,)
    ) -> Measurement:
        output, usage = self.scratch / "output", self.scratch / "usage"
        before = self.server.log.stat().st_size
        with output.open("wb") as sink, (self.scratch / "errors").open("wb") as errors:
            # The peak memory of a child includes that of its parent, so a small process starts the program.
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
            errors_printed = (self.scratch / "errors").read_text("utf-8")
            raise RuntimeError(f"{command[0]} ended with {child.returncode}: {errors_printed}")
        seconds, kilobytes = map(float, usage.read_text("utf-8").split())
        return Measurement(seconds, kilobytes / 1024, self._count_requests(before), output)

    def _count_requests(self, position: int) -> int:
        """Return the number of client requests in the log after a position, without replication requests."""
        time.sleep(0.2)  # Synapse writes the log line after it has sent the answer
        with self.server.log.open("rb") as lines:
            lines.seek(position)
            return sum(
                b" Processed request: " in line and b" /_synapse/replication/" not in line for line in lines
            )
