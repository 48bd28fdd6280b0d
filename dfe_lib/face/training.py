"""Trains the expression regressor and measures the noise of the extraction.

Supervision is rendered frames with known ψ (:mod:`dfe_lib.face.renders`). Rendered faces are not people, and what a
flexible map learns from them alone is partly lost on real faces, so three things hold it back: a strongly penalised
linear map has a share in ψ; a few real clips, unlabelled, go along, on which the network is asked to do what the
linear map does, and what MediaPipe's own blendshapes do for the brows, lids and eyes, which they see well; and the
network is mirror-symmetric by construction.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch

from dfe_lib.face.landmark_sets import MESH478, LandmarkSet
from dfe_lib.face.layers import LOG_SD
from dfe_lib.face.real_clips import real_clips, real_examples
from dfe_lib.face.regressor import ExpressionRegressor
from dfe_lib.face.renders import RenderConfig, Renders, subject_neutrals
from dfe_lib.face.symmetry import Mirror, SymmetricNetwork, discriminant
from dfe_lib.progress import bar as progress_bar
from dfe_lib.space import ICT53

TRAIN = RenderConfig()
# Never trained on. Every subject shows displays of its own; every subject shows the same ones.
HELD_OUT = RenderConfig(subjects=60, displays="displays", seed=2000)
SHARED = RenderConfig(subjects=40, expressive_frames=24, displays="shared", seed=1000)


@dataclass(frozen=True)
class RegressorConfig:
    """How the regressor is trained. Chosen on held-out renders and on real actors; the card holds the ablation."""

    components: int = 128  # not tuned: a compromise with speed
    floor_mm: float = 0.5  # landmark noise of real faces beyond that of renders; 0.2 was no better
    linear_penalty: float = 0.1  # of the whitened components, per frame
    pairs: int = 160  # mirror pairs of hidden units in each of two layers; speed allows no more
    noise: float = 0.5  # of the whitened components: pose and detection noise has 1 to 2
    dropout: float = 0.05
    epochs: int = 40  # 14 were some 0.02 worse on renders
    batch: int = 512
    real_batch: int = 96  # frames of real clips beside each batch of renders
    real_weight: float = 1.5  # of their loss: 0: see the card's ablation
    learning_rate: float = 2e-3
    weight_decay: float = 0.05
    network_share: float = 0.7  # of ψ; the linear map has the rest. 1: see the card's ablation
    calibration_subjects: float = 0.1  # of the subjects: kept from the network, for its sd
    seed: int = 0


@dataclass(frozen=True)
class Examples:
    """Aligned frames minus their person's neutral face. x (n, N · axes) mm, psi (n, 53), neutral (n,) bool."""

    x: np.ndarray
    psi: np.ndarray
    subject: np.ndarray
    neutral: np.ndarray


def examples(
    renders: Renders, target: np.ndarray, landmark_set: LandmarkSet, points: np.ndarray | None = None
) -> Examples:
    """Training examples of rendered frames, against each subject's own marked neutral frames.

    Parameters
    ----------
    target : (N, 3) mm, the neutral face.
    points : (n, N, axes) px: the set's points of the renders, where they are not simply landmarks of theirs.
    """
    points = landmark_set.of_mesh(renders.landmarks) if points is None else points
    aligned = landmark_set.align(points, target).points.reshape(len(renders.psi), -1)
    seen = np.isfinite(aligned).all(axis=1)
    aligned, psi, subject, neutral = (
        v[seen] for v in (aligned, renders.psi, renders.subject, renders.neutral)
    )
    own = subject_neutrals(aligned, subject, neutral)
    return Examples((aligned - own).astype(np.float32), psi, subject, neutral)


