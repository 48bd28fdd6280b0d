"""Runs over many recordings: attempts, segments, journal and quarantine, and worker processes that die."""

import itertools
import json
import os
from contextlib import nullcontext

import batch_work as work
import pytest

from dfe_lib.batch.attempts import ATTEMPTS, Queue
from dfe_lib.batch.calls import Call, Said, Split, perform
from dfe_lib.batch.inputs import jobs_of
from dfe_lib.batch.journal import NAME, Entry, Journal
from dfe_lib.batch.run import GIVEN_UP, MADE, THERE, UNFINISHED, Job, run
from dfe_lib.batch.workers import WorkerDied, workers
from dfe_lib.errors import AssetError, ConfigError, InputError
from dfe_lib.locks import BusyError, alone


@pytest.fixture(scope="module")
def pool():
    with workers(2) as made:
        yield made


# The order of attempts, without any process


def in_order(calls):
    """All ends of calls that one worker does."""
    queue, ended = Queue(calls), []
    while (task := queue.next()) is not None:
        if (end := queue.settle(task, perform(task.call))) is not None:
            ended.append(end)
    return ended


def test_a_call_is_tried_three_times_after_the_others():
    ended = in_order([Call("bad", work.refuse, ("no",)), Call("good", work.double, (4,))])
    assert [(e.call.key, e.value, str(e.error or ""), e.attempts) for e in ended] == [
        ("good", 8, "", 1),
        ("bad", None, "no", ATTEMPTS),
    ]


def test_a_split_call_ends_once_after_all_its_parts_and_its_shares_are_one():
    ended = in_order([Call("long", work.split, (3,)), Call("short", work.double, (1,))])
    assert [e.call.key for e in ended] == ["long"] * 4 + ["short"], "parts come before new calls"
    assert [e.whole for e in ended[:4]] == [False, False, False, True] and ended[3].value == 200
    assert sum(e.share for e in ended[:4]) == pytest.approx(1)


def test_a_part_that_fails_ends_the_whole_call_and_its_other_parts():
    parts = (
        Call("p0", work.refuse, ("broken",)),
        Call("p1", work.double, (1,)),
        Call("p2", work.double, (2,)),
    )
    queue = Queue([Call("long", work.double)])
    queue.settle(queue.next(), Said(Split(parts, Call("last", work.double, (5,))), None, "", 0.0))
    broken = queue.next()
    for _ in range(ATTEMPTS - 1):
        assert queue.settle(broken, Said(None, InputError("broken"), "", 0.0)) is None
        broken = queue._again.pop()
    end = queue.settle(broken, Said(None, InputError("broken"), "", 0.0))
    assert end.whole and str(end.error) == "broken" and queue.next() is None


def test_calls_are_taken_only_when_there_is_room():
    queue = Queue(Call(str(i), work.double, (i,)) for i in itertools.count())
    assert [queue.next().call.key for _ in range(3)] == ["0", "1", "2"]


# Worker processes


def test_map_is_in_order(pool):
    assert pool.map(work.double, range(20)) == [2 * x for x in range(20)]
    with pytest.raises(InputError, match="^not this one$"):
        pool.map(work.refuse, ["not this one"])


def test_a_worker_that_dies_or_hangs_takes_nothing_else_along(pool, tmp_path, monkeypatch):
    hung = Call("hung", work.hang, silent_s=-59.0)  # a second after its start
    calls = [Call("dead", work.die), hung, Call("fault", work.err)]
    calls += [Call("lucky", work.fail_twice, (tmp_path / "n",))]
    calls += [Call(f"ok{i}", work.double, (i,)) for i in range(8)]
    ended = {e.call.key: e for e in pool.each(calls)}
    assert len(ended) == len(calls) and all(ended[f"ok{i}"].value == 2 * i for i in range(8))
    for key in ("dead", "hung"):
        assert isinstance(ended[key].error, WorkerDied) and key in str(ended[key].error)
        assert ended[key].attempts == ATTEMPTS
    assert ended["lucky"].value == "done" and ended["lucky"].attempts == 3
    assert isinstance(ended["fault"].error, ZeroDivisionError) and "1 / 0" in ended["fault"].traceback


def test_what_no_other_call_would_be_spared_ends_the_run(pool):
    with pytest.raises(AssetError, match="not at hand"):
        list(pool.each([Call("a", work.lack_an_asset), Call("b", work.double, (1,))]))
    assert pool.map(work.double, [1]) == [2], "the workers are there for the next"


def test_wrong_requests():
    with pytest.raises(ConfigError, match="1 or more"), workers(0):
        pass
    with pytest.raises(ConfigError, match="exclude"), workers(2, "tcp://127.0.0.1:1"):
        pass


# Runs


@pytest.fixture
def jobs(tmp_path):
    (tmp_path / "in").mkdir()

    def make(**texts):
        made = []
        for name, text in texts.items():
            source = tmp_path / "in" / f"{name}.txt"
            if not source.exists():
                source.write_text(text)
            made.append(Job(name, source, tmp_path / "out" / f"{name}.parquet"))
        return made

    return make


