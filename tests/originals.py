"""The five known systems that this project has as experiments of its own, and what their pages must have.

Each has two experiments, NAME with its own models and data and NAME-small, and docs/NAME.md. Under the heading `## Its
options` that page has a table whose first column names each option of the original in backticks, and whose second says
what it is called here: configuration keys in backticks, whole as in config/README.md or from any of their parts on.
"""

import re

from docs_page import PROJECT, read_page

NAMES = ("deim2024", "paddlenlp-dureader", "dpr-trec", "mixcse-ja", "korquad-dual")
EXPERIMENTS = [f"{name}{size}" for name in NAMES for size in ("", "-small")]
TEXTS = {
    "deim2024": "000_c6ef853642c1de4e.txt",
    "paddlenlp-dureader": "001_2bfb18fd39687ab8.txt",
    "dpr-trec": "002_edf8d72634651e69.txt",
    "mixcse-ja": "003_16681976e7a3411e.txt",
    "korquad-dual": "004_12f41a86008068b1.txt",
}
"""What the authors wrote about each, in ../shared/originals."""


def option_table(name: str) -> dict[str, str]:
    """What docs/NAME.md says of each option of the original, by the option's name."""
    page = read_page(name)
    assert "\n## Its options\n" in page, f"docs/{name}.md has no heading 'Its options'"
    part = page.split("\n## Its options\n")[1].split("\n## ")[0]
    rows = re.findall(r"^\| *(.+?) *(?<!\\)\| *(.+?) *\|", part, re.MULTILINE)
    return {option: here for names, here in rows for option in re.findall(r"`([^`]+)`", names)}


def configuration_keys() -> set[str]:
    """Every key of config/README.md, and every end of one that begins with a whole part."""
    text = (PROJECT / "config" / "README.md").read_text(encoding="utf-8")
    keys = {key.replace("[]", "") for key in re.findall(r"^\| `([\w.\[\]]+)` \|", text, re.MULTILINE)}
    return {key.split(".", depth)[-1] for key in keys for depth in range(key.count(".") + 1)}


def named_keys(text: str) -> set[str]:
    """The words in backticks of a table's cell that look like a key: small letters, underscores and points."""
    return {key for key in re.findall(r"`([a-z][a-z0-9_.]*)(?:: [^`]*)?`", text) if not key.endswith(".")}
