"""The beam that looks ahead, against a slow one written out from the definition."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from dfe_lib.errors import InputError
from dfe_lib.tokens import search
from dfe_lib.tokens.forecast import REMAINDER, _parts, _search, beam, forecast


@pytest.fixture
def case():
    generator = torch.Generator().manual_seed(0)
    shape = torch.linspace(2, 0.1, 7)  # far in some directions, hardly in others
    codebook = torch.randn(21, 7, generator=generator) * shape  # 21: not a multiple of a group
    x = 1.5 * torch.randn(60, 7, generator=generator) * shape
    return x, codebook, torch.tensor([1.0, 0.63, 0.41])  # no sum of two is a third: no ties


def slow_beam(x, codebook, gains, width):
    """One frame at a time in float64, with the cost as a full matrix."""
    book, gains = codebook.double().numpy(), gains.double().numpy()
    moment = book.T @ book / len(book)
    remainder = REMAINDER * gains[-1] ** 2 * np.trace(moment) / len(moment)
    codes = []
    for frame in x.double().numpy():
        sums = [((), frame)]
        for s, gain in enumerate(gains):
            to_come = (gains[s + 1 :] ** 2).sum()
            cost = np.linalg.inv(np.eye(len(moment)) + to_come * moment / remainder)
            sums = [((*path, k), r - gain * t) for path, r in sums for k, t in enumerate(book)]
            sums = sorted(sums, key=lambda item: item[1] @ cost @ item[1])[:width]
        codes.append(sums[0][0])
    return np.array(codes)


@pytest.mark.parametrize("width", [1, 2, 5, 50])
def test_beam_is_the_definition(case, width):
    assert np.array_equal(beam(*case, width).numpy(), slow_beam(*case, width))


@pytest.mark.parametrize("width", [1, 5, 50])
def test_the_kernel_of_other_devices_chooses_alike(case, width):
    x, codebook, gains = case
    basis, *parts = _parts(codebook, gains, None)
    assert torch.equal(_search(x @ basis, *parts, width), beam(*case, width))


def test_batches_change_nothing(case):
    assert torch.equal(beam(*case, 5), beam(*case, 5, batch=20))


def test_one_stage_is_the_nearest_code(case):
    x, codebook, gains = case
    nearest = torch.cdist(x, codebook).argmin(dim=1)
    assert torch.equal(beam(x, codebook, gains[:1], 4)[:, 0], nearest)


def test_looking_ahead_is_closer(case):
    x, codebook, gains = case

    def error(codes):
        return (x - (gains[:, None] * codebook[codes]).sum(dim=1)).square().sum(dim=1).mean()

    for width in (1, 4):
        assert error(beam(x, codebook, gains, width)) < error(search.search(x, codebook, gains, width))


def test_forecast_turns_with_the_coordinates(case):
    _, codebook, gains = case
    turn = torch.linalg.qr(torch.randn(7, 7, generator=torch.Generator().manual_seed(1)))[0]
    basis, weights = forecast(codebook, gains)
    turned_basis, turned_weights = forecast(codebook @ turn, gains)
    torch.testing.assert_close(weights, turned_weights, rtol=1e-4, atol=1e-6)
    cost = basis @ weights[0].diag() @ basis.T
    torch.testing.assert_close(
        turn.T @ cost @ turn, turned_basis @ turned_weights[0].diag() @ turned_basis.T, rtol=1e-4, atol=1e-5
    )
    assert torch.equal(weights[-1], torch.ones(7)) and (weights[:-1] < 1).all() and (weights > 0).all()


def test_two_codes_no_frames_and_no_width(case):
    x, codebook, gains = case
    assert beam(x[:0], codebook, gains, 4).shape == (0, 3)
    assert np.array_equal(beam(x, codebook[:2], gains, 8).numpy(), slow_beam(x, codebook[:2], gains, 8))
    same = torch.ones(4, 7)  # no direction is better than another
    assert beam(x, same, gains, 3).shape == (60, 3)
    with pytest.raises(InputError, match="at least 1"):
        beam(x, codebook, gains, 0)


def test_a_toll_turns_the_beam_away_but_not_the_judgement(case):
    x, codebook, gains = case
    free = beam(x, codebook, gains, 2)
    toll = torch.zeros(len(codebook))
    shunned = int(free[:, 0].mode().values)
    toll[shunned] = 1e6
    assert not (beam(x, codebook, gains, 2, toll)[:, 0] == shunned).any()
    # With every sum kept, who had to pay at the gate does not matter in the end.
    everyone = len(codebook) ** 2
    assert torch.equal(beam(x, codebook, gains, everyone, toll), beam(x, codebook, gains, everyone))
