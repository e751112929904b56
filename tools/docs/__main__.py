"""`python -m tools.docs`: write the pages of docs/ that come from the code; tests/docs compares them."""

from tools.docs.pages import DOCS, PAGES

for name, make in PAGES.items():
    (DOCS / name).write_text(make(), "utf-8")
    print(f"docs/{name}")
