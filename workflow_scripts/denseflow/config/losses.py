"""The losses of config/models/NAME.yaml, in `trained.recipe.loss`."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from denseflow.config.section import Section, option, required


class InfoNCE(Section):
    """Cross-entropy over the positive and the negatives (van den Oord et al., 2018)."""

    name: Literal["infonce"] = option("infonce", "`infonce`")
    temperature: float = option(0.05, "Scores are divided by it", gt=0)
    in_batch_negatives: bool = option(True, "Whether the other queries' passages in the batch are negatives too")
    every_positive: bool = option(
        False, "Whether a query learns from all its positives in the batch, not only from the one drawn", neutral=False
    )
    symmetric: bool = option(
        False, "Whether each positive must also find its query among the queries of the batch", neutral=False
    )
    margin: float = option(0.0, "Taken from the positive's score before the division", ge=0, neutral=0.0)

    @model_validator(mode="after")
    def _symmetric_in_batch(self) -> "InfoNCE":
        if self.symmetric and not self.in_batch_negatives:
            raise ValueError(
                "`symmetric` is true, but `in_batch_negatives` is false: a positive finds its query among the other "
                "queries of the batch; set `in_batch_negatives` to true, or leave `symmetric` out"
            )
        return self


class Triplet(Section):
    """Hinge loss: the positive must score higher than each negative by a margin (Schroff et al., 2015)."""

    name: Literal["triplet"] = required("`triplet`")
    margin: float = option(0.2, "By how much the positive's score must be higher", gt=0)
    in_batch_negatives: bool = option(True, "Whether the other queries' passages in the batch are negatives too")


class MarginMSE(Section):
    """Squared error of the differences positive - negative against a teacher's (Hofstätter et al., 2020)."""

    name: Literal["margin_mse"] = required("`margin_mse`")
    scale: float = option(1.0, "The student's scores are multiplied by it, to reach the teacher's range", gt=0)


class KL(Section):
    """Kullback-Leibler divergence from a teacher's distribution over the passages drawn for a query."""

    name: Literal["kl"] = required("`kl`")
    temperature: float = option(0.05, "The student's scores are divided by it", gt=0)
    teacher_temperature: float = option(1.0, "The teacher's scores are divided by it", gt=0)
    infonce_weight: float = option(
        0.0, "Weight of InfoNCE (in-batch negatives, the same temperature) added to it", ge=0
    )


class SimCSE(Section):
    """InfoNCE over sentences encoded twice with other dropout (Gao et al., 2021); unsupervised."""

    name: Literal["simcse"] = required("`simcse`")
    temperature: float = option(0.05, "Scores are divided by it", gt=0)


class MixCSE(Section):
    """SimCSE with negatives mixed of the positive and another sentence (Zhang et al., 2022); unsupervised."""

    name: Literal["mixcse"] = required("`mixcse`")
    temperature: float = option(0.05, "Scores are divided by it", gt=0)
    mix: float = option(0.2, "Lambda, the positive's share in a mixed negative", gt=0, lt=1)


class LocalizedContrastive(Section):
    """For cross-encoders: cross-entropy of the positive among the negatives drawn for its query (Gao et al., 2021)."""

    name: Literal["lce"] = required("`lce`")


class BinaryCrossEntropy(Section):
    """For cross-encoders: each pair of query and passage is relevant or not (Nogueira and Cho, 2019)."""

    name: Literal["bce"] = required("`bce`")


AnyLoss = Annotated[
    InfoNCE | Triplet | MarginMSE | KL | SimCSE | MixCSE | LocalizedContrastive | BinaryCrossEntropy,
    Field(discriminator="name"),
]
