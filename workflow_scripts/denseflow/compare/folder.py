"""A folder of results: its experiments, the steps behind each, its scores and what is recorded of the code."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import yaml

from denseflow.compare.sentences import ScoredSet
from denseflow.errors import DenseflowError
from denseflow.files import sha256
from denseflow.manifest import NAME, read_manifest
from denseflow.report.digests import digests_in
from denseflow.report.scores import Scores
from denseflow.report.step_files import Machines, machine_words

_MANIFESTS = f"*{NAME}"
_CRATE = "ro-crate-metadata.json"
_SIMILARITY = "similarity.manifest.json"


@dataclass(frozen=True)
class Step:
    """A step of the workflow, as its manifest has it."""

    manifest: Mapping[str, Any]
    parents: tuple[str, ...]
    """The steps that it was made from, by the paths of their manifests below the folder."""

    @property
    def digests(self) -> dict[str, str]:
        """The SHA-256 of each of its files."""
        return {name: file["sha256"] for name, file in self.manifest["files"].items()}


class Results:
    """A folder of results.

    Attributes:
        path: The folder.
        experiments: The names of the experiments that were evaluated, on searches or on sentences.
    """

    def __init__(self, path: Path) -> None:
        """Look for the experiments.

        Raises:
            DenseflowError: It is no folder of results.
        """
        self.path = path
        evaluated = {found.parent.name for found in path.glob(f"evaluate/*/{NAME}")}
        compared = {found.parent.name for found in path.glob(f"experiments/*/{_SIMILARITY}")}
        self.experiments = sorted(evaluated | compared)
        if not self.experiments:
            raise DenseflowError(
                f"{path}: {'no experiment was evaluated here' if path.is_dir() else 'no such folder'}; expected a "
                f"folder of results with evaluate/EXPERIMENT/{NAME}, such as results"
            )
        self._known: dict[str, str] | None = None

    def scores(self, experiment: str) -> Scores | None:
        """The values of each query; None where nothing was searched.

        Raises:
            DenseflowError: They were altered.
        """
        manifest = self.path / "evaluate" / experiment / NAME
        if not manifest.is_file():
            return None
        read_manifest(manifest)
        return Scores(manifest.with_name("scores.tsv"))

    def sentences(self, experiment: str) -> dict[tuple[str, str], ScoredSet]:
        """The scores on sets of sentences, by set and system, of the sets that the experiment's table has.

        Raises:
            DenseflowError: A file was altered.
        """
        table = self._report(experiment) / _SIMILARITY
        if not table.is_file():
            return {}
        found: dict[tuple[str, str], dict[str, Path]] = {}
        for key in read_manifest(table)["inputs"]:
            name, system, variant = key.split("/")
            folder = self.path / "evaluate" / experiment / "similarity" / name / system / variant
            found.setdefault((name, system), {})[variant] = folder / NAME
        return {key: _scored_set(of_variants) for key, of_variants in found.items()}

    def machines(self, experiment: str) -> list[str]:
        """The machines that the steps ran on, in words; none where it is not told."""
        machines = Machines(self.path)
        told = [facts for name in self.steps(experiment) for facts in machines.of(self.path / name)]
        return list(dict.fromkeys(machine_words(facts) for facts in told))

    def steps(self, experiment: str) -> dict[str, Step]:
        """The steps that led to an experiment's scores, by their manifests' paths; parents come first.

        A step belongs to them where the SHA-256 of its manifest, or of one of its files, is an input of another one.
        """
        steps: dict[str, Step] = {}
        begun: set[str] = set()

        def add(name: str) -> None:
            begun.add(name)
            manifest = read_manifest(self.path / name, check=False)
            digests = dict.fromkeys(_inputs(manifest))
            parents = tuple(
                dict.fromkeys(found for found in map(self._by_digest.get, digests) if found and found != name)
            )
            for parent in parents:
                if parent not in begun:
                    add(parent)
            steps[name] = Step(manifest, parents)

        for name in (f"evaluate/{experiment}/{NAME}", f"experiments/{experiment}/{_SIMILARITY}"):
            if (self.path / name).is_file():
                add(name)
        return steps

    def commit(self, experiment: str) -> str | None:
        """The commit of the workflow that made the experiment's report; None where it is not recorded."""
        crate = self._report(experiment) / _CRATE
        if not crate.is_file():
            return None
        try:
            entities = json.loads(crate.read_text(encoding="utf-8"))["@graph"]
        except (json.JSONDecodeError, KeyError, TypeError) as error:
            raise DenseflowError(f"{crate}: not a crate's JSON ({error}); run the workflow to make it again") from None
        return next((one.get("version") for one in entities if one["@id"] == "workflow/Snakefile"), None)

    def rules(self, experiment: str) -> dict[str, str]:
        """The SHA-256 of the Snakefile and its rules, by name, as far as they are recorded."""
        folder = self._report(experiment) / "workflow"
        files = [folder / "Snakefile", *sorted(folder.glob("rules/*.smk"))]
        return {str(file.relative_to(folder)): sha256(file) for file in files if file.is_file()}

    def configuration(self, experiment: str) -> dict[str, Any]:
        """The configuration's files, by name, as far as they are recorded."""
        folder = self._report(experiment) / "workflow"
        files = sorted(folder.rglob("*.yaml"))
        return {f"{file.parent.name}/{file.name}": yaml.safe_load(file.read_text(encoding="utf-8")) for file in files}

    def _report(self, experiment: str) -> Path:
        return self.path / "experiments" / experiment

    @property
    def _by_digest(self) -> dict[str, str]:
        """The steps, by the SHA-256 of their manifests and of their files."""
        if self._known is None:
            self._known = {}
            for path in sorted(self.path.rglob(_MANIFESTS)):
                name = path.relative_to(self.path).as_posix()
                if name.startswith(("work/", "logs/")):
                    continue
                try:
                    files = read_manifest(path, check=False)["files"]
                except (DenseflowError, KeyError, TypeError):
                    continue  # no manifest of a step, or one that is broken: nothing can have been made from it
                for file in files.values():
                    self._known.setdefault(file["sha256"], name)
                self._known[sha256(path)] = name
        return self._known


def _scored_set(manifests: Mapping[str, Path]) -> ScoredSet:
    """One system's scores on a set, from the manifests of its variants."""
    frames, kind = {}, ""
    for variant, manifest in manifests.items():
        kind = read_manifest(manifest)["options"]["type"]
        frames[variant] = pd.read_csv(manifest.with_name("scores.tsv"), sep="\t")
    if kind == "paraphrases":
        found = {variant: dict(zip(frame["measure"], frame["value"], strict=True)) for variant, frame in frames.items()}
        return ScoredSet(kind, np.empty(0), {}, found)
    people = next(iter(frames.values()))["value"].to_numpy()
    return ScoredSet(kind, people, {variant: frame["cosine"].to_numpy() for variant, frame in frames.items()}, {})


def _inputs(value: Any) -> Iterator[str]:
    """The SHA-256 sums below any key ``inputs`` of a manifest."""
    if isinstance(value, Mapping):
        for key, item in value.items():
            yield from digests_in(item) if key == "inputs" else _inputs(item)
    elif isinstance(value, list):
        for item in value:
            yield from _inputs(item)
