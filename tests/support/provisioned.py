"""Environments of every stage that `provision` sets up, and the files that it makes for them.

    python tests/support/provisioned.py

writes the golden files anew: read what changed in them.
"""

import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from odoo_ops.model.environment import Environment
from odoo_ops.model.provision import HostFacts, ProjectFile
from odoo_ops.project_files import project_files

GOLDEN = Path(__file__).parents[1] / "unit" / "golden" / "provision"
FACTS = HostFacts(cores=4, memory_bytes=8 * 2**30)
STAGES = ("development", "testing", "staging", "production")
ODOO_PASSWORD, POSTGRES_PASSWORD = "canary-odoo-password", "canary-postgres-password"
ADMIN_PASSWORD = "canary-admin-password"

_DIGEST = "@sha256:" + "0123456789abcdef" * 4
_IMAGES = {"odoo": "odoo:19.0", "postgres": "postgres:17", "nginx": "nginx:1.28", "toolbox": "odoo-ops-toolbox:17"}
_OF_STAGE: dict[str, dict[str, Any]] = {
    "development": {
        "domains": ["erp.localhost"],
        "images": {**_IMAGES, "mail": "axllent/mailpit:v1.21"},
        "tls": {"kind": "local_ca"},
        "bind": "127.0.0.1",
        "https_port": 8443,
        "http_port": 8080,
        "addons": ["/srv/erp/addons"],
        "demo_data": True,
        "expected_users": 2,
    },
    "testing": {
        "domains": ["erp-testing.localhost"],
        "images": _IMAGES,
        "tls": {"kind": "none"},
        "bind": "127.0.0.1",
        "http_port": 8081,
        "expected_users": 2,
        "memory_bytes": 7 * 2**29,
    },
    "staging": {
        "domains": ["erp-staging.example.com"],
        "images": _IMAGES,
        "tls": {"kind": "local_ca"},
        "expected_users": 6,
    },
    "production": {
        "domains": ["erp.example.com", "shop.example.com"],
        "images": {service: image + _DIGEST for service, image in _IMAGES.items()},
        "tls": {
            "kind": "files",
            "certificate": "/etc/ssl/erp/fullchain.pem",
            "private_key_file": "/etc/ssl/erp/key.pem",
        },
        "expected_users": 40,
        "addons": ["/srv/erp/addons", "/srv/erp/oca addons"],
        "cors_origins": ["https://www.example.com"],
    },
}

# fields of `provision` for a certificate by ACME
ACME: dict[str, dict[str, Any]] = {
    "images": {**_OF_STAGE["production"]["images"], "certbot": f"certbot/certbot:v4.2.0{_DIGEST}"},
    "tls": {"kind": "acme", "email": "it@example.com"},
}
# projects whose files are golden: name -> stage and what differs
GOLDENS: dict[str, tuple[str, dict[str, Any]]] = {stage: (stage, {}) for stage in STAGES} | {
    "acme": ("production", ACME)
}

# a new database, as `provision` makes it before Odoo fills it: the first in `postgres`, the others in the new one
NEW_DATABASE = (
    "CREATE DATABASE erp OWNER odoo TEMPLATE template0 ENCODING 'UTF8' LC_COLLATE 'C'",
    "CREATE EXTENSION pg_trgm",
    "CREATE EXTENSION unaccent",
    "ALTER FUNCTION unaccent(text) IMMUTABLE",
)


def described(stage: str, **provision: object) -> dict[str, Any]:
    """An environment of a stage as a file describes it, with some fields of `provision` changed."""
    return {
        "name": f"erp-{stage}",
        "stage": stage,
        "runtime": {
            "kind": "compose",
            "project": f"erp-{stage}",
            "folder": f"/srv/erp-{stage}",
            "odoo_services": ["odoo", "odoo-cron"],
        },
        "odoo": {
            "version": "19.0",
            "command": ["odoo"],
            "config": "/etc/odoo/odoo.conf",
            "url": "http://odoo:8069",
        },
        "database": {
            "name": "erp",
            "server": "db",
            "user": "odoo",
            "password": ODOO_PASSWORD,
            "admin_user": "postgres",
            "admin_password": POSTGRES_PASSWORD,
        },
        "data_dir": "/var/lib/odoo",
        "state_dir": f"/var/lib/odoo-ops/{stage}",
        "provision": {"admin_password": ADMIN_PASSWORD, **_OF_STAGE[stage], **provision},
    }


def files_of(
    stage: str, *, odoo_user: str | None = "100:101", start_interval: bool = False, **provision: object
) -> dict[str, ProjectFile]:
    """The files of a stage's project, by path; without `start_interval` as every Docker takes them."""
    environment = Environment.model_validate(described(stage, **provision))
    files = project_files(environment, FACTS, odoo_user=odoo_user, start_interval=start_interval)
    return {file.path: file for file in files}


def golden_files(name: str) -> dict[str, ProjectFile]:
    """The files of one of GOLDENS, by path."""
    stage, change = GOLDENS[name]
    return files_of(stage, start_interval=True, **change)


def write(files: Iterable[ProjectFile], folder: Path) -> Path:
    """Put files into a folder, with their modes."""
    for file in files:
        path = folder / file.path
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(file.content.get_secret_value())
        path.chmod(file.mode)
    return folder


if __name__ == "__main__":
    shutil.rmtree(GOLDEN, ignore_errors=True)
    for each in GOLDENS:
        write((file for file in golden_files(each).values() if not file.secret), GOLDEN / each)
