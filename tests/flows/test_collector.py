"""A real Odoo deletes an attachment, and its collector looks for files to delete, while a backup is made."""

import subprocess
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from typing import TYPE_CHECKING, Any

import pytest
from real_processes import wait_until
from served_odoo import described

from flows.backup import backup
from flows.restore import restore

if TYPE_CHECKING:
    from conftest import Site
else:
    Site = Any

pytestmark = [pytest.mark.postgres, pytest.mark.restic, pytest.mark.odoo]

_ATTACH = """
env['ir.attachment'].create({'name': 'deleted in the backup', 'raw': b'the backup needs it'})
env.cr.commit()
"""
_DELETE = """
env['ir.attachment'].search([('name', '=', 'deleted in the backup')]).unlink()
env.cr.commit()
"""
_COLLECT = """
print('it waited in vain' if env['ir.attachment']._gc_file_store() is False else 'it collected')
"""


def _by_odoo(site: Site, program: str) -> str:
    """Let `odoo shell` run a program; what that prints."""
    assert site.settings.database.password is not None
    service, _url = described(site, site.folder, site.settings.database.password.get_secret_value())
    odoo, config = service.start
    done = subprocess.run(
        [odoo, "shell", config, "--no-http"], input=program, check=False, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout


def test_collector_deletes_no_file_that_a_backup_needs(odoo_site: Site) -> None:
    """Its row is gone, but not in the state that is backed up: the file goes when the backup has been made."""
    site = odoo_site
    _by_odoo(site, _ATTACH)
    with site.connect() as connection:
        query = "SELECT store_fname FROM ir_attachment WHERE name = 'deleted in the backup'"
        ((name,),) = connection.execute(query).fetchall()
    file, backed_up = site.filestore / name, site.content() | {"table held": ""}
    with ThreadPoolExecutor(1) as pool, site.pg_dump_held() as pg_dump_waits:
        run = pool.submit(copy_context().run, backup, site.name)
        wait_until(lambda: run.done() or pg_dump_waits(), "pg_dump waits", 60)
        assert _by_odoo(site, _DELETE + _COLLECT) == "it waited in vain\n"
        assert file.exists()
    assert run.result().damaged_total == 0
    assert _by_odoo(site, _COLLECT) == "it collected\n"
    assert not file.exists()
    restore(site.name)
    assert file.exists()
    assert site.content() == backed_up
