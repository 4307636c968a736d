"""The quicker routines of a CPU give what torch's give."""

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

import pytest
import torch
from torch.nn import functional

from denseflow.cpu import attention as attention_module
from denseflow.cpu.dropout import draw_kept
from denseflow.cpu.quick import quick_on_cpu, recomputing
from denseflow.encoder import load_encoder

TEXTS = ["what is milk", "cancer and risk of the heart", "not fruit with fish and meat for women and men"]


@pytest.fixture(autouse=True)
def seeded() -> None:
    torch.manual_seed(0)


def gradients(function: Callable[..., torch.Tensor], *inputs: torch.Tensor) -> list[torch.Tensor]:
    """The value of a function, and its gradients for an arbitrary one of the value."""
    leaves = [value.detach().requires_grad_() for value in inputs]
    value = function(*leaves)
    weights = torch.linspace(-1, 1, value.numel()).view(value.shape)
    return [value.detach(), *torch.autograd.grad((value * weights).sum(), leaves)]


def assert_close(one: list[torch.Tensor], other: list[torch.Tensor]) -> None:
    for ours, theirs in zip(one, other, strict=True):
        assert ours.shape == theirs.shape
        assert (ours - theirs).norm() <= 2e-6 * theirs.norm()


def called(name: str) -> bool:
    """Whether the quick context lets our routine of ``name`` compute a small example."""
    inputs = torch.randn(1, 2, 5, 4, requires_grad=True)
    with quick_on_cpu("cpu"):
        output = {
            "_Linear": lambda: functional.linear(inputs, torch.randn(3, 4)),
            "_Dropout": lambda: functional.dropout(inputs, 0.5),
            "_Attention": lambda: functional.scaled_dot_product_attention(inputs, inputs, inputs, dropout_p=0.5),
        }[name]()
    return type(output.grad_fn).__name__ == f"{name}Backward"


@pytest.mark.parametrize("name", ["_Linear", "_Dropout", "_Attention"])
def test_the_quick_routines_are_used(name):
    assert called(name)


@pytest.mark.parametrize("shape", [(7, 24), (3, 5, 24)])
def test_a_linear_layer_has_the_same_value_and_gradients(shape):
    inputs = torch.randn(shape), torch.randn(16, 24), torch.randn(16)
    expected = gradients(functional.linear, *inputs)
    with quick_on_cpu("cpu"):
        assert_close(gradients(functional.linear, *inputs), expected)
        assert_close(gradients(functional.linear, *inputs[:2]), gradients(functional.linear, *inputs[:2]))


def test_a_frozen_linear_layer_gets_no_gradient():
    inputs, weight = torch.randn(3, 4, requires_grad=True), torch.randn(5, 4)
    with quick_on_cpu("cpu"):
        functional.linear(inputs, weight).sum().backward()
    assert weight.grad is None
    assert torch.allclose(inputs.grad, weight.sum(0).expand(3, 4))


def with_dropout(query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, mask: torch.Tensor | None):
    """Attention as its formula has it, with the dropout that the seed gives."""
    scores = query @ key.transpose(-1, -2) * query.shape[-1] ** -0.5
    if mask is not None:
        scores = scores.masked_fill(~mask, -torch.inf)
    torch.manual_seed(3)
    return scores.softmax(-1) * draw_kept(scores.shape, 0.25) / 0.75 @ value


@pytest.mark.parametrize("masked", [False, True])
def test_attention_with_dropout_has_the_value_and_gradients_of_its_formula(masked, monkeypatch):
    monkeypatch.setattr(attention_module, "_SCORES_AT_ONCE", 2 * 3 * 6 * 6)  # two of the five texts at once
    inputs = [torch.randn(5, 6, 3, 8).transpose(1, 2) for _ in range(3)]
    mask = (torch.arange(6) < torch.tensor([6, 3, 5, 1, 6])[:, None])[:, None, None, :].expand(5, 1, 6, 6)

    def quick(*values: torch.Tensor) -> torch.Tensor:
        torch.manual_seed(3)
        with quick_on_cpu("cpu"):
            chosen = mask if masked else None
            return functional.scaled_dot_product_attention(*values, attn_mask=chosen, dropout_p=0.25)

    assert_close(gradients(quick, *inputs), gradients(lambda *v: with_dropout(*v, mask if masked else None), *inputs))


