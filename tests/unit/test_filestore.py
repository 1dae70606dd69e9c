"""A filestore is looked at while it is restored, and what was not whole by then once more."""

import hashlib
import json
from pathlib import Path

from odoo_ops.hostside.channel import standard_channel
from odoo_ops.hostside.filestore import prove_filestore

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
