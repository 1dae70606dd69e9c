"""Passwords as Odoo keeps them. Odoo itself is asked in tests/integration/test_project_files.py."""

import hashlib
import re
from base64 import b64decode

import yaml
from provisioned import described, files_of
from pydantic import SecretStr

from odoo_ops.model.environment import Environment
from odoo_ops.model.plan import FileChange, PresentFile
from odoo_ops.policy.passwords import hashed, hashed_master_password
from odoo_ops.policy.project_plans import file_changes
from odoo_ops.policy.provisioning import provision_mistakes

GIVEN = "canary-master-password"
CONF = "secrets/odoo/odoo.conf"


def verifies(password: str, kept: str) -> bool:
    """As passlib does: the salt and the rounds of what is kept give the same digest again."""
    found = re.fullmatch(r"\$pbkdf2-sha512\$(\d+)\$([A-Za-z0-9./]{22})\$([A-Za-z0-9./]{86})", kept)
    assert found
    salt, digest = (b64decode(text + "==", altchars=b"./", validate=True) for text in found.groups()[1:])
    return hashlib.pbkdf2_hmac("sha512", password.encode(), salt, int(found[1])) == digest


def test_password_is_kept_in_the_notation_of_passlib() -> None:
    kept = hashed(SecretStr(GIVEN), bytes(range(240, 256)))
    assert kept.startswith("$pbkdf2-sha512$600000$8PHy8/T19vf4.fr7/P3./w$")
    assert verifies(GIVEN, kept)
    assert not verifies("", kept)


def test_master_password_is_hashed_the_same_each_time_and_another_way_for_each_environment() -> None:
    shop, again, erp = (hashed_master_password(SecretStr(GIVEN), name) for name in ("shop", "shop", "erp"))
    assert shop == again
    assert shop.split("$")[3] != erp.split("$")[3]
    assert verifies(GIVEN, shop)


def test_odoo_reads_a_hash_of_the_master_password_from_a_secret_file() -> None:
    without, files = files_of("staging"), files_of("staging", master_password=GIVEN)
    assert files.keys() - without.keys() == {CONF}
    conf = files[CONF].content.get_secret_value()
    (kept,) = re.findall(r"(?m)^admin_passwd = (.*)$", conf)
    assert verifies(GIVEN, kept)
    assert "list_db = False\n" in conf
    assert (files[CONF].secret, files[CONF].mode) == (True, 0o444)
    others = [path for path, file in files.items() if kept in file.content.get_secret_value()]
    assert others == [CONF], "nobody else is told"
    assert files["config/odoo/odoo.conf"] == without["config/odoo/odoo.conf"]
    services, before = (
        yaml.safe_load(found["compose.yaml"].content.get_secret_value())["services"] for found in (files, without)
    )
    reading = {name for name, each in services.items() if "./secrets/odoo:/etc/odoo:ro" in each.get("volumes", ())}
    assert reading == {"odoo", "odoo-cron", "odoo-release"}, "not a drill, nor an image that nobody has approved"
    assert services["odoo"]["labels"] == before["odoo"]["labels"], "its digest tells nothing of the password"


def test_another_master_password_restarts_odoo_and_is_not_shown() -> None:
    present = {CONF: PresentFile(text="admin_passwd = of a former time\n", mode=0o444)}
    wanted = [files_of("staging", master_password=GIVEN)[CONF]]
    changes = file_changes(wanted, present, ())
    assert changes == (FileChange(path=CONF, change="changed", diff=""),)


def test_master_password_that_is_empty_is_a_mistake() -> None:
    settings = Environment.model_validate(described("staging", master_password=""))
    assert [path for path, _ in provision_mistakes(settings)] == [("provision", "master_password")]
    assert list(provision_mistakes(Environment.model_validate(described("staging", master_password=GIVEN)))) == []
