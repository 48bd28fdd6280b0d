"""Which cohort a prediction notebook works on, and what it says where there is none."""

import numpy as np
import pandas as pd
import pytest

from dfe_lib import frames
from dfe_lib.analysis.task_rows import SLOW, task_rows
from dfe_lib.data.simulation import CohortConfig
from dfe_lib.data.tasks import open_cohort, worlds
from dfe_lib.errors import ConfigError
from dfe_lib.figures.prediction import is_control
from dfe_lib.space import ICT53
from dfe_lib.tokens import Tokenizer


def test_simulated_people_are_the_default():
    opened = open_cohort(
        "stress", config=CohortConfig(subjects=3, recordings=2, seconds=1, effect=0.5), seed=1
    )
    assert opened.at_hand and opened.source == opened.name == "simulated" and opened.splits is None
    assert "3 people, 2 recordings each, planted effect 0.5" in opened.says
    assert {"stressed", "phq", "openness"} <= set(opened.cohort.recordings)


def test_what_is_not_at_hand_says_how_to_get_it(monkeypatch, tmp_path):
    monkeypatch.setenv("DFE_DATA_DIR", str(tmp_path))
    monkeypatch.setenv("DFE_DATA_MIRROR", str(tmp_path))
    for name in ("stressid", "first-impressions", "daic-woz"):
        task = {"stressid": "stress", "first-impressions": "personality"}.get(name, "depression")
        opened = open_cohort(task, name)
        first, *rest = opened.says.splitlines()
        assert not opened.at_hand and opened.source == "gated"
        assert first == f"**{name} is not at hand, so this notebook stops here.**"
        assert str(tmp_path) not in first, "the first line goes into metrics.json"
        assert "licence" in " ".join(rest) and "dfe data where" in " ".join(rest)
    with pytest.raises(ConfigError, match="stressid"):
        open_cohort("stress", "stressed")


def test_own_recordings_without_a_face_are_left_out_and_counted(tmp_path):
    folder = tmp_path / "frames"
    folder.mkdir()
    for name, seen in (("a", True), ("b", False)):
        table = frames.frame_table(name, [0.0, 0.1], [seen, seen])
        psi = np.full((2, 53), 0.1 if seen else np.nan, dtype=np.float32)
        frames.write(frames.with_psi(table, psi, ICT53.names), folder / f"{name}.parquet")
    labels = tmp_path / "labels.csv"
    rows = {"recording": ["a", "b"], "subject": ["p", "q"], "dataset": "own", "stressed": [0, 1]}
    pd.DataFrame(rows).to_csv(labels, index=False)
    opened = open_cohort("stress", frames_path=folder, labels_path=labels)
    assert (
        opened.source == "gated"
        and opened.left_out == ("b",)
        and "1 recordings without any face" in opened.says
    )
    assert opened.cohort.recordings["recording"].tolist() == ["a"]
    assert [t["recording"].unique().tolist() for t in opened.cohort.chunks()] == [["a"]]


def test_worlds_have_the_same_people():
    three = worlds(CohortConfig(subjects=3, recordings=2, seconds=2), seed=0)
    assert list(three) == ["facs", "beyond", "mixed"]
    pd.testing.assert_frame_equal(three["facs"].recordings, three["beyond"].recordings)
    assert not three["facs"].frames.equals(three["beyond"].frames)


def test_all_rows_of_a_task_and_what_should_know_nothing():
    config = CohortConfig(subjects=4, recordings=2, seconds=2)
    opened = open_cohort("stress", config=config)
    opened.cohort.recordings["task"] = ["rest", "sums"] * 4
    rows = task_rows(opened, Tokenizer.load(), config, slow=False, autoencoders=False)
    assert next(iter(rows)) == "DFE bag of tokens" and not set(SLOW) & set(rows)
    assert {"recording length only", "task only", "availability only"} <= set(rows)
    assert all(is_control(name) for name in list(rows)[-2:])
    assert all(row.note and len(row.vectors(np.arange(8))) == 8 for row in rows.values())