def test_attention_without_dropout_stays_torchs():
    inputs = torch.randn(1, 2, 5, 4, requires_grad=True)
    with quick_on_cpu("cpu"):
        output = functional.scaled_dot_product_attention(inputs, inputs, inputs)
    assert "_Attention" not in type(output.grad_fn).__name__


@pytest.mark.parametrize("probability", [0.1, 0.5, 0.999])
def test_dropout_drops_its_share_and_keeps_the_mean(probability):
    kept = draw_kept(torch.Size([1000, 1001]), probability)
    assert kept.shape == (1000, 1001)
    assert abs((~kept).float().mean().item() - probability) < 0.002
    for part in (kept[::2], kept[:, ::4], kept[:, 3::4]):  # the four 16-bit parts of a 64-bit word are alike
        assert abs((~part).float().mean().item() - probability) < 0.004


def test_dropout_scales_what_it_keeps_and_sends_its_gradient_back():
    inputs = torch.randn(50, 40)
    with quick_on_cpu("cpu"):
        output, gradient = gradients(lambda x: functional.dropout(x, 0.25), inputs)
    weights = torch.linspace(-1, 1, 2000).view(50, 40)
    kept = output != 0
    assert 0.6 < kept.float().mean() < 0.9
    assert torch.allclose(output, inputs * kept / 0.75)
    assert torch.allclose(gradient, weights * kept / 0.75)


def test_the_seed_decides_what_is_dropped():
    def dropped(seed: int) -> torch.Tensor:
        torch.manual_seed(seed)
        with quick_on_cpu("cpu"):
            return functional.dropout(torch.ones(100, 10), 0.5)

    assert torch.equal(dropped(1), dropped(1))
    assert not torch.equal(dropped(1), dropped(2))


def test_an_encoder_has_the_same_vectors_and_gradients(tiny_model: Path):
    model = load_encoder(tiny_model)
    features = model.preprocess(TEXTS)

    def run() -> list[torch.Tensor]:
        model.zero_grad()
        output = model(dict(features))["sentence_embedding"]
        (output[0] @ output[1] - output[0] @ output[2]).backward()
        return [output.detach(), *(weights.grad for weights in model.parameters())]

    expected = run()
    with quick_on_cpu("cpu"):
        found = run()
    for ours, theirs in zip(found, expected, strict=True):
        assert (ours - theirs).norm() <= 1e-5 * max(theirs.norm(), 1e-3)


@pytest.mark.parametrize("context", [quick_on_cpu("cpu"), nullcontext()], ids=["quick", "not"])
def test_gradient_checkpointing_sees_the_same_dropout(tiny_model: Path, context: AbstractContextManager):
    def run(checkpointing: bool) -> torch.Tensor:
        model = load_encoder(tiny_model).train()
        if checkpointing:
            model[0].auto_model.activation_checkpointing_enable({"use_reentrant": False, "context_fn": recomputing})
        torch.manual_seed(5)
        with context:
            output = model(dict(model.preprocess(TEXTS)))["sentence_embedding"]
            (output[0] @ output[1]).backward()
        return torch.cat([weights.grad.flatten() for weights in model.parameters()])

    assert torch.equal(run(False), run(True))


def test_other_types_and_autocast_stay_as_they_are():
    inputs, weight = torch.randn(3, 4, requires_grad=True), torch.randn(5, 4)
    with quick_on_cpu("cpu"):
        assert "_Linear" not in type(functional.linear(inputs.double(), weight.double()).grad_fn).__name__
        with torch.autocast("cpu", dtype=torch.bfloat16):
            assert functional.linear(inputs, weight).dtype == torch.bfloat16


def test_another_device_stays_as_it_is():
    inputs = torch.randn(3, 4, requires_grad=True)
    with quick_on_cpu("cuda"):
        assert "_Linear" not in type(functional.linear(inputs, torch.randn(5, 4)).grad_fn).__name__
