"""Action units of three tools in one type: real files where at hand, tables in the tools' form for the rest."""

import numpy as np
import pandas as pd
import pytest

from dfe_lib.codings import FACS
from dfe_lib.codings.action_units import action_units
from dfe_lib.data.adapters.libreface import read_libreface
from dfe_lib.data.adapters.openface import read_openface
from dfe_lib.data.adapters.pyfeat import read_feat
from dfe_lib.errors import InputError

TABLE = action_units()


def columns(tool, kind):
    return [u.columns[tool][kind] for u in TABLE.units.values() if kind in u.columns.get(tool, {})]


def openface_rows(n=4):
    """Header with leading spaces, as OpenFace 2.0 writes it."""
    rng = np.random.default_rng(0)
    out = pd.DataFrame({"frame": np.arange(1, n + 1), " timestamp": np.arange(n) / 30})
    out[" confidence"], out[" success"] = 0.98, 1
    for c in columns("openface", "intensity"):
        out[f" {c}"] = rng.uniform(0, 5, n).round(2)
    for c in columns("openface", "presence"):
        out[f" {c}"] = rng.integers(0, 2, n).astype(float)
    return out


def pyfeat_rows(n=4):
    rng = np.random.default_rng(0)
    out = pd.DataFrame({"frame": np.arange(n) * 2, "FaceRectX": 10.0, "FaceRectWidth": 200.0})
    for c in columns("pyfeat", "intensity"):
        out[c] = rng.uniform(0, 1, n)
    return out


def libreface_rows(n=4):
    rng = np.random.default_rng(0)
    out = pd.DataFrame({"frame_idx": np.arange(n), "frame_time_in_ms": np.arange(n) * 40.0, "pitch": 1.0})
    out["facial_expression"] = "Neutral"
    for c in columns("libreface", "presence"):
        out[c] = rng.integers(0, 2, n)
    for c in columns("libreface", "intensity"):
        out[c] = rng.uniform(0, 5, n).round(3)
    return out


ROWS = {"openface": openface_rows, "pyfeat": pyfeat_rows, "libreface": libreface_rows}
READERS = {"openface": read_openface, "pyfeat": read_feat, "libreface": read_libreface}
AU12 = {"openface": " AU12_r", "pyfeat": "AU12", "libreface": "au_12_intensity"}
HIGHEST = {"openface": 5, "pyfeat": 1, "libreface": 5}
TOOLS = list(ROWS)


def written(tmp_path, table):
    path = tmp_path / "clip.csv"
    table.to_csv(path, index=False)
    return path


@pytest.mark.parametrize("tool", TOOLS)
def test_one_type_with_the_columns_that_the_table_of_units_names(tool, tmp_path):
    table = ROWS[tool]()
    out = READERS[tool](written(tmp_path, table))
    named = {
        k: {u.code for u in TABLE.units.values() if k in u.columns.get(tool, {})}
        for k in ("intensity", "presence")
    }
    assert set(out.intensity.columns) == named["intensity"] and set(out.presence.columns) == named["presence"]
    assert len(out.frames) == len(out.intensity) == len(out.presence) == 4 and out.frames["detected"].all()
    np.testing.assert_allclose(out.matrix(["AU12"])[:, 0], table[AU12[tool]] * 5 / HIGHEST[tool])
    assert out.frames["recording"].unique().tolist() == ["clip"] and out.dropped == out.emptied == 0


@pytest.mark.parametrize("tool", TOOLS)
@pytest.mark.parametrize("value", [-0.5, 1.4])
def test_intensities_outside_their_range_are_an_error(tool, value, tmp_path):
    table = ROWS[tool]()
    table.loc[2, AU12[tool]] = value * HIGHEST[tool]
    with pytest.raises(InputError, match="AU12 is .* but intensities lie in 0–"):
        READERS[tool](written(tmp_path, table))


@pytest.mark.parametrize("tool", TOOLS)
def test_runs_of_empty_cells_are_frames_without_a_measurement(tool, tmp_path):
    table = ROWS[tool](6)
    table.loc[2:4, AU12[tool]] = np.nan
    out = READERS[tool](written(tmp_path, table))
    seen = [True, True, False, False, False, True]
    assert out.frames["detected"].tolist() == seen and out.emptied == 3
    assert out.intensity[2:5].isna().all(axis=None) and out.intensity[seen].notna().all(axis=None)


@pytest.mark.parametrize("tool", ["openface", "libreface"])
def test_repeated_rows_are_dropped_and_contradictions_refused(tool, tmp_path):
    table = ROWS[tool]()
    out = READERS[tool](written(tmp_path, pd.concat([table, table[1:2]]).sort_index()))
    assert len(out.frames) == 4 and out.dropped == 1
    other = table[1:2].assign(**{AU12[tool]: 0.123})
    with pytest.raises(InputError, match="different rows for frame"):
        READERS[tool](written(tmp_path, pd.concat([table, other]).sort_index()))


