"""Very many tables."""

from typing import TYPE_CHECKING, Any

import pytest

from flows.backup import backup
from flows.restore import restore
from odoo_ops.errors import CommandFailed, PreconditionFailed

if TYPE_CHECKING:
    from conftest import Site
else:
    Site = Any

pytestmark = [pytest.mark.postgres, pytest.mark.restic]

_TABLES = """
DO $$ BEGIN
  FOR n IN 1..10000 LOOP
    EXECUTE format('CREATE TABLE many_%s (id int)', n);
    EXECUTE format('ALTER TABLE many_%s OWNER TO %I', n, {role});
    IF n % 500 = 0 THEN COMMIT; END IF;
  END LOOP;
END $$
"""


@pytest.mark.long
def test_backup_says_what_to_set_when_postgresql_has_no_locks_for_ten_thousand_tables(
    site_on_own_cluster: Site,
) -> None:
    site = site_on_own_cluster
    with site.connect() as connection:
        connection.execute(_TABLES.format(role=f"'{site.settings.database.user}'"))
    said = r"(?s)out of shared memory.*Next step: .*max_locks_per_transaction"
    with pytest.raises((CommandFailed, PreconditionFailed), match=said):
        backup(site.name)
    with site.admin() as admin:
        admin.execute("ALTER SYSTEM SET max_locks_per_transaction = 256")
    site.cluster.stop()
    site.cluster.start()
    assert backup(site.name).tables > 10_000
    assert restore(site.name).tables > 10_000
    assert site.leftovers() == []
