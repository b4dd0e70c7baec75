"""The app behind every proxy: Debian's nginx on the load's core, and an echo for WebSocket."""

import sys
from pathlib import Path

from .procs import Server, free_port, program

CONFIGURATION = """
daemon off;
worker_processes 1;
pid {folder}/app.pid;
error_log {folder}/app.log warn;
events {{ worker_connections 8192; }}
http {{
    access_log off;
    keepalive_requests 100000000;
    client_body_buffer_size 2m;
    client_max_body_size 0;
    client_body_temp_path {folder}/app-body;
    # Asked for by Apache alone, whose mod_session takes its session from such a field: some 100 bytes, as a login's.
    map $http_x_fill_session $session {{
        default "";
        ~. "user=alice&name=Alice+Example&groups=staff%2Cdev&csrf=0123456789abcdef0123456789abcdef&since=1790000000";
    }}
    server {{
        listen 127.0.0.1:{port};
        listen unix:{unix};
        location = / {{ default_type text/plain; return 200 "hello\\n"; }}
        # A legacy app that remembers something, so that there is a session to open.
        location = /enter {{
            add_header Set-Cookie "app=0123456789abcdef0123456789abcdef; Path=/; HttpOnly";
            add_header X-Replace-Session $session;
            return 200 "in\\n";
        }}
        location = /take {{ return 200 "taken\\n"; }}
        location / {{ root {folder}/files; }}
    }}
}}
"""


def start(place):
    """Starts the app; gives the server and the path of its Unix socket."""
    files = place.path / "files"
    files.mkdir()
    (files / "10k").write_bytes(b"x" * 10 * 1024)
    (files / "1m").write_bytes(b"x" * 1024 * 1024)
    for path in (files, *files.iterdir()):
        path.chmod(0o755)
    port, unix = free_port(), place.path / "app.sock"
    text = CONFIGURATION.format(folder=place.path, port=port, unix=unix)
    command = [program("nginx"), "-e", place.path / "app.log", "-c", place.write("app.conf", text)]
    return Server("app", command, place.cores.load, port, place.path), unix


def start_echo(place):
    """Starts the WebSocket echo."""
    port = free_port()
    script = Path(__file__).with_name("websocket.py")
    command = [sys.executable, script, "echo", str(port)]
    return Server("echo", command, place.cores.load, port, place.path)
