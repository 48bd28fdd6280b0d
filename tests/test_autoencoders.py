"""The real ViTMAE and VideoMAE, tiny: deterministic, local, and safe to read."""

import json

import numpy as np
import pandas as pd
import pytest
import torch

from dfe_lib.analysis import autoencoders as mae
from dfe_lib.analysis.autoencoders import models, patches, pictures
from dfe_lib.analysis.autoencoders.pictures import _cut, picture_frames
from dfe_lib.analysis.autoencoders.pretraining import drawn_faces
from dfe_lib.analysis.representations.sequence import Seen
from dfe_lib.data.cohort import Cohort
from dfe_lib.data.simulation import CohortConfig, simulate_cohort
from dfe_lib.errors import AssetError, ConfigError, InputError
from dfe_lib.face.portrait import CENTRE_MM, SIDE_MM
from dfe_lib.space import ICT53

TINY = {
    "size": 16,
    "width": 8,
    "depth": 1,
    "decoder_width": 8,
    "people": 3,
    "each": 2,
    "steps": 3,
    "batch": 4,
}
IMAGE, VIDEO = mae.Pretraining(**TINY), mae.Pretraining.video(**TINY)


@pytest.fixture(autouse=True)
def cache(tmp_path_factory, monkeypatch):
    """One cache for the module: what is pretrained once stays."""
    folder = tmp_path_factory.getbasetemp() / "mae-cache"
    monkeypatch.setenv("DFE_DATA_DIR", str(folder))
    return folder


def cohort(seed: int = 3, subjects: int = 2) -> Cohort:
    return simulate_cohort(CohortConfig(subjects=subjects, recordings=2, seconds=5), seed)


def features(of: Cohort, **changes) -> dict:
    given = {"image": mae.default_model(IMAGE, False), "video": mae.default_model(VIDEO, False)}
    return mae.mae_rows(of, frames=3, clips=1, progress=False, **(given | changes))


def seen(time, name="a") -> Seen:
    table = pd.DataFrame({"recording": name, "time_s": np.asarray(time, float), "detected": True})
    psi = pd.DataFrame(np.zeros((len(table), 53), np.float32), columns=[f"psi_{n}" for n in ICT53.names])
    table = pd.concat([table.assign(frame=np.arange(len(table)), n_faces=1), psi], axis=1)
    return Seen.of(table, ICT53.names)


# clips


def test_clips_take_frames_next_to_their_times():
    chosen = pictures.clip_rows(seen(np.arange(100) / 10), clips=2, length=4, step=0.2)
    assert np.diff(chosen[:4]).tolist() == [2, 2, 2] and np.diff(chosen[4:]).tolist() == [2, 2, 2]
    assert abs(chosen[0] + (99 - chosen[-1]) - 47) <= 2  # as much before the first as after the last
    uneven = pictures.clip_rows(seen([0, 0.1, 0.5, 0.56, 0.66]), clips=1, length=4, step=0.2)
    assert uneven.tolist() == [0, 1, 2, 4]  # at 0.03, 0.23, 0.43 and 0.63 s


def test_a_short_recording_is_one_clip_and_a_single_frame_is_repeated():
    short = pictures.clip_rows(seen([0, 0.1, 0.2]), clips=1, length=5, step=0.2)
    assert short[0] == 0 and short[-1] == 2 and (np.diff(short) >= 0).all()
    assert pictures.clip_rows(seen([0.7]), clips=2, length=3, step=0.2).tolist() == [0] * 6


# models


@pytest.mark.parametrize("settings", [IMAGE, VIDEO], ids=["image", "video"])
def test_pretraining_is_repeatable_kept_and_of_the_real_classes(settings, cache, monkeypatch):
    first = mae.default_model(settings, progress=False)
    assert type(first.model).__name__ == models.KINDS[settings.kind][1]
    assert type(first.model).__module__.startswith("transformers.")
    assert len(first.card["losses"]) == 3 and "in any fold" in first.note
    from dfe_lib.analysis.autoencoders.pretraining import pretrain

    state = torch.random.get_rng_state()
    model, card = pretrain(settings, progress=False)
    assert (torch.random.get_rng_state() == state).all()  # nobody else's random numbers are touched
    assert card == {k: v for k, v in first.card.items() if k in card} | {"settings": card["settings"]}
    for a, b in zip(model.parameters(), first.model.parameters(), strict=True):
        assert torch.equal(a.detach(), b.cpu())
    monkeypatch.setattr("dfe_lib.analysis.autoencoders.pretraining.pretrain", None)
    assert mae.default_model(settings, progress=False).key == first.key  # from the cache
    with pytest.raises(TypeError):  # other settings are another model
        mae.default_model(mae.Pretraining(**(TINY | {"kind": settings.kind, "steps": 4})), progress=False)


