"""The FAISS index of a system in config/experiments/NAME.yaml; without one, search is exact."""

from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import Field, model_validator

from denseflow.config.section import Section, option, required


class _Index(Section):
    BUILT: ClassVar[tuple[str, ...]] = ()
    """The options that the index's file depends on; the others are options of a search in it."""
    SEARCHED: ClassVar[dict[str, str]] = {"rescore": "rescore"}
    """The options of a search, with the words for them in paths."""

    type: str
    rescore: int | None = option(
        None,
        "Of how many of the index's first candidates a query the scores are computed exactly, from the vectors, and "
        "the order with them; the index's own scores where it is left out",
        ge=1,
    )

    def built(self, dimensions: int | None) -> str:
        """The name of the folder of the index, such as ivf_pq_auto_48_8.d192: what its file depends on."""
        values = ("auto" if (value := getattr(self, name)) is None else str(value) for name in self.BUILT)
        return "_".join([self.type, *values]) + cut_suffix(dimensions)

    def searched(self, dimensions: int | None) -> str:
        """The name of the folder of its runs, such as ivf_pq_auto_48_8.nprobe32.rescore100.d192."""
        values = ((word, getattr(self, name)) for name, word in self.SEARCHED.items())
        words = "".join(f".{word}{value}" for word, value in values if value is not None)
        return self.built(None) + words + cut_suffix(dimensions)

    def build_options(self, dimensions: int | None) -> dict[str, Any]:
        """What :meth:`built` names."""
        return {"type": self.type, **{name: getattr(self, name) for name in self.BUILT}, "dimensions": dimensions}

    def search_options(self) -> dict[str, Any]:
        """What only a search depends on."""
        return {name: getattr(self, name) for name in self.SEARCHED}


def cut_suffix(dimensions: int | None) -> str:
    """What a folder's name ends with where vectors are cut."""
    return "" if dimensions is None else f".d{dimensions}"


class Flat(_Index):
    """All whole vectors in FAISS's own exact index: what the search without `index` is held against."""

    type: Literal["flat"] = required("`flat`")


class Hnsw(_Index):
    """A graph of near neighbours over the whole vectors (Malkov and Yashunin, 2018)."""

    BUILT = ("m", "ef_construction")
    SEARCHED: ClassVar[dict[str, str]] = {"ef_search": "ef", **_Index.SEARCHED}

    type: Literal["hnsw"] = required("`hnsw`")
    m: int = option(32, "Neighbours a vector", ge=2)
    ef_construction: int = option(200, "Candidates looked at when a vector is put in", ge=1)
    ef_search: int = option(
        128, "Candidates looked at in a search, or as many as documents are asked for where these are more", ge=1
    )


class _Lists(_Index):
    SEARCHED: ClassVar[dict[str, str]] = {"nprobe": "nprobe", **_Index.SEARCHED}

    nlist: int | None = option(None, "Lists; four times the square root of the number of passages if left out", ge=1)
    nprobe: int = option(32, "Lists that a search reads", ge=1)

    @model_validator(mode="after")
    def _lists_to_read(self) -> Self:
        if self.nlist is not None and self.nprobe > self.nlist:
            raise ValueError(
                f"`nprobe` is {self.nprobe}, more lists than the {self.nlist} of `nlist`; lower it (all lists are an "
                "exact search, which is quicker without `index`)"
            )
        return self


class Ivf(_Lists):
    """Lists of whole vectors by their nearest centroid, of which a search reads some (Sivic and Zisserman, 2003)."""

    BUILT = ("nlist",)

    type: Literal["ivf"] = required("`ivf`")


class IvfPq(_Lists):
    """As `ivf`, with each vector kept as a product-quantised code (Jégou et al., 2011)."""

    BUILT = ("nlist", "m", "bits")

    type: Literal["ivf_pq"] = required("`ivf_pq`")
    m: int = option(
        48, "Parts that a vector is cut into, a divisor of its dimensions; a code has m times `bits` bits", ge=1
    )
    bits: int = option(8, "Bits of a part's code", ge=4, le=12)


class ScalarQuantizer(_Index):
    """All vectors, each number kept in fewer bits."""

    BUILT = ("kind",)

    type: Literal["sq"] = required("`sq`")
    kind: Literal["8bit", "6bit", "4bit", "fp16", "bf16"] = option("8bit", "What a number is kept as")


Index = Annotated[Flat | Hnsw | Ivf | IvfPq | ScalarQuantizer, Field(discriminator="type")]
