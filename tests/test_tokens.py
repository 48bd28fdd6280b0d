"""The tokenizer as its users meet it: training, encoding, files, and what bad input gets."""

from __future__ import annotations

import json
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
import torch

from dfe_lib import frames
from dfe_lib.data.displays import sample_displays
from dfe_lib.errors import AssetError, ConfigError, InputError, RunError
from dfe_lib.space import ICT53, ExpressionSpace
from dfe_lib.tokens import Tokenizer
from dfe_lib.tokens.training import TrainingConfig, resolve_device, split_subjects, train, train_from_tables

SMALL = {
    **{"codes": 24, "stages": 3, "width": 16, "heads": 2, "layers": 1, "batch": 256, "device": "cpu"},
    **{"joint_epochs": 2, "refine_epochs": 2, "follow_epochs": 1, "start_frames": 512},
}


@pytest.fixture(scope="module")
def data():
    return sample_displays(2000, np.random.default_rng(0)), sample_displays(500, np.random.default_rng(1))


@pytest.fixture(scope="module")
def trained(data):
    return train(data[0], TrainingConfig(**SMALL), data[1], progress=False)


def rms(psi, psi_hat):
    return ICT53.norm(psi - psi_hat).mean()


# Training


def test_training_is_repeatable(data, trained):
    again = train(data[0], TrainingConfig(**SMALL), data[1], progress=False)
    pd.testing.assert_frame_equal(again.history, trained.history)
    assert np.array_equal(again.tokenizer.templates, trained.tokenizer.templates)
    other = train(data[0], TrainingConfig(**{**SMALL, "seed": 1}), data[1], progress=False)
    assert not np.array_equal(other.tokenizer.templates, trained.tokenizer.templates)


def test_the_number_of_threads_changes_nothing(data, trained):
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(2)
        again = train(data[0], TrainingConfig(**SMALL), data[1], progress=False)
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)
    assert np.array_equal(again.tokenizer.templates, trained.tokenizer.templates)


def test_training_generalises(data, trained):
    tokenizer, held_out = trained.tokenizer, data[1]
    error = rms(held_out, tokenizer.decode(tokenizer.encode(held_out)))
    assert error < 0.5 * ICT53.norm(held_out).mean()
    by_beam = trained.history["held_out_beam_mm"].dropna()
    assert by_beam.iloc[-1] < by_beam.iloc[0]


def test_history_has_the_held_out_epoch_as_a_whole(data, trained):
    last = trained.history.iloc[-1]
    codes = trained.tokenizer.encode(data[1], "encoder")
    assert last["held_out_rms_mm"] == pytest.approx(rms(data[1], trained.tokenizer.decode(codes)))
    for s in range(3):
        share = np.bincount(codes[:, s]) / len(codes)
        share = share[share > 0]
        assert last[f"held_out_perplexity_{s}"] == pytest.approx(np.exp(-(share * np.log(share)).sum()))


def test_the_last_phase_leaves_the_codebook_alone(data):
    without = train(data[0], TrainingConfig(**{**SMALL, "follow_epochs": 0}), progress=False).tokenizer
    with_it = train(data[0], TrainingConfig(**SMALL), progress=False).tokenizer
    assert np.array_equal(without.templates, with_it.templates)


def test_a_loss_that_explodes_stops_with_advice(data):
    with pytest.raises(RunError, match="lower learning_rate"):
        train(data[0] * 1e20, TrainingConfig(**SMALL), progress=False)


def test_displacements_make_templates_local(data):
    fields = np.zeros((53, 106, 3), np.float32)  # every coefficient moves two vertices of its own
    fields[np.arange(53), 2 * np.arange(53), 0] = fields[np.arange(53), 2 * np.arange(53) + 1, 1] = 1

    def moved(weight):
        config = TrainingConfig(**{**SMALL, "sparsity": weight})
        templates = train(data[0], config, displacements=fields, progress=False).tokenizer.templates
        size = np.linalg.norm(np.tensordot(templates, fields, axes=1), axis=2)
        return (size.mean(axis=1) / np.sqrt((size**2).mean(axis=1))).mean()

    assert moved(5.0) < moved(0.0)
    with pytest.raises(InputError, match="displacements"):
        train(data[0], TrainingConfig(**SMALL), displacements=fields[:5], progress=False)


