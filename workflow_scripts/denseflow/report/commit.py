"""The commit of the workflow that ran."""

import subprocess
from pathlib import Path


def commit(base: Path) -> str | None:
    """The commit of a folder in a Git repository, and whether something was changed since; None without a repository.

    Args:
        base: The folder of the Snakefile.
    """

    def git(*arguments: str) -> str:
        return subprocess.run(["git", "-C", str(base), *arguments], capture_output=True, text=True, check=True).stdout

    try:
        found, changed = git("rev-parse", "HEAD").strip(), git("status", "--porcelain", "--untracked-files=no").strip()
    except (OSError, subprocess.CalledProcessError):
        return None
    return found + (", with changes that are not committed" if changed else "")
