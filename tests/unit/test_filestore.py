"""A filestore is looked at while it is restored, and what was not whole by then once more."""

import hashlib
import json
import tracemalloc
from pathlib import Path

import pytest

from odoo_ops.adapters.host import HostAdapter
from odoo_ops.hostside.channel import standard_channel
from odoo_ops.hostside.filestore import prove_filestore
from odoo_ops.model.host import Host

CONTENTS = [b"whole from the beginning", b"not there yet", b"half written", b"other bytes, as many"]


def test_second_look_hashes_only_what_the_first_did_not_find_whole(tmp_path: Path) -> None:
    root, inventory, faulty = tmp_path / "filestore", tmp_path / "inventory", str(tmp_path / "faulty")
    files, lines = [], []
    for number, content in enumerate(CONTENTS):
        digest = hashlib.sha1(content, usedforsecurity=False).hexdigest()
        files.append(root / digest[:2] / digest)
        files[-1].parent.mkdir(parents=True, exist_ok=True)
        name = f"{digest[:2]}/{digest}"
        lines.append(json.dumps({"id": number, "fname": name, "checksum": digest, "size": len(content)}))
    inventory.write_text("\n".join(lines) + "\n")
    whole, missing, half, other = files
    whole.write_bytes(CONTENTS[0])
    half.write_bytes(CONTENTS[2][:4])
    other.write_bytes(CONTENTS[3].upper())

    def look(changed_list: str | None, faulty_list: str | None) -> tuple[int, int]:
        found = prove_filestore(standard_channel(), str(inventory), str(root), changed_list, faulty_list)
        return found["hashed_files"], found["damaged_total"]

    assert look(None, faulty) == (2, 3)
    assert sorted(Path(faulty).read_text().split()) == sorted(f"{file.parent.name}/{file.name}" for file in files[1:])
    missing.write_bytes(CONTENTS[1])
    half.write_bytes(CONTENTS[2])
    assert look(faulty, None) == (3, 1)
    other.write_bytes(CONTENTS[3])
    assert look(faulty, None) == (3, 0)


def test_fault_is_told_of_each_record_whose_file_it_is_whatever_the_name(tmp_path: Path) -> None:
    digest = hashlib.sha1(b"content", usedforsecurity=False).hexdigest()
    usual, long_folder, no_name = f"{digest[:2]}/{digest}", f"{digest[:3]}/{digest}", "checklist/of-somebody"
    another = f"00/{'0' * 40}"  # its name does not say what is in it, the database does
    names = [usual, no_name, usual, long_folder, another]
    lines = [
        json.dumps({"id": number, "fname": name, "checksum": digest, "size": 7}) for number, name in enumerate(names)
    ]
    inventory = tmp_path / "inventory"
    inventory.write_text("\n".join(lines) + "\n")
    for name, content in [(usual, b"CONTENT"), (another, b"content")]:
        (tmp_path / name).parent.mkdir()
        (tmp_path / name).write_bytes(content)
    faulty = tmp_path / "faulty"
    found = prove_filestore(standard_channel(), str(inventory), str(tmp_path), None, str(faulty))
    assert (found["attachments"], found["files"], found["hashed_files"], found["hashed_bytes"]) == (5, 4, 2, 14)
    wrong = f"its file's sha1 is {hashlib.sha1(b'CONTENT', usedforsecurity=False).hexdigest()} instead of {digest}"
    assert [(record["id"], record["reason"]) for record in found["damaged"]] == [
        (0, wrong),
        (1, "its file has a name that Odoo does not give"),
        (2, wrong),
        (3, "its file is missing"),
    ]
    assert faulty.read_text().splitlines() == [usual, no_name, long_folder]


@pytest.mark.parametrize("listed", [False, True])
def test_proof_takes_little_memory_for_each_file(tmp_path: Path, listed: bool) -> None:
    files = 20_000
    inventory, changed = tmp_path / "inventory", tmp_path / "changed"
    with inventory.open("w") as lines, changed.open("w") as names:
        for number in range(files):
            digest = hashlib.sha1(str(number).encode(), usedforsecurity=False).hexdigest()
            name = f"{digest[:2]}/{digest}"
            record = {"id": number, "fname": name, "checksum": digest, "size": 1000 + number, "model": "mail.message"}
            lines.write(json.dumps({**record, "record": number, "field": None}) + "\n")
            names.write(f"{name}\n")
    tracemalloc.start()
    try:
        found = prove_filestore(
            standard_channel(), str(inventory), str(tmp_path), str(changed) if listed else None, None
        )
        _now, peak_bytes = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert found["damaged_total"] == files
    assert peak_bytes / files < 500


def test_snapshot_lacks_the_files_that_restic_does_not_list_whole(tmp_path: Path) -> None:
    whole, short, gone = (hashlib.sha1(content, usedforsecurity=False).hexdigest() for content in CONTENTS[:3])
    names = [*(f"{digest[:2]}/{digest}" for digest in (whole, short, gone)), "checklist/odd"]
    nodes = [{"type": "file", "path": f"/srv/erp/{name}", "size": 9 - number} for number, name in enumerate(names)]
    listed = [
        {"message_type": "snapshot", "tree": "ab12"},
        {"message_type": "node", "type": "dir", "path": "/srv/erp"},
        *({"message_type": "node", **node} for node in nodes if gone not in node["path"]),
        {"message_type": "node", "type": "file", "path": f"/elsewhere/{names[2]}", "size": 9},
    ]
    inventory, listing = tmp_path / "inventory", tmp_path / "listing"
    inventory.write_text("".join(json.dumps({"fname": name, "size": 9}) + "\n" for name in names))
    listing.write_text("".join(json.dumps(message) + "\n" for message in listed))
    found = HostAdapter(Host(name="here")).call(
        "prove_snapshot",
        inventory=str(inventory),
        filestore="/srv/erp",
        argv=["cat", str(listing)],
        environment={},
        without=[],
        files={},
    )
    assert (found["files"], found["tree"], found["damaged_total"]) == (3, "ab12", 3)
    assert [(record["fname"], record["reason"]) for record in found["damaged"]] == [
        (names[1], "its file has 8 bytes in the snapshot instead of 9"),
        (names[2], "its file is not in the snapshot"),
        (names[3], "its file has 6 bytes in the snapshot instead of 9"),
    ]
