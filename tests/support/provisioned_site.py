"""An environment that `provision` makes on a real Docker engine, and what people and operators do with it."""

import asyncio
import re
import secrets
import socket
import ssl
from base64 import b64encode
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml
from compose_project import ComposeProject
from limits import free_limits
from prefect_docker import DockerRegistryCredentials
from provisioned import described
from websockets import Origin
from websockets.asyncio.client import connect

from blocks import OdooHost
from deployments.engines.docker import DockerEngine
from deployments.engines.ports import free_port
from deployments.registration import register
from flows.provision import provision
from odoo_ops.model.host import Host
from odoo_ops.model.plan import ProvisionReport
from odoo_ops.policy import layers

IMAGES = ("odoo", "postgres", "nginx", "toolbox")
SECRETS = {"password": "TEST_ODOO_PASSWORD", "admin_password": "TEST_POSTGRES_PASSWORD"}
ADMIN, REPOSITORY, MASTER = "TEST_ADMIN_PASSWORD", "TEST_RESTIC_PASSWORD", "TEST_MASTER_PASSWORD"
RUNNING = ["db", "nginx", "odoo", "odoo-cron"]
ANSWER_SECONDS = 60


def secret_of(name: str) -> str:
    """What a variable that holds a secret holds."""
    return f"{name.lower()}-canary"


@dataclass(frozen=True)
class Provisioned:
    """An environment that is registered, and the project that `provision` makes of it.

    Attributes:
        domain: under which people reach it.
        wanted: of `provision`, what every description of it says.
        host: how its machine is reached; None: it is this one.
        registry: what its machine's block says of a registry of images.
        authority: of its certificate, a file; None: its own.
    """

    project: ComposeProject
    described: Path
    images: Mapping[str, str]
    domain: str
    stage: str = "staging"
    wanted: Mapping[str, object] = field(default_factory=dict)
    host: Mapping[str, object] | None = None
    registry: Mapping[str, str] | None = None
    authority: Path | None = None
    http_port: int = field(default_factory=free_port)
    https_port: int = field(default_factory=free_port)

    @property
    def name(self) -> str:
        return self.project.name

    @property
    def drill(self) -> str:
        """Environment in the same project where backups are tried out."""
        return f"{self.name}-drill"

    def register(
        self,
        *,
        stage: str | None = None,
        database: str = "erp",
        host: Mapping[str, object] | None = None,
        registry: Mapping[str, str] | None = None,
        release: Mapping[str, object] | None = None,
        **provision: object,
    ) -> None:
        """As it is to be; some fields of `provision` may differ."""
        wanted: dict[str, Any] = {
            "domains": [self.domain],
            "images": self.images,
            "bind": "127.0.0.1",
            "admin_password": {"from_env": ADMIN},
            "http_port": self.http_port,
            "https_port": self.https_port,
            **self.wanted,
            **provision,
        }
        settings = described(stage or self.stage, **wanted)
        del settings["name"]
        settings |= {"host": f"{self.name}-host", "repository": f"{self.name}-repository"}
        settings["runtime"] |= {"project": self.project.name, "folder": str(self.project.folder)}
        settings |= {"release": release} if release else {}
        settings["state_dir"] = f"/var/lib/odoo-ops/{self.name}"
        settings["database"] |= {"name": database, **{field: {"from_env": name} for field, name in SECRETS.items()}}
        file = {
            "hosts": {f"{self.name}-host": {"connection": {"kind": "local"}}},
            "repositories": {
                f"{self.name}-repository": {
                    "location": {"kind": "folder", "path": "/var/backups/odoo/repository"},
                    "password": {"from_env": REPOSITORY},
                }
            },
            "environments": {self.name: settings, self.drill: self._drill(settings)},
        }
        self.described.write_text(yaml.safe_dump(file))
        register(self.described.parent)
        if reached := host or self.host:
            self._save_host(reached, registry or self.registry)

    def _drill(self, settings: dict[str, Any]) -> dict[str, Any]:
        services = {"odoo_services": ["odoo-drill"], "toolbox": "toolbox-drill", "restore_toolbox": "toolbox-drill"}
        place = {
            "stage": "testing",
            "runtime": settings["runtime"] | services,
            "odoo": settings["odoo"] | {"url": "http://odoo-drill:8069"},
            "database": settings["database"] | {"name": "erp-drill", "user": "erp-drill"},
            "state_dir": f"/var/lib/odoo-ops/{self.drill}",
        }
        return {field: value for field, value in settings.items() if field != "provision"} | place

    def _save_host(self, reached: Mapping[str, object], registry: Mapping[str, str] | None) -> None:
        name = f"{self.name}-host"
        if registry:
            DockerRegistryCredentials(**registry).save(name, overwrite=True)
        loaded = DockerRegistryCredentials.load(name) if registry else None
        settings = Host.model_validate({"name": name, **reached})
        OdooHost(settings=settings, registry=loaded).save(name, overwrite=True)

    def provision(self, *, dry_run: bool = False, confirm_production: str = "") -> ProvisionReport:
        report = provision(self.name, dry_run=dry_run, confirm_production=confirm_production)
        assert isinstance(report, ProvisionReport)
        return report

    def free_limit(self) -> None:
        free_limits(self.name)

    @property
    def address(self) -> str:
        return f"https://127.0.0.1:{self.https_port}"

    def browser(self) -> "Browser":
        return Browser(self)

    def login_page(self) -> httpx.Response:
        with self.browser() as browser:
            return browser.get("/web/login")

    def sql(self, statement: str, database: str = "postgres") -> str:
        words = ("psql", "--username=postgres", "--no-align", "--tuples-only", f"--dbname={database}")
        return self.project.exec("db", *words, f"--command={statement}").strip()

    def logs_in(self, login: str, password: str) -> bool:
        """Whether Odoo lets a user in."""
        with self.browser() as browser:
            return browser.logs_in(login, password)

    def containers(self) -> dict[str, str]:
        return {service: self.project.container(service) for service in RUNNING}

    def started_at(self, service: str) -> str:
        """When a service's container was started."""
        return self.project.engine.run("inspect", "--format={{.State.StartedAt}}", self.project.container(service))

    def running(self) -> list[str]:
        return sorted(self.project.compose("ps", "--services", "--status=running").split())


