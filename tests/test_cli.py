"""The dfe command: bad input gets one sentence and exit code 2, and leaves nothing behind."""

import re
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest

from dfe_lib import cli, frames
from dfe_lib.errors import AssetError, InputError
from dfe_lib.space import ICT53


def one_line(err: str) -> str:
    assert err.startswith("dfe: ") and err.count("\n") == 1, err
    assert "Traceback" not in err
    return err


@pytest.mark.parametrize(
    "command",
    [
        [], ["extract"], ["import"], ["encode"], ["export"], ["train"], ["explore"], ["reproduce"], ["diff"],
        ["bench"], ["build"], ["doctor"],
        ["data"], ["data", "list"], ["data", "fetch"], ["data", "verify"], ["data", "where"],
        ["data", "extract"], ["data", "docs"],
    ],
)  # fmt: skip
def test_every_command_explains_itself(dfe, command):
    code, out, _ = dfe(*command, "--help")
    assert code == 0 and "Usage: dfe" in out


def test_every_example_is_a_command_that_the_parser_accepts():
    import shlex

    import typer.main

    from dfe_lib.cli.examples import EXAMPLES

    root = typer.main.get_command(cli.app)
    assert {*EXAMPLES} - {""} == {*root.commands}, "each command has examples"
    for line in (line for lines in EXAMPLES.values() for line in lines):
        program, name, *rest = shlex.split(line)
        command = root.commands[name]
        if hasattr(command, "commands"):
            name, *rest = rest
            command = command.commands[name]
        assert program == "dfe" and command.make_context(name, rest, resilient_parsing=False), line


def test_help_needs_none_of_the_heavy_packages():
    code = (
        "import sys, dfe_lib.cli\n"
        "sys.argv = ['dfe', '--help']\n"
        "try: dfe_lib.cli.main()\n"
        "except SystemExit: pass\n"
        "heavy = {'torch', 'mediapipe', 'numpy', 'pandas', 'pyvista', 'matplotlib', 'papermill'}\n"
        "print(sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip().endswith("[]")


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["extract", "a.mp4", "--out", "folder"], "--out is a .parquet file"),
        (["extract", "a.mp4", "b.mp4", "--out", "x.parquet"], "--out is a folder"),
        (["extract", "a.mp4", "b/a.mkv", "--out", "x"], "overwrite each other"),
        (["encode", "a.parquet", "--out", "x"], "--out is a .parquet file"),
        (["encode", "a.parquet", "--out", "x.parquet"], "a.parquet is not there"),
        (["reproduce", "--profile", "dmeo"], "did you mean 'demo'"),
        (["reproduce", "--only", "99"], "unknown notebook"),
        (["reproduce", "--check", "--save-reference"], "give one of them"),
        (["bench", "spede"], "no such benchmark"),
        (["build", "tokeniser"], "did you mean 'tokenizer'"),
        (["data", "where", "ict-facekitt"], "did you mean 'ict-facekit'"),
        (["data", "fetch", "nowhere"], "got 'nowhere'"),
        (["export", "a.parquet", "--format", "opneface", "--out", "x.csv"], "did you mean 'openface'"),
        (["export", "a.parquet", "--format", "csv", "--out", "x.parquet"], "--out is a .csv file"),
        (["train", "a.parquet", "--out", "t", "--config", "none.yaml"], "none.yaml cannot be read"),
    ],
)
def test_bad_input_gets_one_sentence(dfe, tmp_path, monkeypatch, arguments, says):
    monkeypatch.chdir(tmp_path)
    code, _, err = dfe(*arguments)
    assert code == 2 and says in one_line(err)
    assert list(tmp_path.iterdir()) == []


def test_an_unknown_option_is_a_usage_error(dfe):
    code, _, err = dfe("extract", "a.mp4", "--uot", "x")
    assert code == 2 and "--uot" in err and "Traceback" not in err


def test_debug_shows_the_traceback(monkeypatch, tmp_path):
    monkeypatch.setattr(sys, "argv", ["dfe", "--debug", "extract", "a.mp4", "--out", str(tmp_path)])
    with pytest.raises(InputError):
        cli.main()


@pytest.mark.parametrize("kind", ["missing", "empty", "folder", "text"])
def test_a_clip_that_cannot_be_read(dfe, tmp_path, kind):
    clip, out = tmp_path / "clip.mp4", tmp_path / "out.parquet"
    if kind == "folder":
        clip.mkdir()
    elif kind != "missing":
        clip.write_text("" if kind == "empty" else "this is not a video")
    code, _, err = dfe("extract", clip, "--out", out)
    assert code == 2 and "clip.mp4" in one_line(err) and not out.exists()


def test_one_bad_recording_leaves_the_others_untouched(dfe, tmp_path, mirror):
    good = mirror("pyfeat-media", "single_face.jpg")
    bad, out = tmp_path / "bad.mp4", tmp_path / "out"
    bad.write_text("no video")
    code, said, err = dfe("extract", bad, good, "--out", out)
    assert code == 2
    assert re.search(r"bad\.mp4", err) and "1 of 2 recordings failed" in err
    assert [p.name for p in out.glob("*.parquet")] == ["single_face.parquet"]
    assert "1 frames, 1 with a face" in said
    assert frames.read(out / "single_face.parquet", needs=["psi_", "landmarks"])["detected"].all()


