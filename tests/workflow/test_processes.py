"""A training in two processes, through Snakemake and torchrun."""

import torch
from safetensors.torch import load_file


def test_a_model_trained_by_two_processes_is_the_one_that_one_process_trains(workflow):
    path = workflow.folder / "results/train/tuned/seed0/model/model.safetensors"
    expected = load_file(path)
    workflow.edit("config/models/tuned.yaml", "trained:", "run: {processes: 2, threads: 2}\ntrained:")
    assert workflow.planned() == {}
    path.parents[1].joinpath("manifest.json").unlink()
    text = workflow.make("results/train/tuned/seed0/manifest.json")
    assert "training: 2 processes of 1 threads on cpu" in text
    log = (workflow.folder / "results/logs/train/tuned.seed0.log").read_text()
    assert "2 processes" in log
    assert "training steps: 4 of 4" in log
    assert log.count("training: weights") == 1  # of the first process alone
    found = load_file(path)
    assert found.keys() == expected.keys()
    for name, weights in found.items():
        assert name.endswith("key.bias") or torch.allclose(weights, expected[name], atol=1e-5)