class Browser(httpx.Client):
    """A browser that trusts the authority of a site, finds its domain on this machine, and keeps cookies."""

    def __init__(self, site: Provisioned) -> None:
        authority = site.authority or site.project.folder / "secrets/authority/certificate.pem"
        self._tls = ssl.create_default_context(cafile=authority)
        self._site = site
        host = f"{site.domain}:{site.https_port}"
        super().__init__(base_url=site.address, verify=self._tls, trust_env=False, timeout=300, headers={"Host": host})

    def request(self, method: str, url: httpx.URL | str, **options: Any) -> httpx.Response:  # noqa: ANN401 - httpx's own
        options["extensions"] = {"sni_hostname": self._site.domain, **(options.get("extensions") or {})}
        return super().request(method, url, **options)

    def logs_in(self, login: str, password: str) -> bool:
        """Log in by the form of the login page; whether Odoo lets the user in."""
        answer = self.send_form("/web/login", login=login, password=password)
        return answer.status_code == httpx.codes.SEE_OTHER

    def send_form(self, path: str, **fields: str) -> httpx.Response:
        """Fill in the form of a page."""
        (token,) = re.findall(r'name="csrf_token" value="([^"]+)"', self.get(path).text)
        return self.post(path, data={"csrf_token": token, **fields})

    def call(self, model: str, method: str, *arguments: object) -> Any:  # noqa: ANN401 - what Odoo answers
        """Odoo's RPC, as its pages do it."""
        params = {"model": model, "method": method, "args": arguments, "kwargs": {}}
        answer = self.post(
            f"/web/dataset/call_kw/{model}/{method}", json={"jsonrpc": "2.0", "method": "call", "params": params}
        ).json()
        assert "error" not in answer, answer["error"]
        return answer["result"]

    def attach(self, data: bytes) -> int:
        """Attach a file; its id."""
        (number,) = self.call("ir.attachment", "create", [{"name": "file", "datas": b64encode(data).decode()}])
        return int(number)

    def fetch(self, number: int) -> bytes:
        """An attachment as it comes back."""
        return self.get(f"/web/content/{number}?download=1").raise_for_status().content

    def websocket(self) -> connect:
        """A websocket in the session of whoever is logged in. For asyncio: two threads would share the connection."""
        cookies = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        origin = f"https://{self._site.domain}:{self._site.https_port}"
        return connect(
            f"wss{origin.removeprefix('https')}/websocket",
            sock=socket.create_connection(("127.0.0.1", self._site.https_port)),
            ssl=self._tls,
            server_hostname=self._site.domain,
            origin=Origin(origin),
            additional_headers={"Cookie": cookies},
            user_agent_header=None,
            open_timeout=ANSWER_SECONDS,
        )

    def opens_websocket(self) -> bool:
        """Open a websocket, and have a ping answered."""

        async def opens() -> bool:
            async with self.websocket() as websocket:
                return await asyncio.wait_for(await websocket.ping(), ANSWER_SECONDS) >= 0

        return asyncio.run(opens())


@contextmanager
def registered(
    engine: DockerEngine,
    image: Callable[[str], str],
    folder: Path,
    *,
    images: Iterable[str] | Mapping[str, str] = IMAGES,
    **site: Any,  # noqa: ANN401 - fields of the site
) -> Iterator[Provisioned]:
    """A site that is described and not yet made. Flows find Docker and the secrets.

    Of images without a name for the host, those of the tests are taken.
    """
    variables = {name: secret_of(name) for name in (*SECRETS.values(), ADMIN, REPOSITORY, MASTER)}
    with pytest.MonkeyPatch.context() as patch:
        for name, value in {**engine.variables, **variables}.items():
            patch.setenv(name, value)
        (folder / "environments").mkdir()
        project = ComposeProject(engine, f"odoo-ops-test-{secrets.token_hex(4)}", folder / "erp")
        tags = images if isinstance(images, Mapping) else {name: image(name) for name in images}
        made = Provisioned(project, folder / "environments" / "erp.yaml", tags, **site)
        made.register()
        yield made


@contextmanager
def provisioned(
    engine: DockerEngine,
    image: Callable[[str], str],
    folder: Path,
    **site: Any,  # noqa: ANN401 - as `registered` takes it
) -> Iterator[Provisioned]:
    """A site that `provision` made from nothing, and that leaves nothing behind."""
    with registered(engine, image, folder, **site) as made:
        planned = made.provision(dry_run=True)
        assert planned.plan.new_database
        assert not made.project.folder.exists()
        try:
            report = made.provision(confirm_production=made.name)
            outcomes = {check.name: check.outcome for check in report.checks}
            assert "failed" not in outcomes.values(), report.checks
            assert outcomes["Odoo came back"] == outcomes[layers.WEBSOCKET] == "passed"
            bare = made.wanted.get("tls") == {"kind": "none"}
            assert outcomes[layers.CERTIFICATE] == ("not measured" if bare else "passed"), report.checks
            yield made
        finally:
            if made.project.folder.exists():
                made.project.remove()
