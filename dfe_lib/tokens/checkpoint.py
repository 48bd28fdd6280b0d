"""A training run on disk, whole: model, optimiser, sums, counts and its place, as safetensors and JSON.

Random numbers follow from the seed and the place in the run, so the place is all the state they have.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from pathlib import Path

import torch

from dfe_lib import artefacts
from dfe_lib.errors import InputError
from dfe_lib.tokens.fit import Run

KIND = "training-checkpoint"
EVERY = 200  # steps; about ten seconds of the default training


@dataclass
class Place:
    """How far a run has come: the next step, and the rows of the epochs that are done."""

    phase: int = 0
    epoch: int = 0
    step: int = 0
    history: list[dict] = field(default_factory=list)


def save(folder: Path, run: Run, place: Place, data: str) -> None:
    """Write the checkpoint, whole or not at all."""
    tensors = {f"model.{k}": v for k, v in run.model.state_dict().items()}
    tensors |= {f"sums.{k}": v for k, v in run.sums.tensors.items()} | {"counts": run.counts}
    if run.optimizer is not None:
        for i, state in run.optimizer.state_dict()["state"].items():
            tensors |= {f"optimizer.{i}.{k}": v for k, v in state.items()}
    card = {
        "kind": KIND,
        "what": "An unfinished training of a tokenizer",
        "made_from": "frame tables",
        "rebuild": "repeat the dfe train that wrote it",
        "config": asdict(run.config),
        "data": data,
        "place": asdict(place),
        "totals": run.totals,
    }
    artefacts.save(folder, {k: v.detach().cpu().numpy() for k, v in tensors.items()}, card)


def restore(folder: Path, run: Run, data: str) -> Place:
    """Bring a fresh run to where the checkpoint was taken.

    Raises
    ------
    InputError : a checkpoint of other data or settings, or one that cannot be read.
    """
    try:
        saved = artefacts.load(folder, KIND)
    except InputError as error:
        raise InputError(f"{error}; delete {folder.parent} to begin anew") from error
    ours, theirs = asdict(run.config), saved.card.get("config")
    theirs = theirs if isinstance(theirs, dict) else {}
    differing = [k for k in ours if ours[k] != theirs.get(k)]
    if differing or saved.card.get("data") != data:
        what = (
            f"setting '{differing[0]}' was {theirs.get(differing[0])}"
            if differing
            else "the frames were others"
        )
        raise InputError(
            f"{folder.parent} holds an unfinished training that differs: {what}; repeat that training to finish "
            "it, or delete the folder to begin anew"
        )
    try:
        return _taken_up(saved, run)
    except (KeyError, TypeError, ValueError, IndexError, AttributeError, RuntimeError) as error:
        reason = (str(error).splitlines() or ["?"])[0]
        raise InputError(
            f"the checkpoint {folder} cannot be taken up ({reason}); delete {folder.parent} to begin anew"
        ) from error


def _taken_up(saved: artefacts.Artefact, run: Run) -> Place:
    place = Place(**saved.card["place"])
    counted = (place.phase, place.epoch, place.step)
    if any(type(n) is not int or n < 0 for n in counted) or not isinstance(place.history, list):
        raise ValueError(f"no place in a training: {counted}")
    run.begin(list(run.epochs)[place.phase])
    tensors = {k: torch.from_numpy(v.copy()) for k, v in saved.tensors.items()}
    run.model.load_state_dict(_under(tensors, "model."))
    run.sums.tensors = {k: v.to(run.device) for k, v in _under(tensors, "sums.").items()}
    run.counts.copy_(tensors["counts"])
    run.totals = dict(saved.card["totals"])
    moments = _under(tensors, "optimizer.")
    if run.optimizer is not None and moments:
        state: dict[int, dict] = {}
        for name, value in moments.items():
            i, key = name.split(".", 1)
            state.setdefault(int(i), {})[key] = value
        run.optimizer.load_state_dict({**run.optimizer.state_dict(), "state": state})
    return place


def _under(tensors: dict[str, torch.Tensor], prefix: str) -> dict[str, torch.Tensor]:
    return {k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)}