def train_regressor(
    renders: Renders,
    target: np.ndarray,
    config: RegressorConfig = RegressorConfig(),
    progress: bool = True,
    landmark_set: LandmarkSet = MESH478,
    points: np.ndarray | None = None,
) -> ExpressionRegressor:
    """Train on rendered subjects and the unlabelled real clips; some minutes on two cores.

    Parameters
    ----------
    target : (N, 3) mm, the set's points of the neutral face478.
    landmark_set : what the regressor is to take.
    points : (n, N, axes) px: the set's points of the renders, where they are not simply landmarks of theirs.

    Raises
    ------
    AssetError : the real clips or the FaceLandmarker model are not at hand.
    """
    torch.manual_seed(config.seed)
    data = examples(renders, target, landmark_set, points)
    mirror = Mirror(target, landmark_set.axes)
    basis, signs = discriminant(
        data.x[data.neutral], data.x[~data.neutral], mirror, config.floor_mm**2, config.components
    )
    shown = data.x @ basis
    linear = mirrored_ridge(shown, signs, data.psi, config.linear_penalty)
    start = _linear_only(target, basis, signs, linear, landmark_set)
    start = replace(start, neutral_spread=_neutral_spread(renders, points, start))
    kept = kept_apart(data.subject, config)
    network = SymmetricNetwork(signs, config.pairs, config.dropout)
    real_shown, real_psi = real_examples(real_clips(), start)
    fit_network(network, shown[~kept], data.psi[~kept], real_shown, real_psi, config, progress)
    layers = finished_layers(linear, network, shown[kept], data.psi[kept], config.network_share)
    return replace(start, **layers).rounded()


def mirrored_ridge(x: np.ndarray, signs: np.ndarray, psi: np.ndarray, penalty: float) -> np.ndarray:
    """(k, 53) float32 ridge regression of ψ (n, 53) on components (n, k) and on their mirror images."""
    both = np.vstack([x, x * signs])
    gram = both.T @ both / len(both) + penalty * np.eye(len(signs))
    goal = both.T @ np.vstack([psi, ICT53.mirror(psi)]) / len(both)
    return np.linalg.solve(gram, goal).astype(np.float32)


def kept_apart(subject: np.ndarray, config: RegressorConfig) -> np.ndarray:
    """(n,) bool: frames of the subjects that the network never sees, for its sd."""
    subjects = np.random.default_rng(config.seed).permutation(np.unique(subject))
    return np.isin(subject, subjects[: int(config.calibration_subjects * len(subjects))])


def fit_network(
    network: SymmetricNetwork,
    x: np.ndarray,
    psi: np.ndarray,
    real_x: np.ndarray,
    real_psi: np.ndarray,
    config: RegressorConfig,
    progress: bool,
) -> None:
    """Train in place. Loss: error per coefficient in units of its spread, so that small ones count, plus error in G."""
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    network.to(device).train()
    x, psi, real_x, real_psi = (torch.tensor(a, device=device) for a in (x, psi, real_x, real_psi))
    whitener = torch.tensor(ICT53.whitener, dtype=torch.float32, device=device)
    spread, size = psi.std(dim=0), ((psi @ whitener) ** 2).sum(dim=1).mean()
    optimizer = torch.optim.AdamW(
        network.parameters(), config.learning_rate, weight_decay=config.weight_decay
    )
    steps = len(x) // config.batch
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, config.learning_rate, total_steps=steps * config.epochs
    )
    draw = torch.Generator().manual_seed(config.seed)
    for _ in progress_bar(range(config.epochs), desc="training the regressor", unit="epoch", show=progress):
        order = torch.randperm(len(x), generator=draw)
        for rows in order[: steps * config.batch].split(config.batch):
            beside = torch.randint(len(real_x), (config.real_batch,), generator=draw)
            given = torch.cat([x[rows], real_x[beside]])
            noise = torch.randn(given.shape, generator=draw).to(device)
            found = network(given + config.noise * noise)
            error, real_error = found[: len(rows)] - psi[rows], found[len(rows) :] - real_psi[beside]
            loss = ((error / spread) ** 2).mean() + ((error @ whitener) ** 2).sum(dim=1).mean() / size
            loss = loss + config.real_weight * ((real_error / spread) ** 2).mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
    network.cpu().eval()