def test_another_space_trains_alike(rng):
    factor = rng.normal(size=(9, 9))
    space = ExpressionSpace("flame", tuple("abcdefghi"), factor @ factor.T + np.eye(9))
    psi = rng.normal(size=(300, 9)).astype(np.float32)
    tokenizer = Tokenizer(TrainingConfig(**{**SMALL, "joint_epochs": 1}), space).fit(psi)
    assert tokenizer.decode(tokenizer.encode(psi)).shape == (300, 9)


def test_one_stage_is_a_vector_quantiser(data):
    one = train(data[0], TrainingConfig(**{**SMALL, "stages": 1}), progress=False).tokenizer
    codes = one.encode(data[1])
    nearest = np.array([ICT53.norm(one.templates - psi).argmin() for psi in data[1]])
    assert one.gains.tolist() == [1.0] and np.array_equal(codes[:, 0], nearest)


def test_refining_ends_when_held_out_frames_get_no_better(data, monkeypatch):
    from dfe_lib.tokens import fit

    monkeypatch.setattr(fit.Run, "_rms", lambda self, psi, psi_hat: 1.0)
    config = TrainingConfig(**{**SMALL, "refine_epochs": 9, "patience": 2})
    phases = train(data[0], config, data[1], progress=False).history["phase"].tolist()
    assert phases == ["joint", "joint", "refine", "refine", "refine", "follow"]


def test_fit_holds_subjects_out(data):
    tokenizer = Tokenizer(TrainingConfig(**{**SMALL, "joint_epochs": 1, "refine_epochs": 1}))
    assert tokenizer.fit(data[0], np.repeat(np.arange(20), 100)) is tokenizer
    assert tokenizer.card["held_out_rms_mm"] > 0


def test_no_subject_is_on_both_sides():
    subjects = np.repeat([f"s{i}" for i in range(30)], 7)
    held = split_subjects(subjects, 0.1, np.random.default_rng(0))
    assert len(set(subjects[held])) == 3 and not set(subjects[held]) & set(subjects[~held])
    with pytest.raises(InputError, match="at least 2"):
        split_subjects(["a", "a"], 0.5, np.random.default_rng(0))


@pytest.mark.parametrize(
    ("psi", "message"),
    [
        (np.zeros((0, 53)), "0 frames are too few"),
        (np.random.default_rng(0).random((10, 53)), "10 frames are too few to learn 24"),
        (np.full((100, 53), 0.3), "all 100 frames are alike"),
        (np.random.default_rng(0).random((100, 52)), r"needs \(frames, 53\)"),
        (np.where(np.arange(100)[:, None] == 3, np.nan, 0.5) * np.ones((100, 53)), "1 of 100 rows"),
    ],
)
def test_frames_that_cannot_be_learnt_from(psi, message):
    with pytest.raises(InputError, match=message):
        train(psi, TrainingConfig(**SMALL), progress=False)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"codess": 3}, "did you mean 'codes'"),
        ({"codes": "many"}, "'codes' needs a whole number, got 'many'"),
        ({"codes": 3.5}, "'codes' needs a whole number"),
        ({"stages": True}, "'stages' needs a whole number"),
        ({"codes": 1}, "at least 2"),
        ({"learning_rate": 0}, "above 0"),
        ({"device": "gpu"}, "unknown device"),
    ],
)
def test_settings_that_are_refused(settings, message):
    with pytest.raises(ConfigError, match=message):
        TrainingConfig.from_mapping(settings)


