import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_agent_uses_only_the_standard_library() -> None:
    """The agent runs on hosts on which nothing of ours is installed."""
    for module in (ROOT / "odoo_ops" / "hostside").glob("*.py"):
        for line in module.read_text().splitlines():
            words = line.split()
            if words[:1] in (["import"], ["from"]):
                package = words[1].split(".")[0]
                assert package in sys.stdlib_module_names or words[1].startswith("odoo_ops.hostside"), (module, line)


def test_imports_go_one_way() -> None:
    subprocess.run([Path(sys.executable).parent / "lint-imports"], cwd=ROOT, check=True)
