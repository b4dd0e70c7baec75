"""The loads: wrk for HTTP/1.1, h2load for HTTP/2 and for fixed rates, OpenSSL for resumed handshakes."""

import http.client
import re
import ssl
import statistics
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from .procs import program

# What a browser sends beside its cookies.
BROWSER = {
    "User-Agent": "Mozilla/5.0 (X11; Linux x86_64; rv:145.0) Gecko/20100101 Firefox/145.0",
    "Accept": "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8",
    "Accept-Language": "en-US,en;q=0.5",
    "Accept-Encoding": "gzip, deflate, br",
}


@dataclass(frozen=True)
class Counted:
    """What one load did."""

    requests: int
    seconds: float
    bytes: float = 0.0


class Load:
    """Runs loads on the load's core."""

    def __init__(self, place, core=None):
        self._place = place
        self._pin = ["taskset", "-c", core or place.cores.load]

    def cookies(self, port, how_many=1):
        """Enters the app as so many visitors; gives what each of their browsers would bring back."""
        context = ssl.create_default_context(cafile=self._place.certificate)
        brought = []
        for _ in range(how_many):
            connection = http.client.HTTPSConnection("localhost", port, context=context)
            connection.request("GET", "/enter", headers={**BROWSER, "Connection": "close"})
            answer = connection.getresponse()
            answer.read()
            fields = answer.headers.get_all("Set-Cookie") or []
            brought.append("; ".join(field.split(";")[0] for field in fields))
            connection.close()
        return brought

    def h1(self, port, path, cookies, seconds, connections, body=0, close=False):
        """wrk: as many requests as there can be, each visitor in turn."""
        headers = dict(BROWSER)
        if close:
            headers["Connection"] = "close"
        lines = [f'wrk.headers["{name}"] = {lua(value)}' for name, value in headers.items()]
        if body:
            lines.append(f'wrk.method, wrk.body = "POST", string.rep("x", {body})')
        lines.append("local cookies, turn, requests = {" + ", ".join(map(lua, cookies)) + "}, 0, {}")
        # Made once, so that the load does not spend its time on texts.
        lines.append(f"""
function init()
    for number, cookie in ipairs(cookies) do
        if cookie ~= "" then wrk.headers["Cookie"] = cookie end
        requests[number] = wrk.format(nil, "{path}")
    end
end
function request()
    turn = turn % #requests + 1
    return requests[turn]
end""")
        script = self._place.write("load.lua", "\n".join(lines))
        said = self._run(
            program("wrk"), "-t1", f"-c{connections}", f"-d{seconds}s", "--timeout", "10s", "-s", script,
            f"https://localhost:{port}{path}",
        )
        bad = re.search(r"Non-2xx or 3xx responses: (\d+)", said)
        broken = re.search(r"Socket errors: connect (\d+), read (\d+), write (\d+), timeout (\d+)", said)
        # With `Connection: close` wrk counts each end that it was told of as an error of reading.
        if bad or (broken and not close):
            raise RuntimeError(f"the load failed: {said}")
        done = re.search(r"(\d+) requests in ([\d.]+)(m?s|m), ([\d.]+)(\w?)B read", said)
        scale = {"": 1, "K": 2**10, "M": 2**20, "G": 2**30}[done[5]]
        took = float(done[2]) * {"s": 1, "ms": 0.001, "m": 60}[done[3]]
        return Counted(int(done[1]), took, float(done[4]) * scale)

    def h2(self, port, path, cookies, seconds, connections, streams):
        """h2load: as many requests as there can be; each connection has one visitor's cookies."""
        said = self._run(
            program("h2load"), "-t1", f"-c{connections}", f"-m{streams}", f"-D{seconds}",
            *self._fields(cookies[:1]), f"https://localhost:{port}{path}",
        )
        return self._h2load(said, seconds)

    def at_rate(self, port, path, cookies, seconds, rate, h2=False):
        """h2load at a fixed rate; gives the latencies in milliseconds, in order.

        h2load asks at most every 10 ms on a connection, and then for all that is due by its rate. So on HTTP/1.1 there are
        as many connections as it takes for one request each time; on HTTP/2 there are 32, and what is due comes at once, as
        from a browser that loads a page. Connections begin 11 ms after each other: if they began together, all would
        ask in the same millisecond ever after, and what is measured would be how fast a proxy works off a heap."""
        log = self._place.path / "latencies"
        log.unlink(missing_ok=True)
        connections = 32 if h2 else -(-rate // 100)
        begins = connections * 0.011 + 0.5
        each = -(-rate // connections)
        said = self._run(
            program("h2load"), "-t1", f"-c{connections}", "-m10" if h2 else "-m1", "-r1", "--rate-period=11ms",
            f"-n{int(rate * (begins + seconds))}", f"--rps={each}", f"--log-file={log}", *([] if h2 else ["--h1"]),
            *self._fields(cookies[:1]), f"https://localhost:{port}{path}",
        )
        self._h2load(said, seconds)
        rows = [list(map(int, line.split("\t")[:3])) for line in log.read_text().splitlines()]
        if any(row[1] != 200 for row in rows):
            raise RuntimeError("not every request was answered")
        # From when all of them are there until the first has done its share.
        first = min(row[0] for row in rows) + begins * 1e6
        return sorted(row[2] / 1000 for row in rows if first <= row[0] < first + seconds * 1e6)

    def resumptions(self, port, seconds):
        """openssl s_time: TLS 1.2 connections that resume one session."""
        said = self._run(
            program("openssl"), "s_time", "-connect", f"localhost:{port}", "-reuse", "-tls1_2", "-time", str(seconds),
        )
        done = re.findall(r"(\d+) connections in (\d+) real seconds", said)[-1]
        return Counted(int(done[0]), float(done[1]))

    def websocket(self, port, cookies, seconds, connections):
        """Messages there and back."""
        script = Path(__file__).with_name("websocket.py")
        said = self._run(sys.executable, script, "load", str(port), str(connections), str(seconds), *cookies[:1])
        messages, took = said.split()[-2:]
        return Counted(int(messages), float(took))

    def _fields(self, cookies):
        headers = dict(BROWSER)
        if cookies and cookies[0]:
            headers["Cookie"] = cookies[0]
        return [f"--header={name.lower()}: {value}" for name, value in headers.items()]

    @staticmethod
    def _h2load(said, seconds):
        done = re.search(r"requests: \d+ total, \d+ started, (\d+) done, (\d+) succeeded, (\d+) failed", said)
        if not done or done[1] != done[2]:
            raise RuntimeError(f"the load failed: {said}")
        return Counted(int(done[1]), float(seconds))

    def _run(self, *command):
        done = subprocess.run(
            [*self._pin, *map(str, command)], capture_output=True, text=True, cwd=self._place.path, timeout=120
        )
        if done.returncode:
            raise RuntimeError(f"{command[0]} failed: {done.stdout}{done.stderr}")
        return done.stdout + done.stderr


def lua(text):
    """A text as Lua writes it."""
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def percentile(ordered, share):
    """The nearest rank."""
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]


def spread(values):
    """Least, median, most."""
    return min(values), statistics.median(values), max(values)