def test_settings_from_text():
    config = TrainingConfig.from_mapping({"codes": "64", "sparsity": "1e-3"})
    assert config.codes == 64 and config.sparsity == 0.001
    assert resolve_device("cpu").type == "cpu"


def test_training_from_tables(tmp_path, data):
    for r in range(4):
        psi = data[0][r * 200 : (r + 1) * 200].copy()
        psi[::50] = np.nan  # no face
        table = frames.frame_table(f"clip{r}", np.arange(200) / 30, ~np.isnan(psi[:, 0]))
        frames.write(frames.with_psi(table, psi, ICT53.names), tmp_path / f"clip{r}.parquet")
    paths = sorted(tmp_path.glob("*.parquet"))
    trained = train_from_tables(paths, tmp_path / "tok", SMALL, progress=False)
    assert "784 frames" in trained.tokenizer.card["made_from"]
    assert len(trained.tokenizer.card["held_out_subjects"]) == 1
    assert (tmp_path / "tok" / "history.csv").is_file()
    assert np.array_equal(Tokenizer.load(tmp_path / "tok").templates, trained.tokenizer.templates)
    people = pd.DataFrame({"recording": ["clip0", "clip1"], "subject": ["a", "b"], "dataset": "d"})
    with pytest.raises(InputError, match="clip2"):
        train_from_tables(paths, tmp_path / "tok2", SMALL, recordings=people, progress=False)
    assert not (tmp_path / "tok2").exists()


# Encoding and decoding


@pytest.mark.parametrize("method", ["encoder", "greedy", "beam"])
def test_codes_and_prefixes(data, trained, method):
    tokenizer, psi = trained.tokenizer, data[1]
    codes = tokenizer.encode(psi, method)
    assert codes.shape == (500, 3) and codes.dtype == np.int16 and codes.min() >= 0 and codes.max() < 24
    by_hand = sum(g * tokenizer.templates[c] for g, c in zip(tokenizer.gains, codes.T, strict=True))
    np.testing.assert_allclose(tokenizer.decode(codes), by_hand, atol=1e-6)
    errors = [rms(psi, tokenizer.decode(codes[:, :s])) for s in (1, 2, 3)]
    assert errors[0] > errors[1] > errors[2]
    assert tokenizer.encode(psi, method, stages=2).shape == (500, 2)


def test_wider_search_is_closer(data, trained):
    error = {
        m: rms(data[1], trained.tokenizer.decode(trained.tokenizer.encode(data[1], m)))
        for m in ("greedy", "beam")
    }
    assert error["beam"] < error["greedy"]


def test_bits(trained):
    assert trained.tokenizer.bits_per_frame == pytest.approx(3 * np.log2(24))


def test_frames_without_a_face_stay_without(trained):
    psi = trained.tokenizer.decode(np.array([[1, 2, 3], [-1, -1, -1]]))
    assert np.isfinite(psi[0]).all() and np.isnan(psi[1]).all()


def test_no_frames_are_no_codes(trained):
    for method in ("encoder", "greedy", "beam"):
        assert trained.tokenizer.encode(np.zeros((0, 53)), method).shape == (0, 3)
    assert trained.tokenizer.decode(np.zeros((0, 3), int)).shape == (0, 53)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda t: t.encode(np.full((2, 53), np.nan)), "2 of 2 rows"),
        (lambda t: t.encode(np.zeros((2, 50))), r"needs \(frames, 53\)"),
        (lambda t: t.encode(np.zeros((2, 53)), "beem"), "did you mean 'beam'"),
        (lambda t: t.encode(np.zeros((2, 53)), stages=4), "trained with 3 stages, got 4"),
        (lambda t: t.encode(np.zeros((2, 53)), stages=0), "trained with 3 stages, got 0"),
        (lambda t: t.encode(np.zeros((2, 53)), beam=0), "at least 1"),
        (lambda t: t.decode(np.zeros((2, 4), int)), "trained with 3 stages, got 4"),
        (lambda t: t.decode(np.full((2, 3), 24)), "0 to 23"),
        (lambda t: t.decode(np.array([[-1, 2, 3]])), "-1 in all stages"),
        (lambda t: t.decode(np.zeros((2, 3))), "integers"),
        (lambda t: Tokenizer().encode(np.zeros((2, 53))), "has not been trained"),
    ],
)
def test_calls_that_are_refused(trained, call, message):
    with pytest.raises((InputError, ConfigError), match=message):
        call(trained.tokenizer)


