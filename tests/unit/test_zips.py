"""Odoo's own zip beside the data, and what is decided about one. Real files; no server is started."""

import io
import json
import os
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from odoo_ops.errors import PreconditionFailed, Refused, VerificationFailed
from odoo_ops.hostside import sql_dumps, zips
from odoo_ops.hostside.channel import Channel, OperationError
from odoo_ops.model.environment import DatabaseSettings, Environment, OdooSettings, Stage
from odoo_ops.policy.zips import read_contents, refuse_fleeting, refuse_import, refuse_series

DUMP = rb"""--
-- PostgreSQL database dump
--

\restrict abc

SET transaction_timeout = 0;
SET client_encoding = 'UTF8';

--
-- Name: unaccent; Type: EXTENSION; Schema: -; Owner: -
--

CREATE EXTENSION IF NOT EXISTS unaccent WITH SCHEMA public;


--
-- Name: EXTENSION unaccent; Type: COMMENT; Schema: -; Owner: -
--

COMMENT ON EXTENSION unaccent IS 'text search
in several lines';


--
-- Name: parent; Type: TABLE; Schema: public; Owner: somebody
--

CREATE TABLE public.parent (
    id integer
);

ALTER TABLE public.parent OWNER TO somebody;

CREATE TABLE public.child (
    id integer
)
INHERITS (public.parent);

--
-- Data for Name: parent; Type: TABLE DATA; Schema: public; Owner: -
--

COPY public.parent (id, note) FROM stdin;
1	-- Name: x; Type: ACL; Schema: public; Owner: -
2	\\restrict abc
\restrict abc
ALTER TABLE public.parent OWNER TO somebody;
\.


COPY public.child (id) FROM stdin;
5
\.


COPY public."Odd ""name" (id) FROM stdin;
\.


CREATE INDEX i ON public.parent USING gin (public.unaccent(note) public.gin_trgm_ops);


--
-- Name: TABLE parent; Type: ACL; Schema: public; Owner: -
--

GRANT SELECT ON TABLE public.parent TO reporting;


--
-- PostgreSQL database dump complete
--

\unrestrict abc
"""

CONTENT = b"an attachment"
SHA1 = "04cf53265215a0b6a21eaac654b24209d08b1869"


@pytest.fixture
def channel() -> Channel:
    return Channel(io.BytesIO(), io.BytesIO())


def _zip(path: Path, entries: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in entries.items():
            archive.writestr(name, content)
    return path


def test_dump_is_described_when_its_data_looks_like_sql() -> None:
    assert sql_dumps.describe(io.BytesIO(DUMP)) == {
        "rows": {"public.parent": 5, "public.child": 1, 'public.Odd "name': 0},
        "extensions": ["unaccent"],
        "indexes_unaccent": True,
        "complete": True,
    }


def test_dump_is_not_complete_when_its_end_is_missing() -> None:
    assert not sql_dumps.describe(io.BytesIO(DUMP[: DUMP.index(b"CREATE INDEX")]))["complete"]


def test_data_passes_unchanged_when_roles_and_comments_are_left_out() -> None:
    kept = b"".join(sql_dumps.runnable(io.BytesIO(DUMP)))
    data = DUMP[DUMP.index(b"COPY public.parent") : DUMP.index(b"CREATE INDEX")]
    assert data in kept
    rest = kept.replace(data, b"")
    for unwanted in (b"restrict", b"transaction_timeout", b"COMMENT", b"in several lines", b"OWNER TO", b"GRANT"):
        assert unwanted not in rest
    for wanted in (b"CREATE EXTENSION", b"CREATE TABLE public.child", b"INHERITS", b"CREATE INDEX", b"client_encoding"):
        assert wanted in rest


def test_long_row_counts_once_when_it_is_read_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sql_dumps, "_PART_BYTES", 64)
    row = b"1\t" + b"x" * 60 + b"\\." * 100 + b"\n"
    dump = b"COPY public.t (id, note) FROM stdin;\n" + row + b"\\.\n"
    assert sql_dumps.describe(io.BytesIO(dump))["rows"] == {"public.t": 1}
    assert b"".join(sql_dumps.runnable(io.BytesIO(dump))) == dump


def test_zip_is_described_when_it_is_whole(tmp_path: Path, channel: Channel) -> None:
    name = f"filestore/{SHA1[:2]}/{SHA1}"
    entries = {"dump.sql": DUMP, "manifest.json": b"{}", name: CONTENT, "filestore/checklist/ab/cd": b"", "other": b"x"}
    found = zips.inspect_zip(channel, str(_zip(tmp_path / "a.zip", entries)))
    assert (found["files"], found["filestore_bytes"], found["sql_bytes"]) == (1, len(CONTENT), len(DUMP))
    assert zips.unpack_filestore(channel, str(tmp_path / "a.zip"), str(tmp_path / "root")) == []
    files = [path.relative_to(tmp_path / "root") for path in (tmp_path / "root").rglob("*") if path.is_file()]
    assert files == [Path(SHA1[:2], SHA1)]


