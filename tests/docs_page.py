"""The pages of docs/, and the configuration files that they show."""

import re
import shutil
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[1]


def read_page(name: str) -> str:
    """The text of docs/NAME.md."""
    return (PROJECT / "docs" / f"{name}.md").read_text(encoding="utf-8")


def shown_files(page: str) -> dict[str, str]:
    """The blocks of a page that begin with `# config/NAME`, by that name."""
    return dict(re.findall(r"```yaml\n# config/(\S+)\n(.*?)```", page, re.DOTALL))


def lay_out(folder: Path, files: dict[str, str]) -> Path:
    """The project's configuration with further files, in a new folder."""
    shutil.copytree(PROJECT / "config", folder)
    for name, text in files.items():
        assert not (folder / name).exists(), f"config/{name} is there already"
        (folder / name).write_text(text, encoding="utf-8")
    return folder
