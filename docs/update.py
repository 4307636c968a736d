"""Copy the tables of finished experiments into the documentation, so that no number is typed.

    python docs/update.py [results folder]

For each experiment with a results/experiments/NAME/table.md, write docs/results/NAME.md; where README.md or a page of
docs/ has a line `<!-- table: NAME -->`, put the table between it and the next `<!-- end of table -->`. The tables of
sentences and of searches, similarity.md and indexes.md, are NAME.similarity and NAME.indexes; they are written where a
page shows them or links to them.
"""

import re
import sys
from pathlib import Path

DOCS = Path(__file__).resolve().parent
OTHERS = ("similarity", "indexes")
PAGES = [DOCS.parent / "README.md", *sorted(DOCS.glob("*.md"))]


def excerpt(table: str) -> str:
    """The verdicts and numbers of a table.md as a part of another page: no headings, no notes on how to read it."""
    numbers = table.split("\n## How to read it")[0].split("\n", 1)[1]
    return re.sub(r"^## (.*)$", r"**\1**", numbers, flags=re.MULTILINE).strip()


def with_table(page: str, name: str, table: str) -> str:
    """The page with an experiment's table between its two marks; the same text where it has no marks for it."""
    marked = re.compile(rf"(<!-- table: {re.escape(name)} -->\n).*?(<!-- end of table -->)", re.DOTALL)
    return marked.sub(lambda found: f"{found.group(1)}\n{excerpt(table)}\n\n{found.group(2)}", page)


def kept_tables(experiment: Path) -> dict[str, Path]:
    """The tables of a finished experiment that the documentation keeps, by their names there."""
    pages = [page.read_text(encoding="utf-8") for page in PAGES]
    found = {experiment.name: experiment / "table.md"}
    for kind in OTHERS:
        name = f"{experiment.name}.{kind}"
        if any(f"<!-- table: {name} -->" in page or f"results/{name}.md" in page for page in pages):
            found[name] = experiment / f"{kind}.md"
    return {name: path for name, path in found.items() if path.is_file()}


def main(results: Path) -> None:
    """Update docs/results and the pages from a results folder."""
    (DOCS / "results").mkdir(exist_ok=True)
    for experiment in sorted((results / "experiments").iterdir()):
        for name, path in kept_tables(experiment).items():
            table = path.read_text(encoding="utf-8")
            (DOCS / "results" / f"{name}.md").write_text(table, encoding="utf-8")
            for page in PAGES:
                page.write_text(with_table(page.read_text(encoding="utf-8"), name, table), encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "results"))
