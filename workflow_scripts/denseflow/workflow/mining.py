"""The files of the negatives stage, and what they are made from."""

from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from denseflow.config.model import TrainingData
from denseflow.config.negatives import Bm25Negatives, DenseNegatives, Negatives
from denseflow.workflow.canonical import canonical

if TYPE_CHECKING:
    from denseflow.workflow.graph import Graph

PASSAGES = "passages"
"""Stands for the split where each passage is a training query."""


class EncodedPair(NamedTuple):
    """The manifests of a model's vectors: of a split's queries and of the collection's passages."""

    queries: Path
    corpus: Path


class Mining:
    """One training file: a way to mine negatives, used on a split.

    Its folder is ``negatives/DATASET.SPLIT/NAME/``, or ``NAME@seedN`` where it is mined with a trained model, so that
    each seed of an experiment has its own.
    """

    def __init__(self, graph: "Graph", dataset: str, split: str, folder: str) -> None:
        """``folder`` is the name of the folder: that of a file in config/negatives, with or without ``@seedN``."""
        self._graph = graph
        self.dataset, self.split, self.folder = dataset, split, folder
        self.name, _, self.variant = folder.partition("@")

    @classmethod
    def of(cls, graph: "Graph", data: TrainingData, variant: str) -> "Mining":
        """The mining of a trained model's data, for a seed's variant of the model."""
        assert data.dataset is not None
        assert data.negatives is not None
        registry = graph.registry
        options = registry.negatives[data.negatives]
        trained = any(
            isinstance(source, DenseNegatives) and registry.trained(source.model) for source in options.sources
        )
        split = PASSAGES if options.queries == "passages" else data.split or "train"
        return cls(graph, data.dataset, split, f"{data.negatives}@{variant}" if trained else data.negatives)

    @property
    def _options(self) -> Negatives:
        return self._graph.registry.negatives[self.name]

    @property
    def manifest(self) -> Path:
        """The manifest of the training file."""
        return self._graph.results / "negatives" / f"{self.dataset}.{self.split}" / self.folder / "manifest.json"

    @property
    def training_file(self) -> Path:
        """The training file."""
        return self.manifest.with_name("train.jsonl")

    def runs(self) -> dict[str, Path]:
        """The runs that are drawn from, by the place of their source in the options."""
        runs: dict[str, Path] = {}
        for place, source in enumerate(self._options.sources):
            if isinstance(source, Bm25Negatives):
                runs[str(place)] = self._graph.bm25_run(self.dataset, source, self.split, source.last_rank)
            elif isinstance(source, DenseNegatives):
                variant = self._graph.variant(source.model, self.variant)
                runs[str(place)] = self._graph.dense_run(
                    self.dataset, source.model, variant, self.split, source.last_rank
                )
        return runs

    def vectors(self) -> dict[str, EncodedPair]:
        """The vectors of the models that are mined with, by the place of their source in the options."""
        return {
            str(place): self._graph.encoded(self.dataset, source.model, self.variant, self.split)
            for place, source in enumerate(self._options.sources)
            if isinstance(source, DenseNegatives)
        }

    def models(self) -> list[str]:
        """The models that are mined with."""
        return [source.model for source in self._options.sources if isinstance(source, DenseNegatives)]

    def inputs(self) -> list[Path]:
        """The manifests of the runs and the vectors, each once."""
        runs = [run.with_suffix(".manifest.json") for run in self.runs().values()]
        return list(dict.fromkeys([*runs, *(manifest for pair in self.vectors().values() for manifest in pair)]))

    def options(self) -> str:
        """What defines the training file, but for the collection and the content of runs and vectors."""
        options = self._options.model_copy(update={"description": None})
        runs = {place: str(run) for place, run in self.runs().items()}
        vectors = {place: [str(manifest) for manifest in pair] for place, pair in self.vectors().items()}
        return canonical(
            {"negatives": options, "split": self.split, "runs": runs, "vectors": vectors if vectors else None}
        )

    def scores(self, teacher: str, variant: str) -> Path:
        """The manifest of a teacher's scores of the training file's pairs."""
        chosen = self._graph.variant(teacher, variant)
        return self.manifest.parent / "scores" / f"{teacher}.{chosen}" / "manifest.json"

    def teacher_inputs(self, teacher: str, variant: str) -> dict[str, Path]:
        """What a teacher's scores are made from: the training file, and the encoder's vectors or the cross-encoder."""
        inputs = {"negatives": self.manifest}
        if self._graph.registry.cross_encoder(teacher):
            return {**inputs, "model": self._graph.model(teacher, variant)}
        return {**inputs, **self._graph.encoded(self.dataset, teacher, variant, self.split)._asdict()}
