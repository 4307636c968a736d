"""Sparse encoders: masked language models whose logits weigh the terms of their vocabulary.

SPLADE gives a text the weight max over its tokens of log(1 + relu(logit)) for each term, most of them 0 (Formal et al.
2021, https://arxiv.org/abs/2109.10086). Such an encoder is sentence-transformers' ``SparseEncoder``: a Transformer with
the task fill-mask and a SpladePooling, with prompts, lengths and tokenizer where the dense encoders have them.
"""

import json
from pathlib import Path
from typing import Any

import torch
from sentence_transformers import SparseEncoder
from sentence_transformers.base.modules import Transformer
from sentence_transformers.sparse_encoder.modules import SpladePooling
from torch.nn import Module

from denseflow.sides import containers

_SETTINGS = "config_sentence_transformers.json"


def is_sparse(model: Module) -> bool:
    """Whether an encoder's vectors weigh the terms of a vocabulary."""
    return isinstance(model, SparseEncoder)


def is_sparse_folder(folder: Path) -> bool:
    """Whether a sentence-transformers folder holds a sparse encoder."""
    path = folder / _SETTINGS
    return path.is_file() and json.loads(path.read_text(encoding="utf-8")).get("model_type") == "SparseEncoder"


def new_sparse_encoder(folder: Path, *, trust_remote_code: bool, **options: Any) -> SparseEncoder:
    """The SPLADE of a plain Hugging Face folder with a masked language model.

    Args:
        folder: Its weights hold the head that gives logits, as those of BERT and DistilBERT do.
        trust_remote_code: Whether the model's own code may run.
        options: ``model_kwargs``, ``processor_kwargs`` and ``config_kwargs`` of sentence-transformers' Transformer.
    """
    transformer = Transformer(str(folder), transformer_task="fill-mask", **options)
    modules: list[Module] = [transformer, SpladePooling("max")]
    model = SparseEncoder(modules=modules, device="cpu", similarity_fn_name="dot", trust_remote_code=trust_remote_code)
    return make_ready(model)


def make_ready(model: SparseEncoder) -> SparseEncoder:
    """Tell each SPLADE pooling its number of terms, and let it work with less memory; its files stay as they are."""
    for container in containers(model):
        transformer = next((module for module in container if isinstance(module, Transformer)), None)
        for module in container:
            if isinstance(module, SpladePooling):
                if module.embedding_dimension is None and transformer is not None:
                    module.embedding_dimension = transformer.config.vocab_size
                if module.pooling_strategy == "max":
                    # sentence-transformers' module takes it by this name, as torch does.
                    module.forward = _MaxFirst(module)  # type: ignore[method-assign, assignment]
    return model


class _MaxFirst:
    """SpladePooling's forward, with the same results: log(1 + relu) rises, so that the greatest logit is enough.

    It is taken of one value a term instead of one a token and term, which for training would be kept, too.
    """

    def __init__(self, pooling: SpladePooling) -> None:
        self._activation = pooling.activation_function

    def __call__(self, features: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        logits, padding = features["token_embeddings"], ~features["attention_mask"].bool().unsqueeze(-1)
        if torch.is_grad_enabled():
            greatest = logits.masked_fill(padding, 0).max(dim=1).values  # amax would keep all logits for its gradient
        else:
            greatest = logits.masked_fill_(padding, 0).amax(dim=1)  # many times quicker
        weights = greatest.float().relu().log1p()
        features["sentence_embedding"] = weights.log1p() if self._activation == "log1p_relu" else weights
        return features
