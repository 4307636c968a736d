"""The steps of an experiment, read from their manifests: what each was made from, whether it is whole, what it took."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from denseflow.files import sha256
from denseflow.manifest import NAME, read_manifest
from denseflow.report.digests import digests_in
from denseflow.report.page.usage import Benchmarks, Usage
from denseflow.report.step_files import Machines

WHOLE, ALTERED, MISSING = "whole", "altered since", "missing"
STAGES = ("dataset", "bm25", "negatives", "train", "encode", "search", "evaluate", "report")


@dataclass
class Step:
    """One step; the steps that it was made from have smaller numbers."""

    number: int
    manifest: Path
    stage: str
    name: str
    state: str
    digest: str = ""
    """The SHA-256 of the manifest."""
    facts: Mapping[str, Any] = field(default_factory=dict)
    parents: list[int] = field(default_factory=list)
    usage: Usage | None = None
    ended: str = ""
    machines: list[dict[str, str]] = field(default_factory=list)
    """That it ran on; several where jobs shared its work, none where it is not told."""

    @property
    def device(self) -> str:
        """Such as cpu or cuda; empty where the step uses none."""
        return str(self.facts.get("device") or "")

    @property
    def gpu(self) -> bool:
        """Whether a GPU was used."""
        return self.device.startswith("cuda")

    @property
    def watt_hours(self) -> float | None:
        """The estimated energy."""
        return None if self.usage is None else self.usage.watt_hours(gpu=self.gpu)


def read_steps(manifests: Iterable[Path], results: Path) -> list[Step]:
    """The steps of these manifests, each after those that it was made from.

    A step was made from another one if its manifest names the SHA-256 of the other's manifest or of one of its files.

    Args:
        manifests: Their files; what is missing is said to be so.
        results: The folder of all results.
    """
    paths = list(dict.fromkeys(manifests))
    facts = {path: read_manifest(path, check=False) for path in paths if path.is_file()}
    makers: dict[str, Path] = {}
    for path, of in facts.items():
        for digest in (sha256(path), *(file["sha256"] for file in of["files"].values())):
            makers.setdefault(digest, path)
    parents = {path: _parents(path, facts, makers) for path in paths}
    benchmarks, machines = Benchmarks(results), Machines(results)
    steps: dict[Path, Step] = {}
    for path in _in_order(paths, parents):
        of = facts.get(path, {})
        stage = str(of.get("stage") or _stage(path, results))
        steps[path] = Step(
            number=len(steps),
            manifest=path,
            stage=stage,
            name=_name(path, results),
            state=_state(path, of),
            digest=sha256(path) if path in facts else "",
            facts=of,
            parents=sorted(steps[parent].number for parent in parents[path]),
            usage=benchmarks.of(path),
            ended=_time(path),
            machines=machines.of(path),
        )
    return list(steps.values())


def ancestors(steps: Sequence[Step], number: int) -> set[int]:
    """The numbers of all steps that one was made from, its own included."""
    found: set[int] = set()
    waiting = [number]
    while waiting:
        at = waiting.pop()
        if at not in found:
            found.add(at)
            waiting += steps[at].parents
    return found


def direct_links(steps: Sequence[Step]) -> list[tuple[int, int]]:
    """(from, to) of the links between steps, without those that follow from the others."""
    above = [ancestors(steps, step.number) for step in steps]
    return [
        (parent, step.number)
        for step in steps
        for parent in step.parents
        if not any(parent in above[other] for other in step.parents if other != parent)
    ]


def layers(steps: Sequence[Step]) -> list[list[Step]]:
    """The steps by how many others come one after the other before them; beside each other those of like origin."""
    depth: list[int] = []
    for step in steps:
        depth.append(1 + max((depth[parent] for parent in step.parents), default=-1))
    found: list[list[Step]] = [[] for _ in range(max(depth, default=-1) + 1)]
    for step in steps:
        found[depth[step.number]].append(step)
    place: dict[int, float] = {}
    for layer in found:
        layer.sort(key=lambda step: (_mean([place[parent] for parent in step.parents]), step.stage, step.name))
        place.update({step.number: (at + 0.5) / len(layer) for at, step in enumerate(layer)})
    return found


def _mean(places: Sequence[float]) -> float:
    return sum(places) / len(places) if places else 0.5


def _parents(path: Path, facts: Mapping[Path, Mapping[str, Any]], makers: Mapping[str, Path]) -> set[Path]:
    of = facts.get(path, {})
    said = {key: value for key, value in of.items() if key != "files"}
    found = {makers[digest] for digest in digests_in(said) if digest in makers}
    # The files of a BM25 index differ each time that it is made, so that a run names the corpus in it instead.
    if of.get("stage") == "bm25" and "documents" not in of:
        found |= {index for index, other in facts.items() if other["stage"] == "bm25" and _indexed(of, other)}
    return found - {path}


def _indexed(run: Mapping[str, Any], index: Mapping[str, Any]) -> bool:
    """Whether a BM25 run was made with an index."""
    keys = run["inputs"].get("corpus"), run["options"].get("analyzer")
    return "documents" in index and keys == (index["inputs"].get("corpus"), index["options"].get("analyzer"))


def _in_order(paths: Sequence[Path], parents: Mapping[Path, set[Path]]) -> Iterator[Path]:
    """The paths, each after its parents, otherwise in the order given."""
    done: set[Path] = set()

    def visit(path: Path) -> Iterator[Path]:
        if path not in done:
            done.add(path)
            for parent in sorted(parents[path], key=paths.index):
                yield from visit(parent)
            yield path

    for path in sorted(paths, key=lambda path: len(parents[path]) > 0):
        yield from visit(path)


def _state(path: Path, facts: Mapping[str, Any]) -> str:
    """Whether the files are there in their size; their content is checked by each step that reads them."""
    if not facts:
        return MISSING
    files = ((path.parent / name, file["bytes"]) for name, file in facts["files"].items())
    whole = all(file.is_file() and file.stat().st_size == size for file, size in files)
    return WHOLE if whole else ALTERED


def _stage(path: Path, results: Path) -> str:
    first = path.relative_to(results).parts[0]
    return "report" if first == "experiments" else first


def _name(path: Path, results: Path) -> str:
    """``nfcorpus · minilm-l6 · pretrained · corpus`` for encode/nfcorpus/minilm-l6/pretrained/corpus.manifest.json."""
    own = path.name.removesuffix(NAME).rstrip(".")
    return " · ".join(part for part in (*path.relative_to(results).parent.parts[1:], own) if part)


def _time(path: Path) -> str:
    if not path.is_file():
        return ""
    return datetime.fromtimestamp(int(path.stat().st_mtime), tz=UTC).isoformat(sep=" ", timespec="minutes")[:16]
