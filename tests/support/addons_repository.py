"""A real git repository of addons, served by SSH, and the addons that tests push to it."""

import getpass
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from pydantic import SecretStr
from real_sshd import RealSshd

from blocks import OdooEnvironment
from odoo_ops.adapters import database
from odoo_ops.adapters.modules import read_installed, record_checksums
from odoo_ops.model.addons import AddonsRepository
from odoo_ops.runtimes.releases import read_modules

_PERSON = ("-c", "user.name=odoo-ops tests", "-c", "user.email=tests@example.com")

SHELF: Mapping[str, str] = {
    "shelf/__manifest__.py": "{'name': 'Shelf', 'version': '19.0.1.0.0', 'depends': ['web'], 'author': 'Tests',"
    " 'data': ['views.xml'], 'license': 'LGPL-3'}\n",
    "shelf/__init__.py": "from . import shelf\n",
    "shelf/shelf.py": """
from odoo import fields, models
from odoo.http import Controller, request, route


class Book(models.Model):
    _name = "shelf.book"
    _description = "Book"

    name = fields.Char()


class Shelf(Controller):
    @route("/shelf", auth="public")
    def show(self):
        return request.render("shelf.page", {"word": "the first edition"})
""",
    "shelf/views.xml": '<odoo><template id="page"><p>a shelf with <t t-out="word"/></p></template></odoo>\n',
    "shelf/static/read.txt": "as it was\n",
}
# a field more, which a migration script fills; what is shown says so
SECOND: Mapping[str, str] = {
    "shelf/__manifest__.py": SHELF["shelf/__manifest__.py"].replace("19.0.1.0.0", "19.0.2.0.0"),
    "shelf/shelf.py": SHELF["shelf/shelf.py"]
    .replace("name = fields.Char()", "name = fields.Char()\n    title = fields.Char()")
    .replace("the first edition", "the second edition"),
    "shelf/migrations/19.0.2.0.0/post-migrate.py": "def migrate(cr, version):\n"
    "    cr.execute(\"UPDATE shelf_book SET title = upper(name) || ' of ' || %s\", [version])\n",
}

# bad changes of the first edition
BROKEN_PYTHON: Mapping[str, str] = {"shelf/shelf.py": SHELF["shelf/shelf.py"] + "\n1 / 0\n"}
BROKEN_VIEW: Mapping[str, str] = {
    "shelf/views.xml": '<odoo><record id="form" model="ir.ui.view"><field name="model">shelf.book</field>'
    '<field name="arch" type="xml"><form><field name="nowhere"/></form></field></record></odoo>\n'
}
WITHOUT_PACKAGE: Mapping[str, str] = {
    "shelf/__manifest__.py": SHELF["shelf/__manifest__.py"].replace(
        "'depends'", "'external_dependencies': {'python': ['no-such-package']}, 'depends'"
    )
}
HANGS: Mapping[str, str] = {
    "shelf/__manifest__.py": SECOND["shelf/__manifest__.py"],
    "shelf/migrations/19.0.2.0.0/post-migrate.py": "import time\n\n\ndef migrate(cr, version):\n    time.sleep(600)\n",
}

_DELIVER = """#!{python}
import hmac, json, sys, urllib.request, uuid

for line in sys.stdin:
    _, commit, ref = line.split()
    named = {{"head_commit": {{"id": commit}}, "repository": {{"full_name": "{repository}"}}}}
    body = json.dumps({{"ref": ref, "after": commit, **named}}).encode()
    headers = {{
        "Content-Type": "application/json",
        "X-GitHub-Event": "push",
        "X-GitHub-Delivery": str(uuid.uuid4()),
        "X-Hub-Signature-256": "sha256=" + hmac.digest(b"{secret}", body, "sha256").hex(),
    }}
    urllib.request.urlopen(urllib.request.Request("{url}", body, headers))
"""


@dataclass(frozen=True)
class AddonsServer:
    """A bare repository on a server, and a work tree from which commits are pushed to it."""

    sshd: RealSshd
    bare: Path
    work: Path

    @classmethod
    def make(cls, sshd: RealSshd, folder: Path) -> "AddonsServer":
        server = cls(sshd, folder / "addons.git", folder / "work")
        server.begin()
        return server

    def begin(self) -> None:
        """Make both, empty."""
        _git("init", "--quiet", "--bare", "--initial-branch=main", self.bare)
        _git("init", "--quiet", "--initial-branch=main", self.work)

    def push(self, files: Mapping[str, str], ref: str = "main") -> str:
        """Commit these files, and no others, and make them a branch's. Returns the commit."""
        self.git("rm", "-r", "--quiet", "--force", "--ignore-unmatch", ".")
        write_files(self.work, files)
        return self.commit(ref)

    def commit(self, ref: str = "main") -> str:
        """Commit what is in the work tree, and make it a branch's. Returns the commit."""
        self.git("add", "--all")
        self.git(*_PERSON, "commit", "--quiet", "--allow-empty", "--message=change")
        self.git("push", "--quiet", "--force", str(self.bare), f"HEAD:refs/heads/{ref}")
        return self.git("rev-parse", "HEAD").strip()

    def tell(self, url: str, repository: str, secret: str) -> None:
        """Have the server deliver every push from now on, as GitHub does it; a push waits for the answer."""
        hook = self.bare / "hooks" / "post-receive"
        hook.write_text(_DELIVER.format(python=sys.executable, url=url, repository=repository, secret=secret))
        hook.chmod(0o700)

    def git(self, *words: str) -> str:
        return _git("-C", self.work, *words)

    def repository(self, folder: Path) -> AddonsRepository:
        """The repository as an environment names it; its link is `folder`."""
        return AddonsRepository(
            url=f"ssh://{getpass.getuser()}@127.0.0.1:{self.sshd.port}{self.bare}",
            ref="main",
            folder=str(folder),
            private_key=SecretStr(self.sshd.private_key),
            known_hosts=self.sshd.known_hosts,
        )


def write_files(folder: Path, files: Mapping[str, str]) -> None:
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)


def put_on_record(environment: str) -> None:
    """Say that the database's modules are those on disk, which saves the update of all of them."""
    runtime = OdooEnvironment.open(environment)
    with database.connect(runtime.host, runtime.environment.database) as connection:
        found = read_modules(runtime, read_installed(connection), {})
        record_checksums(connection, {name: facts.checksum for name, facts in found.items()})


def _git(*words: str | Path) -> str:
    program = shutil.which("git")
    assert program, "git is missing"
    return subprocess.run([program, *words], check=True, capture_output=True, text=True).stdout