# Files


def test_a_saved_tokenizer_is_the_same_in_another_process(tmp_path, data, trained):
    folder = trained.tokenizer.save(tmp_path / "tok")
    np.save(tmp_path / "psi.npy", data[1])
    script = (
        "import sys, numpy as np; from dfe_lib.tokens import Tokenizer;"
        "t = Tokenizer.load(sys.argv[1] + '/tok');"
        "psi = np.load(sys.argv[1] + '/psi.npy');"
        "np.savez(sys.argv[1] + '/codes.npz', **{m: t.encode(psi, m) for m in ('encoder', 'greedy', 'beam')})"
    )
    subprocess.run([sys.executable, "-c", script, str(tmp_path)], check=True)
    with np.load(tmp_path / "codes.npz") as codes:
        for method in ("encoder", "greedy", "beam"):
            assert np.array_equal(codes[method], trained.tokenizer.encode(data[1], method))
    assert sorted(p.name for p in folder.iterdir()) == ["card.json", "tensors.safetensors"]


def test_a_tokenizer_without_encoder_still_searches(tmp_path, data, trained):
    plain = Tokenizer.from_parts(trained.tokenizer.templates, trained.tokenizer.gains)
    plain.save(tmp_path / "tok")
    loaded = Tokenizer.load(tmp_path / "tok")
    assert np.array_equal(loaded.encode(data[1]), trained.tokenizer.encode(data[1]))
    with pytest.raises(InputError, match="no encoder"):
        loaded.encode(data[1], "encoder")


def edited(tmp_path, trained, edit):
    folder = trained.tokenizer.save(tmp_path / "tok")
    card = json.loads((folder / "card.json").read_text())
    edit(card)
    (folder / "card.json").write_text(json.dumps(card))
    return folder


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (lambda c: c["space"].update(name="flame50"), "made for the expression space 'flame50'"),
        (lambda c: c["space"]["names"].reverse(), "coefficient names differ"),
        (lambda c: c["config"].update(codes=32), r"'templates' has shape \(24, 53\), but \(32, 53\)"),
        (lambda c: c["config"].update(stages=4), "'gains' has shape"),
        (lambda c: c["config"].update(width=32), "tensor 'encoder"),
        (lambda c: c["config"].update(layers=2), "lacks the tensor"),
        (lambda c: c.pop("config"), "lacks 'config'"),
    ],
)
def test_a_file_that_does_not_fit_is_refused(tmp_path, trained, edit, message):
    with pytest.raises(InputError, match=message):
        Tokenizer.load(edited(tmp_path, trained, edit))


def test_arrays_that_do_not_fit_are_refused():
    good = np.ones((4, 53)), np.array([1.0, 0.5])
    assert Tokenizer.from_parts(*good).stages == 2
    for templates, gains in [
        (np.ones((4, 50)), good[1]),
        (np.ones((1, 53)), good[1]),
        (good[0], np.ones((2, 2))),
        (good[0], np.array([1.0, -0.5])),
        (np.full((4, 53), np.nan), good[1]),
    ]:
        with pytest.raises(InputError, match="templates|gains"):
            Tokenizer.from_parts(templates, gains)


# The shipped tokenizer


