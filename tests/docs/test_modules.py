"""Where the tests of a module are."""

import ast
import re
from pathlib import Path

import pytest

from tests.support.repository import ROOT

TESTS = sorted(
    path.relative_to(ROOT) for path in (ROOT / "tests").rglob("test_*.py") if "node_modules" not in path.parts
)
MODULES = sorted(path.relative_to(ROOT) for path in (ROOT / "exporter").rglob("*.py") if not path.name.startswith("__"))


def names_of(module: Path) -> set[str]:
    """Return the names that the test of a module may have.

    In tests/integration, which has no folders, the name of a package may come first: test_status_page.py.
    """
    unit = Path("tests", "unit", *module.parts[1:-1], f"test_{module.name}")
    integration = Path("tests", "integration")
    packages = ("", *(f"{package}_" for package in module.parts[1:-1]))
    return {str(unit), *(str(integration / f"test_{package}{module.name}") for package in packages)}


def test_every_module_has_a_test_of_its_name_or_a_reason() -> None:
    """docs/development/testing.md has a row for each module that is tested elsewhere."""
    page = (ROOT / "docs" / "development" / "testing.md").read_text("utf-8")
    _, _, section = page.partition("## Modules without a test of their name\n")
    rows = re.findall(r"^\| (`exporter/[^|]*) \| [^|]+ \|$", section.partition("\n## ")[0], re.MULTILINE)
    documented = sorted(name for row in rows for name in re.findall("`([^`]+)`", row))
    tests = set(map(str, TESTS))
    assert documented == [str(module) for module in MODULES if not names_of(module) & tests]


@pytest.mark.parametrize("path", TESTS, ids=str)
def test_no_test_imports_from_a_test(path: Path) -> None:
    """What two tests need is in tests/support."""
    imported: set[str] = set()
    for node in ast.walk(ast.parse((ROOT / path).read_text("utf-8"))):
        if isinstance(node, ast.Import):
            imported |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            imported |= {f"{node.module}.{alias.name}" for alias in node.names}
    assert [name for name in imported if name.startswith("tests.") and ".test_" in name] == []


def test_every_unit_test_is_that_of_a_module() -> None:
    """tests/unit mirrors exporter: a test of no module would be found by nobody."""
    units = [path for path in TESTS if path.parts[1] == "unit" and len(path.parts) > 3]
    modules = {str(Path("exporter", *path.parts[2:-1], path.name.removeprefix("test_"))) for path in units}
    assert modules <= set(map(str, MODULES))
