"""A copy for others holds no pictures of people, no landmarks and no names; or there is no copy."""

import base64
import io
import json

import matplotlib.pyplot as plt
import nbformat
import numpy as np
import pandas as pd
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output
from PIL import Image
from typer.testing import CliRunner

from dfe_lib import cli, frames
from dfe_lib.bags import export_bags
from dfe_lib.data.access import AccessError
from dfe_lib.errors import InputError
from dfe_lib.export import export
from dfe_lib.figures import extraction
from dfe_lib.provenance import files_below
from dfe_lib.report import page
from dfe_lib.results import FIGURE_MARK, Record
from dfe_lib.sharing import check, scrub
from dfe_lib.sharing import names as naming
from dfe_lib.sharing.names import Names
from dfe_lib.space import ICT53
from dfe_lib.tokens import Tokenizer

PEOPLE = ("anna karenina", "wronskij")
WIDGETS = "application/vnd.jupyter.widget-state+json"
HOME = "/ho" + "me/tolstoj/videos"  # in two parts: no committed file names a home folder


def jpeg() -> bytes:
    kept = io.BytesIO()
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (40, 40, 3), np.uint8)).save(kept, "JPEG")
    return kept.getvalue()


def frame_table(name, rng, **attrs):
    psi = np.abs(rng.normal(0, 0.2, (5, 53))).astype(np.float32)
    table = frames.frame_table(
        name, np.arange(5) / 30, np.ones(5, bool), landmarks=rng.uniform(0, 9, (5, 478, 3)),
        attrs=ICT53.attrs() | {"source": f"{name}.mp4", "rate": "30", **attrs},
        pose_pitch=np.zeros(5, np.float32), pose_scale=np.ones(5, np.float32),
    )  # fmt: skip
    return frames.with_tokens(frames.with_psi(table, psi, ICT53.names), rng.integers(0, 4, (5, 3)))


def extracted(folder, rng):
    """What a run of `dfe extract` leaves in a folder, and two exports."""
    for name in PEOPLE:
        frames.write(frame_table(name, rng), folder / f"{name}.parquet")
    line = {"recording": PEOPLE[0], "source": f"{PEOPLE[0]}.mp4", "table": f"{PEOPLE[0]}.parquet"}
    line |= {"fingerprint": "ab" * 32, "bytes": 9, "sha256": "cd" * 32, "frames": 5, "measured": 5}
    (folder / "journal.jsonl").write_text(json.dumps(line | {"seconds": 1.0, "attempts": 1}) + "\n{cut short")
    (folder / "quarantine").mkdir()
    why = {
        "recording": "lewin",
        "source": "lewin.mp4",
        "error": f"{HOME}/lewin.mp4 holds no video",
        "attempts": 3,
    }
    (folder / "quarantine" / "lewin.json").write_text(json.dumps(why | {"kind": "InputError"}))
    (folder / ".unfinished").mkdir()
    (folder / ".unfinished" / "kitty.part").write_bytes(b"landmarks")
    (folder / "frame.jpg").write_bytes(jpeg())
    table = frames.read(folder / f"{PEOPLE[0]}.parquet")
    export(table, folder / f"{PEOPLE[0]}.csv", "openface", units=True)
    export_bags([folder / f"{n}.parquet" for n in PEOPLE], folder / "bags.csv", 4)
    mine = Tokenizer.load()
    mine.card = {
        "what": "mine",
        "made_from": "9 frames of kitty.parquet",
        "held_out_subjects": ["kitty"],
        "rebuild": "x",
    }
    mine.save(folder / "tokenizer")