def test_the_shipped_tokenizer_holds_what_its_card_says():
    from dfe_lib.tokens.build import N_HELD_OUT, simulated_frames

    tokenizer = Tokenizer.load()
    figures = tokenizer.card["figures"]
    assert tokenizer.bits_per_frame == 48 and tokenizer.card["made_from"].startswith("Simulated: ")
    assert figures["unused_codes"] == 0
    assert figures["perplexity"][0] >= 0.7 * tokenizer.codes_per_stage
    for kind, psi in simulated_frames(N_HELD_OUT, seed=1).items():
        psi = psi[:2000]
        error = rms(psi, tokenizer.decode(tokenizer.encode(psi)))
        assert error == pytest.approx(figures[kind]["beam"]["rms_mm"], rel=0.05)
        assert error < 0.6 * figures[kind]["pca"]["rms_mm"]


def test_talking_people_move_their_mouths_and_are_read_with_less_noise():
    from dfe_lib.tokens.build import simulated_frames

    kinds = simulated_frames(2000, seed=3)
    assert {kind: len(psi) for kind, psi in kinds.items()} == {
        "displays": 2000,
        "motion": 2000,
        "talking": 1000,
    }
    jaw = ICT53.names.index("jawOpen")
    assert np.median(kinds["talking"][:, jaw]) > np.median(kinds["motion"][:, jaw])
    still = {
        kind: np.linalg.svd(psi - psi.mean(axis=0))[1][-1] / len(psi) ** 0.5 for kind, psi in kinds.items()
    }
    assert still["talking"] < 0.7 * still["motion"]  # the direction that moves least is mostly noise


def test_held_out_takes_of_the_recording_are_apart_in_time():
    from dfe_lib.data.adapters.arkit import read_range_of_motion
    from dfe_lib.tokens.build import TAKE, range_of_motion

    try:
        everything = frames.psi(read_range_of_motion(), ICT53.names)
    except AssetError:
        pytest.skip("the asset arkit-range-of-motion is not at hand")
    training, held_out = range_of_motion()
    assert len(training) + len(held_out) == len(everything)
    assert np.array_equal(held_out[:TAKE], everything[TAKE : 2 * TAKE])
    assert np.array_equal(training[:TAKE], everything[:TAKE])


# Ablations


def test_ablations_over_seeds(data):
    from dfe_lib.tokens import ablation

    config = TrainingConfig(**{**SMALL, "joint_epochs": 1, "refine_epochs": 1, "follow_epochs": 0})
    variants = {name: ablation.VARIANTS[name] for name in ("full", "one stage")}
    rows = ablation.ablate(data[0], data[1], config, [0, 1], variants)
    assert rows.groupby("run")["bits"].first().round(2).to_dict() == {"full": 13.75, "one stage": 4.58}
    table = ablation.summarise(rows)
    assert table.loc["full", ("beam", "mean")] == pytest.approx(rows.query("run == 'full'")["beam"].mean())
    assert table.loc["full", ("beam", "sd")] > 0 and (table["beam"]["mean"] > 0).all()
    assert table.loc["full", ("beam", "mean")] < table.loc["one stage", ("beam", "mean")]
    kinds = ablation.sharing(data[0], data[1], config, [0])
    assert kinds["templates"].tolist() == [24, 72]
    assert kinds["greedy"].iloc[1] < kinds["greedy"].iloc[0]


def test_a_codebook_of_one_code_is_refused_and_says_the_least():
    from dfe_lib.tokens.model import ModelConfig

    with pytest.raises(ConfigError, match="codes"):
        ModelConfig(codes=1)


@pytest.mark.parametrize("method", ["encoder", "greedy", "beam"])
def test_constant_frames_get_one_and_the_same_code(method):
    frame = sample_displays(1, np.random.default_rng(5))
    for constant in (np.repeat(frame, 50, axis=0), np.zeros((50, 53), np.float32)):
        codes = Tokenizer.load().encode(constant, method=method)
        assert (codes == codes[0]).all() and np.isfinite(Tokenizer.load().decode(codes)).all()
