"""A WebSocket echo and the load for it, both with frames of one size, so that neither is what is measured.

    websocket.py echo PORT
    websocket.py load PORT CONNECTIONS SECONDS [COOKIE]
"""

import asyncio
import base64
import hashlib
import os
import ssl
import sys
import time

PAYLOAD = 100
GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
MASKED = 6 + PAYLOAD
PLAIN = 2 + PAYLOAD


class Echo(asyncio.Protocol):
    """Answers each masked text frame of PAYLOAD bytes by the same, unmasked."""

    def connection_made(self, transport):
        self._transport, self._held, self._open = transport, b"", False

    def data_received(self, data):
        self._held += data
        if not self._open:
            head, found, rest = self._held.partition(b"\r\n\r\n")
            if not found:
                return
            fields = dict(line.split(b": ", 1) for line in head.split(b"\r\n")[1:])
            key = next(value for name, value in fields.items() if name.lower() == b"sec-websocket-key")
            accept = base64.b64encode(hashlib.sha1(key + GUID).digest())
            self._transport.write(
                b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                b"Sec-WebSocket-Accept: " + accept + b"\r\n\r\n"
            )
            self._held, self._open = rest, True
        whole = len(self._held) // MASKED
        if whole:
            # The payload is zeros under a mask of zeros.
            self._transport.write((b"\x81" + bytes([PAYLOAD]) + bytes(PAYLOAD)) * whole)
            self._held = self._held[whole * MASKED :]


class Load(asyncio.Protocol):
    """Sends a frame, awaits its echo, sends the next."""

    FRAME = b"\x81" + bytes([0x80 | PAYLOAD]) + bytes(4) + bytes(PAYLOAD)

    def __init__(self, counts, cookie):
        self._counts, self._cookie, self._held, self._open = counts, cookie, 0, False
        self._head = b""

    def connection_made(self, transport):
        self._transport = transport
        cookie = f"Cookie: {self._cookie}\r\n" if self._cookie else ""
        key = base64.b64encode(os.urandom(16)).decode()
        transport.write(
            (
                "GET / HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                f"Origin: https://localhost\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {key}\r\n{cookie}\r\n"
            ).encode()
        )

    def data_received(self, data):
        if not self._open:
            self._head += data
            head, found, data = self._head.partition(b"\r\n\r\n")
            if not found:
                return
            if not head.startswith(b"HTTP/1.1 101 "):
                sys.exit(f"no upgrade: {head[:80]!r}")
            self._open = True
            self._transport.write(self.FRAME)
        self._held += len(data)
        while self._held >= PLAIN:
            self._held -= PLAIN
            self._counts[0] += 1
            self._transport.write(self.FRAME)


async def load(port, connections, seconds, cookie):
    """Prints how many messages came back in how many seconds."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.set_alpn_protocols(["http/1.1"])
    counts = [0]
    loop = asyncio.get_running_loop()
    for _ in range(connections):
        await loop.create_connection(lambda: Load(counts, cookie), "127.0.0.1", port, ssl=context)
    before, began = counts[0], time.monotonic()
    await asyncio.sleep(seconds)
    print(counts[0] - before, time.monotonic() - began, flush=True)
    os._exit(0)


async def echo(port):
    """Serves until it is killed."""
    loop = asyncio.get_running_loop()
    server = await loop.create_server(Echo, "127.0.0.1", port)
    await server.serve_forever()


if __name__ == "__main__":
    what, port, *rest = sys.argv[1:]
    if what == "echo":
        asyncio.run(echo(int(port)))
    else:
        asyncio.run(load(int(port), int(rest[0]), float(rest[1]), (rest[2:] or [""])[0]))
