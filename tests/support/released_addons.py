"""Addons of two real git servers, one that asks for a key and one that asks for a token, as an environment has them."""

import getpass
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from addons_repository import SECOND, SHELF, AddonsServer, write_files
from git_over_http import GitServer
from real_sshd import RealSshd

_TOOLS = {"tools/__manifest__.py": "{'name': 'Tools', 'version': '19.0.1.0.0', 'license': 'LGPL-3'}\n"}

Secret = dict[str, str]


@dataclass(frozen=True)
class ReleasedAddons:
    """Their second edition is ready to be released; the first one was linked by hand."""

    shelf: AddonsServer
    http: GitServer
    links: tuple[Path, Path]

    @classmethod
    @contextmanager
    def run(cls, sshd: RealSshd, folder: Path, token: str) -> Iterator["ReleasedAddons"]:
        """Both servers, with all that they serve in a folder."""
        links, by_hand = (folder / "shelf", folder / "tools"), folder / "by-hand"
        write_files(by_hand, SHELF)
        links[0].symlink_to(by_hand)
        shelf, tools = (AddonsServer.make(sshd, folder / name) for name in ("by-ssh", "by-http"))
        shelf.push({**SHELF, **SECOND})
        tools.push(_TOOLS)
        with GitServer.run(tools.bare.parent, token) as http:
            yield cls(shelf, http, links)

    def described(self, private_key: Secret, token: Secret, smoke_password: Secret) -> dict[str, object]:
        """The section `release` of an environment file, with records that the user `admin` reads."""
        sshd, (shelf, tools) = self.shelf.sshd, self.links
        by_ssh = {
            "url": f"ssh://{getpass.getuser()}@127.0.0.1:{sshd.port}{self.shelf.bare}",
            "ref": "main",
            "folder": str(shelf),
            "private_key": private_key,
            "known_hosts": sshd.known_hosts,
            "checks": [["git", "log", "-1"]],
        }
        by_http = {"url": self.http.url("addons.git"), "ref": "main", "folder": str(tools), "token": token}
        reader = {"smoke_models": ["res.partner"], "smoke_login": "admin", "smoke_password": smoke_password}
        return {"addons": [by_ssh, by_http], "smoke_paths": ["/shelf"], **reader}
