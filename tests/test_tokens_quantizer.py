"""The invariants of the residual quantiser and the autoencoder on it, and the search against brute force."""

from __future__ import annotations

import copy
import itertools

import numpy as np
import pytest
import torch

from dfe_lib.data.displays import sample_displays
from dfe_lib.errors import ConfigError, InputError
from dfe_lib.space import ICT53, ExpressionSpace
from dfe_lib.tokens import Tokenizer, search
from dfe_lib.tokens.model import RVQVAE, Encoder, ModelConfig, orthogonality, sparsity
from dfe_lib.tokens.quantizer import ResidualQuantizer, count_codes, kmeans, perplexity
from dfe_lib.tokens.start import start


@pytest.fixture
def generator():
    return torch.Generator().manual_seed(0)


def quantizer(generator, n=400, dimension=5, codes=16, stages=4):
    """A quantiser started on data, and the data: correlated, with a few large directions."""
    mix = torch.randn(dimension, dimension, generator=generator)
    x = torch.randn(n, dimension, generator=generator) @ mix
    q = ResidualQuantizer(dimension, codes, stages)
    q.assign(*start(x, codes, stages, generator))
    return q, x


def model(stages=3, codes=12):
    torch.manual_seed(0)
    m = RVQVAE(ICT53, ModelConfig(stages=stages, codes=codes, width=16, heads=2, layers=1))
    torch.nn.init.normal_(m.encoder.head.weight, std=0.1)  # an encoder that is not the identity
    return m


def buffers(module):
    return {name: b.clone() for name, b in module.state_dict().items()}


# Invariants of the design, one test each


def test_decode_of_encode_is_forward_in_eval():
    m, psi = model().eval(), torch.rand(20, 53)
    out = m(psi)
    assert torch.equal(m.encode(psi), out.quantized.codes)
    assert torch.equal(m.decode(m.encode(psi)), out.quantized.values @ m.unwhitener)


@pytest.mark.parametrize("stages", [1, 2, 7])
def test_straight_through_gradient_is_exactly_one(generator, stages):
    q, x = quantizer(generator, stages=stages)
    z = x.clone().requires_grad_()
    weight = torch.randn(x.shape, generator=generator)
    (q(z).values * weight).sum().backward()
    assert torch.equal(z.grad, weight)


def test_commitment_reaches_the_input_from_every_stage(generator):
    q, x = quantizer(generator)
    z = x.clone().requires_grad_()
    for part in q(z).commitment:
        (gradient,) = torch.autograd.grad(part, z, retain_graph=True)
        assert gradient.abs().max() > 0
    (q(z).commitment.sum()).backward()
    assert q.codebook.grad is None and q.log_gains.grad is None  # it pulls the input to the codes only


