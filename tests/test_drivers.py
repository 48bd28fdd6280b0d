"""What drives a prediction: the planted feature is named, with its sign, and noise is called noise."""

import numpy as np
import pandas as pd
import pytest

from dfe_lib.analysis.prediction.drivers import (
    companions,
    drivers,
    occurrence,
    share_with,
    token_numbers,
    with_displays,
)
from dfe_lib.analysis.prediction.metrics import DEPRESSION_SCORE, PERSONALITY, STRESS
from dfe_lib.errors import InputError

SUBJECTS, TAKES = 30, 4
INDEX = pd.Index([f"s{s}_r{r}" for s in range(SUBJECTS) for r in range(TAKES)], name="recording")
PEOPLE = pd.Series(np.repeat([f"s{s}" for s in range(SUBJECTS)], TAKES), index=INDEX)


def planted(seed=0, width=12):
    rng = np.random.default_rng(seed)
    y = np.tile([0, 1], len(INDEX) // 2)
    x = rng.normal(size=(len(INDEX), width))
    x[:, 3] = 10 * (x[:, 3] + 1.5 * y)  # in units of its own
    x[:, 7] -= 1.0 * y
    return pd.DataFrame(x, index=INDEX, columns=[f"f{i}" for i in range(width)]), pd.Series(y, index=INDEX)


def test_planted_features_come_first_with_their_signs():
    features, labels = planted()
    found = drivers(features, labels, PEOPLE, STRESS)
    assert found.table["feature"].tolist()[:2] == ["f3", "f7"]
    top = found.table.set_index("feature").loc[["f3", "f7"]]
    assert (np.sign(top["weight"]) == [1, -1]).all() and (top["same_sign"] == 1).all()
    assert (np.sign(top["alone"]) == [1, -1]).all() and top.loc["f3", "rank"] < 1.5
    assert (found.table["low"] <= found.table["weight"]).all() and len(found.folds) == 5


def test_weights_do_not_depend_on_the_unit_and_per_unit_does():
    features, labels = planted()
    one, other = (drivers(t, labels, PEOPLE, STRESS, halves=2).table.set_index("feature") for t in
                  (features, features * 100))  # fmt: skip
    np.testing.assert_allclose(one["weight"], other.loc[one.index, "weight"], rtol=1e-6, atol=1e-9)
    np.testing.assert_allclose(one["per_unit"], 100 * other.loc[one.index, "per_unit"], rtol=1e-6, atol=1e-9)


def test_weights_of_a_ridge_are_those_of_its_closed_form():
    rng = np.random.default_rng(1)
    x = pd.DataFrame(rng.normal(size=(len(INDEX), 2)), index=INDEX)
    y = pd.Series(3 * x[0] - 2 * x[1], index=INDEX, name="score")
    found = drivers(x, y, PEOPLE, DEPRESSION_SCORE).table.set_index("feature")
    assert found.loc[0, "per_unit"] == pytest.approx(3, rel=0.05)
    assert found.loc[1, "per_unit"] == pytest.approx(-2, rel=0.05)
    assert found.loc[0, "weight"] == pytest.approx(3 * x[0].std(ddof=0), rel=0.05)


def test_noise_agrees_between_folds_but_not_between_halves_of_the_people():
    rng = np.random.default_rng(0)
    x = pd.DataFrame(rng.normal(size=(len(INDEX), 20)), index=INDEX)
    noise = drivers(x, pd.Series(rng.integers(0, 2, len(INDEX)), index=INDEX), PEOPLE, STRESS)
    rows = noise.agreement.set_index("labels")
    assert rows.loc["true labels", "between_folds"] > 0.4 > abs(rows.loc["true labels", "between_halves"])
    signal = drivers(*planted(), PEOPLE, STRESS).agreement.set_index("labels")
    assert signal.loc["true labels", "between_halves"] > signal.loc["shuffled labels", "between_halves"] + 0.1


def test_counts_have_no_weight_per_occurrence():
    rng = np.random.default_rng(0)
    y = pd.Series(np.tile([0, 1], len(INDEX) // 2), index=INDEX)
    counts = rng.poisson(5, (len(INDEX), 6))
    counts[:, 2] += rng.poisson(6 * y)
    bag = pd.DataFrame(counts, index=INDEX, columns=[f"t{k}" for k in range(6)])
    found = drivers(bag, y, PEOPLE, STRESS, halves=2)
    assert found.table.loc[0, "feature"] == "t2" and found.table.loc[0, "weight"] > 0
    assert found.table["per_unit"].isna().all()
    assert token_numbers(found.table["feature"].head(1).tolist()) == [2]
    with pytest.raises(InputError, match="AU12"):
        token_numbers(["AU12_mean"])


def test_one_label_at_a_time():
    features, labels = planted()
    two = pd.DataFrame({"a": labels, "b": 1 - labels}).astype(float)
    with pytest.raises(InputError, match="one label at a time"):
        drivers(features, two, PEOPLE, PERSONALITY)
    with pytest.raises(InputError, match="two classes"):
        drivers(features, pd.Series(np.arange(len(INDEX)) % 3, index=INDEX), PEOPLE, STRESS)


def clip(codes, fps=1.0, recording="a"):
    return np.asarray(codes)[:, None], pd.DataFrame(
        {"recording": recording, "time_s": np.arange(len(codes)) / fps}
    )


def test_occurrence_counts_frames_of_each_stretch_by_group():
    written = [clip([0, 0, 1, 1]), clip([1, 1, 1, 0], recording="b")]
    about = pd.DataFrame({"recording": ["a", "b"], "subject": ["p", "q"]})
    group = pd.Series({"a": "stressed", "b": "calm"})
    table = occurrence(written, about, group, [0], bins=2)
    codes, times = zip(*written, strict=True)
    whole = [(np.concatenate(codes), pd.concat(times, ignore_index=True))]
    pd.testing.assert_frame_equal(occurrence(whole, about, group, [0], bins=2), table)
    assert share_with(written, [0]).to_dict() == share_with(whole, [0]).to_dict() == {"a": 0.5, "b": 0.25}
    shares = table.set_index(["group", "time_s"])["share"]
    assert shares["stressed"].tolist() == [1, 0] and shares["calm"].tolist() == [0, 0.5]
    assert shares["calm"].index.tolist() == [0.5, 2.5]


def test_companions_name_the_display_that_a_token_goes_with():
    codes, times = clip([5, 5, 2, 2, 5, 2, 2, 2])
    events = pd.DataFrame({"recording": "a", "display": ["smile", "smile", "frown"]})
    events["onset_s"], events["offset_s"] = [0.0, 3.9, 2.0], [1.5, 4.2, 3.0]
    table = companions([(codes, times)], events, [2, 5])
    assert table.drop_duplicates("token").set_index("token")["display"].to_dict() == {2: "frown", 5: "smile"}
    row = table.query("token == 5 and display == 'smile'").iloc[0]
    assert (row["during"], row["elsewhere"], row["phi"]) == pytest.approx((1.0, 0.0, 1.0))


def test_drivers_are_set_beside_what_was_planted():
    codes, times = clip([5, 5, 2, 2, 5, 2, 2, 2])
    events = pd.DataFrame({"recording": "a", "display": ["smile", "smile", "frown"]})
    events["onset_s"], events["offset_s"] = [0.0, 3.9, 2.0], [1.5, 4.2, 3.0]
    planted = pd.DataFrame(
        {"display": ["smile", "smile+nod"], "acts": ["rate", "pairing"], "weight": [-1.0, 0.5]}
    )
    found = with_displays(pd.DataFrame({"feature": ["t5", "t2"]}), [(codes, times)], events, planted)
    assert found["display"].tolist() == ["smile", "frown"]
    assert found["planted"].tolist() == ["rate -1, pairing +0.5", ""]
    assert found["note"].tolist()[0] == "smile\nφ 1.00, planted" and "planted" not in found["note"][1]
