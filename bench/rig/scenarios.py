"""What is measured: each scenario runs one load against one proxy and gives its figures."""

import time
from dataclasses import dataclass

from . import idle
from .load import percentile


OURS = ("cloakroom", "cloakroom, profiled")


@dataclass(frozen=True)
class Scenario:
    """A load. `figure` names what the table shows and `better` says which way is up."""

    name: str
    title: str
    figure: str
    run: object
    better: str = "less"
    peers: tuple = ("nginx", "haproxy")
    ours: tuple = OURS
    # Slow peers that are shown for comparison and are asked for by --all.
    others: tuple = ()
    websocket: bool = False
    # Figures that hardly differ from repeat to repeat need no more than these.
    repeats_most: int = 100


def cpu(server, work):
    """Runs `work` and gives microseconds of the server's processors for each request, and what was counted."""
    before = server.cpu_seconds()
    counted = work()
    used = server.cpu_seconds() - before
    if not counted.requests:
        raise RuntimeError("nothing was served")
    return used / counted.requests * 1e6, counted


def per_request(path, h2=False, body=0, visitors=50, connections=32):
    """CPU for each request at full load."""

    def run(bench, server):
        load, seconds = bench.load, bench.seconds
        cookies = load.cookies(server.port, 1 if h2 else visitors)
        if h2:
            work = lambda: load.h2(server.port, path, cookies, seconds, 10, 10)
        else:
            work = lambda: load.h1(server.port, path, cookies, seconds, connections, body)
        # The pools fill and the caches warm up.
        load.h1(server.port, path, cookies, 1, connections, body)
        used, counted = cpu(server, work)
        return {"CPU µs/request": used, "requests/s": counted.requests / counted.seconds}

    return run


def throughput(path, body=0):
    """MiB/s of large bodies through one core."""

    def run(bench, server):
        cookies = bench.load.cookies(server.port)
        used, counted = cpu(server, lambda: bench.load.h1(server.port, path, cookies, bench.seconds, 8, body))
        moved = counted.requests / counted.seconds
        return {"MiB/s": moved, "CPU ms/MiB": used / 1000}

    return run


def handshakes(bench, server):
    """CPU for each connection with a full handshake and one request; nobody has a session before."""
    used, counted = cpu(server, lambda: bench.load.h1(server.port, "/", [""], bench.seconds, 8, close=True))
    return {"CPU µs/connection": used, "connections/s": counted.requests / counted.seconds}


def new_sessions(bench, server):
    """The same where the app sets a cookie for each visitor, which a session must keep."""
    used, counted = cpu(server, lambda: bench.load.h1(server.port, "/enter", [""], bench.seconds, 8, close=True))
    return {"CPU µs/connection": used, "connections/s": counted.requests / counted.seconds}


def resumptions(bench, server):
    """CPU for each connection that resumes a TLS 1.2 session."""
    used, counted = cpu(server, lambda: bench.load.resumptions(server.port, max(2, int(bench.seconds))))
    return {"CPU µs/connection": used, "connections/s": counted.requests / counted.seconds}


def messages(bench, server):
    """CPU for a WebSocket message there and back."""
    used, counted = cpu(server, lambda: bench.load.websocket(server.port, [""], bench.seconds, 32))
    return {"CPU µs/message": used, "messages/s": counted.requests / counted.seconds}


def latency(h2=False):
    """Latencies at half of what nginx can do at most, which is found out first."""

    def run(bench, server):
        cookies = bench.load.cookies(server.port)
        rate = bench.half_of_nginx(h2)
        found = bench.load.at_rate(server.port, "/", cookies, max(5, bench.seconds), rate, h2)
        return {
            "p99 ms": percentile(found, 0.99),
            "p50 ms": percentile(found, 0.5),
            "p99.9 ms": percentile(found, 0.999),
            "requests/s": len(found) / max(5, bench.seconds),
        }

    return run


