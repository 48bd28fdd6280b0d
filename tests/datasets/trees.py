"""Small folders laid out as the data sets are: exact file names, headers, types and quirks, invented numbers.

Nothing here is of a real person: names are invented or mere numbers, faces are noise, labels come from a generator.
Each maker writes below ``root`` and returns the recordings that a reader should find there.
"""

from __future__ import annotations

import csv
import json
import struct
from pathlib import Path

import av
import numpy as np

TRAITS = ("openness", "conscientiousness", "extraversion", "agreeableness", "neuroticism")
UNITS17 = (1, 2, 4, 5, 6, 7, 9, 10, 12, 14, 15, 17, 20, 23, 25, 26, 45)
UNITS_CLNF = (1, 2, 4, 5, 6, 9, 10, 12, 14, 15, 17, 20, 25, 26)  # intensities of DAIC-WOZ
CLNF_PRESENT = (4, 12, 15, 23, 28, 45)


def rng() -> np.random.Generator:
    return np.random.default_rng(7)


def write(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


def video(path: Path, n: int = 3, codec: str = "mpeg4", rate: int = 25) -> Path:
    """A real file of the codec: n frames of noise, 64 × 48."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(path), "w") as file:
        stream = file.add_stream(codec, rate=rate)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for picture in rng().integers(0, 256, (n, 48, 64, 3), dtype=np.uint8):
            for packet in stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")):
                file.mux(packet)
        for packet in stream.encode():
            file.mux(packet)
    return path


def stub(path: Path, size: int = 500) -> Path:
    """A file that is there and is never decoded."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"\0" * size)
    return path


def openface(
    path: Path,
    n: int = 6,
    spaces: bool = True,
    success: bool = True,
    points: bool = True,
    shape=False,
    seed: int = 7,
) -> Path:
    """An OpenFace 2.x CSV: ", " between header names where ``spaces``; the last frame is a failure."""
    names = ["frame", "timestamp", "confidence", *(["success"] if success else [])]
    names += [f"gaze_{e}_{a}" for e in (0, 1) for a in "xyz"] + [f"pose_{k}{a}" for k in "TR" for a in "xyz"]
    if points:
        names += [f"{a}_{i}" for a in "xyXYZ" for i in range(68)]
    if shape:
        names += ["p_scale", "p_rx", "p_ry", "p_rz", "p_tx", "p_ty", *(f"p_{i}" for i in range(34))]
    names += [f"AU{u:02d}_r" for u in UNITS17] + [f"AU{u:02d}_c" for u in (*UNITS17[:-1], 28, 45)]
    g, rows = np.random.default_rng(seed), []
    for i in range(n):
        bad = i == n - 1
        values = {
            "frame": i + 1,
            "timestamp": f"{i / 30:.3f}",
            "confidence": 0.0 if bad else 0.98,
            "success": int(not bad),
        }
        for name in names:
            if name in values:
                continue
            if name.endswith("_r") and name.startswith("AU"):
                values[name] = f"{g.uniform(0, 5):.2f}"
            elif name.endswith("_c"):
                values[name] = f"{g.integers(0, 2):.2f}"
            else:
                values[name] = f"{g.normal(0, 30):.3f}"
        rows.append(
            ", ".join(str(values[name]) for name in names)
            if spaces
            else ",".join(str(values[n]) for n in names)
        )
    return write(path, "\n".join([(", " if spaces else ",").join(names), *rows, ""]))


def openface_2d(path: Path, n: int = 6) -> Path:
    """What LMVD holds, by its authors' reader: OpenFace with -2Dfp -pose -aus -gaze, face_id second, 470 columns."""
    lead = ["frame", "face_id", "timestamp", "confidence", "success"]
    gaze = [f"gaze_{e}_{a}" for e in (0, 1) for a in "xyz"] + ["gaze_angle_x", "gaze_angle_y"]
    eyes = [f"eye_lmk_{a}_{i}" for a in "xyXYZ" for i in range(56)]
    pose = [f"pose_{k}{a}" for k in "TR" for a in "xyz"]
    points = [f"{a}_{i}" for a in "xy" for i in range(68)]
    units = [f"AU{u:02d}_r" for u in UNITS17] + [f"AU{u:02d}_c" for u in (*UNITS17[:-1], 28, 45)]
    g, lines = rng(), [",".join(lead + gaze + eyes + pose + points + units)]
    for i in range(n):
        bad = i == n - 1
        row = [i + 1, 0, f"{i / 30:.3f}", 0.0 if bad else 0.98, int(not bad)]
        row += [f"{v:.3f}" for v in g.normal(0, 30, len(gaze + eyes + pose + points))]
        row += [f"{v:.2f}" for v in g.uniform(0, 5, len(UNITS17))] + [
            f"{v:.2f}" for v in g.integers(0, 2, 18)
        ]
        lines.append(",".join(map(str, row)))
    return write(path, "\n".join([*lines, ""]))


# ---------------------------------------------------------------- stress


def stressid(root: Path) -> list[str]:
    people, tasks = ("2ea4", "f1k9", "x0z3"), ("Breathing", "Math", "Speaking", "Relax")
    lines = ["subject/task,binary-stress,affect3-class"]
    made = []
    for p in people:
        for i, task in enumerate(tasks):
            empty = p == "f1k9" and task == "Relax"  # not every self-rating was given
            lines.append(f"{p}_{task}," + (",,"[:1] if empty else f"{i % 2}.0,{i % 3}.0"))
            if p != "x0z3":  # did not agree to be filmed
                video(root / "Videos" / p / f"{p}_{task}.mp4")
                made.append(f"{p}_{task}")
    write(root / "labels.csv", "\n".join(lines) + "\n")
    return made


def ubfc_phys(root: Path) -> list[str]:
    for k in (1, 2, 10):
        folder = root / f"s{k}"
        for j in (1, 2, 3):
            video(folder / f"vid_s{k}_T{j}.avi")
            write(folder / f"bvp_s{k}_T{j}.csv", "0.1\n0.2\n")
        condition = "test" if k != 2 else "ctrl"
        write(folder / f"info_s{k}.txt", f"s{k}\nf\n{condition}\n01/02/2020\n10:00\n")
        write(folder / f"selfReportedAnx_s{k}.csv", "1,2\n3,4\n5,6\n")
    return [f"s{k}_T{j}" for k in (1, 2, 10) for j in (1, 2, 3)]


# ---------------------------------------------------------------- personality


def pickle2(value) -> bytes:
    """What Python 2's ``pickle.dumps(value, 2)`` writes of dictionaries of byte strings and floats."""

    def body(v) -> bytes:
        if isinstance(v, dict):
            return b"}(" + b"".join(body(k) + body(w) for k, w in v.items()) + b"u"
        if isinstance(v, str):
            raw = v.encode("latin1")
            return b"U" + bytes([len(raw)]) + raw
        return b"G" + struct.pack(">d", v)

    return b"\x80\x02" + body(value) + b"."


def first_impressions(root: Path) -> list[str]:
    g, made = rng(), []
    sources = {
        "training": ("J4GQm9j0JZ0", "_a-Bc_dEf12"),
        "validation": ("J4GQm9j0JZ0",),
        "test": ("zZ9-yY8_xX7",),
    }
    number = 0
    for word, ids in sources.items():
        clips = []
        for source in ids:
            for _ in range(2):
                clips.append(f"{source}.{number:03d}.mp4")
                number += 1
        for clip in clips:
            video(root / f"{word}80_01" / clip)
        content = {
            t: {c: float(g.uniform(0, 1)) for c in clips}
            for t in ("extraversion", *TRAITS[:2], *TRAITS[3:], "interview")
        }
        (root / f"annotation_{word}.pkl").write_bytes(pickle2(content))
        made += [c.removesuffix(".mp4") for c in clips]
    return made


def seamless(root: Path) -> list[str]:
    names = ["V00_S0809_I00000582_P0947", "V00_S0809_I00000582_P0948", "V01_S0100_I00000001_P0935A"]
    places = ["improvised/train/0000/0005", "improvised/train/0000/0005", "naturalistic/dev/0001/0002"]
    for name, place in zip(names, places, strict=True):
        video(root / place / f"{name}.mp4")
        write(
            root / place / f"{name}.json",
            json.dumps({"id": name, "metadata:vad": [], "metadata:transcript": []}),
        )
        np.savez(root / place / f"{name}.npz", **{"movement:FAUValue": np.zeros((3, 24), np.float32)})
    domains = (
        "extraversion",
        "agreeableness",
        "conscientiousness",
        "negative_emotionality",
        "open_mindedness",
    )
    head = ",".join(["participant_id", *(f"BFI2_{d}" for d in domains)])
    write(
        root / "participants.csv",
        head + "\nP0947,3.1,4.2,2.5,1.5,4.0\n0948,2.1,3.2,3.5,2.5,3.0\nP0935A,,,,,\n",
    )
    return names


# ---------------------------------------------------------------- depression

PHQ8 = "Participant_ID,PHQ8_Binary,PHQ8_Score,Gender,PHQ8_NoInterest,PHQ8_Depressed,PHQ8_Sleep,PHQ8_Tired"


def daic_woz(root: Path, full_test: bool = False) -> list[str]:
    people = {"train": (303, 373), "dev": (302,), "test": (300,)}
    write(root / "train_split_Depression_AVEC2017.csv", f"{PHQ8}\n303,0,0,0,0,0,0,0\n373,1,14,1,2,2,,1\n")
    write(root / "dev_split_Depression_AVEC2017.csv", f"{PHQ8}\n302,0,4,1,1,1,0,1\n")
    write(root / "test_split_Depression_AVEC2017.csv", "participant_ID,Gender\n300,1\n")
    if full_test:
        write(root / "full_test_split.csv", "Participant_ID,PHQ_Binary,PHQ_Score,Gender\n300,0,2,1\n")
    for person in (p for part in people.values() for p in part):
        folder = root / f"{person}_P"
        lead = ["frame", "timestamp", "confidence", "success"]
        aus = [f"AU{u:02d}_r" for u in UNITS_CLNF] + [f"AU{u:02d}_c" for u in CLNF_PRESENT]
        points = [f"{a}{i}" for a in "XYZ" for i in range(68)]
        g = rng()
        for file, names in (("CLNF_AUs", aus), ("CLNF_features3D", points)):
            lines = [", ".join(lead + names)]
            for i in range(5):
                bad = i == 3
                row = [i + 1, f"{i / 30:.6g}", 0.1 if bad else 0.93, int(not bad)]
                if file == "CLNF_AUs":
                    row += [f"{g.uniform(0, 5):.4g}" for _ in UNITS_CLNF] + [
                        int(g.integers(0, 2)) for _ in CLNF_PRESENT
                    ]
                else:
                    row += ["-1.#IND" if bad else f"{v:.4g}" for v in g.normal(0, 40, 204)]
                lines.append(", ".join(map(str, row)))
            write(folder / f"{person}_{file}.txt", "\n".join(lines) + "\n")
        stub(folder / f"{person}_AUDIO.wav")
    return ["303", "373", "302", "300"]


def e_daic(root: Path) -> list[str]:
    head = "Participant_ID,Gender,PHQ_Binary,PHQ_Score,PCL-C (PTSD),PTSD Severity"
    for word, rows in (
        ("train", "302,male,0,4,0,28\n303,female,1,12,0,30"),
        ("dev", "400,male,0,0,0,17"),
        ("test", "600,female,1,18,1,60"),
    ):
        write(root / "labels" / f"{word}_split.csv", f"{head}\n{rows}\n")
    for person, word in ((302, "gaze"), (303, "gaze"), (400, "gaze"), (600, "Gaze")):
        openface(
            root / f"{person}_P" / "features" / f"{person}_OpenFace2.1.0_Pose_{word}_AUs.csv", points=False
        )
    return ["302", "303", "400", "600"]


def d_vlog(root: Path) -> list[str]:
    rows = ["index,label,duration,gender,fold"]
    for i, (label, fold) in enumerate(
        [("depression", "train"), ("normal", "train"), ("normal", "valid"), ("depression", "test")]
    ):
        rows.append(f"{i},{label},{200.5 + i},{'fm'[i % 2]},{fold}")
        values = rng().uniform(0, 640, (4, 136))
        values[2] = 0.0  # a second without a face
        (root / str(i)).mkdir(parents=True)
        np.save(root / str(i) / f"{i}_visual.npy", values)
        np.save(root / str(i) / f"{i}_acoustic.npy", np.zeros((4, 25)))
    write(root / "labels.csv", "\n".join(rows) + "\n")
    return ["0", "1", "2", "3"]


def lmvd(root: Path) -> list[str]:
    for n in (1, 601, 602, 1117, 1424, 1824):
        openface_2d(root / "Video_feature" / f"{n}.csv")
    return ["1", "601", "602", "1117", "1824"]  # 1424 is in no class


def gilanie(root: Path) -> list[str]:
    openface(root / "a1.csv", points=False)
    openface(root / "b2.csv", points=False)
    write(root / "labels.csv", "recording,subject,depressed\na1,a,1\nb2,b,0\n")
    return ["a1", "b2"]


# ---------------------------------------------------------------- faces


def affectnet(root: Path) -> list[str]:
    from PIL import Image

    for part, numbers in (("train_set", (0, 3)), ("val_set", (0, 7))):
        for n in numbers:
            image = root / part / "images" / f"{n}.jpg"
            image.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(rng().integers(0, 256, (32, 32, 3), dtype=np.uint8)).save(image)
            notes = root / part / "annotations"
            notes.mkdir(parents=True, exist_ok=True)
            np.save(notes / f"{n}_exp.npy", np.array(str(n)))  # texts of numbers
            np.save(notes / f"{n}_val.npy", np.array("-2" if n == 7 else "0.25"))
            np.save(notes / f"{n}_aro.npy", np.array("-2" if n == 7 else "-0.5"))
            np.save(notes / f"{n}_lnd.npy", np.zeros(136))
    return ["train-0", "train-3", "dev-0", "dev-7"]


def ravdess(root: Path) -> list[str]:
    names = ["01-01-03-02-01-01-01", "02-02-05-01-02-02-24"]
    for name in names:
        openface(root / f"Actor_{name[-2:]}" / f"{name}.csv", spaces=False, success=False, shape=True)
    return names


def crema_d(root: Path) -> list[str]:
    names = ["1001_DFA_ANG_XX", "1001_IEO_HAP_LO", "1040_ITH_SAD_X"]
    for name in names:
        video(root / "VideoFlash" / f"{name}.flv", codec="flv")
    table = [
        '"","FileName","VoiceVote","VoiceLevel","FaceVote","FaceLevel","MultiModalVote","MultiModalLevel"'
    ]
    table += [
        f'"{i + 1}","{n}","A",75.5,"{v}",{60 + i},"A",70'
        for i, (n, v) in enumerate(zip(names, ("A", "H:N", "S"), strict=True))
    ]
    write(root / "processedResults" / "summaryTable.csv", "\n".join(table) + "\n")
    return names


def disfa(root: Path) -> list[str]:
    from scipy.io import savemat

    n = 4
    for person in ("SN001", "SN002"):
        if person == "SN001":
            video(root / "Videos_LeftCamera" / f"LeftVideo{person}_comp.avi")
        video(root / "Video_RightCamera" / f"RightVideo{person}_Comp.avi")
        for u in (1, 2, 4, 5, 6, 9, 12, 15, 17, 20, 25, 26):
            lines = "".join(f"{i + 1},{(i + u) % 6}\n" for i in range(n))
            write(root / "ActionUnit_Labels" / person / f"{person}_au{u}.txt", lines)
        points = root / "Landmark_Points" / person / "tmp_frame_lm"
        points.mkdir(parents=True)
        for i in range(n):
            name = f"{person}_{i:04d}" if person == "SN001" else f"l0{i + 1:04d}"
            savemat(points / f"{name}_lm.mat", {"pts": i + rng().uniform(0, 700, (66, 2))})
    return ["SN001", "SN002"]


def ck_plus(root: Path) -> list[str]:
    from PIL import Image

    for person, sequence, emotion in (("S005", "001", 3.0), ("S010", "002", None)):
        for k in (1, 2, 3):
            name = f"{person}_{sequence}_{k:08d}"
            image = root / "cohn-kanade-images" / person / sequence / f"{name}.png"
            image.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(rng().integers(0, 256, (48, 64), dtype=np.uint8)).save(image)
            rows = "".join(f"   {x:.7e}   {y:.7e}\n" for x, y in rng().uniform(0, 400, (68, 2)))
            write(root / "Landmarks" / person / sequence / f"{name}_landmarks.txt", rows)
        write(root / "cohn-kanade-images" / person / sequence / ".DS_Store", "x")
        if emotion is not None:
            write(root / "Emotion" / person / sequence / f"{name}_emotion.txt", f"   {emotion:.7e}\n")
        write(
            root / "FACS" / person / sequence / f"{name}_facs.txt",
            "   1.0000000e+00   2.0000000e+00\n   2.5000000e+01   0.0000000e+00\n",
        )
    return ["S005_001", "S010_002"]


def bp4d(root: Path) -> list[str]:
    for name in ("F001_T1", "M002_T8"):
        units = list(range(1, 100))
        lines = [",".join(map(str, [0, *units]))]
        for f in range(2440, 2444):
            lines.append(
                ",".join(
                    map(
                        str,
                        [
                            f,
                            *(
                                (u + f) % 2 if u in (1, 2, 4, 6, 7, 10, 12, 14, 15, 17, 23, 24) else 9
                                for u in units
                            ),
                        ],
                    )
                )
            )
        write(root / "AUCoding" / "AU_OCC" / f"{name}.csv", "\n".join(lines) + "\n")
        write(
            root / "AUCoding" / "AU_INT" / "AU06" / f"{name}_AU06.csv",
            "".join(f"{f},{9 if f == 2442 else 3}\n" for f in range(2440, 2444)),
        )
    for f in range(2440, 2444):
        stub(root / "BP4D-training" / "F001" / "T1" / f"{f}.jpg")
    return ["F001_T1", "M002_T8"]


# ---------------------------------------------------------------- the user's own


def folder(root: Path) -> list[str]:
    video(root / "a" / "one.mp4")
    video(root / "b" / "two.mov")
    write(root / "notes.txt", "not a video")
    write(root / "labels.csv", "recording,subject,split,stressed\none,p1,train,1\ntwo,p1,test,0\n")
    return ["one", "two"]


def openface_folder(root: Path) -> list[str]:
    openface(root / "001.csv")
    openface(root / "002.csv", points=False)
    return ["001", "002"]


def pyfeat_before_the_mesh(path: Path, n: int = 3, turned: float = 0.0) -> Path:
    """A CSV of Py-Feat 0.3: 68 points, 20 units, 7 emotions, in its order; the last frame has no face.

    Each frame opens the mouth (points 55–60 and the chin's) by 2 px more; the head is turned in the picture.
    """
    from dfe_lib.codings.action_units import action_units
    from dfe_lib.face.landmark_sets import LANDMARKS68_2D
    from dfe_lib.face.morphable import load_morphable

    units = [f"AU{u:02d}" for u in action_units().sets["pyfeat"]]
    names = ["FaceRectX", "FaceRectY", "FaceRectWidth", "FaceRectHeight", "FaceScore"]
    names += [f"{axis}_{i}" for axis in "xy" for i in range(68)] + ["Pitch", "Roll", "Yaw", *units]
    names += ["anger", "disgust", "fear", "happiness", "sadness", "surprise", "neutral", "input", "frame"]
    face = load_morphable("face478").neutral[LANDMARKS68_2D.members, :2] * (1, -1)  # mm, y up → y down
    turn = np.array([[np.cos(turned), np.sin(turned)], [-np.sin(turned), np.cos(turned)]])
    rows = []
    for i in range(n):
        moved = face.copy()
        moved[[*range(6, 11), *range(55, 60), 65, 66, 67], 1] += 2.0 * i
        points = 1.5 * moved @ turn + (320, 240)
        box = [250.0, 150.0, 180.0, 220.0, 0.99]
        row = [*box, *points.T.ravel(), 1.0, 2.0, 3.0, *([0.1 * i] * len(units)), *([1 / 7] * 7)]
        rows.append([*(row if i < n - 1 else [""] * len(row)), "clip.mp4", i])
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([names, *rows])
    return path


def pyfeat_folder(root: Path) -> list[str]:
    pyfeat_before_the_mesh(root / "clip.csv")
    return ["clip"]


def libreface_folder(root: Path) -> list[str]:
    names = [
        "frame_idx",
        "frame_time_in_ms",
        *(f"au_{u}_intensity" for u in (1, 2, 12)),
        *(f"au_{u}" for u in (1, 2, 12)),
    ]
    rows = [[i, i * 40.0, 0.5, 1.0, 4.0, 0, 1, 1] for i in range(3)]
    root.mkdir(parents=True, exist_ok=True)
    with (root / "clip.csv").open("w", newline="") as file:
        csv.writer(file).writerows([names, *rows])
    return ["clip"]


def emoca_folder(root: Path) -> list[str]:
    for person in ("anna", "ben"):
        for i in (1, 2, 10):
            image = root / person / "EMOCA_v2_lr_mse_20" / f"{i:06d}_000"
            image.mkdir(parents=True)
            for name, size in (("shape", 100), ("exp", 50), ("tex", 50), ("pose", 6), ("detail", 128)):
                np.save(image / f"{name}.npy", rng().normal(size=size).astype(np.float32))
    return ["anna", "ben"]


def livelink_folder(root: Path) -> list[str]:
    from dfe_lib.data.adapters.arkit import arkit_name
    from dfe_lib.space import ICT53

    names = list(dict.fromkeys(map(arkit_name, ICT53.names)))
    head = ["Timecode", "BlendshapeCount", *(n[0].upper() + n[1:] for n in names), "TongueOut", "HeadYaw"]
    rows = [
        [f"12:00:0{i}:00.000", 61, *(f"{v:.6f}" for v in rng().uniform(0, 1, len(names))), 0.0, 0.1]
        for i in range(3)
    ]
    root.mkdir(parents=True, exist_ok=True)
    with (root / "take.csv").open("w", newline="") as file:
        csv.writer(file).writerows([head, *rows])
    return ["take"]


MAKERS = {
    "stressid": stressid,
    "ubfc-phys": ubfc_phys,
    "chalearn-first-impressions": first_impressions,
    "seamless-interaction": seamless,
    "daic-woz": daic_woz,
    "e-daic": e_daic,
    "d-vlog": d_vlog,
    "lmvd": lmvd,
    "gilanie-depression-au": gilanie,
    "affectnet": affectnet,
    "ravdess-tracking": ravdess,
    "crema-d": crema_d,
    "disfa": disfa,
    "ck-plus": ck_plus,
    "bp4d": bp4d,
    "folder": folder,
    "openface": openface_folder,
    "pyfeat": pyfeat_folder,
    "libreface": libreface_folder,
    "emoca": emoca_folder,
    "livelink": livelink_folder,
}


# ---------------------------------------------------------------- larger than a layout needs: enough for a table


def e_daic_cohort(root: Path, people: int = 24, n: int = 80) -> list[str]:
    """E-DAIC's files of ``people`` sessions; the depressed lift the lip corners less (AU12)."""
    head = "Participant_ID,Gender,PHQ_Binary,PHQ_Score,PCL-C (PTSD),PTSD Severity"
    parts: dict[str, list[str]] = {"train": [], "dev": [], "test": []}
    g, made = np.random.default_rng(11), []
    for i in range(people):
        person, depressed = 302 + i, i % 2
        word = ("train", "train", "train", "train", "dev", "dev", "test", "test")[i % 8]
        score = int(g.integers(10, 22) if depressed else g.integers(0, 10))
        parts[word].append(f"{person},male,{depressed},{score},0,28")
        path = root / f"{person}_P" / "features" / f"{person}_OpenFace2.1.0_Pose_gaze_AUs.csv"
        table = openface(path, n, points=False, seed=person).read_text().splitlines()
        column = [c.strip() for c in table[0].split(",")].index("AU12_r")
        for row in range(1, n):
            cells = table[row].split(",")
            cells[column] = f" {float(cells[column]) * (0.4 if depressed else 1):.2f}"
            table[row] = ",".join(cells)
        write(path, "\n".join([*table, ""]))
        made.append(str(person))
    for word, rows in parts.items():
        write(root / "labels" / f"{word}_split.csv", "\n".join([head, *rows, ""]))
    return made
