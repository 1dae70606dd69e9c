"""Very many tables, and such as hold no row."""

from typing import TYPE_CHECKING, Any

import pytest
from toolbox_site import both_runtimes_at_length

from blocks import OdooEnvironment
from flows.backup import backup
from flows.restore import restore
from odoo_ops.errors import CommandFailed, PreconditionFailed, VerificationFailed
from odoo_ops.runtimes.stored import read_manifest

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

# a restore refreshes `filling` after all rows, which fills `without_rows`, too
_FILLING = """
CREATE FUNCTION fill() RETURNS bool LANGUAGE plpgsql AS $$ BEGIN
  INSERT INTO public.without_rows VALUES (1);
  RETURN true;
END $$;
CREATE MATERIALIZED VIEW filling AS SELECT public.fill();
DELETE FROM without_rows;
"""


@both_runtimes_at_length
def test_table_without_rows_comes_back_and_is_compared_like_the_others(site: Site) -> None:
    become = f'SET ROLE "{site.settings.database.user}"'
    with site.connect() as connection:
        connection.execute(f"{become}; CREATE TABLE without_rows (id int)")
    before = site.content()
    backup(site.name)
    runtime = OdooEnvironment.open(site.name)
    (snapshot,) = runtime.snapshots(site.name)
    assert read_manifest(runtime, snapshot, runtime.environment).facts.rows["public.without_rows"] == 0
    site.lose_all()
    restore(site.name)
    assert before["table without_rows"] == ""
    assert site.content() == before

    with site.connect() as connection:
        connection.execute(f"{become}; {_FILLING}")
    before = site.content()
    backup(site.name)
    with pytest.raises(VerificationFailed, match=r"rows of public.without_rows: 1 instead of 0"):
        restore(site.name)
    assert site.content() == before
    assert site.leftovers() == []


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
