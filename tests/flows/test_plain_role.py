"""Environments that name no superuser: Odoo's own role acts, as on most servers that were set up by hand."""

from typing import TYPE_CHECKING, Any

import pytest
from psycopg import sql

from flows.backup import backup
from flows.restore import restore
from odoo_ops.errors import PreconditionFailed

if TYPE_CHECKING:
    from conftest import Site
else:
    Site = Any

pytestmark = [pytest.mark.postgres, pytest.mark.restic]


def test_plain_role_restores_when_it_may_make_databases_and_is_refused_before_anything_changes_when_not(
    site: Site,
) -> None:
    role = site.settings.database.user
    with site.connect() as connection:
        connection.execute("DROP INDEX res_partner_name_search; ALTER FUNCTION unaccent(text) STABLE")
    site.register(database=site.settings.database.model_copy(update={"admin_user": None, "admin_password": None}))
    expected = site.content()
    backup(site.name)
    with pytest.raises(PreconditionFailed, match=f'role {role} may make no database.*`ALTER ROLE "{role}" CREATEDB`'):
        restore(site.name)
    assert site.content() == expected
    assert site.leftovers() == []
    with site.admin() as connection:
        connection.execute(sql.SQL("ALTER ROLE {} CREATEDB").format(sql.Identifier(role)))
    with site.connect() as connection:
        connection.execute("DELETE FROM res_partner")
    report = restore(site.name)
    assert [check for check in report.checks if check.outcome == "failed"] == []
    assert site.content() == expected
    assert site.made_databases() == [report.kept_database]
    assert site.seen_by_odoo() == [site.settings.database.name]