def test_every_patch_of_a_new_model_knows_its_place():
    model = models.blank_model(IMAGE)
    for places in (model.vit.embeddings.position_embeddings, model.decoder.decoder_pos_embed):
        apart = torch.cdist(places[0, 1:], places[0, 1:]) + 9 * torch.eye(places.shape[1] - 1)
        assert apart.min() > 0.1 and not places.requires_grad
    read = mae.default_model(IMAGE, False).model  # and still does when it comes back from the disk
    torch.testing.assert_close(read.decoder.decoder_pos_embed, model.decoder.decoder_pos_embed)
    torch.testing.assert_close(
        read.vit.embeddings.position_embeddings, model.vit.embeddings.position_embeddings
    )


def test_every_patch_of_a_clip_knows_its_place_and_time():
    made, read = models.blank_model(VIDEO), mae.default_model(VIDEO, False).model
    for new, kept in ((made, read), (made.videomae.embeddings, read.videomae.embeddings)):
        places = new.position_embeddings[0]
        assert len(places) == 8 * 4  # eight moments of two by two patches
        assert (torch.cdist(places, places) + 9 * torch.eye(32)).min() > 0.1
        torch.testing.assert_close(new.position_embeddings, kept.position_embeddings)


def test_training_lowers_the_loss():
    from dfe_lib.analysis.autoencoders.pretraining import pretrain

    longer = mae.Pretraining(**(TINY | {"steps": 60, "people": 10, "rate": 5e-3}))
    losses = pretrain(longer, progress=False)[1]["losses"]
    assert np.mean(losses[-10:]) < 0.85 * np.mean(losses[:5])


def test_people_of_pretraining_are_nobody_else():
    drawn = simulate_cohort(CohortConfig(subjects=3, recordings=1, seconds=16, effect=0.0), IMAGE.seed).people
    other = simulate_cohort(CohortConfig(subjects=3, recordings=1, seconds=16), 0).people
    assert not np.isin(drawn["identity_0"], other["identity_0"]).any()
    assert drawn_faces(IMAGE, progress=False).shape == (6, 16, 16, 3)
    assert drawn_faces(VIDEO, progress=False).shape == (6, 16, 16, 16, 3)


def test_the_encoder_sees_every_patch_and_is_the_same_in_any_batch():
    rng = np.random.default_rng(0)
    for settings, shape in ((IMAGE, (5, 16, 16, 3)), (VIDEO, (5, 16, 16, 16, 3))):
        model = mae.default_model(settings, False)
        x = rng.integers(0, 256, shape).astype(np.uint8)
        out = model.encode(x)
        assert out.shape == (5, 8)
        np.testing.assert_allclose(out[3:4], model.encode(x[3:4]), atol=1e-5)
        np.testing.assert_array_equal(out, model.encode(x))
        for corner in (0, -1):
            other = x.copy()
            other[:, ..., corner, corner, :] ^= 255
            assert (np.abs(model.encode(other) - out).max(axis=1) > 1e-6).all()


def test_patches_go_back_to_the_picture_and_as_transformers_has_them():
    clip = torch.rand(2, 4, 3, 16, 16)
    rows_of = patches.as_patches(clip, 8, 2)
    assert rows_of.shape == (2, 8, 2 * 64 * 3)
    torch.testing.assert_close(patches.whole(rows_of, 4, 16, 8, 2), clip)
    model = mae.default_model(IMAGE, False).model
    torch.testing.assert_close(model.patchify(clip[:, 0]), patches.as_patches(clip[:, :1], 8, 1))


