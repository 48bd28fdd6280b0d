"""Masked Autoencoders as representations: the real ViTMAE and VideoMAE of transformers, on pictures of faces."""

from dfe_lib.analysis.autoencoders.models import Pretraining, load_model
from dfe_lib.analysis.autoencoders.pictures import Crops, Pictures, Rendered
from dfe_lib.analysis.autoencoders.reconstruction import reconstruct
from dfe_lib.analysis.autoencoders.rows import MAE_IMAGE, MAE_VIDEO, mae_rows
from dfe_lib.analysis.autoencoders.small import default_model

__all__ = [
    "MAE_IMAGE",
    "MAE_VIDEO",
    "Crops",
    "Pictures",
    "Pretraining",
    "Rendered",
    "default_model",
    "load_model",
    "mae_rows",
    "reconstruct",
]
