import ast
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_agent_uses_only_the_standard_library() -> None:
    """The agent runs on hosts on which nothing of ours is installed."""
    for module in (ROOT / "odoo_ops" / "hostside").glob("*.py"):
        for node in ast.walk(ast.parse(module.read_text())):
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom):
                names = [node.module or ""]
            else:
                continue
            for name in names:
                standard = name.split(".")[0] in sys.stdlib_module_names
                assert standard or name.startswith("odoo_ops.hostside"), (module, node.lineno, name)


def test_imports_go_one_way() -> None:
    subprocess.run([Path(sys.executable).parent / "lint-imports"], cwd=ROOT, check=True)