def notebook(folder, source, says, parameters, name="08_token_explorer"):
    """A notebook's result with everything that must go: pictures, landmarks, widgets, names in words and charts."""
    record = Record.open(name, folder / name, "demo", 0)
    record.data(source, says)
    record.metric(f"frames of {PEOPLE[0]}", 5)
    record.metric("where", f"{HOME}/a.mp4")
    record.table(
        "numbers",
        pd.DataFrame({"token": [1, 2], "in": [PEOPLE[0], "all"], "x_0": [0.1, 0.2], "landmarks": [478, 68]}),
    )
    shown = {}
    for title, draw in {
        "photograph": lambda ax: ax.imshow(np.zeros((9, 9, 3), np.uint8)),
        "points": lambda ax: extraction.plot_landmarks(
            None, np.random.default_rng(0).uniform(0, 9, (478, 3)), ax
        ),
        "named": lambda ax: ax.set_title(f"tokens of {PEOPLE[0]}"),
        "chart": lambda ax: ax.plot([1, 2]),
    }.items():
        figure, ax = plt.subplots(figsize=(2, 2))
        draw(ax)
        shown[title] = record.figure(title, figure, f"Of {PEOPLE[0]}, n = 1.")
    frames.write(frame_table("anna karenina", np.random.default_rng(0)), record.path("frames.parquet"))
    record.close()
    picture = base64.b64encode(jpeg()).decode()
    outputs = [
        new_output("display_data", {"image/png": picture}, metadata={FIGURE_MARK: f"{n}.png"}) for n in shown
    ]
    outputs += [
        new_output("display_data", {"image/jpeg": picture}),
        new_output("display_data", {"text/html": f'<img src="data:image/png;base64,{picture}">'}),
        new_output("display_data", {"application/vnd.jupyter.widget-view+json": {"model_id": "1"}}),
        new_output("stream", name="stdout", text=f"read {HOME}/a.mp4 of {PEOPLE[0]}\n"),
        new_output("display_data", {"text/html": f"<table><tr><td>{PEOPLE[1]}</td></tr></table>"}),
    ]
    cells = [
        new_markdown_cell("# Title\n\nSome words."),
        new_code_cell(f"table = '{HOME}/{PEOPLE[0]}.parquet'", metadata={"tags": ["injected-parameters"]}),
        new_code_cell("explorer", outputs=outputs),
    ]
    cells[0]["attachments"] = {"a.png": {"image/png": picture}}
    made = new_notebook(cells=cells, metadata={"widgets": {WIDGETS: {"state": {"1": {"picture": picture}}}}})
    nbformat.write(made, record.folder / f"{name}.ipynb")
    (record.folder / "run.json").write_text(json.dumps({"parameters": parameters, "wall_s": 3.0}))
    return record.folder


@pytest.fixture(scope="module", autouse=True)
def people():
    """Who is here, for these tests."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(naming, "people_here", lambda: ["tolstoj", "jasnaja-poljana"])
        yield


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    """A profile's results on open data and on the user's own, and a folder of tables."""
    rng, tmp_path = np.random.default_rng(0), tmp_path_factory.mktemp("private")
    mine = tmp_path / "mine"
    extracted(mine, rng)
    folder = tmp_path / "results"
    notebook(folder / "demo", "open", "clips of pyfeat-news", {"table": ""})
    given = {"table": str(mine / f"{PEOPLE[0]}.parquet"), "recording": PEOPLE[0], "profile": "own"}
    notebook(folder / "own", "gated", f"your own frame table; recording {PEOPLE[0]} is drawn", given)
    page.write(folder / "demo")
    extracted(folder / "tables of tolstoj", rng)
    return folder


@pytest.fixture(scope="module")
def copied(results):
    """All of it for others, and what was there before and after."""
    before = snapshot(results)
    done = scrub(results, results.parent / "out")
    assert snapshot(results) == before
    return done


def snapshot(folder):
    return {p: p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


def all_bytes(folder):
    """Every byte of a folder, Parquet decoded to what it says and notebooks' pictures to what they are."""
    out = b""
    for path in files_below(folder):
        out += str(path.relative_to(folder)).encode() + b"\n" + path.read_bytes()
        if path.suffix == ".parquet":
            table = frames.read(path) if "frame" in frames.columns_of(path) else pd.read_parquet(path)
            out += table.to_csv().encode() + json.dumps(table.attrs).encode()
    return out


def test_nothing_of_anybody_is_left(copied):
    done = copied
    private = b"".join(all_bytes(p) for p in done.folder.iterdir() if p.is_dir() and p.name != "demo")
    everything = all_bytes(done.folder)
    for name in (*PEOPLE, "lewin", "kitty"):
        assert name.encode() not in private, name
    for word in ("tolstoj", "/home/", "frame.jpg"):
        assert word.encode() not in everything, word
    assert not any("landmarks" in frames.columns_of(p) for p in done.folder.rglob("*.parquet"))
    assert base64.b64encode(jpeg())[:60] not in everything and jpeg()[:60] not in everything
    assert check(done.folder) == []


