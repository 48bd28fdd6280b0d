"""ViTMAE and VideoMAE: from a local folder of pretrained weights, or a small one pretrained on drawn faces.

Weights are read as safetensors from the local disk alone; nothing is fetched, and no pickle is opened. Known folders:
``facebook/vit-mae-base`` (Apache-2.0 on its model card, ImageNet-1k) and ``MCG-NJU/videomae-base`` (Kinetics-400;
seen as CC BY-NC 4.0 on a sibling's card only, so read its own), where needed after conversion to safetensors; MARLIN
once converted to VideoMAE's layout.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError

from dfe_lib.analysis.autoencoders.patches import n_patches, normalised
from dfe_lib.errors import AssetError, ConfigError, choices

KINDS = {"image": ("vit_mae", "ViTMAEForPreTraining"), "video": ("videomae", "VideoMAEForPreTraining")}
CLIP = 16  # frames that VideoMAE sees at once


@dataclass(frozen=True)
class Pretraining:
    """A small autoencoder, pretrained from scratch within a minute on one core. All numbers are our choice."""

    kind: str = "image"
    size: int = 64  # pixels; an eye is open by three of them
    patch: int = 8  # pixels: an eye fills one
    width: int = 96  # of the encoder, 4 heads
    depth: int = 4
    decoder_width: int = 64  # one layer, as a strong decoder leaves the encoder little to do
    mask: float = 0.75  # of the patches: 0.75 for pictures, 0.9 for video in the sources
    people: int = 150  # drawn, simulated, in no cohort with another seed
    each: int = 20  # pictures, or clips, of each
    steps: int = 350
    batch: int = 32  # small, as many steps teach more than large ones in the same time
    rate: float = 2e-3  # learning rate, falling as a cosine
    seed: int = 719_000_002  # of people and weights; no cohort of the notebooks is made from it

    def __post_init__(self):
        if self.kind not in KINDS:
            raise ConfigError(f"no such kind of autoencoder: {choices(self.kind, KINDS)}")
        if self.size % self.patch or self.width % 4 or self.decoder_width % 4:
            raise ConfigError("size must be a multiple of patch, and widths of 4 heads")

    @classmethod
    def video(cls, **changes) -> Pretraining:
        """The default for video: smaller pictures and fewer clips, for a clip is 16 frames."""
        own = {"kind": "video", "size": 48, "mask": 0.9, "people": 120, "each": 2, "steps": 450, "batch": 8}
        return cls(**(own | changes))


@dataclass(frozen=True, eq=False)
class Autoencoder:
    """A model with what is known of it.

    Attributes
    ----------
    kind : ``"image"`` or ``"video"``. size : pixels of a picture. frames : pictures of a clip (1 for images).
    model : ``ViTMAEForPreTraining`` or ``VideoMAEForPreTraining``.
    note : what it was pretrained on.
    key : the same for the same weights.
    card : for our own, settings and losses; else empty.
    """

    kind: str
    size: int
    frames: int
    model: Any
    note: str
    key: str
    card: dict

    def encode(self, pictures: np.ndarray) -> np.ndarray:
        """Mean patch token of the encoder without masking, (n, width) float32.

        Parameters
        ----------
        pictures : (n, size, size, 3) uint8, or for video (n, frames, size, size, 3).
        """
        import torch

        device = next(self.model.parameters()).device
        out = []
        batch = 64 if self.kind == "image" else 8
        with torch.inference_mode():
            for start in range(0, len(pictures), batch):
                x = normalised(pictures[start : start + batch]).to(device)
                if self.kind == "image":
                    patches = n_patches(self.model.config)
                    noise = torch.arange(patches, device=device).float().expand(len(x), -1)
                    tokens = self.model.vit(x, noise=noise).last_hidden_state[
                        :, 1:
                    ]  # the first is the class token
                else:
                    tokens = self.model.videomae(x).last_hidden_state
                out.append(tokens.mean(dim=1).float().cpu().numpy())
        return np.concatenate(out)


def load_model(folder: str | Path, kind: str) -> Autoencoder:
    """Pretrained weights from a local folder, as ``save_pretrained`` of transformers writes it.

    Parameters
    ----------
    folder : with ``config.json`` and ``model.safetensors``.
    kind : ``"image"`` (ViTMAE) or ``"video"`` (VideoMAE).

    Raises
    ------
    AssetError : no such folder, no safetensors in it, or weights that do not fit the model.
    ConfigError : the folder holds another kind of model.
    """
    folder = Path(folder)
    if kind not in KINDS:
        raise ConfigError(f"no such kind of autoencoder: {choices(kind, KINDS)}")
    model_type, class_name = KINDS[kind]
    if not (folder / "config.json").is_file():
        raise AssetError(
            f"there is no model in {folder}: a local folder with config.json and model.safetensors is needed; "
            "nothing is fetched by name"
        )
    weights = sorted(folder.glob("*.safetensors"))
    if not weights:
        pickles = [p.name for p in (*folder.glob("*.bin"), *folder.glob("*.pt"), *folder.glob("*.pth"))]
        raise AssetError(
            f"{folder} has no safetensors"
            + (f"; {pickles[0]} is a pickle, which can run code and is not opened" if pickles else "")
            + "; convert the weights to model.safetensors in a place that you trust"
        )
    try:
        config = json.loads((folder / "config.json").read_text())
        found = config["model_type"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise AssetError(f"{folder / 'config.json'} is no configuration of transformers ({error})") from error
    if found != model_type:
        raise ConfigError(f"{folder} holds a '{found}', but {class_name} ('{model_type}') is needed")
    model = from_folder(folder, class_name)
    key = hashlib.sha256(json.dumps(config, sort_keys=True).encode())
    for file in weights:
        with open(file, "rb") as stream:
            key.update(hashlib.file_digest(stream, "sha256").digest())
    note = f"pretrained weights from '{folder.name}'"
    return ready(model, kind, note, key.hexdigest(), {})


def blank_model(settings: Pretraining) -> Any:
    """An untrained model of these settings; weights from the global generator of torch."""
    import transformers

    common = {
        "hidden_size": settings.width,
        "num_hidden_layers": settings.depth,
        "num_attention_heads": 4,
        "intermediate_size": 4 * settings.width,
        "image_size": settings.size,
        "patch_size": settings.patch,
        "decoder_hidden_size": settings.decoder_width,
        "decoder_num_hidden_layers": 1,
        "decoder_num_attention_heads": 4,
        "decoder_intermediate_size": 4 * settings.decoder_width,
        "norm_pix_loss": False,  # pixels as they are: patches of plain background have no contrast to normalise
    }
    if settings.kind == "image":
        config = transformers.ViTMAEConfig(**common, mask_ratio=settings.mask)
        model = transformers.ViTMAEForPreTraining(config)
        # transformers 5 leaves the fixed positions of a new model at zero: without them no patch knows its place.
        for places in (model.vit.embeddings.position_embeddings, model.decoder.decoder_pos_embed):
            places.data.copy_(_places(settings.size // settings.patch, places.shape[-1]))
        return model
    # The layer norm after the encoder belongs to pretraining; the default of transformers is that of a classifier.
    clip = {"num_frames": CLIP, "tubelet_size": 2, "use_mean_pooling": False}
    return placed(transformers.VideoMAEForPreTraining(transformers.VideoMAEConfig(**common, **clip)))


def _waves(places: list[Any], widths: list[int]) -> Any:
    """(n, sum of widths) sines and cosines of each coordinate of n places, as in MAE."""
    import torch

    out = []
    for place, width in zip(places, widths, strict=True):
        angle = place.reshape(-1, 1) * (1 / 10_000 ** (torch.arange(width // 2) / (width // 2)))
        out += [torch.sin(angle), torch.cos(angle)]
    return torch.cat(out, dim=1)


def _places(side: int, width: int) -> Any:
    """(1, 1 + side², width) waves of column and row, zero for the class token."""
    import torch

    row, column = torch.meshgrid(torch.arange(side), torch.arange(side), indexing="ij")
    return torch.cat([torch.zeros(1, width), _waves([column, row], [width // 2] * 2)])[None]


def placed(model: Any) -> Any:
    """A small video model with waves of column, row and time instead of one wave along all patches.

    VideoMAE numbers the patches of all frames through; a model has to find out from that what lies above what, for
    which a minute is too short. The tables are no weights and are not kept on disk.
    """
    import torch

    config = model.config
    side, moments = config.image_size // config.patch_size, config.num_frames // config.tubelet_size
    time, row, column = torch.meshgrid(
        torch.arange(moments), torch.arange(side), torch.arange(side), indexing="ij"
    )
    for owner, width in (
        (model.videomae.embeddings, config.hidden_size),
        (model, config.decoder_hidden_size),
    ):
        third = width * 3 // 16 * 2
        owner.position_embeddings = _waves([column, row, time], [third, third, width - 2 * third])[None]
    return model


def ready(model: Any, kind: str, note: str, key: str, card: dict) -> Autoencoder:
    import torch

    if kind == "image":
        card = card | {"mask": model.config.mask_ratio}
        model.config.mask_ratio = 0.0  # the encoder hides nothing when it describes
    model = model.to("cuda" if torch.cuda.is_available() else "cpu").eval().requires_grad_(False)
    frames = model.config.num_frames if kind == "video" else 1
    return Autoencoder(kind, int(model.config.image_size), int(frames), model, note, key, card)


def from_folder(folder: Path, class_name: str) -> Any:
    import transformers

    loader = getattr(transformers, class_name).from_pretrained
    only_here = {"local_files_only": True, "use_safetensors": True, "trust_remote_code": False}
    try:
        with quiet():
            model, info = loader(folder, **only_here, output_loading_info=True)
    except (OSError, ValueError, RuntimeError, SafetensorError) as error:
        raise AssetError(f"the weights in {folder} cannot be read ({str(error).splitlines()[0]})") from error
    lacking = sorted(info["missing_keys"])
    if lacking:
        raise AssetError(f"the weights in {folder} lack '{lacking[0]}' ({len(lacking)} such) of {class_name}")
    return model


@contextmanager
def quiet() -> Iterator[None]:
    """Without the progress bars of transformers: reading a file is no long work."""
    from transformers.utils import logging

    shown = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        if shown:
            logging.enable_progress_bar()
