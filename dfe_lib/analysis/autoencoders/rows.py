"""Rows of the tables from Masked Autoencoders: frames pooled over a recording, clips pooled over a recording."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import pandas as pd
from safetensors.numpy import load_file, save_file

from dfe_lib.analysis.autoencoders.models import Autoencoder, Pretraining, load_model
from dfe_lib.analysis.autoencoders.pictures import Pictures, Rendered, clip_rows, picture_frames
from dfe_lib.analysis.autoencoders.small import default_model
from dfe_lib.analysis.representations.base import Table
from dfe_lib.analysis.representations.sequence import Seen
from dfe_lib.data.cohort import Cohort
from dfe_lib.errors import InputError
from dfe_lib.paths import data_dir
from dfe_lib.progress import bar as progress_bar
from dfe_lib.space import space_of

MAE_IMAGE = "MAE image mean+sd"
MAE_VIDEO = "MAE video mean"
FRAMES = 24  # of a recording, evenly spread, for the image model
CLIPS = 2  # of a recording, evenly spread, for the video model


def mae_rows(
    cohort: Cohort,
    pictures: Pictures | None = None,
    image: Autoencoder | str | Path | None = None,
    video: Autoencoder | str | Path | None = None,
    frames: int = FRAMES,
    clips: int = CLIPS,
    progress: bool = True,
) -> dict[str, Table]:
    """Features of Masked Autoencoders: "MAE image mean+sd" and "MAE video mean".

    The image model sees ``frames`` frames of each recording; its mean patch token is pooled over them (mean and
    deviation). The video model sees ``clips`` clips; its mean token is averaged. Nothing is learnt on the cohort. The
    features are kept in the cache under a hash of models and pictures.

    Parameters
    ----------
    cohort : of simulated people, best without the noise of extraction (the same seed gives the same people and ψ): a
        camera does not see it. Real people need ``pictures``.
    pictures : by default drawn ones. For video of one's own ``Crops({recording: file})``, or any
        :class:`~dfe_lib.analysis.autoencoders.pictures.Pictures`.
    image, video : a model, or the local folder of its weights (``facebook/vit-mae-base``, ``MCG-NJU/videomae-base``,
        see :mod:`dfe_lib.analysis.autoencoders.models`); by default the small ones, pretrained on drawn faces.

    Raises
    ------
    InputError : a cohort without pictures, or a recording without a detected face, by name.
    AssetError : weights that are not there or not safe to read.
    """
    pictures = Rendered(cohort) if pictures is None else pictures
    models = {
        MAE_IMAGE: _model(image, Pretraining(), progress),
        MAE_VIDEO: _model(video, Pretraining.video(), progress),
    }
    recordings = pd.Index(cohort.recordings["recording"].astype(str), name="recording")
    chosen: dict[str, list[pd.DataFrame]] = {name: [] for name in models}
    for chunk in cohort.chunks():
        chunk = chunk[chunk["recording"].isin(recordings)]
        if not len(chunk):
            continue
        seen = Seen.of(chunk, space_of(chunk.attrs).names)
        kept = seen.table.drop(columns="landmarks", errors="ignore")
        chosen[MAE_IMAGE].append(kept.iloc[seen.spread(frames)])
        chosen[MAE_VIDEO].append(kept.iloc[clip_rows(seen, clips, models[MAE_VIDEO].frames)])
    rows = {}
    for name, model in models.items():
        table = pd.concat(chosen[name], ignore_index=True)
        lacking = recordings.difference(pd.Index(table["recording"].unique()))
        if len(lacking):
            raise InputError(f"recording '{lacking[0]}' has no frames ({len(lacking)} such)")
        values = _features(model, table, pictures, recordings, name, progress)
        parts = ("mean", "sd") if model.kind == "image" else ("mean",)
        columns = [f"{model.kind}{i}_{p}" for p in parts for i in range(values.shape[1] // len(parts))]
        what = f"{frames} frames" if model.kind == "image" else f"{clips} clips of {model.frames} frames"
        note = f"{type(model.model).__name__}, {model.note}; {what} a recording, {pictures.source}"
        rows[name] = Table(name, pd.DataFrame(values, index=recordings, columns=columns), note)
    return rows


def _model(given, settings: Pretraining, progress: bool) -> Autoencoder:
    if isinstance(given, Autoencoder):
        return given
    return default_model(settings, progress) if given is None else load_model(given, settings.kind)


def _features(model, table, pictures, recordings, name, progress) -> np.ndarray:
    """(n, d) float64 in the order of ``recordings``; from the cache where they are there."""
    key = hashlib.sha256(f"{model.key} {pictures.fingerprint()} {model.kind}".encode())
    by_name = dict(iter(table.groupby("recording", sort=True)))
    for recording, own in by_name.items():
        key.update(recording.encode())
        numbers = own.select_dtypes("number")
        key.update(" ".join(numbers.columns).encode())
        key.update(np.ascontiguousarray(numbers.to_numpy(dtype=np.float64)).tobytes())
    cached = data_dir() / "derived" / f"mae-features-{key.hexdigest()[:16]}.safetensors"
    names = sorted(by_name)
    if cached.is_file():
        values = load_file(cached)["features"]
    else:
        vectors = []
        for recording in progress_bar(names, desc=name, unit="recording", show=progress):
            drawn = picture_frames(pictures, by_name[recording], model.size)
            if model.kind == "video":
                drawn = drawn.reshape(-1, model.frames, *drawn.shape[1:])
            tokens = model.encode(drawn).astype(np.float64)
            both = (
                [tokens.mean(axis=0), tokens.std(axis=0)] if model.kind == "image" else [tokens.mean(axis=0)]
            )
            vectors.append(np.concatenate(both))
        values = np.stack(vectors)
        cached.parent.mkdir(parents=True, exist_ok=True)
        staged = cached.with_suffix(".part")
        save_file({"features": values}, staged)
        staged.replace(cached)
    return values[pd.Index(names).get_indexer(recordings)]
