#!/usr/bin/env python3
"""Memory of an idle TLS connection: growth of the gateway's anonymous PSS over many connections.

    bench/idle_memory.py target/release/cloakroom [--connections 1000] [--runs 3]

Each run starts a fresh gateway (one thread, sessions on) before an app in this process, opens the connections, has
each of them make its requests, waits, and reads /proc/PID/smaps_rollup. Only the gateway's memory is counted.

    h1       one GET, kept alive
    h2       one GET, fields as literals that are not indexed
    h2-index three GETs with a browser's fields, indexed as browsers do: they fill the header table
    churn    h1, after ten times as many connections have come and gone
"""

import argparse
import os
import re
import socket
import ssl
import statistics
import subprocess
import sys
import tempfile
import threading
import time

FIELDS = [
    ("user-agent", "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/130.0.0.0 Safari/537.36"),
    ("accept", "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8"),
    ("accept-language", "en-GB,en;q=0.9,de;q=0.8"),
    ("accept-encoding", "gzip, deflate, br, zstd"),
    ("sec-ch-ua", '"Chromium";v="130", "Google Chrome";v="130", "Not?A_Brand";v="99"'),
    ("sec-ch-ua-mobile", "?0"),
    ("sec-ch-ua-platform", '"Linux"'),
    ("sec-fetch-site", "same-origin"),
    ("sec-fetch-mode", "navigate"),
    ("sec-fetch-user", "?1"),
    ("sec-fetch-dest", "document"),
    ("upgrade-insecure-requests", "1"),
    ("priority", "u=0, i"),
    ("referer", "https://localhost/some/page/of/the/site"),
]

ANSWER = (
    b"HTTP/1.1 200 OK\r\nContent-Type: text/html; charset=utf-8\r\nContent-Length: 100\r\nServer: app\r\n"
    b"Cache-Control: no-cache\r\nLast-Modified: Mon, 05 Oct 2026 10:00:00 GMT\r\n\r\n" + b"x" * 100
)


def app(listener):
    """Answers everything the same, one thread a connection; the gateway keeps few of them."""

    def serve(connection):
        with connection:
            kept = b""
            while True:
                while b"\r\n\r\n" not in kept:
                    more = connection.recv(65536)
                    if not more:
                        return
                    kept += more
                _, kept = kept.split(b"\r\n\r\n", 1)
                connection.sendall(ANSWER)

    while True:
        connection, _ = listener.accept()
        threading.Thread(target=serve, args=(connection,), daemon=True).start()


