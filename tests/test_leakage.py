"""Recognition of people: chance where there is nothing, all where there is, and nothing but the person counts."""

import numpy as np
import pytest

from dfe_lib.analysis.leakage import NEAREST, TRAINED, landmark_statistics, recognition, shared_things
from dfe_lib.errors import InputError

PERSON = np.repeat(np.arange(30), 3)


def told(values, attacker=NEAREST, person=PERSON):
    table = recognition({"it": values}, person).set_index("attacker")
    return table.loc[attacker]


@pytest.mark.parametrize("shown", [0, 5])
@pytest.mark.parametrize("attacker", [NEAREST, TRAINED])
def test_noise_tells_nobody(attacker, shown, rng):
    """Also where everybody's second recording is of another display, which differs more than people do."""
    take = np.tile(np.arange(3), 30)
    found = [
        told(rng.normal(size=(90, 12)) + shown * rng.normal(size=(3, 12))[take], attacker) for _ in range(8)
    ]
    assert abs(np.mean([f["auc"] for f in found]) - 0.5) < 0.04
    assert (
        abs(np.mean([f["top1"] for f in found]) - found[0]["chance"]) < 0.04 and found[0]["chance"] == 2 / 30
    )


def test_a_face_tells_everybody(rng):
    face = rng.normal(size=(30, 12))[PERSON] + 0.01 * rng.normal(size=(90, 12))
    for attacker in (NEAREST, TRAINED):
        assert told(face, attacker)[["top1", "auc"]].tolist() == [1.0, 1.0]


def test_the_trained_attacker_sees_past_what_varies_within_people(rng):
    """Three directions tell people apart, thirty vary ten times as much from recording to recording."""
    face = np.hstack([rng.normal(size=(30, 3))[PERSON], 0.05 * rng.normal(size=(90, 3))])
    turn = np.linalg.qr(rng.normal(size=(12, 12)))[0]
    values = np.hstack([face, 3 * rng.normal(size=(90, 6))]) @ turn
    assert told(values, TRAINED)["auc"] > told(values, NEAREST)["auc"] + 0.1


def test_names_and_order_of_people_do_not_matter(rng):
    values = rng.normal(size=(90, 5)) + rng.normal(size=(30, 5))[PERSON]
    renamed = np.array([f"p{99 - p}" for p in PERSON])
    a, b = told(values), told(values, person=renamed)
    assert a["people"] == b["people"] and 0.5 < a["auc"] < 1 and abs(a["auc"] - b["auc"]) < 0.1


@pytest.mark.parametrize("person", [[0, 0, 1, 1], [0, 0, 1, 1, 2, 2, 3]])
def test_refuses_too_few(person, rng):
    with pytest.raises(InputError, match="four people with two recordings"):
        recognition({"it": rng.normal(size=(len(person), 3))}, np.array(person))


def test_what_is_shared_has_a_row_per_recording_in_the_order_of_names(rng):
    names = np.repeat(["b", "a"], 5)
    psi = rng.normal(size=(10, 4))
    codes = np.r_[np.zeros((5, 2), int), np.ones((5, 2), int)]
    things = shared_things(psi, codes, psi, names, 3)
    np.testing.assert_allclose(things["bag of tokens"], [[0, 1, 0], [1, 0, 0]])
    np.testing.assert_allclose(things["ψ mean and sd"][0], np.r_[psi[5:].mean(axis=0), psi[5:].std(axis=0)])
    points = rng.normal(size=(10, 478, 3))
    np.testing.assert_allclose(landmark_statistics(points, names)[1, :3], points[:5, 0].mean(axis=0))