def test_what_is_open_keeps_its_names_and_what_can_be_shared_stays(copied):
    done = copied
    demo = done.folder / "demo" / "08_token_explorer"
    content = json.loads((demo / "metrics.json").read_text())
    assert (
        content["figures"] == ["named.png", "chart.png"]
        and content["metrics"]["frames of anna karenina"] == 5
    )
    assert list(pd.read_csv(demo / "numbers.csv")) == ["token", "in", "landmarks"], (
        "how many landmarks, not where"
    )
    assert content["metrics"]["where"] == "<path>" and content["outputs"] == ["frames.parquet"]
    assert set(frames.read(demo / "frames.parquet")["recording"]) == {PEOPLE[0]}
    (cell,) = [c for c in nbformat.read(demo / "08_token_explorer.ipynb", 4).cells if c.cell_type == "code"]
    kept = [o.get("metadata", {}).get(FIGURE_MARK) for o in cell.outputs]
    assert kept == ["named.png", "chart.png", None, None], "two charts, the print and the table of words"
    inside = base64.b64decode(cell.outputs[1]["data"]["image/png"])
    assert inside == (demo / "chart.png").read_bytes()
    assert (demo / "chart.pdf").is_file() and not (demo / "photograph.pdf").exists()
    assert "chart" in (done.folder / "demo" / "index.html").read_text()


def test_private_names_become_the_same_pseudonym_everywhere(copied):
    done = copied
    called, folder = done.key[PEOPLE[0]], done.folder / done.key["tables of tolstoj"]
    assert called.startswith("r0") and len(set(done.key.values())) == len(done.key)
    table = frames.read(folder / f"{called}.parquet")
    assert set(table["recording"]) == {called} and "landmarks" not in table and "pose_scale" not in table
    assert "source" not in table.attrs and table.attrs["space"] == ICT53.name
    assert set(pd.read_csv(folder / "bags.csv")["recording"]) == {done.key[n] for n in PEOPLE}
    units = pd.read_csv(folder / f"{called}.csv")
    assert "AU12_r" in units and "x_0" not in units
    assert (folder / f"{called}.json").is_file()
    (line,) = [json.loads(x) for x in (folder / "journal.jsonl").read_text().splitlines()]
    assert line == {"recording": called, "frames": 5, "measured": 5, "seconds": 1.0, "attempts": 1}
    why = json.loads((folder / "quarantine" / f"{done.key['lewin']}.json").read_text())
    assert why == {"recording": done.key["lewin"], "kind": "InputError", "attempts": 3}
    own = done.folder / done.key["own"] / "08_token_explorer" if "own" in done.key else None
    content = json.loads((own / "metrics.json").read_text())
    assert f"frames of {called}" in content["metrics"] and content["figures"] == ["chart.png"]
    assert called in (own / "chart.md").read_text()
    np.testing.assert_array_equal(Tokenizer.load(folder / "tokenizer").templates, Tokenizer.load().templates)


def test_it_says_what_it_left_out(copied):
    done = copied
    assert done.removed["pictures of people"] == 4 and done.removed["charts with a private name"] == 1
    assert done.removed["hidden, unfinished or linked"] == 1 and done.removed["states of widgets"] == 2
    assert done.removed["files of unknown kind"] == 1, "the picture beside the tables"
    said = json.loads((done.folder / "scrubbed.json").read_text())
    assert said["removed"] == done.removed and said["kept"]["parquet"] == done.kept["parquet"] == 4


