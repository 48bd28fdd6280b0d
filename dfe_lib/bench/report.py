"""BENCHMARKS.md: the figures of benchmarks/latest.json as a page, every number taken from there."""

from __future__ import annotations

# (figure, what should be reached, as text); the goals are the project's own.
GOALS = {
    "two_workers_relative_to_one": "≥ 1.8",
    "overhead_of_the_runner": "≤ 0.05",
    "frames_lost": "0",
    "encode_resident_mb": "≤ 2,000",
    "train_all_resident_mb": "≤ 2,000",
    "read_all_resident_mb": "≤ 2,000",
    "findings": "0",
    "slowest_input_s": "≤ 10",
    "largest_memory_of_an_input_mb": "≤ 1,000",
    "lost_doubled_changed_or_left_over": "0",
    "true_stream_frames_per_s": "≥ 1,000,000",
    "extract_relative_to_bare_loop": "≥ 0.85",
    "regressor_frames_per_s": "≥ 50,000",
    "ours, neutral marked: mean_r": "≥ 0.80 (0.75)",
    "ours, neutral marked: variance_explained": "≥ 0.85",
    "ours, neutral marked: top1": "≥ 0.95",
    "ours, neutral marked: identity_probe": "≤ 3",
    "ours, neutral marked: pose_r2": "≤ 0.05",
    "actors: ours: mean_r": "≥ 0.48 (0.43)",
    "mirrored picture, ψ mirrored back: error": "≤ 0.15",
    "half resolution: r": "≥ 0.95",
    "greedy_relative_to_rvq": "≥ 20",
    "greedy_relative_to_faiss_beam1": "≥ 4",
    "beam5_relative_to_faiss_beam5": "≥ 3",
    "beam5_relative_to_faiss_beam5_tables": "≥ 3",
    "greedy_time_over_product": "≤ 2.5",
    "training_relative_to_rvq": "≥ 4",
    "beam5_error_relative_to_faiss_beam5": "≤ 1",
    "beam16_error_relative_to_faiss_beam5": "≤ 1",
    "beam16_error_relative_to_pca": "≤ 0.5",
    "stream_cost_1e7_over_1e5": "≤ 1.1",
    "stream_resident_1e7_over_1e5": "≤ 1.1",
    "relative_to_pandas": "≥ 3",
    "openface_encode_frames_per_s": "≥ 20,000",
    "openface_nnls_relative_to_scipy_on_mesh9409": "≥ 100",
    "epoch_cost_1e7_over_1e5": "≤ 1.1",
    "epoch_resident_1e7_over_1e5": "≤ 1.1",
    "whole_protocol_s": "≤ 90",
    "relative_to_scikit_learn": "≥ 5",
    "_false_positives": "≤ 0.05 ± Monte-Carlo error",
    "largest_share_of_a_row": "≤ share_allowed",
    "of_them_below_0.05": "0.05",
    "the ideal coder is significantly better": "≤ 0.05",
    "mixed: stress: detected by DFE bag of tokens": "≥ 0.9",
    "mixed: depression: detected by DFE bag of tokens": "≥ 0.9",
    "mixed: extraversion: detected by DFE bag of tokens": "≥ 0.9",
    "_first_open_s": "≤ 5",
    "_open_again_s": "≤ 5",
    "gallery_of_256_s": "≤ 3",
    "face478_key_to_face_ms": "≤ 100",
    "ict_key_to_face_ms": "≤ 250",
    "_state_mb": "≤ 5",
    "scroll_frame_ms": "≤ 20",
}

