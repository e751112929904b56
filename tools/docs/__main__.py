"""`python -m tools.docs`: write the files that are generated from the code; tests/docs compares them with the code."""

from tools.docs.pages import DOCS, PAGES
from tools.docs.published import PUBLISHED, ROOT, with_published_names

for name in PUBLISHED:  # first, because the pages repeat some of these names
    (ROOT / name).write_text(with_published_names(name), "utf-8")
    print(name)
for name, make in PAGES.items():
    (DOCS / name).write_text(make(), "utf-8")
    print(f"docs/{name}")
