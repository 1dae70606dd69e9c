"""restic's own lines, recorded from 0.18.0: 6,000 files of 20 bytes and one of 30 MB."""

import json

import pytest

from odoo_ops.adapters.host import HostAdapter
from odoo_ops.errors import CommandFailed
from odoo_ops.hostside.restic import how_far
from odoo_ops.model.command import Command
from odoo_ops.model.host import Host

RESTORED = [
    ('{"message_type":"status","percent_done":0,"total_files":127,"total_bytes":2400}', (0, 2400, "bytes")),
    (
        (
            '{"message_type":"status","seconds_elapsed":4,"percent_done":0.0031162018592297475,"total_files":6258,'
            '"files_restored":4693,"total_bytes":30120000,"bytes_restored":93860}'
        ),
        (93860, 30120000, "bytes"),
    ),
    (
        (
            '{"message_type":"status","seconds_elapsed":5,"percent_done":1,"total_files":6258,"files_restored":6142,'
            '"total_bytes":30120000,"bytes_restored":30120000}'
        ),
        (6142, 6258, "files"),
    ),
    (
        (
            '{"message_type":"summary","seconds_elapsed":5,"total_files":6258,"files_restored":6258,"total_bytes":30120000,'
            '"bytes_restored":30120000}'
        ),
        (30120000, 30120000, "bytes"),
    ),
]
BACKED_UP = [
    (
        (
            '{"message_type":"status","seconds_elapsed":3,"seconds_remaining":1,"percent_done":0.6627621381938911,'
            '"total_files":6001,"files_done":5211,"total_bytes":30120000,"bytes_done":19962395,'
            '"current_files":["/src/big","/src/dd/4829"]}'
        ),
        (19962395, 30120000, "bytes"),
    ),
]


@pytest.mark.parametrize(
    ("done", "line", "shown"),
    [*[("restored", *case) for case in RESTORED], *[("done", *case) for case in BACKED_UP]],
)
def test_progress_is_that_of_files_or_bytes_whichever_is_behind(
    done: str, line: str, shown: tuple[int, int, str]
) -> None:
    assert how_far(json.loads(line), done) == shown


def test_progress_is_that_of_bytes_when_restic_counts_no_files() -> None:
    assert how_far({"total_bytes": 10, "bytes_restored": 5}, "restored") == (5, 10, "bytes")
    assert how_far({}, "restored") == (0, 0, "bytes")


def test_error_says_why_files_are_lost_however_many_they_are() -> None:
    script = (
        "echo 'Load(<data/ab>, 9, 0) failed: no such file or directory' >&2; "
        'for n in $(seq 1000); do echo "lchown /out/$n: no such file or directory" >&2; done; '
        "echo 'Fatal: There were 1000 errors' >&2; exit 1"
    )
    with pytest.raises(CommandFailed) as failure:
        HostAdapter(Host(name="here")).call_command("restic_restore", Command(argv=("sh", "-c", script)))
    lines = failure.value.output.splitlines()
    assert (len(lines), lines[0], lines[-1]) == (
        40,
        "Load(<data/ab>, 9, 0) failed: no such file or directory",
        "Fatal: There were 1000 errors",
    )
