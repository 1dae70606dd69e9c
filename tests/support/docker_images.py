"""The images that the tests run in Docker, made of Debian's packages: no registry takes part.

    python tests/support/docker_images.py [NAME...]

An image is tagged with a hash of all that decides what is in it, so it is built once; a change makes another.
"""

import hashlib
import shutil
import sys
import time
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

from deployments.engines.debian import debian_mirror
from deployments.engines.docker import DockerEngine, docker_engine
from deployments.engines.folder import alone, engines_folder
from deployments.engines.process import run

SUITE = "trixie"
POSTGRES_VERSION = "17"
_ROOT = Path(__file__).parents[2]
_SMALL_AND_FAST = ("force-unsafe-io", "path-exclude=/usr/share/doc/*", "path-exclude=/usr/share/man/*")
_MAKE_BASE = ("mmdebstrap", "--variant=minbase", "--include=ca-certificates")
_AGE_OF_LISTS = ("Acquire::Check-Valid-Until", "Acquire::Check-Date")  # a mirror may stand still on purpose
_HASH_CHARACTERS = 12
_AT_ONCE = 2  # a build waits for its downloads, and unpacks with one processor


@dataclass(frozen=True)
class Image:
    """An image on Debian 13, and the folder that it is built from."""

    context: Path
    arguments: Mapping[str, str] = field(default_factory=dict)

    def tag(self, base: str) -> str:
        files = sorted(path for path in self.context.rglob("*") if path.is_file())
        parts = [base, repr(sorted(self.arguments.items()))]
        parts += [f"{path.relative_to(self.context)} {path.stat().st_mode:o}\n{path.read_text()}" for path in files]
        return _tag(self.context.name, "\0".join(parts))


_WITH_POSTGRES = {"POSTGRES_VERSION": POSTGRES_VERSION}
IMAGES = {
    "postgres": Image(_ROOT / "tests/images/postgres", _WITH_POSTGRES),
    "odoo": Image(_ROOT / "tests/images/odoo"),
    "nginx": Image(_ROOT / "tests/images/nginx"),
    "certbot": Image(_ROOT / "tests/images/certbot"),
    "pebble": Image(_ROOT / "tests/images/pebble"),
    "pgbouncer": Image(_ROOT / "tests/images/pgbouncer"),
    "toolbox": Image(_ROOT / "deployments/images/toolbox", _WITH_POSTGRES),
    "mail": Image(_ROOT / "tests/images/mail"),
    "registry": Image(_ROOT / "tests/images/registry"),
}


def ensure_image(engine: DockerEngine, name: str) -> str:
    """The tag of one of IMAGES, which is built if the engine does not have it."""
    image = IMAGES[name]
    recipe = _base_recipe()
    base = _tag("debian", "\0".join(recipe))
    tag = image.tag(base)
    with alone(engines_folder() / ".docker-base.lock"):
        if not _has(engine, tag):
            _ensure_base(engine, base, recipe)
    with alone(engines_folder() / f".docker-{name}.lock"):
        if not _has(engine, tag):
            _build(engine, image, tag, base)
    return tag


def _build(engine: DockerEngine, image: Image, tag: str, base: str) -> None:
    arguments = {"BASE": base, **image.arguments}
    words = [word for name, value in arguments.items() for word in ("--build-arg", f"{name}={value}")]
    engine.run("build", "--network", "host", *words, "--tag", tag, image.context)


def _base_recipe() -> list[str]:
    """The command that makes a root of Debian 13; apt in it judges the mirror as this machine's apt does."""
    judged = run(["apt-config", "dump", *_AGE_OF_LISTS]).splitlines() if shutil.which("apt-config") else []
    options = [*(f"--dpkgopt={option}" for option in _SMALL_AND_FAST), *(f"--aptopt={setting}" for setting in judged)]
    return [*_MAKE_BASE, *options, SUITE]


def _ensure_base(engine: DockerEngine, tag: str, recipe: list[str]) -> None:
    if _has(engine, tag):
        return
    hint = f"run as root with mmdebstrap, or pull a Debian 13 and give it the tag {tag}"
    mirror = debian_mirror()
    with TemporaryDirectory(prefix="debian-") as folder:
        archive = Path(folder) / "base.tar"
        run([*recipe, archive, *([mirror] if mirror else [])], hint=hint)
        engine.run("import", archive, tag)


def _has(engine: DockerEngine, tag: str) -> bool:
    return bool(engine.run("image", "ls", "--quiet", tag).strip())


def _tag(name: str, content: str) -> str:
    return f"odoo-ops-tests/{name}:{hashlib.sha256(content.encode()).hexdigest()[:_HASH_CHARACTERS]}"


def main(names: Iterable[str]) -> None:
    with docker_engine(engines_folder()) as engine, ThreadPoolExecutor(_AT_ONCE) as pool:
        list(pool.map(lambda name: _ensure_shown(engine, name), names))


def _ensure_shown(engine: DockerEngine, name: str) -> None:
    started = time.monotonic()
    tag = ensure_image(engine, name)
    print(f"{name}: {tag} ({time.monotonic() - started:.1f} s)")  # noqa: T201


if __name__ == "__main__":
    main(sys.argv[1:] or IMAGES)
