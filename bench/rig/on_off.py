"""What the session work costs from end to end: cloakroom with sessions on and off, both up at once on one core.

Whatever slows the machine slows both, since they are loaded in turn for less than a second each: on, off, off, on. Only
the processor time of the one under load is counted."""

from contextlib import ExitStack

from .report import numbers
from .scenarios import cpu

ON, OFF = "cloakroom", "cloakroom, sessions off"
SLICES = (ON, OFF, OFF, ON)
VISITORS, CONNECTIONS = 50, 32


def once(load, proxies, behind, h2, seconds):
    """One repeat with fresh processes; gives microseconds for each request with sessions on, and without."""
    used, served = {ON: 0.0, OFF: 0.0}, {ON: 0, OFF: 0}
    with ExitStack() as stack:
        servers = {name: stack.enter_context(proxies.start(name, behind)) for name in (ON, OFF)}
        cookies = {name: load.cookies(server.port, 1 if h2 else VISITORS) for name, server in servers.items()}

        def work(name):
            port = servers[name].port
            if h2:
                return load.h2(port, "/", cookies[name], seconds, 10, 10)
            return load.h1(port, "/", cookies[name], seconds, CONNECTIONS)

        for name in servers:
            work(name)
        for name in SLICES:
            each, counted = cpu(servers[name], lambda: work(name))
            used[name] += each * counted.requests
            served[name] += counted.requests
    return used[ON] / served[ON], used[OFF] / served[OFF]


def table(rows):
    """`rows` maps a title to its repeats, each a pair of microseconds."""
    lines = [
        "|  | sessions on, CPU µs/request | off | on to off, within a repeat | on minus off, µs |",
        "|---|---|---|---|---|",
    ]
    for title, pairs in rows.items():
        cells = [
            f"{title}, {len(pairs)} repeats",
            numbers([on for on, _ in pairs]),
            numbers([off for _, off in pairs]),
            numbers([on / off for on, off in pairs], 3),
            numbers([on - off for on, off in pairs], 2),
        ]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"
