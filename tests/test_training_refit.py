"""Solving for templates and gains: against least squares written out, and against the objective itself."""

from __future__ import annotations

import pytest
import torch

from dfe_lib.tokens import refit
from dfe_lib.tokens.model import orthogonality, sparsity
from dfe_lib.tokens.parallel import Team
from dfe_lib.tokens.penalty import Penalties
from dfe_lib.tokens.refit import Sums

K, L, S, N = 6, 4, 3, 400


@pytest.fixture
def case():
    generator = torch.Generator().manual_seed(0)
    codebook = torch.randn(K, L, generator=generator)
    gains = torch.tensor([1.0, 0.7, 0.4])
    codes = torch.randint(K, (N, S), generator=generator)
    x = (gains[:, None] * codebook[codes]).sum(dim=1) + 0.1 * torch.randn(N, L, generator=generator)
    return x, codes, codebook, gains


def sums(memory=10**9):
    return Sums(K, L, S, memory, torch.device("cpu"))


def error(x, codes, codebook, gains):
    return (x - (gains[:, None] * codebook[codes]).sum(dim=1)).square().sum(dim=1).mean()


def test_templates_are_the_least_squares_solution(case, monkeypatch):
    x, codes, codebook, gains = case
    monkeypatch.setattr(refit, "DAMPING", 0.0)
    monkeypatch.setattr(refit, "GAIN_STEP", 0.0)
    total = sums()
    for part in (slice(0, 150), slice(150, N)):  # batches add up
        total.add(x[part], codes[part], codebook, gains, Team())
    found, same = total.refit(torch.zeros(K, L), gains)
    design = torch.zeros(N, K)
    for s in range(S):
        design[torch.arange(N), codes[:, s]] += gains[s]
    expected = torch.linalg.lstsq(design, x).solution
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(same, gains)


def test_a_frame_of_weight_two_counts_as_two(case):
    x, codes, codebook, gains = case
    weight = torch.ones(N)
    weight[:100] = 2
    weighed, twice = sums(), sums()
    weighed.add(x, codes, codebook, gains, Team(), weight)
    twice.add(torch.cat([x, x[:100]]), torch.cat([codes, codes[:100]]), codebook, gains, Team())
    for name in ("gram", "cross", "gain_gram", "gain_cross"):
        torch.testing.assert_close(weighed.tensors[name], twice.tensors[name], rtol=1e-5, atol=1e-4)


def test_gains_come_back_to_those_that_made_the_frames(case):
    x, codes, codebook, gains = case
    book, now = codebook, torch.tensor([1.0, 0.9, 0.2])
    for _ in range(60):
        total = sums()
        total.add(x, codes, book, now, Team())
        book, now = total.refit(book, now)
        assert now[0] == 1
    torch.testing.assert_close(now, gains, rtol=0.05, atol=0.02)
    torch.testing.assert_close(book, codebook, rtol=0.1, atol=0.06)


def test_sums_follow_the_scale(case):
    x, codes, codebook, gains = case
    total = sums()
    total.add(x, codes, 1.3 * codebook, gains, Team())
    book, now = total.refit(1.3 * codebook, gains)
    again = sums()
    again.add(x, codes, book, now, Team())
    # Both describe the same frames and codes but for the other gains' own move, which is small.
    torch.testing.assert_close(total.tensors["cross"], again.tensors["cross"], rtol=0.2, atol=2.0)


def test_old_batches_fade(case):
    x, codes, codebook, gains = case
    total = sums(memory=N)
    total.add(x, codes, codebook, gains, Team())
    total.add(0 * x, codes, codebook, gains, Team())
    alone = sums()
    alone.add(x, codes, codebook, gains, Team())
    torch.testing.assert_close(total.tensors["cross"], alone.tensors["cross"] * torch.exp(torch.tensor(-1.0)))


@pytest.mark.parametrize("weights", [(0.5, 0.0), (0.0, 0.5), (0.5, 0.5), (5.0, 0.2)])
def test_every_round_lowers_the_objective(case, weights):
    x, codes, codebook, gains = case
    moves = torch.randn(L, 9, 3, generator=torch.Generator().manual_seed(2))
    penalties = Penalties(moves, torch.eye(L), weights)

    def objective(book, gains):
        return float(error(x, codes, book, gains) + penalties.weigh(penalties.values(book)))

    book, values = codebook, [objective(codebook, gains)]
    for _ in range(10):
        total = sums()
        total.add(x, codes, book, gains, Team())
        book, gains = total.refit(book, gains, penalties)
        values.append(objective(book, gains))
    assert all(b <= a + 1e-5 for a, b in zip(values, values[1:], strict=False)) and values[-1] < values[0]


def test_the_bound_touches_with_the_gradient(case):
    codebook = case[2]
    moves = torch.randn(L, 9, 3, generator=torch.Generator().manual_seed(2))
    penalties = Penalties(moves, torch.eye(L), (0.7, 0.3))
    blocks, pull = penalties.bound(codebook)
    start = codebook.clone().requires_grad_(True)
    (0.7 * sparsity(start, moves) + 0.3 * orthogonality(start)).backward()
    half = torch.einsum("ki,kij->kj", codebook, blocks) - pull
    torch.testing.assert_close(2 * half, start.grad, rtol=1e-3, atol=1e-5)


def test_a_code_that_is_forgotten_leaves_the_others_alone(case):
    x, codes, codebook, gains = case
    total = sums()
    total.add(x, codes, codebook, gains, Team())
    total.forget(torch.tensor([2]))
    book, _ = total.refit(codebook, gains)
    torch.testing.assert_close(book[2] / book[2].norm(), codebook[2] / codebook[2].norm())
    assert torch.isfinite(book).all() and (total.tensors["usage"][:, 2] > 0).all()
