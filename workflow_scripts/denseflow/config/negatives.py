"""config/negatives/NAME.yaml: how hard negatives are mined."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from denseflow.config.analyzer import ANALYZER
from denseflow.config.section import Name, Section, option, required


class RandomNegatives(Section):
    """Passages drawn from the whole corpus without replacement."""

    type: Literal["random"] = required("`random`")
    count: int = required("How many a query", ge=1)


class RankedNegatives(Section):
    """What the sources have in common that draw from ranks of a run."""

    type: str = required("Which run")
    count: int = required("How many a query", ge=1)
    first_rank: int = option(1, "The first rank to draw from", ge=1)
    last_rank: int = option(100, "The last rank to draw from, which is also the depth of the search", ge=1)
    margin: float | None = option(
        None, "Leave out what scores higher than the query's best positive less this: a likely false negative", ge=0
    )
    share: float | None = option(
        None, "Leave out what scores higher than this share of the best positive's score (NV-Retriever: 0.95)", gt=0
    )

    without_answer: Literal["dpr", "korquad", "regex"] | None = option(
        None,
        "Leave out what contains an answer of the question, which DPR does with `dpr`; found as by the measure Answer "
        "with this `match`",
    )

    @model_validator(mode="after")
    def _ranks_in_order(self) -> Self:
        if self.first_rank > self.last_rank:
            raise ValueError(f"first_rank {self.first_rank} lies behind last_rank {self.last_rank}")
        return self


class Bm25Negatives(RankedNegatives):
    """Passages that BM25 ranks high and that are not known to be relevant."""

    type: Literal["bm25"] = required("`bm25`")
    k1: float = option(0.9, "BM25's k1", ge=0)
    b: float = option(0.4, "BM25's b", ge=0, le=1)
    analyzer: Name | None = option(None, ANALYZER)


class DenseNegatives(RankedNegatives):
    """Passages that a dense model ranks high and that are not known to be relevant (Xiong et al., 2020)."""

    type: Literal["dense"] = required("`dense`")
    model: Name = required("A name from config/models; a trained one mines with the experiment's seed")


class GivenNegatives(Section):
    """Passages that a question comes with as negatives, in a dataset whose source has such: `dpr`, `flag_embedding`."""

    type: Literal["given"] = required("`given`")
    count: int = required("How many a query", ge=1)
    kind: Literal["hard", "easy"] = option("hard", "DPR's `hard_negative_ctxs`, or its `negative_ctxs`")
    first: int | None = option(
        None, "Draw from so many at the head of the list only; as many as `count` are those that DPR takes", ge=1
    )

    @model_validator(mode="after")
    def _enough_to_draw_from(self) -> Self:
        if self.first is not None and self.first < self.count:
            raise ValueError(f"first {self.first} is below count {self.count}; raise it, or leave it out")
        return self


NegativeSource = Annotated[
    RandomNegatives | Bm25Negatives | DenseNegatives | GivenNegatives, Field(discriminator="type")
]


class Negatives(Section):
    """Where a training query's hard negatives come from, and which of its relevant passages are positives."""

    description: str = option("", "A line for people")
    queries: Literal["split", "passages"] = option(
        "split",
        "The training queries: those of the split, or each passage of the collection, which is its own positive then "
        "(for the losses simcse and mixcse)",
        neutral="split",
    )
    sources: list[NegativeSource] = option([], "One entry a source, by `type`; none for in-batch negatives alone")
    seed: int = option(0, "The seed of all drawing", ge=0)
    max_queries: int | None = option(
        None,
        "Only so many training queries: the first ones that have a positive, or passages drawn with the seed",
        ge=1,
    )
    min_level: int = option(1, "The lowest relevance level that makes a positive", ge=1)
    max_positives: int | None = option(None, "At most so many positives a query, drawn at random", ge=1)

    @model_validator(mode="after")
    def _passages_need_no_qrels(self) -> Self:
        if self.queries == "split":
            return self
        for key, value, neutral in (
            ("sources", self.sources, []),
            ("min_level", self.min_level, 1),
            ("max_positives", self.max_positives, None),
        ):
            if value != neutral:
                found = "some" if key == "sources" else repr(value)
                raise ValueError(
                    f"`{key}` is given ({found}), but with `queries: passages` each passage is its own and only "
                    "positive, and the other passages of a batch are the negatives; leave it out"
                )
        return self
