"""First code of the agent on a host: makes the modules that came with the request importable.

It is neither a subclass of what `importlib.abc` has nor annotated with types of `typing`: to import those takes
longer than all else that an agent needs to start, and a flow starts dozens of agents.
"""

import sys
from importlib.machinery import ModuleSpec
from types import ModuleType


class _Sources:
    """Finds the modules and loads them (https://docs.python.org/3/reference/import.html#the-meta-path)."""

    def __init__(self, sources: dict[str, str]) -> None:
        self._sources = sources

    def find_spec(self, fullname: str, path: object = None, target: object = None) -> ModuleSpec | None:
        if fullname not in self._sources:
            return None
        package = any(name.startswith(fullname + ".") for name in self._sources)
        return ModuleSpec(fullname, self, is_package=package)  # type: ignore[arg-type]

    def create_module(self, spec: ModuleSpec) -> None:
        return None

    def exec_module(self, module: ModuleType) -> None:
        exec(compile(self._sources[module.__name__], module.__name__, "exec"), module.__dict__)  # noqa: S102


def begin(sources: dict[str, str], request: dict[str, object]) -> None:
    """Import the agent from source texts (module name -> text) and serve one request."""
    sys.meta_path.insert(0, _Sources(sources))
    from odoo_ops.hostside import agent

    agent.main(request)