@pytest.mark.parametrize("tool", TOOLS)
def test_a_missing_unit_is_named_when_it_is_asked_for(tool, tmp_path):
    out = READERS[tool](written(tmp_path, ROWS[tool]().drop(columns=AU12[tool])))
    with pytest.raises(InputError, match="no intensity of AU12"):
        out.matrix(["AU01", "AU12"])


@pytest.mark.parametrize("tool", ["openface", "libreface"])
def test_files_with_presences_only(tool, tmp_path):
    table = ROWS[tool]()
    table = table[[c for c in table.columns if c.strip() not in columns(tool, "intensity")]]
    out = READERS[tool](written(tmp_path, table))
    assert out.intensity.shape == (4, 0) and set(out.presence.to_numpy().ravel()) <= {0.0, 1.0}
    with pytest.raises(InputError, match=r"presence only of AU12\); it has none at all"):
        out.matrix(["AU12"])
    table = table.rename(columns=str.strip)
    table[columns(tool, "presence")[0]] = 0.7
    with pytest.raises(InputError, match="must be 0 or 1"):
        READERS[tool](written(tmp_path, table))


@pytest.mark.parametrize("tool", TOOLS)
def test_files_that_are_of_another_kind(tool, tmp_path):
    reader, table = READERS[tool], ROWS[tool]()
    plain = table.drop(columns=[c for c in table.columns if c.strip().lower().startswith("au")])
    with pytest.raises(InputError):
        reader(written(tmp_path, plain))
    with pytest.raises(InputError, match="must hold numbers"):
        reader(written(tmp_path, table.assign(**{AU12[tool]: "strong"})))
    with pytest.raises(InputError, match="no rows"):
        reader(written(tmp_path, table[:0]))
    with pytest.raises(InputError, match="not there"):
        reader(tmp_path / "none.csv")


def test_openface_frames_without_success_are_not_detected(tmp_path):
    table = openface_rows()
    table.loc[1, " success"] = 0
    table.loc[1, " AU12_r"] = 99.0  # what a failed fit leaves there is nobody's intensity
    out = read_openface(written(tmp_path, table))
    assert out.frames["detected"].tolist() == [True, False, True, True] and out.emptied == 0
    confidence = openface_rows().drop(columns=" success")
    confidence.loc[2, " confidence"] = 0
    assert read_openface(written(tmp_path, confidence)).frames["detected"].tolist() == [
        True,
        True,
        False,
        True,
    ]
    with pytest.raises(InputError, match="timestamp"):
        read_openface(written(tmp_path, table.drop(columns=" timestamp")))


def test_libreface_of_one_image_and_without_times(tmp_path):
    image = libreface_rows(1).drop(columns=["frame_idx", "frame_time_in_ms"])
    assert read_libreface(written(tmp_path, image)).frames["source_frame"].tolist() == [0]
    table = libreface_rows().drop(columns="frame_time_in_ms")
    assert read_libreface(written(tmp_path, table), fps=10).frames["time_s"].tolist() == [0.0, 0.1, 0.2, 0.3]
    with pytest.raises(InputError, match="frame_idx"):
        read_libreface(written(tmp_path, table.drop(columns="frame_idx")))


def test_pyfeat_keeps_the_widest_face(tmp_path):
    table = pyfeat_rows()
    second = table[1:2].assign(FaceRectWidth=90.0, AU12=0.0)
    out = read_feat(written(tmp_path, pd.concat([second, table])))
    np.testing.assert_allclose(out.matrix(["AU12"])[1, 0], 5 * table["AU12"][1])
    assert out.frames["n_faces"].tolist() == [1, 2, 1, 1]


def test_real_files(mirror):
    out = read_openface(mirror("tool-output-samples", "OpenFace_Test.csv"))
    assert len(out.frames) == 100 and out.frames["detected"].all()
    assert out.intensity.shape == (100, 17) and out.presence.shape == (100, 18) and "AU28" in out.presence
    assert out.intensity.to_numpy().min() >= 0 and 1 < out.intensity.to_numpy().max() <= 5
    for name in ("001.csv", "Feat_Test.csv"):
        feat = read_feat(mirror("tool-output-samples", name))
        assert feat.intensity.shape[1] == 20 and feat.presence.shape[1] == 0
    news = read_feat(mirror("pyfeat-news", "001.csv"))
    assert len(news.frames) == 20 and news.frames["detected"].all()


@pytest.mark.parametrize("tool", TOOLS)
def test_what_a_tool_reports_is_a_code_of_its_own_set(tool, tmp_path):
    table = ROWS[tool](6)
    table.loc[3, AU12[tool]] = np.nan
    out, coding = READERS[tool](written(tmp_path, table)), FACS(tool)
    intensities = out.matrix(coding.names)
    codes = coding.codes_of(intensities)
    assert (codes[3] == -1).all() and codes[:3].max() > 1
    np.testing.assert_array_equal(codes[:3], np.rint(intensities[:3]))
    psi = coding.decode(codes)
    assert np.isnan(psi[3]).all() and np.isfinite(psi[:3]).all()
