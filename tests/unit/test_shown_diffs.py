import pytest

from odoo_ops.policy.shown_diffs import shown_diff

WANTED = """workers = 3
services:
  db:
    environment:
      PGDATA: /data
      POSTGRES_PASSWORD_FILE: /run/secrets/postgres
    command:
      - --quiet
server {
    proxy_set_header Host $host;
    proxy_pass http://odoo:8069;
}
"""
HIDDEN = "(a line that is not shown)"


def removed(*lines: str) -> list[str]:
    """What is shown of lines that the file on the host has beside the wanted ones."""
    diff = shown_diff("odoo.conf", WANTED + "".join(f"{line}\n" for line in lines), WANTED).splitlines()
    assert diff[:2] == ["--- odoo.conf on the host", "+++ odoo.conf"]
    return [line[1:] for line in diff[2:] if line.startswith("-")]


@pytest.mark.parametrize(
    ("on_the_host", "shown"),
    [
        # secrets under a name of their own
        ("DSN: postgres://u:canary@h/db", "DSN: (not shown)"),
        ("      AWS_ACCESS_KEY_ID: canary", "      AWS_ACCESS_KEY_ID: (not shown)"),
        ("      - AWS_ACCESS_KEY_ID=canary", "      - AWS_ACCESS_KEY_ID= (not shown)"),
        ("    proxy_set_header X-Api-Token canary;", HIDDEN),
        ("db_password = canary", "db_password = (not shown)"),
        # without a name
        ("      - canary", HIDDEN),
        ("    canary", HIDDEN),
        ("canary==", HIDDEN),
        ("-- canary", HIDDEN),
        ("# it was canary: before", HIDDEN),
        # under a name that the wanted file has
        ("      POSTGRES_PASSWORD_FILE: canary", "      POSTGRES_PASSWORD_FILE: (not shown)"),
        ("    proxy_pass http://u:canary@odoo:8069;", "    proxy_pass http: (not shown)"),
        ("      PGDATA: https://u:can@canary@h/data", "      PGDATA: https://(not shown)@h/data"),
        ("    command: [odoo, --db_password, canary]", "    command: (not shown)"),
        ("    command: [odoo, --api-key, canary]", "    command: (not shown)"),
        ("    environment: {ODOO_RC: /etc/odoo.conf, STRIPE: canary}", "    environment: (not shown)"),
        ("    proxy_set_header Host token-canary;", "    proxy_set_header Host (not shown)"),
        # an ordinary drift
        ("workers = 8", "workers = 8"),
        ("      PGDATA: /other", "      PGDATA: /other"),
        ("    proxy_set_header Host $http_host;", "    proxy_set_header Host $http_host;"),
        ("}", "}"),
    ],
)
def test_line_on_the_host_is_shown_as_far_as_the_wanted_file_has_it(on_the_host: str, shown: str) -> None:
    assert removed(on_the_host) == [shown]


@pytest.mark.parametrize("begin", ["POSTGRES_PASSWORD:", "POSTGRES_PASSWORD: >-"])
def test_value_on_the_line_after_its_name_is_not_shown(begin: str) -> None:
    shown = removed(f"      {begin}", "        canary")
    assert shown[1] == HIDDEN


def test_ordinary_drift_is_shown_from_what_is_to_what_will_be() -> None:
    diff = shown_diff("odoo.conf", WANTED.replace("workers = 3", "workers = 8"), WANTED).splitlines()
    assert diff[3:5] == ["-workers = 8", "+workers = 3"]


def test_login_in_an_address_is_shown_nowhere() -> None:
    diff = shown_diff("compose.yaml", None, "proxy: http://u:canary@h:3128\nimage: odoo:19.0@sha256:12\n")
    assert diff.splitlines()[0] == "--- /dev/null"
    assert diff.splitlines()[3:] == ["+proxy: http://(not shown)@h:3128", "+image: odoo:19.0@sha256:12"]
