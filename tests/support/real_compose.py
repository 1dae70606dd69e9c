"""A real compose project: the documented example, with images of the tests, and an Odoo 19 in it."""

import subprocess
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, cast

from compose_project import ComposeProject
from limits import free_limits
from real_processes import wait_until

from deployments.engines.docker import DockerEngine
from deployments.registration import register
from odoo_ops.errors import CommandFailed

EXAMPLE = Path(__file__).parents[2] / "deployments" / "examples" / "compose"
PASSWORDS = {
    "ODOO": "odoo-password",
    "POSTGRES": "postgres-password",
    "DRILL": "drill-password",
    "RESTIC": "restic-password",
}

# of the tests alone: no port of the machine, and no disk to wait for
_OVERRIDE = """
services:
  odoo: {ports: !reset []}
  db: {command: [postgres, -c, fsync=off]}
  proxy:
    image: ${NGINX_IMAGE}
    profiles: [proxy]
    volumes: ["./nginx:/etc/nginx/conf.d:ro"]
    networks: [inside]
"""
_ROLES = f"""
CREATE ROLE odoo LOGIN PASSWORD '{PASSWORDS["ODOO"]}';
CREATE ROLE "odoo-drill" LOGIN PASSWORD '{PASSWORDS["DRILL"]}';
CREATE DATABASE erp OWNER odoo TEMPLATE template0 ENCODING 'UTF8' LC_COLLATE 'C';
\\connect erp
CREATE EXTENSION pg_trgm;
CREATE EXTENSION unaccent;
ALTER FUNCTION unaccent(text) IMMUTABLE;
"""


@dataclass(frozen=True)
class RealProject(ComposeProject):
    """A project that is up. Its environments in Prefect are called `<name>-production` and `<name>-drill`."""

    @property
    def production(self) -> str:
        return f"{self.name}-production"

    @property
    def drill(self) -> str:
        return f"{self.name}-drill"

    def sql(self, script: str, database: str = "erp") -> str:
        """Run SQL as the superuser; what it prints, rows bare."""
        with self.session(database) as (stdin, process):
            stdin.write(script)
            stdin.close()
            printed = cast("IO[str]", process.stdout).read()
            assert process.wait() == 0, printed
            return printed

    @contextmanager
    def session(self, database: str = "erp") -> "Iterator[tuple[IO[str], subprocess.Popen[str]]]":
        """A psql of the superuser that lasts as long as the block."""
        argv = ["docker", "compose", f"--project-name={self.name}", "exec", "--no-TTY", "db", "psql"]
        options = ["--username=postgres", "--quiet", "--tuples-only", "--no-align", "--set=ON_ERROR_STOP=1"]
        process = subprocess.Popen(
            [*argv, *options, f"--dbname={database}"],
            cwd=self.folder,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        try:
            yield cast("IO[str]", process.stdin), process
        finally:
            process.kill()
            process.wait()

    def in_data(self, script: str, service: str = "toolbox-restore") -> str:
        """Run a shell script where Odoo's data can be written."""
        return self.compose("run", "--rm", "--no-TTY", "--no-deps", "--entrypoint=sh", service, "-c", script)

    def running(self) -> list[str]:
        """Services of which a container runs, one-off ones too."""
        label = "com.docker.compose"
        of_project = f"--filter=label={label}.project={self.name}"
        return sorted(self.engine.run("ps", of_project, f'--format={{{{.Label "{label}.service"}}}}').split())

    def files(self) -> dict[str, str]:
        """Every file of Odoo's attachments, with its sha1."""
        every_file = "find . -type f ! -path './checklist/*' -exec sha1sum {} +"
        listed = self.in_data(f"cd /var/lib/odoo/filestore/erp && {every_file}")
        return {name: digest for digest, name in (line.split(maxsplit=1) for line in listed.splitlines())}

    def free_limit(self) -> None:
        free_limits(self.production)

    def register(self, host: Mapping[str, object] | None = None) -> None:
        """Register both environments as the example describes them; `host` says how the machine is reached."""
        from blocks import OdooHost
        from odoo_ops.model.host import Host

        text = (EXAMPLE / "environments.yaml").read_text()
        for old, new in (
            ("project: erp", f"project: {self.name}"),
            ("/srv/erp", str(self.folder)),
            ("  production:", f"  {self.production}:"),
            ("  drill:", f"  {self.drill}:"),
            ("docker", f"{self.name}-host"),
            ("repository: erp", f"repository: {self.name}-repository"),
            ("repositories:\n  erp:", f"repositories:\n  {self.name}-repository:"),
            ("path: /var/backups/odoo}", "path: /var/backups/odoo/repository}"),
        ):
            assert old in text
            text = text.replace(old, new)
        described = self.folder / "environments"
        described.mkdir(exist_ok=True)
        (described / "all.yaml").write_text(text)
        register(described)
        if host:
            OdooHost(settings=Host.model_validate({"name": f"{self.name}-host", **host})).save(
                f"{self.name}-host", overwrite=True
            )


@contextmanager
def real_project(engine: DockerEngine, image: Callable[[str], str], folder: Path) -> Iterator[RealProject]:
    """The example's project with a new Odoo in it; nothing is left of it afterwards. `image` gives tags of images."""
    (folder / "compose.yaml").write_text((EXAMPLE / "compose.yaml").read_text())
    (folder / "compose.override.yaml").write_text(_OVERRIDE)
    images = {name: image(name) for name in ("odoo", "postgres", "toolbox", "nginx")}
    variables = {f"{name.upper()}_IMAGE": tag for name, tag in images.items()}
    variables |= {f"{name}_PASSWORD": PASSWORDS[name] for name in ("ODOO", "POSTGRES")}
    (folder / ".env").write_text("".join(f"{name}={value}\n" for name, value in variables.items()))
    with RealProject.made(engine, folder) as project:
        project.compose("up", "--detach", "db")
        wait_until(lambda: _answers(project), "PostgreSQL answers", 60)
        project.sql(_ROLES, "postgres")
        project.run("odoo", "odoo", "--database=erp", "--init=base", "--stop-after-init", "--no-http")
        project.compose("up", "--detach", "odoo")
        yield project


def _answers(project: RealProject) -> bool:
    """By TCP: while the image makes the cluster, its server listens on a socket alone."""
    psql = ("psql", "--host=127.0.0.1", "--username=postgres", "--command=SELECT 1")
    try:
        project.exec("db", *psql)
    except CommandFailed:
        return False
    return True
