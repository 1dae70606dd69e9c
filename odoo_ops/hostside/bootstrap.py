"""First code of the agent on a host: makes the modules that came with the request importable."""

import importlib.abc
import importlib.util
import sys
from collections.abc import Sequence
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any


class _Sources(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    def __init__(self, sources: dict[str, str]) -> None:
        self._sources = sources

    def find_spec(
        self, fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if fullname in self._sources:
            package = any(name.startswith(fullname + ".") for name in self._sources)
            return importlib.util.spec_from_loader(fullname, self, is_package=package)
        return None

    def exec_module(self, module: ModuleType) -> None:
        exec(compile(self._sources[module.__name__], module.__name__, "exec"), module.__dict__)  # noqa: S102


def begin(sources: dict[str, str], request: dict[str, Any]) -> None:
    """Import the agent from source texts (module name -> text) and serve one request."""
    sys.meta_path.insert(0, _Sources(sources))
    from odoo_ops.hostside import agent

    agent.main(request)