@pytest.mark.parametrize("settings", [IMAGE, VIDEO], ids=["image", "video"])
def test_reconstruction_fills_in_hidden_patches_only(settings):
    model = mae.default_model(settings, False)
    shape = (2, 16, 16, 3) if settings.kind == "image" else (2, 16, 16, 16, 3)
    x = np.random.default_rng(0).integers(0, 256, shape).astype(np.uint8)
    out = mae.reconstruct(model, x, mask=0.5)
    np.testing.assert_array_equal(out.original.reshape(shape), x)
    hidden = (out.masked == 128).all(axis=-1)
    assert hidden.mean() == pytest.approx(0.5, abs=0.02)
    assert (np.abs(out.filled.astype(int) - out.original)[~hidden] <= 1).all()
    assert (out.filled != out.original)[hidden].mean() > 0.5
    assert model.encode(x).shape == (2, 8)  # the encoder hides nothing afterwards, either


def test_normalised_patches_get_their_own_mean_back():
    model = mae.default_model(IMAGE, False)
    x = np.random.default_rng(0).integers(100, 140, (1, 16, 16, 3)).astype(np.uint8)
    model.model.config.norm_pix_loss = True
    filled = mae.reconstruct(model, x, mask=0.5).filled
    assert 60 < filled.mean() < 190


# weights of one's own


def test_weights_in_a_folder_are_read_and_give_the_same_features(tmp_path):
    own = mae.default_model(IMAGE, False)
    own.model.save_pretrained(tmp_path / "my-mae")
    read = mae.load_model(tmp_path / "my-mae", "image")
    x = np.random.default_rng(0).integers(0, 256, (3, 16, 16, 3)).astype(np.uint8)
    np.testing.assert_array_equal(read.encode(x), own.encode(x))
    assert "my-mae" in read.note and read.key != own.key
    given = features(cohort(), image=tmp_path / "my-mae")[mae.MAE_IMAGE]
    np.testing.assert_allclose(given.vectors(None), features(cohort())[mae.MAE_IMAGE].vectors(None))
    assert "my-mae" in given.note
    with pytest.raises(ConfigError, match="holds a 'vit_mae', but VideoMAEForPreTraining"):
        mae.load_model(tmp_path / "my-mae", "video")


def test_what_is_not_safe_or_not_there_is_refused_by_name(tmp_path):
    with pytest.raises(AssetError, match="nothing is fetched by name"):
        mae.load_model("facebook/vit-mae-base", "image")
    own = mae.default_model(IMAGE, False)
    folder = tmp_path / "pickled"
    own.model.save_pretrained(folder)
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    with pytest.raises(AssetError, match="pytorch_model.bin is a pickle"):
        mae.load_model(folder, "image")
    (folder / "model.safetensors").write_bytes(b"no tensors at all")
    with pytest.raises(AssetError, match="cannot be read"):
        mae.load_model(folder, "image")
    (folder / "config.json").write_text("[]")
    with pytest.raises(AssetError, match="no configuration"):
        mae.load_model(folder, "image")
    with pytest.raises(ConfigError, match="image, video"):
        mae.load_model(folder, "sound")
    with pytest.raises(ConfigError, match="multiple of patch"):
        mae.Pretraining(size=20)


def test_weights_that_lack_a_layer_are_refused(tmp_path):
    from safetensors.torch import load_file, save_file

    mae.default_model(IMAGE, False).model.save_pretrained(tmp_path)
    weights = load_file(tmp_path / "model.safetensors")
    gone = next(name for name in weights if "layer" in name and "weight" in name)
    del weights[gone]
    save_file(weights, tmp_path / "model.safetensors", {"format": "pt"})
    with pytest.raises(AssetError, match="lack"):
        mae.load_model(tmp_path, "image")


# rows


def test_rows_have_one_vector_per_recording_and_say_what_they_are():
    of = cohort()
    made = features(of)
    assert list(made) == [mae.MAE_IMAGE, mae.MAE_VIDEO]
    assert made[mae.MAE_IMAGE].vectors(None).shape == (4, 16) and made[mae.MAE_VIDEO].vectors(None).shape == (
        4,
        8,
    )
    for row in made.values():
        assert row.recordings.tolist() == of.recordings["recording"].tolist() and not row.counts
        assert "simulated people" in row.note and "MAEForPreTraining" in row.note
        assert len(np.unique(row.vectors(None).round(6), axis=0)) == 4


