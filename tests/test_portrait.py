"""Drawn faces: what moves in ψ moves in the picture, where it should."""

import numpy as np
import pytest

from dfe_lib.errors import InputError
from dfe_lib.face.portrait import CENTRE_MM, SIDE_MM, SIZE, portraits
from dfe_lib.space import ICT53

V = ICT53.vector


def row_of(height_mm: float) -> int:
    return int((0.5 - (height_mm - CENTRE_MM) / SIDE_MM) * SIZE)


def change(psi, **look) -> np.ndarray:
    """(size, size) how much each pixel differs from the neutral face."""
    still, moved = portraits(np.stack([0 * psi, psi]), **look).astype(float)
    return np.abs(moved - still).sum(axis=2)


@pytest.mark.parametrize(
    ("psi", "top", "bottom"),
    [
        (V(eyeBlink_L=1, eyeBlink_R=1), 48, 20),
        (V(browInnerUp_L=1, browInnerUp_R=1), 75, 30),
        (V(mouthPucker=1), -20, -75),
    ],
)
def test_a_display_changes_the_picture_where_it_is(psi, top, bottom):
    difference = change(psi)
    inside = slice(row_of(top), row_of(bottom) + 1)
    elsewhere = np.delete(difference, np.r_[inside], axis=0)
    assert difference.max() > 60 and difference[inside].mean() > 2 * elsewhere.mean()


def test_one_eye_closes_on_its_own_side():
    difference = change(V(eyeBlink_L=1))  # the subject's left is right in the picture
    eyes = difference[row_of(42) : row_of(26)]
    assert eyes[:, SIZE // 2 :].sum() > 1.5 * eyes[:, : SIZE // 2].sum()


def test_an_open_mouth_is_dark_and_closed_eyes_have_no_white():
    open_, still, closed = portraits(
        np.stack([V(jawOpen=1), V(), V(eyeBlink_L=1, eyeBlink_R=1)]), skin=0.2
    ).astype(float)
    mouth = slice(row_of(-45), row_of(-60)), slice(SIZE // 2 - 4, SIZE // 2 + 4)
    assert open_[mouth].mean() < 0.75 * still[mouth].mean()
    eyes = slice(row_of(42), row_of(26)), slice(SIZE // 4, 3 * SIZE // 4)
    white = [((np.ptp(p[eyes], axis=2) < 30) & (p[eyes].mean(axis=2) > 140)).sum() for p in (still, closed)]
    assert white[0] >= 8 and white[1] <= white[0] / 2


def test_skin_identity_pose_and_size_are_seen():
    psi = np.zeros((3, 53), np.float32)
    tone = portraits(psi, skin=np.array([0, 0.5, 1])).mean(axis=(1, 2, 3))
    assert tone[0] > tone[1] > tone[2]
    rng = np.random.default_rng(0)
    people = portraits(psi, identity=rng.normal(size=(3, 20)))
    assert (people[0] != people[1]).mean() > 0.1
    turned = portraits(psi, pose=np.array([[0, 30, 0], [0, 0, 0], [0, -30, 0]])).astype(float)
    middle = turned[:, row_of(10) : row_of(-30)].mean(axis=(1, 3))  # the shaded side of the nose goes with it
    assert middle[0].argmin() != middle[2].argmin() and np.abs(middle[0] - middle[2]).max() > 20
    assert portraits(psi, size=32).shape == (3, 32, 32, 3) and portraits(psi[:0]).shape == (0, SIZE, SIZE, 3)


def test_a_picture_is_the_same_alone_and_among_others():
    rng = np.random.default_rng(1)
    psi = np.clip(rng.normal(0, 0.3, (21, 53)), 0, 1)
    modes, skin, pose = rng.normal(size=(21, 5)), rng.random(21), rng.normal(0, 5, (21, 3))
    together = portraits(psi, modes, skin, pose)
    alone = portraits(psi[13], modes[13], skin[13], pose[13:14])
    assert (np.abs(together[13].astype(int) - alone[0]) <= 1).all()


def test_small_motion_is_small_in_the_picture():
    steps = portraits(np.linspace(0, 0.05, 6)[:, None] * V(mouthSmile_L=1, mouthSmile_R=1)).astype(float)
    assert np.abs(np.diff(steps, axis=0)).mean() < 1.5


def test_what_cannot_be_drawn_is_refused():
    psi = np.zeros((2, 53))
    for wrong, match in (
        ({"identity": np.zeros((3, 4))}, "3 identities"),
        ({"pose": np.zeros((2, 2))}, "pitch, yaw and roll"),
        ({"skin": np.nan}, "skin has values"),
    ):
        with pytest.raises(InputError, match=match):
            portraits(psi, **wrong)
    with pytest.raises(InputError, match="NaN"):
        portraits(psi * np.nan)