def start(binary, folder, app_port):
    subprocess.run([binary, "cert", "self-signed"], cwd=folder, check=True, stdout=subprocess.DEVNULL)
    config = f"""
[server]
https = ["127.0.0.1:0"]
threads = 1
[server.limits]
keepalive_timeout = "600s"
header_timeout = "600s"
[[tls.certificate]]
cert_file = "certs/localhost.pem"
key_file = "certs/localhost-key.pem"
[session.store]
engine = "memory"
[log]
format = "json"
access = "off"
[[site]]
name = "app"
hosts = ["localhost"]
upstream = ["http://127.0.0.1:{app_port}"]
"""
    with open(os.path.join(folder, "cloakroom.toml"), "w") as file:
        file.write(config)
    process = subprocess.Popen(
        [binary, "run", "--config", "cloakroom.toml"],
        cwd=folder,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    for line in process.stderr:
        found = re.search(r'"https":"127\.0\.0\.1:(\d+)"', line)
        if found:
            threading.Thread(target=process.stderr.read, daemon=True).start()
            return process, int(found[1])
    sys.exit("the gateway does not listen")


def anonymous_kib(pid):
    with open(f"/proc/{pid}/smaps_rollup") as rollup:
        text = rollup.read()
    return int(re.search(r"^Pss_Anon:\s+(\d+) kB", text, re.M)[1])


def connect(port, protocol):
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.set_alpn_protocols([protocol])
    stream = socket.create_connection(("127.0.0.1", port))
    return context.wrap_socket(stream, server_hostname="localhost")


def h1(port):
    connection = connect(port, "http/1.1")
    fields = "".join(f"{name}: {value}\r\n" for name, value in FIELDS)
    connection.sendall(f"GET / HTTP/1.1\r\nhost: localhost\r\n{fields}\r\n".encode())
    kept = b""
    while not kept.endswith(b"x" * 100):
        kept += connection.recv(65536)
    return connection


def frame(kind, flags, stream, payload):
    return len(payload).to_bytes(3, "big") + bytes([kind, flags]) + stream.to_bytes(4, "big") + payload


def string(text):
    assert len(text) < 127 + 128
    length = bytes([len(text)]) if len(text) < 127 else bytes([127, len(text) - 127])
    return length + text.encode()


def h2(port, indexed):
    connection = connect(port, "h2")
    connection.sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + frame(4, 0, 0, b"") + frame(4, 1, 0, b""))
    pseudo = [(":method", "GET"), (":scheme", "https"), (":authority", "localhost")]
    begin = b"\x40" if indexed else b"\x00"
    kept = b""
    for number in range(3 if indexed else 1):
        stream = 2 * number + 1
        fields = pseudo + [(":path", f"/page/{number}")] + (FIELDS if indexed else FIELDS[:4])
        # What is indexed is named by its place from the second request on; a browser's paths are never indexed.
        block = b""
        for place, (name, value) in enumerate(fields):
            if name == ":path":
                block += b"\x00" + string(name) + string(value)
            elif indexed and number > 0:
                newest_first = sum(1 for later, _ in fields[place + 1 :] if later != ":path")
                index = 62 + newest_first
                block += bytes([0x80 | index]) if index < 127 else bytes([0xFF, index - 127])
            else:
                block += begin + string(name) + string(value)
        connection.sendall(frame(1, 0x5, stream, block))
        ended = False
        while not ended:
            while len(kept) < 9 or len(kept) < 9 + int.from_bytes(kept[:3], "big"):
                more = connection.recv(65536)
                if not more:
                    sys.exit("the gateway closed an HTTP/2 connection")
                kept += more
            length = int.from_bytes(kept[:3], "big")
            head, kept = kept[:9], kept[9 + length :]
            assert head[3] not in (3, 7), f"frame {head[3]}"
            ended = head[3] in (0, 1) and head[4] & 1 and int.from_bytes(head[5:9], "big") == stream
    return connection


def run(binary, how, count, settle):
    listener = socket.create_server(("127.0.0.1", 0), backlog=1024)
    threading.Thread(target=app, args=(listener,), daemon=True).start()
    opener = {"h1": h1, "churn": h1, "h2": lambda port: h2(port, False), "h2-index": lambda port: h2(port, True)}[how]
    with tempfile.TemporaryDirectory() as folder:
        process, port = start(binary, folder, listener.getsockname()[1])
        try:
            # What is made once for all connections is made now.
            for _ in range(20):
                opener(port).close()
            if how == "churn":
                for _ in range(10):
                    for connection in [opener(port) for _ in range(count)]:
                        connection.close()
            time.sleep(settle)
            before = anonymous_kib(process.pid)
            connections = [opener(port) for _ in range(count)]
            time.sleep(settle)
            grown = anonymous_kib(process.pid) - before
            for connection in connections:
                connection.close()
            time.sleep(settle)
            left = anonymous_kib(process.pid)
        finally:
            process.kill()
            process.wait()
            listener.close()
    return grown / count, before, left


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("binary")
    parser.add_argument("--connections", type=int, default=1000)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--settle", type=float, default=2.0)
    parser.add_argument("--only", choices=["h1", "h2", "h2-index", "churn"])
    arguments = parser.parse_args()
    binary = os.path.abspath(arguments.binary)
    print(f"{'':10}KiB a connection (min/median/max)   process before, after (KiB)")
    for how in [arguments.only] if arguments.only else ["h1", "h2", "h2-index", "churn"]:
        runs = [run(binary, how, arguments.connections, arguments.settle) for _ in range(arguments.runs)]
        each = [grown for grown, _, _ in runs]
        spread = f"{min(each):.1f}/{statistics.median(each):.1f}/{max(each):.1f}"
        before, left = runs[-1][1:]
        print(f"{how:10}{spread:36}{before}, {left}", flush=True)


main()
