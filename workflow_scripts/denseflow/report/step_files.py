"""What is told of a step beside its results: what it took, below benchmarks/, and where it ran, below logs/."""

import json
from pathlib import Path

from denseflow.machine import ENDING


class StepFiles:
    """The files of one kind below a folder, found by a step's manifest."""

    def __init__(self, results: Path, folder: str, ending: str) -> None:
        """``folder`` is below the results; the files' names end in ``ending``."""
        self._results = results
        place = results / folder
        found = place.rglob(f"*{ending}")
        self._files = {_dotted(file.relative_to(place)).removesuffix(ending): file for file in found}

    def of(self, manifest: Path) -> list[Path]:
        """The files of a manifest's step, and of the jobs that shared its work.

        A file has the name of the manifest, with dots for the folders: ``encode/a.b.pretrained.corpus.tsv`` for
        ``encode/a/b/pretrained/corpus.manifest.json``; that of an experiment is below ``report``.
        """
        name = manifest.name.removesuffix("manifest.json").rstrip(".")
        parts = manifest.relative_to(self._results).parent / name
        key = _dotted(parts).replace("experiments.", "report.", 1)
        shares = [file for found, file in self._files.items() if _is_share(found.removeprefix(f"{key}."))]
        return [self._files[key], *shares] if key in self._files else shares


class Machines:
    """The machines that steps ran on, the last time they ran."""

    def __init__(self, results: Path) -> None:
        """Look for the files."""
        self._files = StepFiles(results, "logs", ENDING)

    def of(self, manifest: Path) -> list[dict[str, str]]:
        """Those of a step, each once: several where its work was shared; none where it is not told."""
        found: list[dict[str, str]] = []
        for file in self._files.of(manifest):
            facts = json.loads(file.read_text(encoding="utf-8"))
            if facts not in found:
                found.append(facts)
        return found


def machine_words(facts: dict[str, str]) -> str:
    """A machine in a line: processor, hardware threads, memory and GPUs."""
    said = [facts.get("processor", "an unknown processor")]
    if "hardware threads" in facts:
        said.append(f"{facts['hardware threads']} hardware threads")
    said += [facts[key] for key in ("memory",) if key in facts]
    gpus = facts.get("GPUs", "none")
    return ", ".join([*said, "no GPU" if gpus.startswith("none") else gpus])


def _dotted(path: Path) -> str:
    return path.as_posix().replace("/", ".")


def _is_share(name: str) -> bool:
    """Whether a name is ``0-of-4``."""
    share, of, shares = name.partition("-of-")
    return bool(of) and share.isdigit() and shares.isdigit()
