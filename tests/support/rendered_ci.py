"""The CI of addons repositories as it is rendered, and the scripts in it.

    python tests/support/rendered_ci.py

writes the golden files anew: read what changed in them.
"""

import os
import re
import subprocess
from pathlib import Path

import yaml

from deployments.ci_files import rendered_ci
from odoo_ops.model.pipelines import Forge

GOLDEN = Path(__file__).parents[1] / "unit" / "golden" / "ci"
FULL = {
    "series": "18.0",
    "odoo_image": "registry.example.com:5000/acme/odoo-test:18.0@sha256:" + "0" * 64,
    "checks": ("python3 framework/validator/validate.py . --verbose", "tools/check-names"),
    "branches": ("18.0", "release/next"),
    "tags": True,
    "addons": ("oca/web", "/mnt/enterprise"),
    "submodules": True,
    "image": "ghcr.io/acme/erp",
}
GOLDENS = {f"{forge}{suffix}": (forge, wanted) for forge in Forge for suffix, wanted in (("", {}), ("-full", FULL))}


def golden_ci(name: str) -> str:
    """One of GOLDENS."""
    forge, wanted = GOLDENS[name]
    return rendered_ci(forge, **wanted)


def scripts(forge: Forge, text: str) -> dict[str, str]:
    """What a shell runs: by job (lint, test, build, call)."""
    if forge is Forge.JENKINS:
        stages = re.findall(r"stage\('(\w+)'\)(?:(?!stage\().)*?sh '''(.*?)'''", text, re.DOTALL)
        return {name.lower(): script for name, script in stages}
    found = yaml.safe_load(text)
    if forge is Forge.GITHUB:
        return {name: job["steps"][-1]["run"] for name, job in found["jobs"].items()}
    return {name: "\n".join(job["script"]) for name, job in found.items() if "script" in job}


def run_script(script: str, folder: Path, **variables: str) -> tuple[int, str]:
    """Run it as the forges do, in a repository, with nothing of this process's environment but PATH."""
    environment = {"PATH": os.environ["PATH"], "HOME": str(folder), **variables}
    done = subprocess.run(
        ["/bin/sh", "-e", "-c", script], cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    return done.returncode, done.stdout + done.stderr


if __name__ == "__main__":
    GOLDEN.mkdir(exist_ok=True)
    for each in GOLDENS:
        (GOLDEN / each).write_text(golden_ci(each))