def idle_memory(connect):
    """Anonymous memory for each idle connection of a fresh process."""

    def run(bench, server):
        cookie = bench.load.cookies(server.port)[0]
        # What the first connections make is there once for all.
        warm = [connect(server.port, cookie) for _ in range(20)]
        # A process that has run for long has memory in pieces.
        for _ in range(bench.churn):
            for stream in [connect(server.port, cookie) for _ in range(bench.idle_connections)]:
                stream.close()
        before = settled(server)
        held = paced(lambda: connect(server.port, cookie), bench.idle_connections)
        grown = settled(server) - before
        closed = sum(not idle.is_open(stream) for stream in held)
        for stream in warm + held:
            stream.close()
        if closed:
            raise RuntimeError(f"{closed} of {len(held)} connections were closed before they were counted")
        return {"KiB/connection": grown / bench.idle_connections}

    return run


def paced(connect, how_many, seconds=15):
    """Opens connections evenly. An allocator keeps what handshakes freed for some seconds, jemalloc for ten, and looks at
    it only when it is asked for more: after a burst into silence it would be counted as the connections' own."""
    began = time.monotonic()
    held = []
    for number in range(how_many):
        time.sleep(max(0, began + seconds * number / how_many - time.monotonic()))
        held.append(connect())
    return held


def settled(server):
    """Its anonymous memory once it does not change any more: a proxy may put an idle connection away after a while."""
    time.sleep(1.5)
    readings = [server.anonymous_kib()]
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        time.sleep(0.5)
        readings.append(server.anonymous_kib())
        if len(readings) > 2 and max(readings[-3:]) - min(readings[-3:]) <= 16:
            break
    return readings[-1]


SLOW = ("lua-resty-session", "caddy", "apache-session")
ALL = [
    Scenario("h1-small", "HTTP/1.1, small", "CPU µs/request", per_request("/"), others=SLOW,
             ours=(*OURS, "cloakroom, sessions off", "cloakroom, unix")),
    Scenario("h2-small", "HTTP/2, small", "CPU µs/request", per_request("/", h2=True), others=SLOW,
             ours=(*OURS, "cloakroom, sessions off", "cloakroom, unix")),
    Scenario("h1-10k", "HTTP/1.1, 10 KiB", "CPU µs/request", per_request("/10k"), others=("caddy",)),
    Scenario("h2-10k", "HTTP/2, 10 KiB", "CPU µs/request", per_request("/10k", h2=True)),
    Scenario("h1-1m", "HTTP/1.1, 1 MiB", "MiB/s", throughput("/1m"), better="more"),
    Scenario("upload-10k", "uploads of 10 KiB", "CPU µs/request", per_request("/take", body=10 * 1024)),
    Scenario("upload-1m", "uploads of 1 MiB", "MiB/s", throughput("/take", body=1024 * 1024), better="more"),
    Scenario("handshake", "full handshakes", "CPU µs/connection", handshakes, others=("caddy",)),
    Scenario("resumption", "resumed handshakes (TLS 1.2)", "CPU µs/connection", resumptions),
    Scenario("new-session", "a new session with each connection", "CPU µs/connection", new_sessions),
    Scenario("websocket", "WebSocket, 100 bytes there and back", "CPU µs/message", messages, websocket=True),
    Scenario("latency-h1", "latency at half of nginx's most, HTTP/1.1", "p99 ms", latency()),
    Scenario("latency-h2", "latency at half of nginx's most, HTTP/2", "p99 ms", latency(h2=True)),
    Scenario("idle-h1", "memory of an idle connection, HTTP/1.1", "KiB/connection", idle_memory(idle.idle_h1),
             ours=OURS[:1], repeats_most=3),
    Scenario("idle-h2", "memory of an idle connection, HTTP/2, indexed fields", "KiB/connection",
             idle_memory(idle.idle_h2), ours=OURS[:1], repeats_most=3),
]
