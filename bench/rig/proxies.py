"""The proxies, each as a plain TLS proxy of one worker before the same app, and cloakroom with sessions on."""

import os
from pathlib import Path

from .procs import Missing, Server, free_port, program

NGINX = """
{load}
daemon off;
worker_processes 1;
pid {folder}/{name}.pid;
error_log {folder}/{name}.log warn;
events {{ worker_connections 8192; }}
http {{
    access_log {log};
    keepalive_requests 100000000;
    client_max_body_size 0;
    client_body_temp_path {folder}/{name}-body;
    proxy_temp_path {folder}/{name}-proxy;
    ssl_protocols TLSv1.2 TLSv1.3;
    ssl_certificate {cert};
    ssl_certificate_key {key};
    ssl_session_cache shared:all:8m;
    proxy_http_version 1.1;
    upstream app {{ server {app}; keepalive 256; keepalive_requests 100000000; }}
    map $http_upgrade $upgrades {{ default ""; websocket upgrade; }}
    {http}
    server {{
        listen 127.0.0.1:{port} ssl http2 backlog=4096;
        server_name localhost;
        location / {{
            {access}
            proxy_pass http://app;
            proxy_set_header Host $host;
            proxy_set_header Connection $upgrades;
            proxy_set_header Upgrade $http_upgrade;
            proxy_set_header X-Forwarded-For $remote_addr;
            proxy_set_header X-Forwarded-Proto https;
        }}
    }}
}}
"""

# lua-resty-session 3 as its own documentation has it: the session lies encrypted in the cookie and is opened on each
# request; who has none is refused, so that a load that brings none cannot be taken for one that does.
LUA_HTTP = """
    lua_package_path "{path}/?.lua;{path}/?/init.lua;/usr/share/lua/5.1/?.lua;;";
    lua_package_cpath "{path}/?.so;/usr/lib/x86_64-linux-gnu/lua/5.1/?.so;/usr/lib/aarch64-linux-gnu/lua/5.1/?.so;;";
    init_by_lua_block {{ require "resty.core" }}
"""
LUA_ACCESS = """
            set $session_secret "623q4hR325t36VsCD3g567922IC0073T";
            access_by_lua_block {
                local session = require "resty.session"
                if ngx.var.uri == "/enter" then
                    local visit = session.start()
                    visit.data.user = "alice"
                    visit:save()
                    return
                end
                local visit, present = session.open()
                if not present then
                    return ngx.exit(403)
                end
                ngx.req.set_header("X-User", visit.data.user)
            }
"""

HAPROXY = """
global
    nbthread 1
    maxconn 4000
    ssl-default-bind-options ssl-min-ver TLSv1.2
    tune.ssl.cachesize 20000
    {log}
defaults
    mode http
    log global
    {option_log}
    option http-keep-alive
    option forwardfor
    http-reuse always
    timeout connect 5s
    timeout client 75s
    timeout server 60s
    timeout http-request 10s
    # Else it is that of http-request, and HAProxy closes idle connections while they are still being counted.
    timeout http-keep-alive 75s
    timeout tunnel 1h
frontend in
    bind 127.0.0.1:{port} ssl crt {both} alpn h2,http/1.1 backlog 4096
    http-request set-header X-Forwarded-Proto https
    default_backend app
backend app
    server app {app}
"""

CADDY = """
{{
    admin off
    auto_https off
}}
https://localhost:{port}, https://127.0.0.1:{port} {{
    bind 127.0.0.1
    tls {cert} {key}
    reverse_proxy {app}
}}
"""

APACHE = """
ServerRoot /usr/lib/apache2
PidFile {folder}/apache.pid
ErrorLog {folder}/apache.log
Listen 127.0.0.1:{port}
ServerName localhost
User nobody
Group nogroup
LoadModule mpm_event_module modules/mod_mpm_event.so
LoadModule authz_core_module modules/mod_authz_core.so
LoadModule ssl_module modules/mod_ssl.so
LoadModule http2_module modules/mod_http2.so
LoadModule proxy_module modules/mod_proxy.so
LoadModule proxy_http_module modules/mod_proxy_http.so
LoadModule session_module modules/mod_session.so
LoadModule session_cookie_module modules/mod_session_cookie.so
LoadModule session_crypto_module modules/mod_session_crypto.so
LoadModule headers_module modules/mod_headers.so
LoadModule socache_shmcb_module modules/mod_socache_shmcb.so
ServerLimit 1
StartServers 1
ThreadsPerChild 64
MaxRequestWorkers 64
MaxKeepAliveRequests 0
KeepAliveTimeout 75
Protocols h2 http/1.1
SSLSessionCache shmcb:{folder}/apache-tls(512000)
<VirtualHost *:{port}>
    SSLEngine on
    SSLCertificateFile {cert}
    SSLCertificateKeyFile {key}
    Session On
    SessionCookieName session path=/;secure;httponly
    SessionCryptoPassphrase a-passphrase-of-the-bench
    SessionEnv On
    # The app fills the session at /enter. From then on each request brings it, encrypted, and, since the session ends
    # when it is idle for half an hour, each answer brings it back, encrypted anew.
    SessionMaxAge 1800
    SessionHeader X-Replace-Session
    RequestHeader set X-Fill-Session 1
    ProxyPass / http://{app}/ keepalive=On
</VirtualHost>
"""