ABOUT = {
    "scale": """10⁸ frames (926 hours at 30 frames per second) encoded by worker processes, one a core, in shards of a
million (greedy, shipped tokenizer), and counted. The first two shards are people simulated anew who go from file to
file (`frames_through_files`): their tables, tokens and bags give the speeds and bytes, and are read again. The other
shards meet a million of these frames again, each time with noise of their own, and are encoded as they come
(`in_memory`). Speeds are frames per second of one worker while all work; `resident_mb` is the largest of a process
at its end. `read_*` are fresh processes over the token tables: three columns of all (`all`), of one file (`shard`), of
one of the partitions, one column, one recording; `share_of_bytes` by the kernel's count. `train_*`: 300 joint, 30
refining and 100 following steps with the reader over 10⁸ frames (a million on disk, met again with other noise) and
over 10⁶, frames per second of processor time. `spool`: tables into the raw file that training reads, one and ten
million frames.
An interrupted run is taken up by the next `dfe bench scale`.""",
    "costs": """Constants of the model in docs/scaling.md (`rate_*`: frames per second of one core by processor time,
bytes of a frame, seconds of a task), on one clip with a face in every frame, and what the model says of runs beside
what they take. `simulated_N`: N threads of one process that sleep, behind the real scheduler.
`starved`: tasks too short for the scheduler to keep 256 workers busy.""",
    "hostile": """Damaged and hostile files for every reader of files from outside: bit flips, cuts, splices, odd
integers and numbers, broken text, JSON and YAML with other trees, arrays, tensors, tables and pickles whose headers
lie, bombs, names that lead out, programs in data (`dfe_lib.bench.hostile`). Every input goes to its reader in a process
that may take 1 GiB of address space more than it had and 10 s of processor time, and whose writes, processes,
connections and reads of baits outside its folder are watched. An input may end in success or in an error of ours, in
one printable sentence of at most 2,500 characters; all else is a finding, and a seed that is not read is one too.
`acts`: wrote, ran, or asked for something. The number of a mutant repeats it:
`dfe_lib.bench.hostile.harness.mutant(reader, READERS[reader].seeds(), number)`. Seconds are of the processor, megabytes
of resident memory that one input added at most.""",
    "simulation": """The behaviour simulator: frames per second of the true stream of ψ, as frame tables, and as tables
with the noise of extraction (53 normal numbers a frame, and their product with a matrix). Then, for 60 people with four
recordings of 30 s and effect 0.8, how well a plain logistic regression tells labels of people it has not seen, by
world: `facs` is mean and deviation of 17 ideal action units without sides, `bag` log counts of the shipped tokenizer's
tokens; area under the curve, mean of three cohorts (0.5: nothing; of single labels ± 0.05). `exact` is of the true ψ,
`measured` with the noise. Everything here is simulated.""",
    "extraction": """Whole extraction against a bare PyAV + FaceLandmarker loop on one clip
(`regressor_frames_per_s`: from landmarks to ψ, one thread); then the render benchmark (60 simulated subjects with
displays of their own; 40 with 24 displays that all share), steadiness on real faces of some 230 px (`large`) and
83 px (`small`), and agreement with Py-Feat on actors.

What was tried for the render figures, mean r on the same held-out frames:

| | r |
| --- | ---: |
| ridge on landmarks | 0.44 |
| network on landmarks, 750 / 1,500 / 2,400 subjects | 0.54 / 0.565 / 0.57 |
| the same 512 wide with dropout; with pose angles and the own neutral shape as inputs | 0.574; +0.005 to +0.01 |
| random response gains and smooth shifts of landmarks as augmentation | −0.01 to −0.03 |
| small convolutional network on the crop alone, 64 × 64, 9,300 frames, 9 epochs | 0.39 |
| network on registered texture alone, 1,100 subjects | 0.485 |
| landmarks and registered texture, ridge / network, 1,100 subjects | 0.51 / 0.63 |
| the same network, 1,660 subjects: points crowded at eyes and lips, 320 / 512 components | 0.669 / 0.677 |
| 2,400 subjects, 512 components, 288 pairs of units, 24 epochs, held back by real clips and a ridge | 0.686 |
| 2,400 subjects, 8 epochs: that network | 0.638 |
| the same with 768 components and 512 pairs; with half the noise too | 0.657; 0.673 |
| 2,400 subjects, 8 epochs: 1,200 components in place of 768 | 0.656 |
| 3,840 subjects, 768 components, 512 pairs, half the noise, 12 epochs (0.79 on the renders it learnt from) | 0.714 |
| as shipped: 4,400 subjects, 16 epochs | see below |

So subjects and width still help: r goes up by some 0.01 with every 500 subjects, and nothing says that it has ended.

Pictures without blur, noise, JPEG or shrinking gave the landmark regressor 0.04 more, frontal heads another 0.05: with
landmarks alone 0.67 is what the best pictures give. On real faces, same frames, error of the shipped map
against that of landmarks alone: small faces mirrored 0.45 against 0.48, at half resolution 0.38 against 0.50; large
ones mirrored 0.22 against 0.24. The map of before, with more noise in training, was steadier (0.43, 0.38, 0.20) and
told ψ of
renders less well (0.686): what is gained on renders costs some steadiness on people. Settings were chosen on these
held-out renders and on real clips of this very table, so its figures are slightly optimistic.

With the real faces' landmark noise (mirrored, halved, compressed pictures of the same frame) in
the ridge's nuisance covariance small faces got 0.07 steadier, but large ones and actors gained nothing.""",
    "tokens": """65,536 random frames, 256 codes, 8 stages, 53 and 128 dimensions (rows `d53_`, `d128_`), works
taken by turns, best of several. `rvq` is vector-quantize-pytorch's ResidualVQ with a shared codebook, in eval.
`faiss_beam1`, `faiss_beam5` are FAISS's ResidualQuantizer as it comes; `_tables` is its own faster search
(use_beam_LUT), which has to be asked for. `product` is the one matrix product of frames and codes, written to
memory; `product_in_blocks` is the same work when each block of rows may be forgotten.

What greedy takes beyond the product: per stage an argmax, a gather of rows of the Gram matrix and a
subtraction, all on scores in the cache (`share_of_…`, one thread). NumPy's argmax does it faster than torch's
(`argmax_relative_to_torch`), and a top-5 of torch costs many argmaxes (`topk5_by_torch_time_over_argmax`), hence a
beam made of argmaxes. Tried and left out: a numba kernel that keeps a row in the first cache (not faster here,
200 MB to install, seconds to compile), sums of Gram rows by embedding_bag in place of kept scores, gather and
subtraction in one by SciPy's sparse product, blocks cut into pieces for the first cache (all alike within noise), all
threads inside every operation (they wait for each other, above all on a machine that is shared).

`shipped_…` is the shipped tokenizer (6 stages) on 16,384 random displays: frames per second and RMS error in mm.
`beam` is what `encode` does, a beam that looks ahead; `plain_beam` keeps the shortest residuals, as FAISS does, and
FAISS has the same codebook here. What looking ahead costs in time it returns in error: compare a beam of 5 with
FAISS's of 16.

`peak_mb_…` is the memory of one call beyond its frames and codes. `stream_…` encodes frames that pass by in
chunks, `epoch_…` trains on as many frames in a file (one epoch of encoder, codebook and gains); each in a process of
its own, in processor time of all its threads. `training_…` is one step of the whole model on 1,024 frames beside the
same network with ResidualVQ; `training_quantiser_alone_…` is forward and backward of the two quantisers without it. The
step was 1.5 times as fast as the peer's while the encoder took nine tenths of it (two layers, 64 wide); one layer, 32
wide, whose summary token alone asks the regions, codes held-out frames as well (displays 0.364 against 0.368 mm,
motion 0.338 against 0.337, each trained for two epochs on one codebook).""",
    "quality": """RMS error in mm on frames that nothing here has learned from: random displays, a simulated cohort
(`motion`), simulated people who all talk (`talking`), every third ten seconds of an ARKit recording
(`range_of_motion`), and actors read by the regressor (`news`; none of theirs was in any training).
Everybody learned from the same frames and spends 48 bits a frame: the shipped tokenizer (256 templates for all six
stages), FAISS's ResidualQuantizer with six codebooks of its own (1,536 vectors), quantised principal components.

`motion` carries the noise of extraction, new in every frame. `motion_ideal_for_its_noise` is the least that any code
of 48 bits leaves of that noise alone, `motion_ideal_if_gaussian` of Gaussian vectors with the covariance of motion
(reverse water-filling; it takes infinitely many frames coded at once). Half of PCA's error lies just above the
latter, and codes of single frames do not come so near, ours included. Tried on motion with eight more refine epochs
(0.240 mm before, with the noise of extraction of that day): a beam of 16 in training 0.241, no sparsity and
orthogonality 0.239, three times the memory of refining 0.240, talking people in training 0.240, frames weighed by one
over their error 0.241 (displays and talking 3 % better, news 2 %); a beam of 48 in encoding 0.234 at three times the
cost; 44 refine epochs in place of 24 0.238. Shipped are talking people, the weights and 40 epochs.

`bits…` are means over the kinds of frames with a beam of 5. `shipped` uses the first stages of the shipped
tokenizer; `short_training`, for more bits than it has, those of one of 12 stages that was refined for
3 epochs only. FAISS uses the first of 12 codebooks.""",
    "prediction": """All rows of the stress table at demo size (60 simulated people, 240 recordings, two rows of 768
random columns in place of cached Masked Autoencoders); seconds of processor time. `stress_whole_protocol_s` is
all: rows that learn words in every fold, five outer and three inner folds, five penalties, intervals, paired tests,
shuffled labels. The ratio is of nested cross-validation alone, over the rows that learn nothing, beside a loop of
Pipeline and GridSearchCV as scikit-learn comes, with the same folds, preparation, objective and penalties. Its logistic
regression stops early (`tol` 1e-4), hence other answers for some recordings; solved to the end both give the same
(tested to 1e-5).

Where the time goes in the plain loop: it prepares the same rows once per penalty, and solves in as many dimensions as
there are columns. Ours prepares once, rotates into at most as many dimensions as rows, and walks along the penalties
by Newton's method, each start the last solution.""",
    "prediction_null": """Two hundred cohorts of 24 simulated people without any effect; stress within people,
depression (score) and extraversion between people; every row of the tables, 99 permutations of the labels each. A share
of 0.05 is expected of each row; `share_allowed` is 2.5 standard errors above it, as 57 shares are looked at.
`share_of_them_below_0.05` are tests of Kolmogorov and Smirnov that the p-values of one row and task are uniform.""",
    "planted_mixed": """Twenty cohorts of 60 simulated people (4 recordings of 20 s), d = 0.8, world `mixed`, with the
measured noise of extraction in ψ for all rows alike, ideal coder included. `detected`: share of cohorts with p ≤ 0.05
by permutation of labels. `bag over …`: how much larger the correlation of held-out prediction and label is (stress: of
deviations from each person's mean; else over people), mean over cohorts and 95 % interval. Tokens are found by the
beam, as `encode` does unless told otherwise. `significantly better` is the verdict of the protocol's paired test on
one cohort (p ≤ 0.05, not corrected). All simulated: no evidence about people.""",
    "planted_facs": """The same where labels act only on what 17 action units without sides can show.

Stress is lost here against the ideal coder, which has the means of intensities that these effects move. What was
tried, correlation in this world, mean of 8 other cohorts (depression, extraversion, stress): the bag as it is 0.48,
0.49, 0.33; words by stage 0.48, 0.50, 0.38; the first three stages alone 0.49, 0.49, 0.38; shares of frames in
place of TF-IDF 0.38, 0.44, 0.41; these weighted by the gain of their stage 0.38, 0.45, 0.42; the ideal coder 0.48,
0.50, 0.51. What helps within people costs between people. The row stays what the method says, TF-IDF of one
vocabulary.""",
    "cluster": """`dfe extract` of 40 clips (copies of eight, the first second of each) on worker processes.
`one_worker`, `two_workers`: from the first task to the last line of the journal, workers standing and MediaPipe loaded;
`start_of_two_workers_s` is what comes before. `bare_loop`: `extract_to` in a loop in one process, on one thread like a
worker; two such loops say what the second core is worth at that time. They all take turns every eight clips.
`overhead_of_the_runner`: one worker against one loop. Thirteen runs on this machine, whose second core is shared:
overhead −2 to 9 %, median 3 %; two workers 1.66 to 2.01 times one, two bare loops 1.63 to 1.91 times one (six runs).
`ms_per_empty_call`: submitting, doing nothing, and hearing of it, one call at a time.""",
    "faults_training": """`dfe train`, killed (SIGKILL) at moments drawn evenly over the time that an undisturbed run
works, started again, killed again, at most five times on the way to one end. Everything below its folder is then
compared byte by byte with what an undisturbed run leaves: `lost_doubled_changed_or_left_over` counts files that differ,
are missing, or should not be there (temporary files, locks); if it is not 0, no kill counts as survived. An orphan is a
child that outlives its killed parent.""",
    "faults_reproduce": """The same with `dfe reproduce` and its report on two small notebooks, whose kernels are killed
too; times and provenance inside results are left out of the comparison.""",
    "faults_extraction": """The same with `dfe extract --workers 2` of eight clips, 184 frames; the command is Dask's
client and scheduler, `spawn_main` are its workers. In the journal seconds and attempts are left out of the
comparison.""",
    "planted_beyond": """The same where labels act only on what these cannot show, or hardly.""",
    "codings": """FACS on 16,384 random displays, one thread: exact non-negative least squares of all frames together,
and whole encoding (bounds at 0 and 5, rounding to six levels, each level reconsidered), for OpenFace's units,
Py-Feat's, the full table, and this with left and right apart. Beside it a loop over frames with SciPy's `nnls`, at
equal results: on displacements of the 9,409 vertices that the metric is taken over, which is the problem as it is put
(`mesh9409`), of the 478 landmarks (`mesh478`), and on the 53 numbers of a frame in whitened coordinates (`in_psi`).
Most of the gain over the first is the metric's: the least squares of 28,227 numbers are those of 53. The gain over the
last is what solving many frames together brings in NumPy; SciPy's loop is compiled.""",
    "datasets": """Opening generated data sets of 10,000 recordings, in seconds: laid out as First Impressions (10,000
clips in ten folders, three annotation pickles), as DAIC-WOZ (10,000 folders of four files, two tables) and as AffectNet
(10,000 pictures, 30,000 labels of a file each).
`first` makes the index, `again` finds it unchanged; `walk` asks the same tree for the size of each file.""",
    "explorer": """The token explorer in JupyterLab, a recording of ten minutes (18,000 made-up frames, 6 stages) in
headless Chromium that draws in software, on the mesh of 478 vertices and on the dense one of 9,409. `key_to_face` is
from the press of a key on the intensity slider, through kernel and back, to the drawn face, the median of thirty;
`opens_in` all that the cell does, the gallery's 256 faces included; `state` what a saved notebook holds of all widgets
(plotly's own code alone would be 5.0 MB); `scroll_frame` the time from one picture to the next while the raster is
scrolled through, the median of 120 (16.7 at 60 pictures a second).""",
    "privacy": """How well somebody is recognised from another recording by what was shared of it, against chance
(`docs/privacy.md` says how, and what follows). `top1`: share of recordings whose person is the most alike in a
gallery with one recording of everybody; `auc`: of telling pairs of one person from pairs of two, 0.5 is chance; `95 %`:
intervals of both over people. `nearest` compares features as they are; `trained` has learnt on other people what tells
them apart.

`simulated`: people with strong habits of their own by design; says that the measure finds what is there, and nothing
about people. `rendered`: forty faces that all show the same displays, one half against the other: what is left of the
face itself. `actors`: halves of twenty real clips, so the person together with the day, the light and the sentence;
who speaks is not stated. No real recordings of one person on two days are open to us.""",
    "readers": """Ten minutes of OpenFace's whole output (18,000 rows of 714 columns, made up) read by turns, the
shortest of five: `pandas.read_csv` with its defaults, and this library's readers of action units, of the 68 landmarks
and of the shape, each with all its checks, to a frame table.""",
}


def markdown(result: dict) -> str:
    """The page for the content of ``benchmarks/latest.json``."""
    lines = [
        "# Benchmarks",
        "",
        "Written by `make bench`; the same figures are in benchmarks/latest.json.",
        "",
    ]
    for suite, part in result.items():
        made, host = part["made"], part["made"]["host"]
        lines += [f"## {suite}", "", ABOUT[suite], ""]
        lines += [
            f"{made['date']}, {host['processor']}, {host['cores']} cores, load before the run "
            f"{host['load_before']}; Python {made['python']}, "
            + ", ".join(f"{n} {made['versions'][n]}" for n in _SHOWN if n in made["versions"])
            + ".",
            "",
            "| figure | value | goal |",
            "| --- | ---: | ---: |",
        ]
        for name, value in part["figures"].items():
            goal = next((g for key, g in GOALS.items() if name.endswith(key) and "gpu" not in name), "")
            lines.append(f"| {name} | {value if isinstance(value, str) else f'{value:,.4g}'} | {goal} |")
        lines.append("")
    return "\n".join(lines)


_SHOWN = ("torch", "numpy", "mediapipe", "av", "faiss-cpu", "vector-quantize-pytorch")
