"""A real ACME server, pebble, in the network of a compose project that is not there yet."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from real_processes import wait_until

from deployments.engines.docker import DockerEngine
from odoo_ops.adapters import local_ca
from odoo_ops.errors import CommandFailed


@dataclass(frozen=True)
class AcmeServer:
    """One that runs.

    Attributes:
        name: of its host, as containers of the network see it.
        container: Docker's name.
        authority: file with the certificate of whoever signed the one of the directory itself.
    """

    engine: DockerEngine
    name: str
    container: str
    authority: Path

    @property
    def directory(self) -> str:
        return f"https://{self.name}:14000/dir"

    def root(self) -> str:
        """Whom those must trust who are shown its certificates. It is another one whenever it starts."""
        return self._ask("https://127.0.0.1:15000/roots/0")

    def issued(self) -> int:
        """How many certificates it has made."""
        return self.engine.run("logs", self.container).count("Issued certificate serial")

    def answers(self) -> bool:
        try:
            return "newOrder" in self._ask("https://127.0.0.1:14000/dir")
        except CommandFailed:
            return False

    def finds_nginx(self) -> bool:
        """Whether its name server leads to nginx."""
        return "nginx-address" in self.engine.run("exec", self.container, "ls", "/tmp")  # noqa: S108

    def _ask(self, address: str) -> str:
        return self.engine.run("exec", self.container, "curl", "--insecure", "--silent", "--fail", address)


@contextmanager
def acme_network(engine: DockerEngine, project: str) -> Iterator[str]:
    """The network `outside` of a project, as Compose will find it: so what it needs there can be there before."""
    network = f"{project}_outside"
    labels = {"network": "outside", "project": project}
    words = [f"--label=com.docker.compose.{name}={value}" for name, value in labels.items()]
    engine.run("network", "create", *words, network)
    try:
        yield network
    finally:
        if engine.run("network", "ls", "--quiet", f"--filter=name=^{network}$").strip():
            engine.run("network", "rm", network)


@contextmanager
def acme_server(
    engine: DockerEngine, image: str, network: str, folder: Path, *, domains: Sequence[str], lasts_seconds: int
) -> Iterator[AcmeServer]:
    """A server in a network, which finds some domains at its container `nginx`, and others nowhere.

    Args:
        engine: the Docker engine.
        image: of `tests/images/pebble`.
        network: of Docker.
        folder: a new one, of which the name becomes the server's.
        domains: those that it finds.
        lasts_seconds: how long its certificates are valid.
    """
    name, now = folder.name, datetime.now(UTC)
    authority = local_ca.make_authority("whoever signs for the directory", now)
    own = local_ca.make_certificate(authority, [name], now)
    (folder / "tls").mkdir()
    (folder / "tls/certificate.pem").write_text(own.certificate)
    (folder / "tls/key.pem").write_text(own.key.get_secret_value())
    (folder / "authority.pem").write_text(authority.certificate)
    server = AcmeServer(engine, name, f"{network}-{name}", folder / "authority.pem")
    variables = {"DOMAINS": " ".join(domains), "VALIDITY_SECONDS": str(lasts_seconds)}
    options = [f"--name={server.container}", f"--network={network}", f"--network-alias={name}"]
    options += [f"--env={key}={value}" for key, value in variables.items()]
    engine.run("run", "--detach", *options, f"--volume={folder}/tls:/tls:ro", image)
    try:
        wait_until(server.answers, lambda: engine.run("logs", server.container), 30)
        yield server
    finally:
        engine.run("rm", "--force", server.container)
