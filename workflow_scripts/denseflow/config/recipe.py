"""How to train, in config/models/NAME.yaml: `trained.recipe`."""

from typing import Any, Literal

from pydantic import field_validator, model_validator

from denseflow.config.losses import AnyLoss, InfoNCE, MixCSE, SimCSE, Triplet
from denseflow.config.section import Name, Section, SplitName, Text, option, required
from denseflow.evaluate.names import check_measure


class Matryoshka(Section):
    """The loss is also taken of the vectors' first dimensions, so that they can be cut (Kusupati et al., 2022)."""

    dimensions: list[int] = required("Numbers of dimensions, such as [384, 192, 96]", min_length=1)
    weights: list[float] | None = option(None, "The weight of the loss at each of them; 1 where it is left out")

    @model_validator(mode="after")
    def _as_many_weights(self) -> "Matryoshka":
        if min(self.dimensions) < 1 or len(set(self.dimensions)) < len(self.dimensions):
            raise ValueError(f"`dimensions` {self.dimensions} must be different whole numbers from 1 on")
        if self.weights is not None and (len(self.weights) != len(self.dimensions) or min(self.weights) <= 0):
            raise ValueError(f"`weights` {self.weights} must be {len(self.dimensions)} numbers above 0")
        return self


class LoRA(Section):
    """Low-rank adapters (Hu et al., 2021), with peft."""

    rank: int = option(8, "The rank of the update of a weight", ge=1)
    alpha: float = option(16.0, "The update is multiplied by alpha / rank", gt=0)
    dropout: float = option(0.0, "Dropout before the adapters", ge=0, lt=1)
    targets: list[Text] | None = option(None, "Names of the layers that get one; all linear layers where left out")
    keep_adapter: bool = option(False, "Whether the adapter is written to `adapter/` too; `model/` is always merged")


class Evaluation(Section):
    """Scoring on a split while the model is trained, as the search and evaluate stages score."""

    dataset: Name | None = option(None, "A name from config/datasets; that of `data` where it is left out")
    split: SplitName = option("dev", "The split to score; never the one that the table is about")
    measure: Text = option("nDCG@10", "The measure that decides, by its ir_measures name")
    every_epochs: float | None = option(None, "Score after so many epochs; 1 where both are left out", gt=0)
    every_steps: int | None = option(None, "Score after so many optimizer steps", ge=1)
    keep_best: bool = option(True, "Whether the weights that scored best become the model, or the last ones")
    patience: int | None = option(None, "Stop after so many scores in a row that were no better than the best", ge=1)
    passages: int | None = option(
        None, "Search only the judged passages and as many others, drawn with the seed; all where it is left out", ge=0
    )

    @model_validator(mode="after")
    def _one_interval(self) -> "Evaluation":
        if self.every_epochs is not None and self.every_steps is not None:
            raise ValueError("give either `every_epochs` or `every_steps`")
        return self

    @field_validator("measure")
    @classmethod
    def _known_measure(cls, measure: str) -> str:
        check_measure(measure)
        return measure


class KeptModels(Section):
    """Models kept along the way, to be scored later by the target `checkpoints`."""

    every_epochs: float | None = option(None, "Keep one after so many epochs", gt=0)
    every_steps: int | None = option(None, "Keep one after so many optimizer steps", ge=1)

    @model_validator(mode="after")
    def _one_interval(self) -> "KeptModels":
        if (self.every_epochs is None) == (self.every_steps is None):
            raise ValueError("give either `every_epochs` or `every_steps`")
        return self


class Flops(Section):
    """What keeps a sparse encoder's vectors sparse (Paria et al., 2020; Formal et al., 2021)."""

    query_weight: float = option(5e-4, "Weight of the queries' term in the loss; higher leaves fewer terms", ge=0)
    passage_weight: float = option(3e-4, "Weight of the passages' term in the loss; higher leaves fewer terms", ge=0)
    warmup_ratio: float = option(
        0.33, "The share of the steps in which both weights rise from 0, by the square of the step", ge=0, le=1
    )