def test_features_are_kept_and_belong_to_their_pictures(cache):
    of = cohort(seed=4)
    first = features(of)

    class Broken(mae.Rendered):
        def __call__(self, table, size):
            raise AssertionError("drawn again")

    again = features(of, pictures=Broken(of))
    np.testing.assert_array_equal(first[mae.MAE_IMAGE].vectors(None), again[mae.MAE_IMAGE].vectors(None))
    backwards = Cohort(of.frames, of.recordings.iloc[::-1].reset_index(drop=True), of.people)
    turned = features(backwards, pictures=Broken(backwards))
    np.testing.assert_array_equal(
        turned[mae.MAE_VIDEO].vectors(None)[::-1], first[mae.MAE_VIDEO].vectors(None)
    )
    others = Cohort(of.frames, of.recordings, of.people.assign(skin=1 - of.people["skin"]))
    with pytest.raises(AssertionError, match="drawn again"):
        features(others, pictures=Broken(others))


def test_chunks_give_the_same_rows():
    of = cohort(seed=5)
    names = of.recordings["recording"].tolist()
    parts = Cohort(lambda: (of.frames[of.frames["recording"] == n] for n in names), of.recordings, of.people)
    for name, row in features(of).items():
        np.testing.assert_array_equal(row.vectors(None), features(parts)[name].vectors(None))


def test_a_cohort_without_pictures_is_told_what_to_do():
    of = cohort()
    with pytest.raises(InputError, match="give pictures=Crops"):
        mae.mae_rows(Cohort(of.frames, of.recordings), progress=False)


def test_pictures_of_repeated_frames_are_taken_once_and_put_back_in_order():
    table = pd.DataFrame({"frame": [5, 2, 5, 9]})

    def pictures(rows_, size):
        assert rows_["frame"].tolist() == [2, 5, 9]
        return np.array(rows_["frame"])[:, None, None, None] * np.ones((1, size, size, 3), np.uint8)

    assert picture_frames(pictures, table, 2)[:, 0, 0, 0].tolist() == [5, 2, 5, 9]


def test_crops_show_the_same_square_as_drawn_faces():
    rgb = np.zeros((400, 400, 3), np.uint8)
    rgb[int(200 - CENTRE_MM * 2) - 2 : int(200 - CENTRE_MM * 2) + 2, 198:202] = 255
    cut = _cut(rgb, 2.0, 200.0, 200.0, 64)  # two pixels a millimetre, the origin of the face in the middle
    assert cut.shape == (64, 64, 3) and np.unravel_index(cut[..., 0].argmax(), (64, 64)) in {
        (31, 31),
        (32, 32),
        (31, 32),
    }
    half = SIDE_MM  # pixels to each side
    rgb[:, int(200 - half) + 3 : int(200 - half) + 5] = 200
    assert (_cut(rgb, 2.0, 200.0, 200.0, 64)[:, 0, 0] > 0).any()


def test_crops_come_from_the_frames_of_a_video(tmp_path):
    import av

    path = tmp_path / "clip.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=10)
        stream.width = stream.height = 128
        for level in range(0, 250, 25):
            frame = av.VideoFrame.from_ndarray(np.full((128, 128, 3), level, np.uint8), format="rgb24")
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    table = pd.DataFrame({"recording": "clip", "frame": np.arange(10), "time_s": np.arange(10) / 10})
    table = table.assign(detected=True, n_faces=1, pose_scale=0.4, pose_tx=64.0, pose_ty=64.0)
    crops = mae.Crops({"clip": path})
    levels = crops(table.iloc[[2, 7]], 16).mean(axis=(1, 2, 3))
    np.testing.assert_allclose(levels, [50, 175], atol=8)
    with pytest.raises(InputError, match="ends before frame 30"):
        crops(table.iloc[[2]].assign(frame=30), 16)
    with pytest.raises(InputError, match="no video was given"):
        crops(table.assign(recording="other"), 16)
    assert json.dumps(crops.fingerprint()) == json.dumps(mae.Crops({"clip": path}).fingerprint())