@pytest.fixture
def table(tmp_path, rng):
    """A frame table with ψ, its third frame without a face."""
    psi = np.abs(rng.normal(0, 0.2, (5, 53))).astype(np.float32)
    seen = np.array([1, 1, 0, 1, 1], bool)
    psi[~seen] = np.nan
    made = frames.with_psi(frames.frame_table("a", np.arange(5) / 25, seen), psi, ICT53.names)
    return frames.write(made, tmp_path / "a.parquet")


def test_encode_adds_tokens_and_leaves_undetected_rows_empty(dfe, table, tmp_path):
    out = tmp_path / "tokens.parquet"
    code, said, err = dfe("encode", table, "--out", out, "--method", "greedy")
    assert code == 0, err
    codes = frames.tokens(frames.read(out))
    assert (codes[2] == -1).all() and (np.delete(codes, 2, axis=0) >= 0).all()
    assert "4 of 5 frames encoded" in said
    pd.testing.assert_frame_equal(frames.read(out)[["psi_jawOpen"]], frames.read(table)[["psi_jawOpen"]])


def test_encode_refuses_a_table_without_psi_and_goes_on(dfe, table, tmp_path):
    poor = frames.write(frames.frame_table("b", np.arange(3.0), np.ones(3, bool)), tmp_path / "b.parquet")
    out = tmp_path / "out"
    code, _, err = dfe("encode", poor, table, "--out", out)
    assert code == 2 and "dfe extract" in err and "1 of 2" in err
    assert [p.name for p in out.glob("*.parquet")] == ["a.parquet"] and (out / "quarantine" / "b.json").is_file()
    assert dfe("encode", table, "--out", tmp_path / "x.parquet", "--method", "fast")[0] == 2


def test_a_tokenizer_that_is_none(dfe, table, tmp_path):
    (tmp_path / "t").mkdir()
    code, _, err = dfe("encode", table, "--out", tmp_path / "x.parquet", "--tokenizer", tmp_path / "t")
    assert code == 2 and "tokenizer" in one_line(err)


def test_export_of_one_table_of_several_and_of_bags(dfe, table, tmp_path):
    code, said, err = dfe("export", table, "--format", "openface", "--units", "--out", tmp_path / "a.csv")
    assert code == 0 and "5 frames; columns in a.json" in said, err
    made = pd.read_csv(tmp_path / "a.csv")
    assert made["success"].tolist() == [1, 1, 0, 1, 1] and "AU12_r" in made and "psi_jawOpen" in made
    code, _, err = dfe("export", table, "--format", "csv", "--bags", "--out", tmp_path / "b.csv")
    assert code == 2 and "dfe encode" in one_line(err)
    coded = frames.with_tokens(frames.read(table), np.full((5, 2), 3))
    frames.write(coded.assign(recording="b"), tmp_path / "b.parquet")
    frames.write(coded, tmp_path / "a.parquet")
    both = (tmp_path / "a.parquet", tmp_path / "b.parquet")
    code, said, err = dfe("export", *both, "--format", "csv", "--bags", "--out", tmp_path / "b.csv")
    assert code == 0 and "2 recordings" in said, err
    assert pd.read_csv(tmp_path / "b.csv")["t3"].tolist() == [10, 10]
    code, said, err = dfe("export", *both, "--format", "pyfeat", "--out", tmp_path / "out")
    assert code == 0 and {p.name for p in (tmp_path / "out").iterdir()} == {
        "a.csv",
        "a.json",
        "b.csv",
        "b.json",
    }


def test_export_refuses_gated_data(dfe, table, tmp_path):
    gated = frames.read(table)
    gated.attrs |= {"access": "agreement", "dataset": "daic-woz"}
    frames.write(frames.with_tokens(gated, np.zeros((5, 1))), tmp_path / "g.parquet")
    for more in (["--format", "openface"], ["--format", "csv", "--bags"]):
        code, _, err = dfe("export", tmp_path / "g.parquet", *more, "--out", tmp_path / "x.csv")
        assert code == 2 and "daic-woz is refused" in one_line(err) and not (tmp_path / "x.csv").exists()


def test_training_settings_are_read_strictly(dfe, table, tmp_path):
    config = tmp_path / "c.yaml"
    for text, says in [
        ("stagse: 3", "did you mean 'stages'"),
        ("- 1", "must be a mapping"),
        ("a: [", "cannot be read"),
    ]:
        config.write_text(text)
        code, _, err = dfe("train", table, "--out", tmp_path / "t", "--config", config)
        assert code == 2 and says in one_line(err)


def test_data_list_and_where(dfe):
    code, out, _ = dfe("data", "list")
    assert code == 0 and "ict-facekit" in out and "gated" not in out
    code, out, _ = dfe("data", "where", "mediapipe-face-landmarker")
    assert code == 0 and "Apache-2.0" in out


def test_interruption_ends_with_130(dfe, monkeypatch):
    from dfe_lib.data import manifest

    def interrupted(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(manifest, "list_rows", interrupted)
    code, _, err = dfe("data", "list")
    assert code == 130 and "interrupted" in err


def test_an_error_of_several_lines_is_said_in_one(dfe, monkeypatch):
    from dfe_lib.data import manifest

    def missing(*_, **__):
        raise AssetError("first line\n   second line")

    monkeypatch.setattr(manifest, "list_rows", missing)
    code, _, err = dfe("data", "list")
    assert code == 2 and one_line(err) == "dfe: first line second line\n"


def test_doctor_examines(dfe):
    code, out, _ = dfe("doctor")
    assert code in (0, 1)
    for topic in ("python", "packages", "versions", "shipped", "asset", "gpu", "opengl", "browser", "disk"):
        assert re.search(rf"^(ok|--|!!) {topic}\b", out, flags=re.MULTILINE)