@pytest.mark.parametrize(
    "plant",
    [
        lambda f: (f / "a.jpg").write_bytes(jpeg()),
        lambda f: (f / "a.json").write_text(f'{{"at": "{HOME}/a"}}'),
        lambda f: (f / "a.md").write_text("by tolstoj"),
        lambda f: (f / "a.html").write_text('<img src="data:image/jpeg;base64,/9j/4AAQSkZJRgABAQAAAQABAAD">'),
        lambda f: (f / "a.json").write_text(json.dumps({"x": base64.b64encode(jpeg()).decode()})),
        lambda f: frames.write(frame_table("a", np.random.default_rng(0)), f / "a.parquet"),
        lambda f: (f / "a.csv").write_text("frame,x_0\n1,2\n"),
        lambda f: (f / "a.csv").write_text('frame,landmarks\n1,"[1.0, 2.0]"\n'),
        lambda f: Image.new("RGB", (9, 9)).save(f / "a.png"),
        lambda f: (f / "a.png").write_bytes(b"\x89PNG\r\n\x1a\n"),
        lambda f: (f / "a.pdf").write_bytes(b"%PDF"),
        lambda f: (f / "link.csv").symlink_to("/etc/hostname"),
    ],
)
def test_the_check_finds_what_is_planted(tmp_path, plant):
    (tmp_path / "beside.png").write_bytes(b"of somebody else, and never looked at")
    tmp_path = tmp_path / "shared"
    tmp_path.mkdir()
    (tmp_path / "fine.md").write_text("Nobody, nowhere: 1/2 of https://arxiv.org/abs/2510.01662.")
    assert check(tmp_path) == []
    plant(tmp_path)
    assert len(check(tmp_path)) >= 1


def test_gated_rows_are_refused_and_nothing_is_written(tmp_path, rng):
    folder = tmp_path / "tables"
    frames.write(frame_table("p1", rng, access="agreement", dataset="daic-woz"), folder / "p1.parquet")
    with pytest.raises(AccessError, match="daic-woz"):
        scrub(folder, tmp_path / "out")
    record = Record.open("05_stress", tmp_path / "results" / "05_stress", "paper", 0)
    record.data("gated", "stressid, granted")
    record.metric("x", 1)
    record.table("people", pd.DataFrame({"subject": ["p1"], "score": [1.0]}))
    record.close()
    (record.folder / "run.json").write_text(json.dumps({"parameters": {"dataset": "simulated"}}))
    with pytest.raises(AccessError, match="row per recording or person"):
        scrub(tmp_path / "results", tmp_path / "out")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["results", "tables"]


def test_refuses_when_names_cannot_be_known(tmp_path):
    record = Record.open("05_stress", tmp_path / "results" / "05_stress", "own", 0)
    record.data("gated", "your own cohort, from frames_path and labels_path")
    record.metric("x", 1)
    record.close()
    (record.folder / "run.json").write_text(
        json.dumps({"parameters": {"frames_path": str(tmp_path / "gone")}})
    )
    with pytest.raises(InputError, match="not there any more"):
        scrub(tmp_path / "results", tmp_path / "out")
    (record.folder / "run.json").unlink()
    with pytest.raises(InputError, match=r"run\.json is missing"):
        scrub(tmp_path / "results", tmp_path / "out")


@pytest.mark.parametrize(("out", "word"), [("results/out", "untouched"), ("mine", "there already")])
def test_refuses_other_places(results, out, word):
    with pytest.raises(InputError, match=word):
        scrub(results, results.parent / out)


def test_a_folder_of_nothing_is_refused(tmp_path):
    (tmp_path / "empty").mkdir()
    (tmp_path / "empty" / "film.mp4").write_bytes(b"film")
    with pytest.raises(InputError, match="nothing in"):
        scrub(tmp_path / "empty", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_the_command(results, tmp_path):
    key = tmp_path / "key.json"
    told = CliRunner().invoke(
        cli.app,
        ["scrub", str(results / "tables of tolstoj"), "--out", str(tmp_path / "out"), "--key", str(key)],
    )
    assert told.exit_code == 0, told.output
    assert "1 files of unknown kind" in told.output and json.loads(key.read_text())[PEOPLE[0]].startswith(
        "r0"
    )
    assert key.stat().st_mode & 0o077 == 0


def test_texts_lose_places_users_and_names_but_not_numbers_and_addresses(monkeypatch):
    monkeypatch.setattr(naming, "people_here", lambda: ["tolstoj"])
    names = Names([("r", "a"), ("r", "a.b"), ("s", "17")])
    assert (
        names.text("a.b and a, by tolstoj@jasnaja.ru") == f"{names.of('a.b')} and {names.of('a')}, by <mail>"
    )
    assert names.text("C:\\Users\\x\\a.mp4 ~/films/a and file:///srv/b", False) == "<path> <path> and <path>"
    for kept in ("https://arxiv.org/abs/2510.01662", "</td></tr>", "mm/s and km/h", "1/2", "ψ/‖ψ‖"):
        assert names.text(kept, False) == kept
