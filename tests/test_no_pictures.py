"""No picture of a face leaves the user's folder, nor lies about in it: what is written are numbers."""

import json
import re

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from test_segments import Looker, write_video

from dfe_lib import artefacts, frames
from dfe_lib.bags import export_bags
from dfe_lib.export import export
from dfe_lib.face import extract_to
from dfe_lib.face.passes import first, segments
from dfe_lib.face.picture import PictureRegressor
from dfe_lib.paths import ASSETS
from dfe_lib.tokens import Tokenizer

PICTURES = re.compile(
    rb"\x89PNG\r\n|\xff\xd8\xff[\xe0\xe1\xdb]|GIF8[79]a|RIFF....WEBP|ftyp(?:isom|mp42|qt)|\x1a\x45\xdf\xa3|data:image/",
    re.DOTALL,
)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """All that extraction, encoding and export write for one clip, and a part that an interrupted run leaves."""
    folder = tmp_path_factory.mktemp("made")
    clip = write_video(tmp_path_factory.mktemp("clip") / "clip.mp4")
    extract_to(clip, folder / "clip.parquet", landmarker=Looker())
    for segment in segments.plan(clip)[:1]:
        segments.detect_to(clip, segment, folder / "00000.segment", landmarker=Looker())
    table, tokenizer = frames.read(folder / "clip.parquet"), Tokenizer.load()
    seen = table["detected"].to_numpy()
    codes = np.full((len(table), tokenizer.stages), -1, np.int16)
    codes[seen] = tokenizer.encode(frames.psi(table)[seen], "greedy")
    table = frames.with_tokens(table, codes)
    frames.write(table, folder / "tokens.parquet")
    export(table, folder / "openface.csv", "openface", units=True)
    export(table, folder / "pyfeat.csv", "pyfeat")
    export_bags([folder / "tokens.parquet"], folder / "bags.csv", tokenizer.codes_per_stage)
    tokenizer.save(folder / "tokenizer")
    return folder


def test_no_file_holds_a_picture(made):
    files = [p for p in made.rglob("*") if p.is_file()]
    assert len(files) == 11
    for path in files:
        assert not PICTURES.search(path.read_bytes()), path.name


def test_tables_hold_numbers_and_one_name(made):
    for path in made.glob("*.parquet"):
        for field in pq.read_schema(path):
            kind = field.type.value_type if pa.types.is_fixed_size_list(field.type) else field.type
            number = pa.types.is_floating(kind) or pa.types.is_integer(kind) or pa.types.is_boolean(kind)
            assert number or field.name == "recording", f"{path.name}: {field}"
        assert all(len(json.dumps(v)) < 2000 for v in frames.attrs(path).values())


def test_a_table_holds_nothing_of_how_the_skin_looks(made):
    """Between the passes are what is kept of the texture; a table has landmarks, pose, ψ and its deviation."""
    columns = set(frames.columns_of(made / "clip.parquet"))
    known = {*frames.KEYS, *frames.POSE, "landmarks"}
    assert {c for c in columns - known if not c.startswith(("psi_", "sd_"))} == set()


def test_what_lies_between_the_passes_are_landmarks_and_components(made):
    regressor = PictureRegressor.load()
    kind = first.row_type(regressor)
    assert kind.names == ("time_s", "n_faces", "face")
    assert kind["face"].shape == (478 * 3 + regressor.texture.shape[1],)
    assert kind["face"].base == np.float32
    size = (made / "00000.segment").stat().st_size
    rows = size // kind.itemsize
    assert size - rows * kind.itemsize < 4096, "rows, and what they are in a few words"


def test_what_is_shipped_and_trained_are_arrays_without_people():
    """Meshes, maps and weights; tracks are landmarks of open clips."""
    for folder in ASSETS.iterdir():
        if (folder / "card.json").is_file():
            kind = json.loads((folder / "card.json").read_text())["kind"]
            tensors = artefacts.load(folder.name, kind).tensors
            assert not any(
                t.dtype == np.uint8 and t.ndim >= 2 and min(t.shape[-2:]) >= 32 for t in tensors.values()
            )
    for track in (ASSETS / "tracks").glob("*.parquet"):
        assert not PICTURES.search(track.read_bytes())
