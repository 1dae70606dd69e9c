"""The filestore of a benchmark: files of log-normal sizes, half of them like PDFs and photographs, half text."""

import hashlib
from collections.abc import Iterator
from pathlib import Path

from deployments.bench.grow import Connection
from deployments.bench.text import Sentences

_SPREAD = 1.4  # sigma of the sizes' logarithm: most files are small, most bytes are in large ones
_LEAST_BYTES = 200


def add_files(connection: Connection, filestore: Path, count: int, total_bytes: int, sentences: Sentences) -> int:
    """Add so many attachments, of about so many bytes in all, as Odoo does: the file, then its row.

    Returns their bytes. Every file's content is new.
    """
    written = 0
    statement = (
        "COPY ir_attachment (name, store_fname, checksum, file_size, res_model, res_id, mimetype, create_date)"
        " FROM STDIN"
    )
    with connection.cursor() as cursor, cursor.copy(statement) as copy:
        for number, size in enumerate(sizes_of(count, total_bytes, sentences)):
            text = number % 2 == 1
            content = sentences.bytes(size) if text else b"%PDF-1.7\n" + sentences.random.randbytes(size)
            digest = hashlib.sha1(content, usedforsecurity=False).hexdigest()
            name = f"{digest[:2]}/{digest}"
            file = filestore / name
            file.parent.mkdir(exist_ok=True)
            file.write_bytes(content)
            mimetype = "text/csv" if text else "application/pdf"
            title = f"{sentences.one()[:40]}.{'csv' if text else 'pdf'}"
            partner = sentences.random.randrange(1, 50_000)
            copy.write_row((title, name, digest, len(content), "res.partner", partner, mimetype, "2026-01-01"))
            written += len(content)
    return written


def sizes_of(count: int, total_bytes: int, sentences: Sentences) -> Iterator[int]:
    """Log-normal sizes that add up to about a total."""
    drawn = [sentences.random.lognormvariate(0, _SPREAD) for _ in range(count)]
    scale = total_bytes / max(sum(drawn), 1.0)
    return (max(_LEAST_BYTES, int(size * scale)) for size in drawn)
