"""Idle TLS connections as browsers leave them open: what each costs a proxy in memory."""

import functools
import socket
import ssl
import struct

from .load import BROWSER

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"


@functools.cache
def context(alpn):
    """One for all connections of a protocol; the default one would read the system's authorities for each of them,
    which takes twenty times as long as its handshake."""
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    made.check_hostname, made.verify_mode = False, ssl.CERT_NONE
    made.set_alpn_protocols([alpn])
    return made


def connect(port, alpn):
    """A TLS connection to a proxy."""
    plain = socket.create_connection(("127.0.0.1", port), timeout=10)
    # Else a small write waits until the one before it is acknowledged, which takes 40 ms.
    plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    stream = context(alpn).wrap_socket(plain, server_hostname="localhost")
    if stream.selected_alpn_protocol() != alpn:
        raise RuntimeError(f"the proxy does not speak {alpn}")
    return stream


def is_open(stream):
    """Whether the proxy still holds its end. A connection that it has closed would count as one that costs nothing."""
    stream.setblocking(False)
    try:
        return bool(stream.recv(65536))
    except ssl.SSLWantReadError:
        return True
    except OSError:
        return False


def idle_h1(port, cookie):
    """One answered request, then silence."""
    stream = connect(port, "http/1.1")
    fields = "".join(f"{name}: {value}\r\n" for name, value in BROWSER.items())
    cookie = f"Cookie: {cookie}\r\n" if cookie else ""
    stream.sendall(f"GET / HTTP/1.1\r\nHost: localhost\r\n{fields}{cookie}\r\n".encode())
    held = b""
    while b"hello" not in held:
        part = stream.recv(65536)
        if not part:
            raise RuntimeError("the proxy closed the connection")
        held += part
    return stream


def idle_h2(port, cookie, requests=3):
    """Three answered requests whose fields are indexed, as browsers do, then silence."""
    stream = connect(port, "h2")
    stream.sendall(PREFACE + frame(4, 0, 0, b""))
    for number in range(requests):
        stream_id = 2 * number + 1
        stream.sendall(frame(1, 0x5, stream_id, head(cookie, number)))
        ended = False
        while not ended:
            kind, flags, on, payload = read_frame(stream)
            if kind == 7:
                raise RuntimeError(f"the proxy ended the connection: {payload!r}")
            if kind == 4 and not flags & 1:
                stream.sendall(frame(4, 1, 0, b""))
            ended = on == stream_id and kind in (0, 1) and bool(flags & 1)
    return stream


def head(cookie, number):
    """A head in HPACK: the first request puts its fields into the table, later ones say where they are there."""
    fields = [(":authority", "localhost")]
    fields += [(name.lower(), value) for name, value in BROWSER.items()]
    fields += [
        ("sec-fetch-dest", "document"), ("sec-fetch-mode", "navigate"), ("sec-fetch-site", "none"),
        ("upgrade-insecure-requests", "1"), ("priority", "u=0, i"),
    ]
    if cookie:
        fields.append(("cookie", cookie))
    # GET, https and / are in the table that everybody has.
    block = b"\x82\x87\x84"
    if number == 0:
        for name, value in fields:
            block += b"\x40" + text(name) + text(value)
    else:
        # The field that was put in last has index 62.
        for place in range(len(fields)):
            block += bytes([0x80 | (62 + len(fields) - 1 - place)])
    return block


def text(value):
    """A string without Huffman coding."""
    value = value.encode()
    if len(value) < 127:
        return bytes([len(value)]) + value
    rest, length = len(value) - 127, b"\x7f"
    while rest >= 128:
        length += bytes([rest % 128 + 128])
        rest //= 128
    return length + bytes([rest]) + value


def frame(kind, flags, stream, payload):
    """A frame of HTTP/2."""
    return struct.pack(">I", len(payload))[1:] + bytes([kind, flags]) + struct.pack(">I", stream) + payload


def read_frame(stream):
    """Kind, flags, stream, payload."""
    length = struct.unpack(">I", b"\0" + exactly(stream, 3))[0]
    kind, flags = exactly(stream, 2)
    return kind, flags, struct.unpack(">I", exactly(stream, 4))[0], exactly(stream, length)


def exactly(stream, size):
    """So many bytes, or an error."""
    held = b""
    while len(held) < size:
        part = stream.recv(size - len(held))
        if not part:
            raise RuntimeError("the proxy closed the connection")
        held += part
    return held