def states(jobs, folder, pool, **depends):
    return {
        o.job.recording: o
        for o in run(jobs, folder, lambda n: nullcontext(pool), work.copy_of, depends, "test")
    }


def calls_made(folder):
    return sorted((folder / "in" / "calls.log").read_text().split())


def test_a_run_goes_on_where_the_last_one_ended(jobs, pool, tmp_path):
    out = tmp_path / "out"
    first = states(jobs(a="one", b="two"), out, pool)
    assert {n: o.state for n, o in first.items()} == {"a": MADE, "b": MADE}
    again = states(jobs(a="one", b="two", c="three"), out, pool)
    assert {n: o.state for n, o in again.items()} == {"a": THERE, "b": THERE, "c": MADE}
    assert calls_made(tmp_path) == ["a", "b", "c"] and (out / "c.parquet").read_text() == "THREE"
    assert sorted(os.listdir(out)) == ["a.parquet", "b.parquet", "c.parquet", NAME], "nothing else is left"
    entry = again["c"].entry
    assert (entry.source, entry.table, entry.frames, entry.measured) == ("c.txt", "c.parquet", 5, 2)


def test_what_a_table_depends_on_has_it_made_anew(jobs, pool, tmp_path):
    out, both = tmp_path / "out", jobs(a="one", b="two")
    states(both, out, pool)
    assert {o.state for o in states(both, out, pool, option=1).values()} == {MADE}
    (tmp_path / "in" / "a.txt").write_text("other")
    assert {n: o.state for n, o in states(both, out, pool, option=1).items()} == {"a": MADE, "b": THERE}
    (out / "b.parquet").write_bytes(b"TW")  # cut short
    (out / "a.parquet").unlink()
    assert {o.state for o in states(both, out, pool, option=1).values()} == {MADE}
    assert (out / "b.parquet").read_text() == "TWO"


def test_what_fails_is_set_aside_with_its_error_and_not_tried_again_unless_asked(jobs, pool, tmp_path):
    out, all_ = tmp_path / "out", jobs(bad="refuse", dead="die", fault="err", good="fine")
    ended = states(all_, out, pool)
    assert {n: o.state for n, o in ended.items()} == dict.fromkeys(("bad", "dead", "fault"), GIVEN_UP) | {
        "good": MADE
    }
    assert calls_made(tmp_path) == sorted(["bad", "dead", "fault"] * ATTEMPTS + ["good"])
    told = {n: json.loads((out / "quarantine" / f"{n}.json").read_text()) for n in ("bad", "dead", "fault")}
    assert told["bad"]["error"] == "bad.txt cannot be used" and not told["bad"]["traceback"]
    assert told["dead"]["kind"] == "WorkerDied" and told["dead"]["attempts"] == ATTEMPTS
    assert "ZeroDivisionError" in told["fault"]["traceback"][-1] and "fault of dfe" in str(
        ended["fault"].error
    )
    assert not (out / UNFINISHED).exists()
    (tmp_path / "in" / "bad.txt").write_text("mended")
    (out / "quarantine" / "dead.json").unlink()
    ended = states(all_, out, pool)
    assert ended["bad"].state == MADE and "remove" in str(ended["fault"].error)
    assert (
        calls_made(tmp_path).count("dead") == 2 * ATTEMPTS and calls_made(tmp_path).count("fault") == ATTEMPTS
    )


def test_a_source_that_is_not_there(jobs, pool, tmp_path):
    made = jobs(a="one")
    gone = Job("gone", tmp_path / "in" / "gone.txt", tmp_path / "out" / "gone.parquet")
    ended = states([*made, gone], tmp_path / "out", pool)
    assert ended["a"].state == MADE and "gone.txt" in str(ended["gone"].error)


def test_one_run_at_a_time(jobs, pool, tmp_path):
    with alone(tmp_path / "out", "dfe other"), pytest.raises(BusyError, match="dfe other"):
        states(jobs(a="one"), tmp_path / "out", pool)


def test_leftovers_of_a_killed_run_are_swept_and_segments_kept(jobs, pool, tmp_path):
    place = tmp_path / "out" / UNFINISHED / "other-12345678"
    place.mkdir(parents=True)
    (place / ".00001.segment-x").write_bytes(b"half")
    (place / "00000.segment").write_bytes(b"whole")
    states(jobs(a="one"), tmp_path / "out", pool)
    assert [p.name for p in place.iterdir()] == ["00000.segment"]


# The journal


ENTRY = Entry("a", "a.mp4", "a.parquet", "f" * 64, 3, "0" * 64, 10, 9, 1.5, 1)


def test_a_line_that_was_cut_short_counts_as_missing(tmp_path):
    target = tmp_path / "a.parquet"
    target.write_bytes(b"abc")
    Journal(tmp_path).add(ENTRY)
    assert Journal(tmp_path).finished("a", "f" * 64, target) == ENTRY
    whole = (tmp_path / NAME).read_bytes()
    for cut in range(len(whole)):
        (tmp_path / NAME).write_bytes(whole[:cut])
        journal = Journal(tmp_path)
        assert journal.finished("a", "f" * 64, target) is None
        journal.add(ENTRY)
        assert (tmp_path / NAME).read_bytes() == whole, "the next line does not grow on the torn one"


