"""Processes: started on one core, watched for what they cost, and stopped."""

import os
import shutil
import signal
import socket
import subprocess
import time
from pathlib import Path


class Missing(Exception):
    """What this machine lacks: a program or a file."""


def program(name, *elsewhere):
    """The path of a program; Debian keeps servers where only root looks."""
    for candidate in (name, *elsewhere):
        found = shutil.which(candidate, path=os.environ["PATH"] + ":/usr/sbin:/usr/local/sbin")
        if found:
            return found
    raise Missing(name)


def free_port():
    """A port that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Server:
    """A server with all its processes, pinned to one core."""

    def __init__(self, name, command, core, port, folder, unix=None):
        self.name = name
        self.port = port
        log = open(Path(folder) / f"{name}.out", "ab")
        self._process = subprocess.Popen(
            ["taskset", "-c", str(core), *map(str, command)],
            stdout=log,
            stderr=log,
            cwd=folder,
            start_new_session=True,
        )
        self._await(unix, folder)

    def _await(self, unix, folder):
        family, address = (socket.AF_UNIX, str(unix)) if unix else (socket.AF_INET, ("127.0.0.1", self.port))
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            if self._process.poll() is not None:
                break
            with socket.socket(family) as probe:
                if probe.connect_ex(address) == 0:
                    return
            time.sleep(0.02)
        said = (Path(folder) / f"{self.name}.out").read_text(errors="replace")[-2000:]
        self.stop()
        raise RuntimeError(f"{self.name} did not begin to listen:\n{said}")

    def pids(self):
        """The processes of the server: those of its process group."""
        group = self._process.pid
        found = []
        for entry in os.listdir("/proc"):
            if not entry.isdigit():
                continue
            try:
                if os.getpgid(int(entry)) == group:
                    found.append(int(entry))
            except ProcessLookupError:
                pass
        return found

    def cpu_seconds(self):
        """What all its threads have used of processors so far, from the scheduler's books (nanoseconds)."""
        total = 0
        for pid in self.pids():
            tasks = Path(f"/proc/{pid}/task")
            try:
                for task in tasks.iterdir():
                    total += int((task / "schedstat").read_text().split()[0])
            except (FileNotFoundError, ProcessLookupError):
                pass
        return total / 1e9

    def anonymous_kib(self):
        """Its anonymous memory, shared pages counted by their share."""
        total = 0
        for pid in self.pids():
            try:
                for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
                    if line.startswith("Pss_Anon:"):
                        total += int(line.split()[1])
            except (FileNotFoundError, ProcessLookupError):
                pass
        return total

    def stop(self):
        """Ends all its processes."""
        for sign in (signal.SIGTERM, signal.SIGKILL):
            try:
                os.killpg(self._process.pid, sign)
            except ProcessLookupError:
                break
            try:
                self._process.wait(3)
            except subprocess.TimeoutExpired:
                continue
            deadline = time.monotonic() + 3
            while self.pids() and time.monotonic() < deadline:
                time.sleep(0.02)
            if not self.pids():
                break

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()