@pytest.mark.parametrize("shared", [True, False])
def test_the_gradients_are_those_of_autograd(generator, shared):
    q = ResidualQuantizer(4, codes=6, stages=3, shared=shared)
    z = torch.randn(50, 4, generator=generator).requires_grad_()
    weight, pulls = torch.randn(50, 4, generator=generator), torch.tensor([0.2, 1.0, 3.0])
    wanted_of = [z, q.codebook, q.log_gains]
    out = q(z)
    mine = torch.autograd.grad((out.values * weight).sum() + out.commitment @ pulls, wanted_of)
    rows = out.codes if shared else out.codes + 6 * torch.arange(3)
    prefixes = (q.gains[:, None] * q.codebook[rows]).cumsum(dim=1)  # recorded operation by operation
    commitment = (z[:, None] - prefixes.detach()).square().sum(dim=2).mean(dim=0)
    torch.testing.assert_close(out.commitment, commitment)
    values = prefixes[:, -1] + z - z.detach()
    theirs = torch.autograd.grad((values * weight).sum() + commitment @ pulls, wanted_of)
    for own, other in zip(mine, theirs, strict=True):
        torch.testing.assert_close(own, other, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("how", ["eval", "frozen"])
def test_eval_and_frozen_passes_leave_the_state_bit_identical(generator, how):
    q, x = quantizer(generator)
    q.train()(x)  # some usage is there
    q = q.eval() if how == "eval" else q.freeze()
    before = buffers(q)
    out = q(x + 100)  # far away: every code but a few is dead now
    q.replace_dead(x, below=10**6, generator=generator)
    assert all(torch.equal(b, before[name]) for name, b in q.state_dict().items())
    if how == "frozen":
        assert not q.codebook.requires_grad and not out.values.requires_grad


def test_the_codebook_is_one_object_after_save_and_load(generator):
    q, x = quantizer(generator)
    assert [name for name, v in q.state_dict().items() if v.shape == q.codebook.shape] == ["codebook"]
    other = ResidualQuantizer(5, 16, 4)
    other.load_state_dict(copy.deepcopy(q.state_dict()))
    code = torch.tensor([[3, 3, 3, 3]])
    with torch.no_grad():
        other.codebook[3] += 1
    changed = other.decode(code) - q.decode(code)
    torch.testing.assert_close(changed, q.gains.sum() * torch.ones(1, 5))  # every stage saw the change


def test_masked_frames_change_nothing(generator):
    q, x = quantizer(generator)
    q.train()
    junk = torch.full((30, 5), 1e6)
    mask = torch.cat([torch.ones(len(x)), torch.zeros(30)]).bool()
    q.reset_usage()
    plain, usage = q(x), q.usage.clone()
    q.reset_usage()
    z = torch.cat([x, junk]).requires_grad_()
    masked = q(z, mask)
    assert torch.equal(masked.codes[mask], plain.codes) and (masked.codes[~mask] == -1).all()
    assert torch.equal(masked.values[mask], plain.values) and (masked.values[~mask] == 0).all()
    assert torch.equal(masked.commitment, plain.commitment) and torch.equal(q.usage, usage)
    (masked.values.sum() + masked.commitment.sum()).backward()
    assert (z.grad[~mask] == 0).all() and z.grad[mask].abs().min() > 0


def test_masked_frames_do_not_count_as_error():
    m, psi = model().train(), torch.rand(6, 53)
    mask = torch.tensor([True, True, False, True, False, True])
    out = m(psi, mask)
    assert (out.squared_error[~mask] == 0).all()
    torch.testing.assert_close(out.squared_error[mask], m(psi[mask]).squared_error)


def test_error_does_not_rise_with_more_stages(generator):
    q, x = quantizer(generator, n=2000)
    codes = q.encode(x)
    errors = [(x - q.decode(codes[:, :s])).square().sum(dim=1).mean() for s in range(1, 5)]
    assert all(later < earlier for earlier, later in itertools.pairwise(errors))
    for s in range(1, 5):
        assert torch.equal(codes[:, :s], q.encode(x, stages=s))


def test_usage_counts_a_whole_epoch(generator):
    q, x = quantizer(generator)
    q.train()
    q.reset_usage()
    for part in x.split(64):
        q(part)
    assert torch.equal(q.usage, count_codes(q.encode(x), 16))
    assert (q.usage.sum(dim=1) == len(x)).all()
    assert perplexity(torch.tensor([[2, 2, 2, 2], [7, 0, 0, 0], [0, 0, 0, 0]])).tolist() == pytest.approx(
        [4, 1, 0]
    )


# Learning


def test_gains_are_positive_and_relative_to_the_first(generator):
    q, _ = quantizer(generator)
    with torch.no_grad():
        q.log_gains.copy_(torch.tensor([-3.0, 5.0, -50.0, 0.0]))
    assert (q.gains > 0).all() and q.gains[0] == 1


def test_codebook_and_gains_learn_by_gradient(generator):
    q, x = quantizer(generator)
    (x - q(x).values).square().sum().backward()
    assert q.codebook.grad.abs().sum() > 0 and (q.log_gains.grad.abs() > 0).all()


def test_dead_codes_get_a_place_where_they_are_used(generator):
    q, x = quantizer(generator)
    with torch.no_grad():
        q.codebook[:5] = 1e4
    q.train()(x)
    dead = q.replace_dead(x, below=1, generator=generator)
    assert set(range(5)) <= set(dead.tolist())
    assert q.codebook.abs().max() < 1e3
    assert torch.bincount(q.encode(x).ravel(), minlength=16)[:5].min() > 0


def test_kmeans_finds_separated_clusters(generator):
    centres = torch.tensor([[0.0, 0.0], [10.0, 0.0], [0.0, 10.0]])
    x = (centres[:, None] + 0.1 * torch.randn(3, 50, 2, generator=generator)).reshape(-1, 2)
    found = kmeans(x, 3, generator, steps=20)
    assert torch.cdist(centres, found).min(dim=1).values.max() < 0.1


def test_penalties_in_cases_worked_by_hand():
    assert orthogonality(torch.tensor([[2.0, 0.0], [3.0, 0.0]])).item() == pytest.approx(1)
    all_move = torch.ones(1, 4, 3)
    one_moves = torch.zeros(1, 4, 3)
    one_moves[0, 0] = 1
    assert sparsity(torch.ones(1, 1), all_move).item() == pytest.approx(1, abs=1e-3)
    assert sparsity(torch.ones(1, 1), one_moves).item() == pytest.approx(0.5, abs=1e-3)  # 1/√V
    assert sparsity(9 * torch.ones(1, 1), one_moves).item() == pytest.approx(0.5, abs=1e-3)  # size is free


def test_an_untrained_encoder_is_greedy_search():
    m = RVQVAE(ICT53, ModelConfig(stages=2, codes=8)).eval()
    psi = torch.rand(10, 53)
    assert torch.equal(m(psi).quantized.codes, m.quantizer.encode(psi @ m.encoder.whitener))


@pytest.mark.parametrize(
    "settings", [{"codes": 1}, {"codes": 40000}, {"stages": 0}, {"width": 10, "heads": 4}]
)
def test_sizes_that_make_no_sense_are_refused(settings):
    with pytest.raises(ConfigError, match="codes|stages|width"):
        ModelConfig(**settings)


def test_one_stage_works_and_more_than_there_are_is_refused(generator):
    q, x = quantizer(generator, stages=1)
    assert q.encode(x).shape == (400, 1) and q.gains.tolist() == [1]
    with pytest.raises(InputError, match="1 stages"):
        q.encode(x, stages=2)


def test_any_expression_space(rng):
    factor = rng.normal(size=(7, 7))
    space = ExpressionSpace("other", tuple("abcdefg"), factor @ factor.T + np.eye(7))
    m = RVQVAE(space, ModelConfig(stages=2, codes=4, width=8, heads=2, layers=1)).eval()
    psi = torch.randn(6, 7)
    left = psi - m.decode(m.encode(psi))
    expected = ((left @ torch.from_numpy(space.metric).float()) * left).sum(dim=1)
    torch.testing.assert_close(m(psi).squared_error, expected, rtol=1e-4, atol=1e-4)


# Search


def problem(rng, n=40, d=6, codes=7):
    factor = rng.normal(size=(d, d))
    psi = rng.normal(size=(n, d)).astype(np.float32)
    templates = rng.normal(size=(codes, d)).astype(np.float32)
    return psi, templates, np.array([1, 0.6, 0.3], np.float32), factor @ factor.T + 0.1 * np.eye(d)


def squared_error(psi, codes, templates, gains, metric):
    """(n,) float64, from the definition."""
    psi, templates, gains = (np.asarray(a, dtype=np.float64) for a in (psi, templates, gains))
    error = psi - np.einsum("s,nsd->nd", gains[: codes.shape[1]], templates[codes])
    return np.einsum("nd,de,ne->n", error, metric, error)


def test_greedy_is_stagewise_brute_force_in_float64(rng):
    psi, templates, gains, metric = problem(rng)
    codes = search.encode(psi, templates, gains, metric)
    for s in range(3):
        options = np.stack(
            [
                squared_error(
                    psi, np.c_[codes[:, :s], np.full(len(psi), k)].astype(int), templates, gains, metric
                )
                for k in range(7)
            ]
        )
        chosen = options[codes[:, s], np.arange(len(psi))]
        np.testing.assert_allclose(chosen, options.min(axis=0), rtol=1e-5, atol=1e-5)


def test_a_full_beam_is_exhaustive_search_in_float64(rng):
    psi, templates, gains, metric = problem(rng)
    everything = np.array(list(itertools.product(range(7), repeat=3)))
    best = np.min(
        [squared_error(psi, np.tile(c, (len(psi), 1)), templates, gains, metric) for c in everything], axis=0
    )
    found = squared_error(
        psi, search.encode(psi, templates, gains, metric, width=49), templates, gains, metric
    )
    np.testing.assert_allclose(found, best, rtol=1e-5, atol=1e-5)


def test_a_beam_keeps_the_best_partial_sums(rng):
    """Against a plain beam in float64 that keeps explicit residuals."""
    psi, templates, gains, metric = problem(rng, n=15)
    codes = search.encode(psi, templates, gains, metric, width=3)
    for frame, row in zip(psi, codes, strict=True):
        kept = [()]
        for _ in range(3):
            grown = [(*path, k) for path in kept for k in range(7)]
            error = [squared_error(frame[None], np.array([p]), templates, gains, metric)[0] for p in grown]
            kept = [grown[i] for i in np.argsort(error)[:3]]
        assert tuple(row) == kept[0]


def test_a_beam_of_one_is_greedy_and_wider_beams_do_better(rng):
    psi, templates, gains, metric = problem(rng, n=500)
    codes = {w: search.encode(psi, templates, gains, metric, width=w) for w in (1, 4, 16)}
    products = torch.from_numpy((psi @ metric @ templates.T).astype(np.float32))
    gram = torch.from_numpy((templates @ metric @ templates.T).astype(np.float32))
    assert np.array_equal(codes[1], search.greedy(products, gram, torch.from_numpy(gains)).numpy())
    errors = [squared_error(psi, codes[w], templates, gains, metric).mean() for w in (1, 4, 16)]
    assert errors[0] > errors[1] >= errors[2]


@pytest.mark.parametrize("width", [1, 4])
def test_batches_do_not_change_codes(rng, width):
    psi, templates, gains, metric = problem(rng, n=101)
    whole = search.encode(psi, templates, gains, metric, width)
    assert np.array_equal(whole, search.encode(psi, templates, gains, metric, width, block=56))
    assert search.encode(psi[:0], templates, gains, metric, width).shape == (0, 3)


def test_a_beam_wider_than_the_codebook_and_one_of_none(rng):
    psi, templates, gains, metric = problem(rng, n=5)
    assert search.encode(psi, templates, gains, metric, width=1000).shape == (5, 3)
    with pytest.raises(InputError, match="at least 1"):
        search.encode(psi, templates, gains, metric, width=0)


def by_torch(encoder, psi):
    """The encoder written with torch's own transformer, region by region."""
    width = encoder.head.in_features
    embed, place = encoder.embed.unflatten(1, (-1, width)), encoder.place.view(-1, width)
    regions = ICT53.regions.values()
    parts = [psi[:, r] / encoder.scale[r] @ embed[r, token] for token, r in enumerate(map(list, regions), 1)]
    sequence = torch.stack([torch.zeros_like(parts[0]), *parts], dim=1) + place
    for layer in encoder.layers:
        sequence = layer(sequence)
    return psi @ encoder.whitener + encoder.head(sequence[:, 0])


@pytest.mark.parametrize("layers", [1, 3])
def test_the_encoder_is_torchs_transformer(layers):
    torch.manual_seed(0)
    encoder = Encoder(ICT53, ModelConfig(width=16, heads=2, layers=layers))
    for p in encoder.parameters():  # biases, norms and the head do not start at random
        p.data += 0.3 * torch.randn_like(p)
    psi, parameters = torch.rand(9, 53), list(encoder.parameters())
    wanted = by_torch(encoder, psi)
    torch.testing.assert_close(encoder(psi), wanted, rtol=1e-5, atol=1e-5)
    ours, theirs = (torch.autograd.grad(z.square().sum(), parameters) for z in (encoder(psi), wanted))
    for mine, other in zip(ours, theirs, strict=True):
        torch.testing.assert_close(mine, other, rtol=1e-4, atol=1e-3)


def test_the_shipped_encoder_gives_the_codes_of_torchs_transformer():
    tokenizer, psi = Tokenizer.load(), sample_displays(500, np.random.default_rng(0))
    with torch.no_grad():
        latent = by_torch(tokenizer._encoder, torch.from_numpy(psi)).numpy() @ np.linalg.inv(ICT53.whitener)
    assert np.array_equal(tokenizer.encode(psi, "encoder"), tokenizer.encode(latent, "greedy"))
