"""The folder of one run: a certificate that all proxies share, and the configuration files."""

import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

from .procs import program


@dataclass(frozen=True)
class Cores:
    """Which core does what. With two, the load and the app share the one that the proxy does not have."""

    proxy: str = "0"
    load: str = "1"


class Place:
    """A temporary folder with an ECDSA P-256 certificate for localhost."""

    def __init__(self, cores):
        self.cores = cores
        self._folder = tempfile.TemporaryDirectory(prefix="cloakroom-bench-")
        self.path = Path(self._folder.name)
        # nginx and Apache give up root for a user of their own, who must be able to enter.
        self.path.chmod(0o755)
        self.certificate = self.path / "cert.pem"
        self.key = self.path / "key.pem"
        subprocess.run(
            [
                program("openssl"), "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
                "-nodes", "-days", "30", "-subj", "/CN=localhost",
                "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1",
                "-keyout", self.key, "-out", self.certificate,
            ],
            check=True,
            capture_output=True,
        )
        # HAProxy wants both in one file.
        self.both = self.path / "both.pem"
        self.both.write_bytes(self.certificate.read_bytes() + self.key.read_bytes())

    def write(self, name, text):
        """Writes a configuration file."""
        path = self.path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return path

    def close(self):
        """Removes the folder."""
        self._folder.cleanup()
