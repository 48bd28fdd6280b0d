"""The render benchmark: every way from a picture to ψ, on rendered people that were never trained on.

Beside this library's regressor stand MediaPipe's own blendshapes and a least-squares fit of the morphable model to the
same landmarks. Rendered faces are simulated data.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from dfe_lib.face.align import align
from dfe_lib.face.evaluation import agreement, calibration, identity_probe, pearson, pose_r2, retrieval
from dfe_lib.face.picture import PictureRegressor
from dfe_lib.face.regressor import ExpressionRegressor
from dfe_lib.face.renders import Renders, subject_neutrals
from dfe_lib.face.texture import CROP, crop
from dfe_lib.space import ICT53

OURS = "ours, neutral marked"
UNSEEN_BELOW = 0.3  # of r: what is followed less is called unseen
# mm² per squared coefficient: of powers of ten the best one on the held-out renders themselves, in the fit's favour.
FIT_PENALTY = 1e5
_DRIFT_DEGREES = np.array([14.0, 8.0, 5.0])  # yaw, pitch and roll of a head that sways
_DRIFT_SECONDS = np.array([7.0, 5.0, 9.0])


@dataclass(frozen=True)
class RenderBenchmark:
    """What :func:`render_benchmark` found.

    Attributes
    ----------
    renders : the expressive frames of the free set, n of them.
    predicted : method → (n, 53) ψ; ``OURS`` is the regressor with marked neutral frames.
    table : one row per method: ``method, mean_r, variance_explained, rms_mm`` (free set), ``top1, top5,
        identity_probe`` (shared set; the probe's accuracy over chance), ``pose_r2`` (free set). Raw aligned landmarks,
        which hold no ψ, have the last two alone.
    r : (53, methods) correlation per coefficient.
    breakdown : of ``OURS``, one row per group of frames: ``by, group, frames, mean_r, variance_explained, rms_mm``.
    sd : share of the errors within one and two announced standard deviations.
    """

    renders: Renders
    predicted: dict[str, np.ndarray]
    table: pd.DataFrame
    r: pd.DataFrame
    breakdown: pd.DataFrame
    sd: dict[str, float]

    def card(self) -> dict:
        """The figures as plain JSON values: those of ``OURS``, and under ``methods`` those of all."""
        ours = self.table.set_index("method").loc[OURS]
        return {
            "frames": len(self.renders.psi),
            "subjects": len(np.unique(self.renders.subject)),
            **{name: float(value) for name, value in ours.items()},
            "r": [round(float(value), 3) for value in self.r[OURS]],
            "unseen": self.unseen,
            "methods": [row.dropna().to_dict() for _, row in self.table.iterrows()],
            "breakdown": self.breakdown.to_dict("records"),
            "sd": self.sd,
        }

    @property
    def unseen(self) -> list[str]:
        """Coefficients that ``OURS`` hardly follows."""
        return list(self.r.index[self.r[OURS] < UNSEEN_BELOW])


def render_benchmark(
    free: Renders, shared: Renders, regressor: PictureRegressor | ExpressionRegressor | None = None
) -> RenderBenchmark:
    """Measure all methods.

    Parameters
    ----------
    free : subjects who each show displays of their own, e.g. of :data:`dfe_lib.face.training.HELD_OUT`.
    shared : subjects who all show the same displays, e.g. of :data:`dfe_lib.face.training.SHARED`.
    regressor : by default the shipped one that looks at the picture.

    Examples
    --------
    >>> found = render_benchmark(render_frames(HELD_OUT), render_frames(SHARED))        # doctest: +SKIP
    >>> found.table[["method", "mean_r", "top1"]]                                       # doctest: +SKIP
    """
    free, shared = _with_neutral(free), _with_neutral(shared)
    regressor = regressor or PictureRegressor.load()
    (answers, sd), (others, _) = answer(free, regressor), answer(shared, regressor)
    shown, again = ~free.neutral, ~shared.neutral
    kept, same = free.rows(shown), shared.rows(again)
    rows, r = [], {}
    for method, psi in answers.items():
        figures = agreement(kept.psi, psi[shown])
        r[method] = figures.pop("r")
        figures |= {
            f"top{k}": retrieval(others[method][again], same.subject, same.display, k) for k in (1, 5)
        }
        figures |= _leakage(psi[shown], kept, others[method][again], same)
        rows.append({"method": method, **figures})
    raw = [_aligned(part).reshape(len(part.psi), -1) for part in (kept, same)]
    rows.append({"method": "aligned landmarks themselves", **_leakage(raw[0], kept, raw[1], same)})
    ours = answers[OURS][shown]
    return RenderBenchmark(
        kept,
        {method: psi[shown] for method, psi in answers.items()},
        pd.DataFrame(rows),
        pd.DataFrame(r, index=list(ICT53.names)),
        breakdown(kept, ours),
        calibration(ours - kept.psi, sd[shown]),
    )


def answer(
    renders: Renders, regressor: PictureRegressor | ExpressionRegressor
) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """ψ of every frame by every method, and the standard deviation that ``OURS`` announces.

    Only "neutral estimated" and "population's neutral" are not told which frames are neutral.

    Returns
    -------
    method → (n, 53) ψ, and (n, 53) sd.
    """
    landmarks, subject, neutral = renders.landmarks, renders.subject, renders.neutral
    answers = {"MediaPipe blendshapes": _blendshapes(renders), "least-squares fit": _fit(renders)}
    if isinstance(regressor, PictureRegressor):
        alone = regressor.landmarks
        answers[OURS], sd = regressor.predict(landmarks, renders.crop, subject, neutral)
        answers["ours, neutral estimated"], _ = regressor.predict(landmarks, renders.crop, subject)
        answers["ours, from landmarks alone"] = alone.predict(landmarks, subject, neutral)
    else:
        alone, sd = regressor, _announced(renders, regressor)
        answers[OURS] = alone.predict(landmarks, subject, neutral)
        answers["ours, neutral estimated"] = alone.predict(landmarks, subject)
    answers["ours, population's neutral"] = alone.express(landmarks, alone.neutral)[0]
    return answers, sd


def breakdown(renders: Renders, psi: np.ndarray) -> pd.DataFrame:
    """:func:`agreement` within groups of frames: skin tone, yaw, size of the face, extremity of the identity.

    Thirds are of the frames at hand; the identity's extremity is the norm of its modes.
    """
    tone, extremity = renders.skin, np.linalg.norm(renders.identity, axis=1)
    cuts = {
        "skin": (tone, np.quantile(tone, [1 / 3, 2 / 3]), ("dark third", "middle third", "light third")),
        "yaw": (np.abs(renders.view[:, 0]), [10, 20], ("0–10°", "10–20°", "20–35°")),
        "face height": (renders.face_px, [96, 144], ("below 96 px", "96–144 px", "above 144 px")),
        "identity": (extremity, np.quantile(extremity, [1 / 3, 2 / 3]), ("usual third", "middle third", "rare third")),
    }  # fmt: skip
    rows = []
    for by, (values, edges, names) in cuts.items():
        part = np.digitize(values, edges)
        for number, name in enumerate(names):
            here = part == number
            if here.sum() > 1:
                figures = agreement(renders.psi[here], psi[here])
                del figures["r"]
                rows.append({"by": by, "group": name, "frames": int(here.sum()), **figures})
    return pd.DataFrame(rows)


def render_motion(truth: np.ndarray, rate: float = 30.0, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Landmarks and crops of one simulated subject who performs ``truth`` while the head sways slowly.

    Parameters
    ----------
    truth : (n, 53) ψ of consecutive frames.
    rate : frames per second, for the pace of the head.

    Returns
    -------
    landmarks : (n, 478, 3) float32 px; NaN where no face was found.
    crops : (n, 96, 96) uint8, of :func:`dfe_lib.face.texture.crop`; black where no face was found.

    Raises
    ------
    AssetError : ict-facekit or the FaceLandmarker model is not at hand.
    """
    from dfe_lib.face.appearance import sample_appearance, sample_view
    from dfe_lib.face.landmarks import Landmarker
    from dfe_lib.face.morphable import load_head
    from dfe_lib.face.render import Renderer

    rng = np.random.default_rng((3000, seed))  # other people than those of training and of the held-out sets
    look, start = sample_appearance(rng), sample_view(rng)
    phase = rng.uniform(0, 2 * np.pi, 3)
    landmarks = np.full((len(truth), 478, 3), np.nan, np.float32)
    crops = np.zeros((len(truth), CROP, CROP), np.uint8)
    with Renderer(load_head()) as renderer, Landmarker(max_faces=1) as landmarker:
        for i, psi in enumerate(ICT53.check(truth)):
            turn = _DRIFT_DEGREES * np.sin(2 * np.pi * i / rate / _DRIFT_SECONDS + phase)
            yaw, pitch, roll = map(float, turn)
            view = replace(start, yaw=yaw, pitch=pitch, roll=roll, shrink=1.0)
            rgb = renderer.render(psi, look, view, rng)
            found = landmarker.detect(rgb).landmarks
            if found is not None:
                landmarks[i], crops[i] = found, crop(rgb, found)
    return landmarks, crops


def motion_benchmark(frames: int = 150, sequences: int = 2) -> tuple[pd.DataFrame, pd.DataFrame]:
    """What smoothing does to motion whose truth is known: real ARKit coefficients, rendered and measured again.

    Parameters
    ----------
    frames : of each sequence, at 30 per second.
    sequences : spread over the recording, each on another simulated subject.

    Returns
    -------
    table : :func:`dfe_lib.face.dynamics.compare`, mean over the sequences.
    curves : the first sequence: ``time_s`` and, of the coefficient that moves most among those that the regressor
        follows (r of 0.5 or more), ``truth``, ``none`` (as measured), ``one-euro`` and ``kalman``;
        ``attrs["coefficient"]`` names it.

    Raises
    ------
    AssetError : arkit-range-of-motion, ict-facekit or the FaceLandmarker model is not at hand.
    """
    from dfe_lib import frames as tables
    from dfe_lib.data import manifest
    from dfe_lib.data.adapters.arkit import ENTRY, FILE, read_live_link
    from dfe_lib.face.dynamics import compare

    rate, still = 30.0, 3  # neutral frames go ahead of each sequence
    regressor = PictureRegressor.load()
    motion = tables.psi(read_live_link(manifest.locate(ENTRY, FILE)), ICT53.names)
    motion = np.clip(motion[np.isfinite(motion).all(axis=1)], 0, 1)
    results, curves = [], pd.DataFrame()
    for number, start in enumerate(np.linspace(0, len(motion) - frames, sequences + 2)[1:-1].astype(int)):
        truth = motion[start : start + frames]
        shown = np.vstack([np.zeros((still, ICT53.dimension)), truth])
        landmarks, crops = render_motion(shown, rate, seed=number)
        looks = regressor.looks(crops, landmarks)
        neutral = regressor.estimate_neutral(landmarks[:still], looks[:still], np.ones(still, bool))
        psi, sd = regressor.express(landmarks[still:], looks[still:], neutral)
        results.append(compare(truth, psi, rate, sd))
        if not number:
            curves = _curves(truth, psi, sd, rate)
    return pd.concat(results).groupby("smoothing", sort=False).mean().reset_index(), curves


def _curves(truth: np.ndarray, psi: np.ndarray, sd: np.ndarray, rate: float) -> pd.DataFrame:
    from dfe_lib.face.temporal import Kalman, OneEuro, smooth_psi

    time_s = np.arange(len(truth)) / rate
    followed = np.array([pearson(a, b) for a, b in zip(truth.T, psi.T, strict=True)]) > 0.5
    shown = int(np.argmax(truth.std(axis=0) * (followed | ~followed.any())))
    curves = pd.DataFrame({"time_s": time_s, "truth": truth[:, shown], "none": psi[:, shown]})
    for name, settings in (("one-euro", OneEuro()), ("kalman", Kalman())):
        curves[name] = smooth_psi(time_s, psi, settings, sd)[:, shown]
    curves.attrs["coefficient"] = ICT53.names[shown]
    return curves


def _with_neutral(renders: Renders) -> Renders:
    """Without the rare subjects of whom no neutral frame was detected."""
    return renders.rows(np.isin(renders.subject, renders.subject[renders.neutral]))


def _leakage(values: np.ndarray, free: Renders, others: np.ndarray, shared: Renders) -> dict[str, float]:
    return {
        "identity_probe": identity_probe(others, shared.subject),
        "pose_r2": pose_r2(values, free.view, free.subject),
    }


def _aligned(renders: Renders) -> np.ndarray:
    return align(renders.landmarks).points


def _blendshapes(renders: Renders) -> np.ndarray:
    from dfe_lib.data.adapters.arkit import to_ict53
    from dfe_lib.face.landmarks import blendshape_names

    psi = to_ict53(renders.blendshapes, blendshape_names())
    return psi - subject_neutrals(psi, renders.subject, renders.neutral)


def _fit(renders: Renders) -> np.ndarray:
    """Ridge-regularised least squares of face478's expressions to aligned landmarks minus the subject's neutral."""
    from dfe_lib.face.morphable import load_morphable

    points = _aligned(renders).reshape(len(renders.psi), -1)
    moved = points - subject_neutrals(points, renders.subject, renders.neutral)
    shapes = load_morphable("face478").expressions.reshape(ICT53.dimension, -1).astype(np.float64)
    gram = shapes @ shapes.T + FIT_PENALTY * np.eye(len(shapes))
    return np.linalg.solve(gram, shapes @ moved.T).T.astype(np.float32)


def _announced(renders: Renders, regressor: ExpressionRegressor) -> np.ndarray:
    """(n, 53) the regressor's own standard deviation, against each subject's marked neutral."""
    sd = np.empty_like(renders.psi)
    for subject in np.unique(renders.subject):
        rows = renders.subject == subject
        neutral = regressor.estimate_neutral(renders.landmarks[rows], renders.neutral[rows])
        sd[rows] = regressor.express(renders.landmarks[rows], neutral)[1]
    return sd
