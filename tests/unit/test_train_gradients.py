"""With any loss, GradCache and two processes give the gradient of the whole batch in one graph, with dropout on."""

import json

import pytest
import several_processes
from gradients import first_batch, relative_difference
from safetensors.torch import load_file

from denseflow.train.processes import ALONE

INFONCE = {"name": "infonce", "temperature": 0.1, "in_batch_negatives": True}
CASES = {
    "infonce": {"loss": INFONCE},
    "infonce, hard negatives only": {"loss": {**INFONCE, "in_batch_negatives": False}},
    "infonce, every option": {"loss": {**INFONCE, "symmetric": True, "margin": 0.1, "every_positive": True}},
    "triplet": {"loss": {"name": "triplet", "margin": 0.5, "in_batch_negatives": True}},
    "margin_mse": {"loss": {"name": "margin_mse", "scale": 2.0}},
    "kl": {"loss": {"name": "kl", "temperature": 0.1, "teacher_temperature": 1.0, "infonce_weight": 0.5}},
    "simcse": {"loss": {"name": "simcse", "temperature": 0.1}},
    "mixcse": {"loss": {"name": "mixcse", "temperature": 0.1, "mix": 0.2}},
    "matryoshka": {"loss": INFONCE, "matryoshka": {"dimensions": [32, 8], "weights": [1.0, 0.5]}},
    "separate encoders": {"loss": INFONCE, "encoders": "separate"},
    "a frozen passage side": {"loss": INFONCE, "encoders": "query_only"},
    "a projection": {"loss": INFONCE, "projection": 16},
    "lora": {"loss": INFONCE, "weights": "lora", "lora": {"rank": 2, "alpha": 4.0, "dropout": 0.1}},
    "bitfit": {"loss": INFONCE, "weights": "bitfit"},
    "gradient checkpointing": {"loss": INFONCE, "gradient_checkpointing": True},
    "lce": {"loss": {"name": "lce"}},
    "bce": {"loss": {"name": "bce"}},
}


@pytest.fixture(scope="module")
def of_two(base, training_file, tmp_path_factory, together):
    """The folder of all gradients of two processes."""
    folder = tmp_path_factory.mktemp("of_two")
    arguments = {"base": base, "training_file": training_file, "cases": CASES, "folder": folder}
    together(several_processes.save_gradients, arguments, folder / "work")
    return folder


@pytest.mark.parametrize("name", CASES)
def test_the_gradient_equals_that_of_the_whole_batch_in_one_graph(name, base, training_file):
    expected = first_batch(base, training_file, CASES[name]).in_one_graph()
    for recompute in (True, False):
        found = first_batch(base, training_file, CASES[name]).in_pieces(ALONE, recompute=recompute)
        assert relative_difference(found, expected) < 1e-5
    # Other dropout gives another gradient, so that its being the same is shown too.
    other = first_batch(base, training_file, {**CASES[name], "dropout": 0.2}).in_one_graph()
    assert relative_difference(other, expected) > 1e-2


@pytest.mark.parametrize("name", CASES)
def test_two_processes_give_the_gradient_of_one(name, base, training_file, of_two):
    expected = first_batch(base, training_file, CASES[name]).in_one_graph()
    for recompute in (True, False):
        found = load_file(of_two / f"{name}.{recompute}.safetensors")
        assert relative_difference(found, expected) < 1e-5


def test_each_of_two_processes_encodes_a_part_of_the_batch_and_together_all_of_it(base, training_file, of_two):
    shares = [json.loads((of_two / f"encoded.{rank}.json").read_text()) for rank in (0, 1)]
    for name, changes in CASES.items():
        batch = first_batch(base, training_file, changes)
        pieces = sorted(piece["seed"] for group in batch.groups for piece in group)
        assert sorted(shares[0][name] + shares[1][name]) == pieces
        assert min(len(share[name]) for share in shares) > 0.3 * len(pieces)
