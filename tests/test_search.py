"""The search against its definition in float64, against its peers, and against itself on another path."""

from __future__ import annotations

import itertools
from functools import partial

import numpy as np
import pytest
import torch

from dfe_lib.errors import InputError
from dfe_lib.tokens import cpu, search
from dfe_lib.tokens.quantizer import ResidualQuantizer
from dfe_lib.tokens.start import start_unshared


@pytest.fixture
def case():
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(700, 11, generator=generator)
    return x, torch.randn(32, 11, generator=generator), torch.tensor([1.0, 0.72, 0.5, 0.31])


def errors(x, codes, codebook, gains):
    """(n,) float64 squared errors, from the definition."""
    values = (gains.double()[:, None] * codebook.double()[codes.long()]).sum(dim=1)
    return (x.double() - values).square().sum(dim=1)


def differences_are_ties(x, ours, theirs, codebook, gains, tolerance=1e-4):
    """Where two greedy encodings part, the codes they part with are equally good, in float64."""
    residual = x.double().clone()
    alike = torch.ones(len(x), dtype=torch.bool)
    for s, gain in enumerate(gains.double()):
        options = [residual - gain * codebook.double()[c[:, s].long()] for c in (ours, theirs)]
        a, b = (o.square().sum(dim=1) for o in options)
        assert ((a - b).abs()[alike] < tolerance).all()
        alike &= ours[:, s] == theirs[:, s]
        residual = options[0]
    return float(alike.float().mean())


# Definition


def test_float32_and_float64_differ_only_in_ties(case):
    x, codebook, gains = case
    single = search.search(x, codebook, gains)
    double = search.search(x.double(), codebook.double(), gains.double())
    assert differences_are_ties(x, single, double, codebook, gains) > 0.99
    beams = [search.search(x.to(t), codebook.to(t), gains.to(t), 5) for t in (torch.float32, torch.float64)]
    a, b = (errors(x, codes, codebook, gains) for codes in beams)
    assert (a - b).abs().max() < 1e-4 or (a == b).double().mean() > 0.99


def test_exact_ties_take_a_code_that_is_as_good():
    codebook = torch.tensor([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0]])  # codes 0 and 1 are the same
    x = torch.tensor([[1.0, 0.5]])
    for width in (1, 3):
        codes = search.search(x, codebook, torch.tensor([1.0, 0.5]), width)
        assert codes[0, 0] in (0, 1) and codes[0, 1] == 2


def test_one_code_and_one_stage(case):
    x, codebook, gains = case
    assert (search.search(x, codebook[:1], gains, 3) == 0).all()
    nearest = torch.cdist(x, codebook).argmin(dim=1)
    for width in (1, 4):
        assert torch.equal(search.search(x, codebook, gains[:1], width)[:, 0], nearest)


@pytest.mark.parametrize("width", [1, 5])
def test_no_frames_give_no_codes(case, width):
    x, codebook, gains = case
    assert search.search(x[:0], codebook, gains, width, sweeps=2).shape == (0, 4)


@pytest.mark.parametrize("settings", [{"width": 0}, {"sweeps": -1}])
def test_settings_that_make_no_sense(case, settings):
    with pytest.raises(InputError, match="at least 1|0 times"):
        search.search(*case, **settings)


# The same codes whichever way


@pytest.mark.parametrize(("width", "device_kernel"), [(1, search._greedy), (6, search._beam)])
def test_cpu_and_device_kernels_agree(case, width, device_kernel):
    x, codebook, gains = case
    gram = codebook @ codebook.T
    half = gram.diagonal() / 2
    steps = [g * gram + (later - g) * half for g, later in itertools.pairwise(gains)]
    scores = x @ codebook.T - gains[0] * half
    choose = partial(device_kernel, steps, gains, search._windows(32, 4, True), width)
    theirs = choose(scores.clone())
    ours = search.beam(x @ codebook.T, gram, gains, width)
    a, b = errors(x, ours, codebook, gains), errors(x, theirs, codebook, gains)
    assert (ours == theirs).all(dim=1).float().mean() > 0.99 and (a - b).abs().max() < 1e-4


@pytest.mark.parametrize("width", [1, 5])
@pytest.mark.parametrize("sweeps", [0, 2])
def test_threads_and_blocks_change_nothing(case, width, sweeps):
    x, codebook, gains = case
    before = torch.get_num_threads()
    whole = search.search(x, codebook, gains, width, sweeps=sweeps)
    try:
        torch.set_num_threads(3)
        parts = search.search(x, codebook, gains, width, sweeps=sweeps, block=32 * width * 40)
        assert torch.get_num_threads() == 3
    finally:
        torch.set_num_threads(before)
    assert torch.equal(whole, parts)


def test_what_goes_wrong_in_a_thread_is_told():
    def fail(blocks):
        raise ValueError("in a thread")

    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        with pytest.raises(ValueError, match="in a thread"):
            cpu.over_threads(fail, [slice(0, 1), slice(1, 2)])
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)


