"""The FAISS index of a system in config/experiments/NAME.yaml; without one, search is exact."""

from typing import Annotated, Literal

from pydantic import Field

from denseflow.config.section import Section, option, required


class _Index(Section):
    rescore: int | None = option(
        None,
        "Of how many of the index's first candidates a query the scores are computed exactly, from the vectors, and "
        "the order with them; the index's own scores where it is left out",
        ge=1,
    )


class Hnsw(_Index):
    """A graph of near neighbours over the whole vectors (Malkov and Yashunin, 2018)."""

    type: Literal["hnsw"] = required("`hnsw`")
    m: int = option(32, "Neighbours a vector", ge=2)
    ef_construction: int = option(200, "Candidates looked at when a vector is put in", ge=1)
    ef_search: int = option(128, "Candidates looked at in a search", ge=1)


class Ivf(_Index):
    """Lists of whole vectors by their nearest centroid, of which a search reads some (Sivic and Zisserman, 2003)."""

    type: Literal["ivf"] = required("`ivf`")
    nlist: int | None = option(None, "Lists; four times the square root of the number of passages if left out", ge=1)
    nprobe: int = option(32, "Lists that a search reads", ge=1)


class IvfPq(_Index):
    """As `ivf`, with each vector kept as a product-quantised code (Jégou et al., 2011)."""

    type: Literal["ivf_pq"] = required("`ivf_pq`")
    nlist: int | None = option(None, "Lists; four times the square root of the number of passages if left out", ge=1)
    nprobe: int = option(32, "Lists that a search reads", ge=1)
    m: int = option(
        48, "Parts that a vector is cut into, a divisor of its dimensions; a code has m times `bits` bits", ge=1
    )
    bits: int = option(8, "Bits of a part's code", ge=4, le=12)


class ScalarQuantizer(_Index):
    """All vectors, each number kept in fewer bits."""

    type: Literal["sq"] = required("`sq`")
    kind: Literal["8bit", "6bit", "4bit", "fp16", "bf16"] = option("8bit", "What a number is kept as")


Index = Annotated[Hnsw | Ivf | IvfPq | ScalarQuantizer, Field(discriminator="type")]
