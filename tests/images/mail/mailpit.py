#!/usr/bin/python3 -u
"""Keeps the mail that comes by SMTP in memory, and shows it: as a page, and as mailpit's API does."""

import email
import email.headerregistry
import email.message
import email.policy
import html
import json
import sys
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope, Session

SMTP_PORT, PAGES_PORT = 1025, 8025
_LARGEST_BYTES = 100 * 2**20

_mails: list[email.message.EmailMessage] = []


class Catcher:
    """Takes all mail, whoever it is for."""

    async def handle_DATA(self, _server: SMTP, _session: Session, envelope: Envelope) -> str:  # noqa: N802 - aiosmtpd's
        _mails.append(email.message_from_bytes(envelope.content, policy=email.policy.default))
        return "250 2.0.0 Ok: queued"


class Pages(BaseHTTPRequestHandler):
    """`/`, `/readyz`, `/livez`, `/api/v1/messages` and `/api/v1/message/ID`; an ID is the number of the mail."""

    def do_GET(self) -> None:
        path, _, number = self.path.rpartition("/")
        if self.path in {"/readyz", "/livez"}:
            self._answer("ok", "text/plain")
        elif self.path == "/":
            rows = [html.escape(f"{mail['To']}: {mail['Subject']}") for mail in _mails]
            self._answer(f"<title>Mail</title><pre>{'<br>'.join(rows)}</pre>", "text/html")
        elif self.path == "/api/v1/messages":
            found = [_summary(number) for number in reversed(range(len(_mails)))]
            self._answer(json.dumps({"total": len(found), "messages": found}), "application/json")
        elif path == "/api/v1/message" and number.isdigit() and int(number) < len(_mails):
            self._answer(json.dumps(_summary(int(number)) | _bodies(int(number))), "application/json")
        else:
            self.send_error(404)

    def _answer(self, text: str, kind: str) -> None:
        data = text.encode()
        self.send_response(200)
        self.send_header("Content-Type", f"{kind}; charset=utf-8")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)


def _summary(number: int) -> dict[str, object]:
    mail = _mails[number]
    (sender,) = _people(mail["From"]) or (None,)
    return {"ID": str(number), "Subject": str(mail["Subject"]), "From": sender, "To": _people(mail["To"])}


def _people(header: email.headerregistry.AddressHeader | None) -> list[dict[str, str]]:
    return [{"Name": one.display_name, "Address": one.addr_spec} for one in header.addresses] if header else []


def _bodies(number: int) -> dict[str, str]:
    parts = {name: _mails[number].get_body([kind]) for name, kind in (("Text", "plain"), ("HTML", "html"))}
    return {name: part.get_content() if part else "" for name, part in parts.items()}


def main() -> None:
    """Serve, or ask the one that serves whether it is well."""
    if sys.argv[1:] == ["readyz"]:
        urllib.request.urlopen(f"http://127.0.0.1:{PAGES_PORT}/readyz", timeout=5)
        return
    Controller(Catcher(), hostname="", port=SMTP_PORT, data_size_limit=_LARGEST_BYTES).start()
    ThreadingHTTPServer(("", PAGES_PORT), Pages).serve_forever()


main()
