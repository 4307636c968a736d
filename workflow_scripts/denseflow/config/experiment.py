"""config/experiments/NAME.yaml: which systems are compared, on what, by which measures."""

from typing import Self

from pydantic import field_validator, model_validator

from denseflow.config.analyzer import ANALYZER
from denseflow.config.expected import Expected, check_expected
from denseflow.config.fusion import Fusion
from denseflow.config.search_index import Index, IvfPq
from denseflow.config.section import Name, Section, SplitName, Text, option, required
from denseflow.config.similarity import SimilaritySet
from denseflow.evaluate.names import check_measure, parse_measure


class EvaluationSet(Section):
    """A dataset's split to search and score."""

    dataset: Name = required("A name from config/datasets")
    split: SplitName = option("test", "One of its splits")


class KeptModelScores(Section):
    """A dataset's split on which the models that the trainings kept along the way are scored."""

    dataset: Name = required("A name from config/datasets")
    split: SplitName = option("dev", "One of its splits; a step that is chosen on `test` has learnt from test")
    passages: int | None = option(
        None, "Search only the judged passages and as many others, drawn; all where it is left out", ge=0
    )


class Bm25(Section):
    """BM25 by Anserini."""

    k1: float = option(0.9, "BM25's k1", ge=0)
    b: float = option(0.4, "BM25's b", ge=0, le=1)
    analyzer: Name | None = option(None, ANALYZER)


class Rerank(Section):
    """Another system's first documents, ordered anew by a cross-encoder."""

    system: Name = required("The system whose run is reranked, another one of this experiment")
    model: Name = required("A cross-encoder from config/models")
    depth: int = option(100, "Documents a query to rerank; what lies deeper keeps its order behind them", ge=1)


class System(Section):
    """One row of the table: exactly one of `bm25`, `model`, `rerank` and `fusion`."""

    bm25: Bm25 | None = option(None, "BM25 with these options; `{}` for the defaults")
    model: Name | None = option(None, "A name from config/models")
    rerank: Rerank | None = option(None, "Another system's results, reranked by a cross-encoder")
    fusion: Fusion | None = option(None, "Other systems' results made into one ranking")
    dimensions: int | None = option(
        None, "With `model`: only so many first dimensions of its vectors are searched (Matryoshka)", ge=1
    )
    index: Index | None = option(None, "With `model`: an approximate FAISS index, by `type`; else search is exact")

    @model_validator(mode="after")
    def _one_kind(self) -> Self:
        if sum(kind is not None for kind in (self.bm25, self.model, self.rerank, self.fusion)) != 1:
            raise ValueError("give exactly one of `bm25`, `model`, `rerank` and `fusion`")
        for key in ("dimensions", "index"):
            if getattr(self, key) is not None and self.model is None:
                raise ValueError(f"`{key}` goes with `model`, which searches vectors; leave it out")
        if isinstance(self.index, IvfPq) and self.dimensions is not None and self.dimensions % self.index.m:
            raise ValueError(
                f"`index.m` is {self.index.m}, which does not divide `dimensions: {self.dimensions}`; a vector is cut "
                "into that many equal parts. Change one of them"
            )
        return self

    @property
    def made_of(self) -> list[str]:
        """The experiment's other systems whose runs this one is made of."""
        if self.rerank is not None:
            return [self.rerank.system]
        return self.fusion.systems if self.fusion is not None else []


class Report(Section):
    """How the table is made."""

    confidence: float = option(0.95, "Confidence level of the intervals", gt=0, lt=1)
    bootstrap_resamples: int = option(10000, "Resamples of the bootstrap", ge=100)
    permutations: int = option(10000, "Permutations of the paired randomisation test", ge=100)
    power: float = option(
        0.8, "How probably a difference of the size called detectable would be shown", neutral=0.8, gt=0, lt=1
    )
    seed: int = option(0, "Seed of both", ge=0)
    compare: list[Name] | None = option(None, "The systems to compare with `before`; without it all others")
    gains: int = option(10, "How many queries to show that gained, and that lost, most", ge=0)
    after: list[Name] | None = option(None, "The systems whose gains are shown; without it the trained ones")
    measure_for_gains: Text | None = option(None, "The measure that gains are taken by; without it the first one")


class Experiment(Section):
    """The systems to compare, which of them is "before", on which splits, by which measures."""

    description: str = option("", "A line for people")
    evaluate_on: list[EvaluationSet] = option(
        [], "The splits to search and score; none where the systems are scored by `similarity` alone"
    )
    systems: dict[Name, System] = required("The rows of the table, by the name they shall have in it", min_length=1)
    before: Name = option("before", "The system that the others are compared with")
    measures: list[Text] = option(
        ["nDCG@10", "R@100"], "Measures by their ir_measures names (docs/measures.md); the first one is the main one",
        min_length=1,
    )  # fmt: skip
    similarity: dict[Name, SimilaritySet] = option(
        {}, "Sets of sentences, by name and `type`, on which the systems with a `model` are scored too", neutral={}
    )
    depth: int = option(1000, "Documents a query in a run", ge=1)
    seeds: list[int] = option([0], "The trained models are trained once with each", min_length=1)
    report: Report = option(Report(), "How the table is made")
    checkpoints: list[KeptModelScores] = option(
        [], "Splits on which the models kept along the way (`keep_models`) are scored, for the report", neutral=[]
    )
    expected: list[Expected] = option(
        [], "Scores that the workflow must give, or it fails after everything is written", neutral=[]
    )

    @field_validator("measures")
    @classmethod
    def _known_measures(cls, measures: list[str]) -> list[str]:
        for measure in measures:
            check_measure(measure)
        return measures

    @model_validator(mode="after")
    def _something_is_scored(self) -> Self:
        if self.evaluate_on:
            return self
        if not self.similarity:
            raise ValueError("give `evaluate_on`, the splits to search and score, or `similarity`, or both")
        for name, system in self.systems.items():
            if system.model is None or system.index is not None:
                raise ValueError(
                    f"`systems.{name}` is no model whose vectors are compared as they are, so that `similarity` cannot "
                    "score it; leave it out, or give `evaluate_on`"
                )
        for key in ("measures", "depth"):
            if key in self.model_fields_set:
                raise ValueError(f"`{key}` is of searches, but there is no `evaluate_on`; leave it out")
        return self

    @model_validator(mode="after")
    def _names_are_known(self) -> Self:
        if self.before not in self.systems:
            raise ValueError(f"`before` is {self.before!r}, which is none of the systems {sorted(self.systems)}")
        for key in ("compare", "after"):
            for name in getattr(self.report, key) or []:
                if name not in self.systems:
                    raise ValueError(
                        f"`report.{key}` names {name!r}, which is none of the systems {sorted(self.systems)}"
                    )
        gains = self.report.measure_for_gains
        if gains is not None:
            check_measure(gains)
            measures = [str(parse_measure(name)) for name in self.measures]
            if str(parse_measure(gains)) not in measures:
                raise ValueError(f"`report.measure_for_gains` is {gains!r}, which is none of the `measures` {measures}")
        check_expected(self)
        if len(set(self.seeds)) < len(self.seeds) or min(self.seeds) < 0:
            raise ValueError(f"`seeds` {self.seeds} must be different whole numbers from 0 on")
        return self
