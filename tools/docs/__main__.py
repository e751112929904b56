"""`python -m tools.docs`: write the files that are generated from the code; tests/docs compares them with the code."""

from tools.docs.pages import DOCS, PAGES
from tools.docs.version import ROOT, VERSIONED, with_version

for name, make in PAGES.items():
    (DOCS / name).write_text(make(), "utf-8")
    print(f"docs/{name}")
for name in VERSIONED:
    (ROOT / name).write_text(with_version(name), "utf-8")
    print(name)
