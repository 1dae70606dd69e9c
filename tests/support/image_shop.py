"""Images of Odoo with the module `shelf`, released to an environment that `provision` makes on a real Docker engine."""

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from addons_repository import SECOND as MIGRATED
from addons_repository import SHELF
from provisioned_site import Provisioned, provisioned
from used_site import SMALL

from blocks import OdooEnvironment
from deployments.engines.docker import DockerEngine
from flows.release import release
from flows.rollback import rollback
from odoo_ops.adapters import database
from odoo_ops.adapters.modules import read_installed, record_checksums
from odoo_ops.model.checks import failures
from odoo_ops.model.release_reports import ReleaseReport, RollbackReport
from odoo_ops.policy.provisioning import ODOO_SERVICES
from odoo_ops.runtimes.releases import read_modules

_HOST = "erp-staging.example.com"
_ADDONS = "/usr/lib/python3/dist-packages/odoo/addons"
_STATIC = "shelf/static/read.txt"
_SLOW_SECONDS = 12
FIRST: Mapping[str, str] = {
    **SHELF,
    "shelf/shelf.py": SHELF["shelf/shelf.py"].replace(
        "from odoo import", "import socket\nimport time\n\nfrom odoo import"
    )
    + f"""
    @route("/shelf/host", auth="none", csrf=False)
    def tell(self):
        return socket.gethostname()

    @route("/shelf/slow", auth="none")
    def wait(self):
        time.sleep({_SLOW_SECONDS})
        return socket.gethostname()
""",
}
# no module is updated for static files
SAME = FIRST | {_STATIC: "as it is now\n"}
SECOND = FIRST | {
    **{name: text for name, text in MIGRATED.items() if name != "shelf/shelf.py"},
    "shelf/shelf.py": FIRST["shelf/shelf.py"]
    .replace("name = fields.Char()", "name = fields.Char()\n    title = fields.Char()")
    .replace("the first edition", "the second edition"),
}


@dataclass(frozen=True)
class Shop:
    """A staging with the module `shelf` in its image, and images that may follow."""

    site: Provisioned
    folder: Path
    base: str
    images: dict[str, str] = field(default_factory=dict)

    def build(self, name: str, files: Mapping[str, str], *lines: str) -> str:
        """Make an image of addons; its number on the host, by which production would name it, too."""
        return _build(self.site.project.engine, self.folder / name, self.base, files, *lines)

    def names(self, image: str) -> None:
        """Let the environment file name an image: that is released where a run names no other."""
        self.site.register(images={**self.site.images, "odoo": image})

    def release(self, image: str) -> ReleaseReport:
        """Each check must pass: a release with a failed one ends as `ReleasedUnwell`, which raises nothing."""
        report = release(self.site.name, image=image)
        assert isinstance(report, ReleaseReport)
        assert failures(list(report.checks)) == []
        return report

    def rollback(self) -> RollbackReport:
        report = rollback(self.site.name, confirm=self.site.name)
        assert isinstance(report, RollbackReport)
        return report

    def running_image(self) -> str:
        """Of the only container of Odoo."""
        container = self.site.containers()["odoo"]
        assert "\n" not in container, "more than one"
        return self.site.project.engine.run("inspect", "--format={{.Image}}", container).strip()

    def editions(self) -> list[str]:
        """What the containers of Odoo find in the folder that the official image declares as a volume."""
        found = ("cat", "/mnt/extra-addons/edition")
        return [self.site.project.exec(service, *found).strip() for service in ODOO_SERVICES]

    def nameless_volumes(self) -> set[str]:
        """Those of Odoo's containers that have no name of the project's, as an image asks for them."""
        volumes = '{{range .Mounts}}{{if eq .Type "volume"}}{{.Name}} {{end}}{{end}}'
        containers = [self.site.containers()[service] for service in ("odoo", "odoo-cron")]
        found = self.site.project.engine.run("inspect", f"--format={volumes}", *containers).split()
        return {name for name in found if not name.startswith(self.site.project.name)}

    def one_off_containers(self) -> str:
        """Those in which Odoo was run beside the services."""
        labels = (f"com.docker.compose.project={self.site.project.name}", "com.docker.compose.oneoff=True")
        return self.site.project.engine.run("ps", "--all", "--quiet", *(f"--filter=label={label}" for label in labels))

    def volumes(self) -> set[str]:
        return set(self.site.project.engine.run("volume", "ls", "--quiet").split())

    def page(self, path: str) -> str:
        with self.site.browser() as browser:
            return browser.get(path).text

    def static(self) -> str:
        return self.page(f"/{_STATIC}?{time.monotonic_ns()}").strip()  # nginx keeps it by its whole address

    def put_on_record(self) -> None:
        """Say that the database's modules are those of the image, which saves the update of all of them."""
        runtime = OdooEnvironment.open(self.site.name)
        with database.connect(runtime.host, runtime.environment.database) as connection:
            found = read_modules(runtime, read_installed(connection), {})
            record_checksums(connection, {name: facts.checksum for name, facts in found.items()})


def _build(engine: DockerEngine, folder: Path, base: str, files: Mapping[str, str], *lines: str) -> str:
    for name, text in files.items():
        path = folder / "addons" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    copy = ("COPY addons/ ./",) if files else ()
    volume = "COPY edition /mnt/extra-addons/"
    dockerfile = (f"FROM {base}", "USER root", volume, f"WORKDIR {_ADDONS}", *copy, *lines, "USER odoo")
    folder.mkdir(exist_ok=True)
    (folder / "edition").write_text(folder.name)
    (folder / "Dockerfile").write_text("\n".join(dockerfile))
    tag = f"odoo-ops-test/{folder.parent.name}:{folder.name}"
    engine.run("build", "--tag", tag, folder)
    return engine.run("image", "inspect", "--format={{.Id}}", tag).strip()


@contextmanager
def image_shop(docker: DockerEngine, image: Callable[[str], str], factory: pytest.TempPathFactory) -> Iterator[Shop]:
    """A staging with the first edition in its image, and an image `same` beside it, for which no module is updated."""
    base, folder = image("odoo"), factory.mktemp("images")
    first = _build(docker, folder / "first", base, FIRST)
    images = {"odoo": first, **{name: image(name) for name in ("postgres", "nginx", "toolbox")}}
    with provisioned(docker, image, factory.mktemp("shop"), images=images, domain=_HOST, wanted=SMALL) as site:
        shop = Shop(site, folder, base, {"first": first})
        site.project.run("odoo", "odoo", "--database=erp", "--init=shelf", "--stop-after-init", "--no-http")
        site.project.compose("restart", "odoo")
        shop.put_on_record()
        shop.images["same"] = shop.build("same", SAME)
        yield shop