def test_inputs_are_left_alone(case):
    x, codebook, gains = case
    copies = [t.clone() for t in case]
    products, gram = x @ codebook.T, codebook @ codebook.T
    kept = products.clone()
    search.search(x, codebook, gains, 4, sweeps=1)
    search.beam(products, gram, gains, 4)
    search.greedy(products, gram, gains)
    assert torch.equal(products, kept) and all(torch.equal(a, b) for a, b in zip(case, copies, strict=True))


# Choosing again


def test_reconsidering_raises_no_error_and_ends_where_no_single_code_can_improve(case):
    x, codebook, gains = case
    before = errors(x, search.search(x, codebook, gains), codebook, gains)
    codes = search.search(x, codebook, gains, sweeps=50)
    after = errors(x, codes, codebook, gains)
    assert (after <= before + 1e-4).all() and after.mean() < 0.99 * before.mean()
    for s in range(4):
        for k in range(32):
            other = codes.clone()
            other[:, s] = k
            assert (errors(x, other, codebook, gains) >= after - 1e-4).all()
    beam = errors(x, search.search(x, codebook, gains, 5), codebook, gains)
    assert (errors(x, search.search(x, codebook, gains, 5, sweeps=3), codebook, gains) <= beam + 1e-4).all()


# A codebook for each stage


def test_unshared_codebooks_are_stagewise_brute_force(case):
    x, codebook, gains = case
    books = torch.cat([codebook.roll(s, 1) * (1 + s / 10) for s in range(4)])  # (4 · 32, 11)
    residual = x
    codes = search.search(x, books, gains, shared=False)
    for s, book in enumerate(books.view(4, 32, 11)):
        options = torch.cdist(residual, gains[s] * book)
        chosen = options.gather(1, codes[:, s : s + 1])[:, 0]
        torch.testing.assert_close(chosen, options.min(dim=1).values, rtol=1e-4, atol=1e-4)
        residual = residual - gains[s] * book[codes[:, s]]
    rows = codes + 32 * torch.arange(4)
    wide = search.search(x, books, gains, 6, shared=False)
    assert wide.min() >= 0 and wide.max() < 32
    wide = errors(x, wide + 32 * torch.arange(4), books, gains).mean()
    assert wide < errors(x, rows, books, gains).mean()


def test_unshared_quantizer_learns_and_decodes(case):
    x = case[0]
    q = ResidualQuantizer(11, codes=16, stages=3, shared=False)
    q.assign(*start_unshared(x, 16, 3, torch.Generator().manual_seed(0)))
    out = q.train()(x)
    assert q.codebook.shape == (48, 11) and out.codes.max() < 16 and q.usage.shape == (3, 16)
    (x - out.values).square().sum().backward()
    assert (q.codebook.grad.view(3, 16, 11).abs().sum(dim=(1, 2)) > 0).all()
    left = [(x - q.decode(out.codes[:, :s])).square().sum(dim=1).mean() for s in (1, 2, 3)]
    assert left[0] > left[1] > left[2]
    assert torch.equal(q.encode(x, stages=2), out.codes[:, :2])
    with torch.no_grad():
        q.codebook[20] = 1e4
    q.reset_usage()
    q(x)
    assert 20 in q.replace_dead(x, below=1, generator=torch.Generator().manual_seed(0)).tolist()
    assert q.codebook.abs().max() < 1e3


# Peers


def test_greedy_agrees_with_vector_quantize_pytorch(case):
    peer = pytest.importorskip("vector_quantize_pytorch", reason="vector-quantize-pytorch is not installed")
    x, codebook, _ = case
    rvq = peer.ResidualVQ(dim=11, num_quantizers=4, codebook_size=32, shared_codebook=True).eval()
    for layer in rvq.layers:
        layer._codebook.embed.data.copy_(codebook[None])
    with torch.no_grad():
        theirs = rvq(x[None])[1][0]
    gains = torch.ones(4)  # theirs has none
    assert differences_are_ties(x, search.search(x, codebook, gains), theirs, codebook, gains) > 0.99


@pytest.mark.parametrize("width", [1, 5])
def test_search_agrees_with_faiss(case, width):
    faiss = pytest.importorskip("faiss", reason="faiss-cpu is not installed")
    x, codebook, gains = case
    theirs = faiss_codes(faiss, x, codebook, gains, width)
    ours = search.search(x, codebook, gains, width)
    if width == 1:
        assert differences_are_ties(x, ours, theirs, codebook, gains) > 0.99
    a, b = errors(x, ours, codebook, gains), errors(x, theirs, codebook, gains)
    assert ((a - b).abs() < 1e-4).double().mean() > 0.99


def faiss_codes(faiss, x, codebook, gains, width):
    """FAISS has no gains; it gets S codebooks that are multiples of the one."""
    rq = faiss.ResidualQuantizer(x.shape[1], len(gains), 5)  # 2⁵ = 32 codes
    books = (gains[:, None, None] * codebook).numpy()
    faiss.copy_array_to_vector(books.ravel(), rq.codebooks)
    rq.is_trained, rq.max_beam_size = True, width
    packed = np.unpackbits(rq.compute_codes(x.numpy()), axis=1, bitorder="little")[:, :20]
    return torch.from_numpy(packed.reshape(len(x), 4, 5).astype(np.int64) @ (1 << np.arange(5)))