def finished_layers(
    linear: np.ndarray, network: SymmetricNetwork, x: np.ndarray, psi: np.ndarray, share: float
) -> dict[str, np.ndarray]:
    """Layers of a regressor: shares of ψ put together, 0 at the neutral face, sd fitted on subjects kept apart.

    Parameters
    ----------
    linear : (k, 53). network : trained. share : the network's. x, psi : (n, k) and (n, 53) of subjects kept apart.
    """
    swap = network.swap
    with torch.no_grad():
        own, image = network.hidden(torch.tensor(x))
        found = share * network(torch.tensor(x)) + (1 - share) * torch.tensor(x @ linear)
        offset = share * (network(torch.zeros(1, x.shape[1]))[0])
        error = torch.tensor(psi) - (found - offset)
    # Gaussian likelihood of the errors, with a log sd that is linear in the last layer's units.
    weights = torch.zeros(own.shape[1], psi.shape[1], requires_grad=True)
    constant = (error**2).mean(dim=0).sqrt().log().requires_grad_()
    optimizer = torch.optim.LBFGS([weights, constant], max_iter=60, line_search_fn="strong_wolfe")

    def closure() -> torch.Tensor:
        optimizer.zero_grad()
        log_sd = own @ weights + (image @ weights)[:, swap] + (constant + constant[swap]) / 2
        log_sd = log_sd.clamp(*LOG_SD)
        loss = (log_sd + 0.5 * error**2 * torch.exp(-2 * log_sd)).mean() + 2e-3 * (weights**2).sum()
        loss.backward()
        return loss

    optimizer.step(closure)
    with torch.no_grad():
        bias = (network.bias + network.bias[swap]) / 2
        layers = {
            "signs": network.signs,
            "linear": linear,
            "linear_share": np.array([1 - share]),
            **{"hidden_1": network.first, "bias_1": network.bias_1, "bias_2": network.bias_2},
            "hidden_2": torch.cat([network.same, network.crossed], dim=1),
            **{"output": share * network.last, "offset": offset - share * bias},
            **{"log_sd": weights, "log_sd_0": (constant + constant[swap]) / 2},
        }
    as_arrays = {k: t.detach().numpy() if isinstance(t, torch.Tensor) else t for k, t in layers.items()}
    return {k: np.ascontiguousarray(t, dtype=np.float32) for k, t in as_arrays.items()}


def ablation(
    regressor: ExpressionRegressor, renders: Renders, target: np.ndarray, config: RegressorConfig
) -> dict[str, ExpressionRegressor]:
    """What the parts of a trained regressor do: either part alone, and both without the real clips."""
    share = config.network_share
    alone = {"output": regressor.output / share, "offset": regressor.offset / share}
    nothing = {"output": 0 * regressor.output, "offset": 0 * regressor.offset}
    return {
        "linear map alone": replace(regressor, linear_share=np.ones(1, np.float32), **nothing),
        "network alone": replace(regressor, linear_share=np.zeros(1, np.float32), **alone),
        "without the real clips": train_regressor(renders, target, replace(config, real_weight=0.0)),
    }


def _linear_only(
    target: np.ndarray, basis: np.ndarray, signs: np.ndarray, linear: np.ndarray, landmark_set: LandmarkSet
) -> ExpressionRegressor:
    k, d = linear.shape
    nothing = {"hidden_1": (k, 1), "bias_1": (1,), "hidden_2": (1, 2), "bias_2": (1,), "output": (1, d)}
    nothing |= {"offset": (d,), "log_sd": (1, d), "log_sd_0": (d,), "neutral_spread": (d,)}
    return ExpressionRegressor(
        neutral=target.astype(np.float32),
        basis=basis,
        signs=signs,
        linear=linear,
        linear_share=np.ones(1, np.float32),
        landmark_set=landmark_set,
        **{name: np.zeros(shape, np.float32) for name, shape in nothing.items()},
    )


def _neutral_spread(renders: Renders, points: np.ndarray | None, start: ExpressionRegressor) -> np.ndarray:
    """(53,) standard deviation over training subjects of the ψ that their neutral faces measure; sides alike."""
    rows = renders.neutral
    points = start.landmark_set.of_mesh(renders.landmarks[rows]) if points is None else points[rows]
    away = start.landmark_set.align(points, start.neutral).points - start.population
    psi, subject = away.reshape(rows.sum(), -1) @ (start.basis @ start.linear), renders.subject[rows]
    spread = np.nanstd([np.nanmean(psi[subject == s], axis=0) for s in np.unique(subject)], axis=0)
    return ((spread + ICT53.mirror(spread[None])[0]) / 2).astype(np.float32)


def noise_model(psi: np.ndarray, predicted: np.ndarray) -> dict[str, np.ndarray]:
    """Measured ψ as gain · true ψ + residual, from held-out renders.

    Returns
    -------
    gain (53,), residual_covariance (53, 53), residual_cholesky (53, 53) lower triangular.
    """
    gain = (psi * predicted).sum(axis=0) / np.maximum((psi**2).sum(axis=0), 1e-9)
    residual = predicted - gain * psi
    covariance = np.cov(residual, rowvar=False) + 1e-9 * np.eye(psi.shape[1])
    return {
        "gain": gain.astype(np.float32),
        "residual_covariance": covariance.astype(np.float32),
        "residual_cholesky": np.linalg.cholesky(covariance).astype(np.float32),
    }