@pytest.mark.parametrize("line", [b"[]\n", b"{}\n", b"\xff\xfe\n", b"null\n", b'{"recording": 3}\n', b"\n"])
def test_lines_of_something_else_are_passed_over(tmp_path, line):
    (tmp_path / NAME).write_bytes(line)
    journal = Journal(tmp_path)
    journal.add(ENTRY)
    (tmp_path / "a.parquet").write_bytes(b"abc")
    assert Journal(tmp_path).finished("a", "f" * 64, tmp_path / "a.parquet") == ENTRY


# What a command line names


def test_a_list_names_files_from_its_own_folder(tmp_path):
    listed = tmp_path / "all.csv"
    listed.write_text("recording,path\np1,p1/video.mp4\n,b.mkv\n")
    jobs, folder = jobs_of([listed], tmp_path / "out")
    assert [(j.recording, j.source, j.target.name) for j in jobs] == [
        ("p1", tmp_path / "p1" / "video.mp4", "p1.parquet"),
        ("b", tmp_path / "b.mkv", "b.parquet"),
    ]
    assert folder == tmp_path / "out"
    (tmp_path / "all.txt").write_text("a.mp4\n\nb.mp4\n")
    assert [j.recording for j in jobs_of([tmp_path / "all.txt"], folder)[0]] == ["a", "b"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("file\na.mp4\n", "needs a column 'path'"),
        ("path,recording\na.mp4,../../x\n", "row 1"),
        ("path,recording\na.mp4,.hidden\n", "begin with a dot"),
        ("path\n\n", "names no recording"),
        ("path\np1/a.mp4\np2/A.mkv\n", "overwrite each other"),
        ('path\n"a.mp4\n', "not a CSV"),
        ("path,recording\na.mp4,a\x1b[2J\n", "control characters"),
    ],
)
def test_lists_that_do_not_work(tmp_path, text, said):
    (tmp_path / "l.csv").write_text(text)
    with pytest.raises(InputError, match=said):
        jobs_of([tmp_path / "l.csv"], tmp_path / "out")


def test_names_that_no_table_can_hold(tmp_path):
    for name in (os.fsdecode(b"caf\xe9.mp4"), "a\x1b[2J.mp4"):
        with pytest.raises(InputError, match="rename"):
            jobs_of([tmp_path / name], tmp_path / "out.parquet")


# Extraction


@pytest.fixture(scope="module")
def clips(tmp_path_factory):
    """A photograph, a short clip, and one long enough for three segments."""
    from dfe_lib.data import manifest

    for entry in ("pyfeat-media", "intel-sample-videos", "mediapipe-face-landmarker"):
        if not manifest.available(entry):
            pytest.skip(f"asset '{entry}' is not at hand (dfe data fetch {entry})")
    return [
        manifest.locate("intel-sample-videos", "want.mkv"),
        manifest.locate("intel-sample-videos", "no.mkv"),
        manifest.locate("pyfeat-media", "single_face.jpg"),
    ]


def test_tables_are_the_same_whoever_makes_them_and_in_whatever_order(clips, pool, tmp_path):
    from dfe_lib.face import extract_to

    def made(jobs, start, out):
        for job in jobs:
            assert job.target.parent == tmp_path / out
        options = {"neutral": "estimated", "mirrored": False, "smooth": None}
        ended = list(
            run(jobs, tmp_path / out, start, lambda j, p: work.in_segments(j, p, options), {}, "test")
        )
        assert {o.state for o in ended} == {MADE}, [o.error for o in ended]
        return {p.name: p.read_bytes() for p in (tmp_path / out).glob("*.parquet")}

    two = made(jobs_of(clips, tmp_path / "two")[0], lambda n: nullcontext(pool), "two")
    one = made(jobs_of(clips[::-1], tmp_path / "one")[0], lambda n: workers(1), "one")
    here = {}
    for clip in clips:
        done = extract_to(clip, tmp_path / "here" / f"{clip.stem}.parquet")
        here[done.table.name] = done.table.read_bytes()
    assert one.keys() == two.keys() == here.keys() == {"want.parquet", "no.parquet", "single_face.parquet"}
    assert one == two == here
    entry = json.loads((tmp_path / "two" / NAME).read_text().splitlines()[0])
    assert entry["bytes"] == len(two[entry["table"]])


def test_a_scheduler_of_ones_own(jobs, tmp_path):
    from distributed import LocalCluster

    with (
        LocalCluster(n_workers=1, threads_per_worker=1, host="127.0.0.1", dashboard_address=None) as cluster,
        workers(scheduler=cluster.scheduler_address) as pool,
    ):
        ended = states(jobs(a="one", bad="refuse", dead="die"), tmp_path / "out", pool)
    assert {n: o.state for n, o in ended.items()} == {"a": MADE, "bad": GIVEN_UP, "dead": GIVEN_UP}


def test_a_scheduler_that_is_not_there():
    with (
        pytest.raises(ConfigError, match="no Dask scheduler answers"),
        workers(scheduler="tcp://127.0.0.1:9"),
    ):
        pass