def _cut(path: Path) -> None:
    os.truncate(path, path.stat().st_size // 2)


def _rot(path: Path) -> None:
    """Other bytes in the middle of dump.sql."""
    content = bytearray(path.read_bytes())
    content[200:260] = b"\0" * 60
    path.write_bytes(content)


def _encrypt(path: Path) -> None:
    """Set the flag in the directory's entry of dump.sql."""
    content = bytearray(path.read_bytes())
    at = content.index(b"PK\x01\x02") + 8
    struct.pack_into("<H", content, at, 1)
    path.write_bytes(content)


@pytest.mark.parametrize(
    ("entries", "change", "problem"),
    [
        ({"dump.sql": DUMP, "filestore/../../evil": b"x"}, None, r"'filestore/../../evil', which leads out"),
        ({"dump.sql": DUMP, "/etc/evil": b"x"}, None, r"'/etc/evil', which leads out"),
        ({"dump.sql": DUMP, "filestore\\..\\evil": b"x"}, None, "which leads out"),
        ({"manifest.json": b"{}"}, None, r"holds no dump.sql"),
        ({"dump.sql": DUMP}, _cut, "is not a zip, or was cut short"),
        ({"dump.sql": DUMP}, _rot, "is damaged at dump.sql"),
        ({"dump.sql": DUMP}, _encrypt, "is encrypted"),
        ({"dump.sql": DUMP}, lambda path: path.write_bytes(b"PK no zip"), "is not a zip"),
    ],
)
def test_zip_is_refused_when_it_is_bad(
    tmp_path: Path,
    channel: Channel,
    entries: dict[str, bytes],
    change: Callable[[Path], object] | None,
    problem: str,
) -> None:
    archive = _zip(tmp_path / "a.zip", entries)
    if change:
        change(archive)
    with pytest.raises(OperationError, match=problem) as caught:
        zips.inspect_zip(channel, str(archive))
    assert caught.value.kind == "VerificationFailed"
    assert "Next step:" in str(caught.value)


def test_zip_is_refused_when_a_name_stands_in_it_twice(tmp_path: Path, channel: Channel) -> None:
    archive = _zip(tmp_path / "a.zip", {"dump.sql": DUMP})
    with zipfile.ZipFile(archive, "a") as more, pytest.warns(UserWarning, match="Duplicate name"):
        more.writestr("dump.sql", b"SELECT 1;")
    with pytest.raises(OperationError, match=r"holds 'dump.sql' twice"):
        zips.inspect_zip(channel, str(archive))


def test_file_is_left_out_when_it_is_longer_than_the_zip_says(tmp_path: Path, channel: Channel) -> None:
    name = f"filestore/{SHA1[:2]}/{SHA1}"
    archive = _zip(tmp_path / "a.zip", {"dump.sql": DUMP, name: b"0" * 1_000_000})
    with zipfile.ZipFile(archive, "a") as changed:
        changed.getinfo(name).file_size = 5
        changed.comment = b"so that the directory is written again"
    assert zips.unpack_filestore(channel, str(archive), str(tmp_path / "root")) == [f"{SHA1[:2]}/{SHA1}"]
    assert [path for path in (tmp_path / "root").rglob("*") if path.is_file()] == []


def _found(**changes: object) -> dict[str, Any]:
    found = {
        "manifest": json.dumps({"major_version": "19.0", "modules": {"base": "19.0.1.3"}}),
        "rows": {"public.t": 1},
        "extensions": [],
        "indexes_unaccent": False,
        "complete": True,
        "sql_bytes": 10,
        "files": 0,
        "filestore_bytes": 0,
    }
    return {**found, **changes}


def test_contents_tell_no_series_when_the_zip_has_no_manifest() -> None:
    assert read_contents(_found(), "a.zip").series == "19.0"
    assert read_contents(_found(manifest=None), "a.zip").series is None


@pytest.mark.parametrize(
    ("changes", "problem"),
    [({"complete": False}, "ends too early"), ({"rows": {}}, "holds no tables"), ({"manifest": "{"}, "manifest.json")],
)
def test_contents_are_refused_when_they_are_not_whole(changes: dict[str, object], problem: str) -> None:
    with pytest.raises(VerificationFailed, match=problem):
        read_contents(_found(**changes), "a.zip")


def _environment(stage: Stage) -> Environment:
    return Environment(
        name="erp",
        stage=stage,
        odoo=OdooSettings(version="19.0", command=("/usr/bin/odoo",)),
        database=DatabaseSettings(name="erp", user="odoo"),
        data_dir="/srv/odoo",
        state_dir="/srv/state",
    )


def test_import_is_refused_when_production_is_not_named_or_would_become_a_copy() -> None:
    refuse_import(_environment("testing"), "", as_copy=True)
    refuse_import(_environment("production"), "erp", as_copy=False)
    with pytest.raises(Refused, match="confirm_production = erp"):
        refuse_import(_environment("production"), "", as_copy=False)
    with pytest.raises(Refused, match="switch as_copy off"):
        refuse_import(_environment("production"), "erp", as_copy=True)


def test_import_is_refused_when_the_series_is_another() -> None:
    with pytest.raises(Refused, match=r"a database of Odoo 18.0, and erp runs Odoo 19.0"):
        refuse_series("18.0", _environment("testing"), "a.zip")


@pytest.mark.parametrize(
    ("mounted_at", "kind", "why"),
    [
        ("/", "overlay", "/out on erp belongs to the container alone: a zip there would go with the container"),
        ("/tmp", "tmpfs", "/out on erp is in memory: "),  # noqa: S108 - of a container
        ("/", "tmpfs", "/out on erp is in memory: "),
    ],
)
def test_folder_that_ends_with_its_container_is_refused(mounted_at: str, kind: str, why: str) -> None:
    with pytest.raises(PreconditionFailed, match=f"^{why}.*Next step: name a folder of a volume.*as /state is"):
        refuse_fleeting("/out", "erp", mounted_at=mounted_at, kind=kind, lasting="/state")


def test_folder_of_a_volume_passes() -> None:
    refuse_fleeting("/out/in", "erp", mounted_at="/out", kind="ext4", lasting="/state")