class Recipe(Section):
    """How a model is trained."""

    loss: AnyLoss = option(InfoNCE(), "The loss and its options, by `name`")
    matryoshka: Matryoshka | None = option(None, "Also train the vectors' first dimensions")
    flops: Flops | None = option(None, "What keeps a sparse encoder's vectors sparse; it must be given for one")
    encoders: Literal["shared", "separate", "query_only"] = option(
        "shared",
        "One encoder for queries and passages; two, which start equal; or two of which only the queries' learns",
        neutral="shared",
    )
    projection: int | None = option(None, "Add a linear layer that gives vectors of so many dimensions", ge=1)
    weights: Literal["all", "lora", "bitfit"] = option(
        "all", "What is trained: all weights, low-rank adapters, or the biases alone (Ben Zaken et al., 2021)",
        neutral="all",
    )  # fmt: skip
    frozen_layers: int | None = option(
        None, "Freeze the embeddings and so many of the lowest layers (Lee et al., 2019)", ge=0
    )
    lora: LoRA | None = option(None, "The adapters, where `weights` is `lora`")
    batch_size: int = option(32, "Queries in a batch", ge=1)
    positive: Literal["random", "first"] = option(
        "random", "Which positive a query is trained with: another at each epoch, or always the first"
    )
    queries_per_passage: int | None = option(
        None, "Make batches by passage: `batch_size` / this many passages with `batch_size` of their queries", ge=1
    )
    positives_per_query: int = option(1, "How often a query comes up in an epoch, with other positives", ge=1)
    negatives_per_query: int = option(1, "Hard negatives a query in a batch, others at each epoch", ge=0)
    epochs: float = option(
        3.0, "Passes over the training queries; over their positives where batches are made by passage", gt=0
    )
    max_steps: int | None = option(None, "Stop after so many optimizer steps, whatever `epochs` says", ge=1)
    learning_rate: float = option(2e-5, "The highest learning rate", gt=0)
    schedule: Literal["linear", "cosine", "constant"] = option("linear", "The learning rate's way after the warm-up")
    warmup_ratio: float = option(0.1, "The share of the steps in which the learning rate rises", ge=0, lt=1)
    weight_decay: float = option(0.0, "AdamW's weight decay, not on biases and layer norms", ge=0)
    max_grad_norm: float = option(1.0, "Gradients are clipped to this norm", gt=0)
    accumulation: int = option(1, "Batches whose gradients are summed before a step", ge=1)
    precision: Literal["fp32", "bf16", "fp16"] = option(
        "fp32", "Mixed precision; fp16 needs a GPU, and a CPU trains such a recipe in fp32 and says so"
    )
    gradient_checkpointing: bool = option(False, "Save memory by computing activations twice")
    dropout: float | None = option(None, "The model's dropout, where it shall not stay as it is", ge=0, lt=1)
    evaluate: Evaluation | None = option(None, "Score on a split during training, and keep the best weights")
    keep_models: KeptModels | None = option(None, "Keep models along the way")

    @model_validator(mode="before")
    @classmethod
    def _adapters_as_usual(cls, options: Any) -> Any:
        if isinstance(options, dict) and options.get("weights") == "lora" and options.get("lora") is None:
            return {**options, "lora": {}}
        return options

    @model_validator(mode="after")
    def _parts_agree(self) -> "Recipe":
        if self.lora is not None and self.weights != "lora":
            raise ValueError(
                f"`lora` is given, but `weights` is {self.weights!r}; set `weights: lora`, or leave it out"
            )
        if self.projection is not None and self.encoders == "query_only":
            raise ValueError(
                f"`projection` is {self.projection}, but with `encoders: query_only` the passages' side does not "
                "learn, and its projection would stay random; leave `projection` out, or set `encoders: separate`"
            )
        if isinstance(self.loss, SimCSE | MixCSE) and self.dropout == 0:
            raise ValueError(
                f"`dropout` is 0, but the loss {self.loss.name!r} learns from what dropout changes; leave "
                "`dropout` out, or set it to 0.1"
            )
        if isinstance(self.loss, InfoNCE | Triplet) and not (self.loss.in_batch_negatives or self.negatives_per_query):
            raise ValueError(
                "`negatives_per_query` is 0 and `loss.in_batch_negatives` is false, so that there are no negatives; "
                "change one of them"
            )
        if self.frozen_layers is not None and self.weights == "lora":
            raise ValueError("`frozen_layers` does not go with `weights: lora`, which freezes every layer")
        return self
