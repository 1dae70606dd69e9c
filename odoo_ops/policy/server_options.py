"""Which options of Odoo and settings of PostgreSQL a project leaves to its environment file.

What the rest of the project is made for is not among them: addresses, folders, what keeps people out, and the sizes
from which the memory of containers and the connections to PostgreSQL are counted. Nor is a secret: odoo.conf and
postgresql.conf can be read by all.
"""

import re
from collections.abc import Iterator, Mapping

from odoo_ops.model.provision import Option

_NAME = re.compile(r"[a-z][a-z0-9_]*")
_POSTGRES_NAME = re.compile(r"[a-z][a-z0-9_]*(\.[a-z][a-z0-9_]*)?")
_SECRET = re.compile(r"pass(wd|word|phrase)|secret|token|api_?key|private_key|conninfo")

_FIXED = "is the project's own: its other services are made for it"
_CLOSED = "is the project's own: it keeps strangers out"
_LOGGED = "is the project's own: the log goes to Docker"
_SIZED = "is counted with the memory of containers and the connections; change expected_users, cores or memory_bytes"
_ONCE = "is for a single start, and this would be each one"
# the first that fits the whole name
_ODOO: tuple[tuple[str, str], ...] = (
    (r"admin_passwd", "is a secret; write it as `provision.master_password`"),
    (r"db_maxconn(_gevent)?|workers|limit_memory_(soft|hard)(_gevent)?", _SIZED),
    (r"max_cron_threads", "is counted with the memory of the service odoo-cron; change cores or memory_bytes"),
    (r"db_.*|data_dir|(http|xmlrpc|xmlrpcs|netrpc)_.*|gevent_port|longpolling_port|x_sendfile|config|pidfile", _FIXED),
    (r"addons_path", "is the project's own; name the folders in `provision.addons` or `odoo.addons`"),
    (r"list_db|dbfilter|proxy_mode", _CLOSED),
    (r"dev_mode", "lets people run code in it; stage development has `--dev=all`"),
    (r"logfile|syslog|log_db|log_db_level", _LOGGED),
    (r"(with|without)_demo|demo", "is said by `provision.demo_data`"),
    (r"init|update|reinit|stop_after_init|save|shell_.*|test_.*|translate_.*|load_language|overwrite_.*", _ONCE),
)
_POSTGRES: tuple[tuple[str, str], ...] = (
    (r"listen_addresses|port|unix_socket_.*|data_directory|config_file|hba_file|ident_file|external_pid_file", _FIXED),
    (r"include(_dir|_if_exists)?", "would read a file that no plan shows"),
    (r"shared_preload_libraries", "is the project's own: it holds pg_stat_statements"),
    (r"ssl(_.*)?|password_encryption|krb_.*", _CLOSED),
    (r"logging_collector|log_destination|log_directory|log_filename|log_file_mode", _LOGGED),
    (r"fsync|full_page_writes|zero_damaged_pages|ignore_.*", "would risk the data when the machine stops"),
)


def odoo_option_mistakes(options: Mapping[str, Option], *, mail_is_kept: bool) -> Iterator[tuple[str, str]]:
    """Each option of odoo.conf that cannot be set, and why.

    Args:
        options: by name.
        mail_is_kept: whether the project says where mail goes, so that none leaves.
    """
    for name, value in options.items():
        if text := _why_not(name, value, _NAME, _ODOO):
            yield name, text
        elif mail_is_kept and name in {"smtp_server", "smtp_port"}:
            yield name, "is the project's own: outside production, and with a mail catcher, no mail leaves"


def postgres_option_mistakes(options: Mapping[str, Option]) -> Iterator[tuple[str, str]]:
    """Each setting of postgresql.conf that cannot be set, and why."""
    for name, value in options.items():
        if text := _why_not(name, value, _POSTGRES_NAME, _POSTGRES):
            yield name, text


def _why_not(name: str, value: Option, names: re.Pattern[str], reserved: tuple[tuple[str, str], ...]) -> str:
    if not names.fullmatch(name):
        return "is no name of an option (small letters, digits and _)"
    for pattern, reason in reserved:
        if re.fullmatch(pattern, name):
            return reason
    if _SECRET.search(name):
        return "may hold a secret, and all can read the file; no such option is written there"
    if not str(value).isprintable():
        return "holds a line break or another character that cannot be shown"
    return ""
