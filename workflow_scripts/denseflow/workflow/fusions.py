"""Systems that are made of other systems' runs: their files, and what their rules depend on."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from denseflow.config.experiment import EvaluationSet, Experiment
from denseflow.config.fusion import Fusion
from denseflow.workflow.canonical import canonical

if TYPE_CHECKING:
    from denseflow.workflow.graph import Graph, RankedSystem

FUSED = "fused"
"""The variant of a fusion none of whose systems has a seed."""


class Fused:
    """One system that fuses others, for one seed of theirs or for none."""

    def __init__(self, graph: "Graph", experiment: str, system: str, variant: str) -> None:
        """``variant`` is ``seedN`` or :data:`FUSED`."""
        self._graph, self._experiment, self._system, self._variant = graph, experiment, system, variant

    @property
    def _config(self) -> Experiment:
        return self._graph.registry.experiments[self._experiment]

    @property
    def _fusion(self) -> Fusion:
        fusion = self._config.systems[self._system].fusion
        assert fusion is not None
        return fusion

    def folder(self, dataset: str) -> Path:
        """Where its runs on a dataset are, and the weights that were chosen there."""
        return self._graph.results / "search" / dataset / "fusion" / self._experiment / self._system / self._variant

    def run(self, on: EvaluationSet) -> Path:
        """Its run on a split."""
        return self.folder(on.dataset) / f"{on.split}.top{self._config.depth}.trec"

    def tuned_on(self, dataset: str) -> tuple[str, str]:
        """The dataset and the split that the weights for a dataset are chosen on."""
        tune = self._fusion.tune
        assert tune is not None
        return tune.dataset or dataset, tune.split

    def run_inputs(self, dataset: str, split: str) -> dict[str, list[Path]]:
        """The manifests of the runs that are fused on a split, in order, and of the weights where they are chosen."""
        inputs = {"runs": self._manifests(dataset, split)}
        chosen = self._chosen_weights(dataset)
        return inputs if chosen is None else {**inputs, "weights": [chosen]}

    def weights_inputs(self, dataset: str, split: str) -> dict[str, list[Path]]:
        """The manifests that weights are chosen with on a split: of the two runs, and of the collection."""
        return {"runs": self._manifests(dataset, split), "dataset": [self._graph.dataset(dataset)]}

    def run_options(self, dataset: str, split: str) -> str:
        """What defines a run of it, but for the content of those that it is made of."""
        fusion = self._fusion
        weights, chosen = fusion.weights or [1.0] * len(fusion.systems), self._chosen_weights(dataset)
        return canonical(
            {
                "method": fusion.method,
                "k": fusion.k,
                "weights": weights if chosen is None else None,
                "chosen": None if chosen is None else str(chosen),
                "runs": [str(manifest) for manifest in self._manifests(dataset, split)],
            }
        )

    def weights_options(self, dataset: str, split: str) -> str:
        """What defines the choice of weights, but for the content of the runs."""
        fusion, tune = self._fusion, self._fusion.tune
        assert tune is not None
        return canonical(
            {
                "method": fusion.method,
                "k": fusion.k,
                "depth": self._config.depth,
                "measure": tune.measure or self._config.measures[0],
                "steps": tune.steps,
                "runs": [str(manifest) for manifest in self._manifests(dataset, split)],
            }
        )

    def _chosen_weights(self, dataset: str) -> Path | None:
        """The manifest of the weights that were chosen for a dataset; None where the configuration gives them."""
        if self._fusion.tune is None:
            return None
        place, dev = self.tuned_on(dataset)
        return self.folder(place) / f"weights.{dev}.manifest.json"

    def _manifests(self, dataset: str, split: str) -> list[Path]:
        on = EvaluationSet(dataset=dataset, split=split)
        found = []
        for name in self._fusion.systems:
            runs = self._graph.runs(self._config, name, on)
            run = runs.get(self._variant) or next(iter(runs.values()))
            found.append(run.with_suffix(".manifest.json"))
        return found


def fused_runs(graph: "Graph", experiment: Experiment, system: str, on: EvaluationSet) -> dict[str, Path]:
    """A fusion's runs on a split, by variant: one a seed of the systems that have seeds, each with its like, or one."""
    name = next(name for name, config in graph.registry.experiments.items() if config is experiment)
    fusion = experiment.systems[system].fusion
    assert fusion is not None
    variants = dict.fromkeys(variant for other in fusion.systems for variant in graph.runs(experiment, other, on))
    seeds = [variant for variant in variants if variant.startswith("seed")]
    return {variant: Fused(graph, name, system, variant).run(on) for variant in seeds or [FUSED]}


def fusion_manifests(graph: "Graph", experiment: str, ranked: "RankedSystem") -> Iterator[Path]:
    """The manifests of the weights behind a fusion's run, and of the runs that they were chosen with."""
    fused = Fused(graph, experiment, ranked.system, ranked.variant)
    weights = fused.run_inputs(ranked.dataset, ranked.split).get("weights")
    if weights is not None:
        yield weights[0]
        yield from fused.weights_inputs(*fused.tuned_on(ranked.dataset))["runs"]