CLOAKROOM = """
[server]
https = ["127.0.0.1:{port}"]
threads = {threads}

[[tls.certificate]]
cert_file = "{cert}"
key_file = "{key}"

[session]
max_new_per_ip = 0
[session.keys]
file = "{folder}/{name}/session.keys"
[session.store]
engine = "{engine}"
path = "{folder}/{name}/sessions.db"

[[site]]
name = "app"
hosts = ["localhost", "127.0.0.1"]
upstream = ["{app}"]
session = "{session}"

[log]
access = "{log}"
"""


class Behind:
    """What a proxy stands before: an address for HTTP, and the same app over a Unix socket."""

    def __init__(self, port, unix=None):
        self.tcp = f"127.0.0.1:{port}"
        self.unix = unix


class Proxies:
    """Starts proxies by name. A name is what a table shows."""

    def __init__(self, place, binary, profiled, peer_logs=False, lua=None):
        self._place = place
        self._binary = Path(binary).resolve()
        self._profiled = Path(profiled).resolve()
        self._peer_logs = peer_logs
        self._lua = Path(lua).resolve() if lua else None

    def start(self, name, behind, cores=None):
        """Starts the proxy called `name` before an app.

        Raises `Missing` when this machine lacks it."""
        kind, *variant = name.split(", ")
        command = {
            "cloakroom": self._cloakroom,
            "nginx": self._nginx,
            "lua-resty-session": self._lua_resty_session,
            "haproxy": self._haproxy,
            "caddy": self._caddy,
            "apache-session": self._apache,
        }[kind]
        port = free_port()
        safe = name.replace(", ", "-").replace(" ", "-")
        argv = command(safe, port, behind, variant)
        return Server(safe, argv, cores or self._place.cores.proxy, port, self._place.path)

    def _fill(self, template, name, port, **more):
        place = self._place
        return template.format(
            folder=place.path, name=name, port=port, cert=place.certificate, key=place.key, both=place.both, **more
        )

    def _cloakroom(self, name, port, behind, variant):
        binary = self._profiled if "profiled" in variant else self._binary
        if not binary.exists():
            raise Missing(f"{binary}: scripts/release-pgo builds it")
        (self._place.path / name).mkdir(exist_ok=True)
        text = self._fill(
            CLOAKROOM,
            name,
            port,
            threads=2 if "2 cores" in variant else 1,
            engine="memory" if "memory" in variant else "sqlite",
            session="off" if "sessions off" in variant else "attach",
            app=f"unix:{behind.unix}" if "unix" in variant else f"http://{behind.tcp}",
            log="off" if "log off" in variant else self._place.path / f"{name}.access",
        )
        return [binary, "run", "--config", self._place.write(f"{name}.toml", text)]

    def _nginx(self, name, port, behind, variant, load="", http="", access=""):
        text = self._fill(
            NGINX,
            name,
            port,
            app=f"unix:{behind.unix}" if "unix" in variant else behind.tcp,
            log=f"{self._place.path}/{name}.access buffer=64k flush=1s" if self._peer_logs else "off",
            load=load,
            http=http,
            access=access,
        )
        path = self._place.write(f"{name}.conf", text)
        return [program("nginx"), "-e", self._place.path / f"{name}.log", "-c", path]

    def _lua_resty_session(self, name, port, behind, variant):
        if not self._lua:
            raise Missing("a folder with its sources: --lua or CLOAKROOM_BENCH_LUA, see bench/README.md")
        modules = Path("/usr/lib/nginx/modules")
        needed = [modules / "ndk_http_module.so", modules / "ngx_http_lua_module.so"]
        sources = [self._lua / "resty" / source for source in ("session.lua", "session/strategies", "aes.lua", "random.lua")]
        for path in (*needed, *sources):
            if not path.exists():
                raise Missing(str(path))
        load = "\n".join(f"load_module {module};" for module in needed)
        return self._nginx(name, port, behind, variant, load, LUA_HTTP.format(path=self._lua), LUA_ACCESS)

    def _haproxy(self, name, port, behind, variant):
        logs = self._peer_logs
        text = self._fill(
            HAPROXY,
            name,
            port,
            app=f"unix@{behind.unix}" if "unix" in variant else behind.tcp,
            log="log stdout format raw local0" if logs else "",
            option_log="option httplog" if logs else "",
        )
        return [program("haproxy"), "-db", "-f", self._place.write(f"{name}.cfg", text)]

    def _caddy(self, name, port, behind, _variant):
        os.environ.setdefault("XDG_DATA_HOME", str(self._place.path / "caddy-data"))
        os.environ.setdefault("XDG_CONFIG_HOME", str(self._place.path / "caddy-config"))
        os.environ["GOMAXPROCS"] = "1"
        path = self._place.write("Caddyfile", self._fill(CADDY, name, port, app=behind.tcp))
        return [program("caddy"), "run", "--adapter", "caddyfile", "--config", path]

    def _apache(self, name, port, behind, _variant):
        path = self._place.write("apache.conf", self._fill(APACHE, name, port, app=behind.tcp))
        return [program("apache2"), "-D", "FOREGROUND", "-f", path]
