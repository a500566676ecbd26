"""Running synadmin, another commit of it, synadm, curl and wrk on a server, and what each of them takes."""

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

AT_ONCE = 8
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
    """What a program took.

    Attributes:
        seconds: from its start to its end.
        memory: its peak, in MB.
        requests: how many the server has answered meanwhile.
        output: what it has printed.
    """

    seconds: float
    memory: float
    requests: int
    output: Path


@dataclass(frozen=True)
class Tool:
    """A synadmin: this one, or another commit."""

    name: str
    source: Path

    def has_rule(self, rule: str) -> bool:
        """Return whether its audit has this rule."""
        return (self.source / "synadmin/audit/rules" / f"{rule.replace('-', '_')}.py").exists()


@dataclass
class Bench:
    """A filled server and what is measured on it.

    Attributes:
        server: the Synapse.
        rooms: the ids of its rooms.
        scratch: a directory.
        synadm: the command of synadm; None: it does not run.
        used: how many accounts, rooms and media runs have used up.
        findings: of the last audit of each tool, by its name: rule and subject.
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
    ) -> Ran:
        """Run a synadmin.

        Raises:
            RuntimeError: it ended with an exit code that is not in ``codes``.
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
        return self._measured([sys.executable, "-m", "synadmin", *arguments], environment, codes)

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
        return self._measured([str(self.synadm), "-c", str(config), *words], dict(os.environ))

    def curl(self, path: str) -> float:
        """Fetch a path by one request; return the seconds."""
        header = f"Authorization: Bearer {self.server.admin.token}"
        return self._measured(
            ["curl", "-sSf", "-H", header, self.server.url + path], dict(os.environ)
        ).seconds

    def wrk(self) -> float:
        """Return the seconds in which wrk asks for the power levels of all rooms, by its rate in a few."""
        script, paths = self.scratch / "rooms.lua", self.scratch / "paths"
        script.write_text(WRK, "utf-8")
        path = "/_synapse/admin/v1/rooms/{}/state?type=m.room.power_levels\n"
        paths.write_text("".join(path.format(quote(room, safe="")) for room in self.rooms), "utf-8")
        # Each run begins at other rooms: those of the last one are in Synapse's caches.
        self.used += len(self.rooms) // 3
        environment = os.environ | {"PATHS": str(paths), "SKIPPED": str(self.used % len(self.rooms))}
        header = f"Authorization: Bearer {self.server.admin.token}"
        command = ["wrk", "-t1", f"-c{AT_ONCE}", "-s", str(script), f"-d{WRK_SECONDS}s", "-H", header]
        said = self._measured([*command, self.server.url], environment).output.read_text("utf-8")
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

    def listed(self, lines: Sequence[str]) -> str:
        """Write a file for ``--from``; return its path."""
        path = self.scratch / "items"
        path.write_text("".join(f"{line}\n" for line in lines), "utf-8")
        return str(path)

    def fresh(self, number: int) -> list[int]:
        """Return numbers that no run has had."""
        self.used += number
        return list(range(self.used - number, self.used))

    def _measured(
        self, command: Sequence[str], environment: dict[str, str], codes: Collection[int] = (0,)
    ) -> Ran:
        output, usage = self.scratch / "output", self.scratch / "usage"
        before = self.server.log.stat().st_size
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
        return Ran(seconds, kilobytes / 1024, self._answered(before), output)

    def _answered(self, position: int) -> int:
        """Return how many requests the log has from a position on, without those between the processes."""
        time.sleep(0.2)  # Synapse writes the line after the answer
        with self.server.log.open("rb") as lines:
            lines.seek(position)
            return sum(
                b" Processed request: " in line and b" /_synapse/replication/" not in line for line in lines
            )
