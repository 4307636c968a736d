"""A pretrained sparse encoder, from an installed package, a folder or the hub, laid down as a trained one is."""

import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

import torch
from sentence_transformers import SentenceTransformer
from sentence_transformers.base.modules import Transformer

from denseflow.contract import apply_contract
from denseflow.encoder import dimensions, explain_loading, load_encoder, replace_folder, save_encoder
from denseflow.errors import DenseflowError
from denseflow.sides import KINDS, find_module
from denseflow.splade import is_sparse_folder, new_sparse_encoder
from denseflow.train.encoders import join_encoders
from denseflow.train.pretrained import fetch, keep_bytes, record


def prepare_sparse_encoder(
    source: Mapping[str, Any], contract: Mapping[str, Any], folder: Path, revisions: Path
) -> dict[str, Any]:
    """Write ``folder/model``, a sentence-transformers SparseEncoder folder, and ``folder/manifest.json``.

    Weights that are float32 safetensors already keep their bytes, but where two models are joined.

    Args:
        source: As for :func:`denseflow.train.pretrained.prepare`: a SparseEncoder folder, or a plain one of a masked
            language model with its head, of which a SPLADE is made.
        contract: Fields of :class:`denseflow.contract.Contract` to change; pooling, normalize and similarity are given.
        folder: Where the result goes.
        revisions: The JSON file in which the commits of models from the hub are recorded.

    Raises:
        DenseflowError: The source cannot be reached, is no sparse encoder, wants to run code that is not trusted, or
            does not go with the contract.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder, prefix=".model.") as temporary:
        files, result = Path(temporary) / "files", Path(temporary) / "result"
        model, facts = fetch(source, files, revisions, _load)
        if source.get("passage"):
            passages, facts["passage"] = fetch(source["passage"], Path(temporary) / "passage", revisions, _load)
            join_encoders(model, passages, similarity=None)
        whole = apply_contract(model, contract)
        save_encoder(model, result)
        if not source.get("passage"):
            keep_bytes(files, result)
        replace_folder(result, folder / "model")
    return record(folder, model, facts, whole, kind="sparse_encoder", dimensions=dimensions(model))


def _load(files: Path, name: str, trust: bool) -> SentenceTransformer:
    if (files / "modules.json").is_file():
        if not is_sparse_folder(files):
            raise DenseflowError(
                f"{name}: no sparse encoder, but one whose vectors are dense; leave out `kind: sparse_encoder`, or "
                "name another model"
            )
        model = load_encoder(files, trust_remote_code=trust)
        if model.similarity_fn_name != "dot":
            raise DenseflowError(
                f"{name}: its similarity is {model.similarity_fn_name}, but terms are searched by the inner product; "
                "name another model"
            )
        if any(find_module(model, Transformer, kind) is None for kind in KINDS):
            raise DenseflowError(
                f"{name}: its queries or its passages pass through no transformer, as in encoders that look the "
                "queries' weights up, which cannot be encoded here; name a model with a transformer for both"
            )
        return model
    with explain_loading(files):
        settings = {"trust_remote_code": trust, "local_files_only": True}
        made = new_sparse_encoder(
            files,
            trust_remote_code=trust,
            model_kwargs={"dtype": torch.float32, **settings},
            processor_kwargs=dict(settings),
            config_kwargs=dict(settings),
        )
        return cast(SentenceTransformer, made.eval())
