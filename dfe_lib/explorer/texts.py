"""What the explorer says: the line of state, the facts on a token, the comparison. Plain HTML, everything escaped."""

from __future__ import annotations

import html
from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import pandas as pd

from dfe_lib.explorer.clips import Clip
from dfe_lib.explorer.codebook import Codebook
from dfe_lib.explorer.state import COMPOSED, NOTHING, RECORDED, TOKEN, ExplorerState


def title(state: ExplorerState, book: Codebook, recording: str) -> str:
    """The shown face in words; plain text."""
    if state.mode == TOKEN:
        return f"Token {state.token} ({book.words[state.token]}) × {state.intensity:.1f}"
    if state.mode == COMPOSED:
        return f"Face composed of {sum(c != NOTHING for c in state.composed)} tokens"
    return f"{recording}, frame {state.frame}, {int(state.active().sum())} of {state.depth} tokens"


def status(state: ExplorerState, book: Codebook, recording: str) -> str:
    """One line on frame, tokens and face, in a region that screen readers announce."""
    unit, psi = book.space.unit, state.psi()
    if state.mode == RECORDED and not state.detected:
        what = "<b>no face in this frame</b>"
    else:
        what = f"face moved by {float(book.space.norm(psi)):.2f} {unit} RMS"
        if (truth := state.truth()) is not None:
            what += f" · {float(book.space.norm(psi - truth)):.2f} {unit} from the measured one"
    where = f"{html.escape(recording)} · frame {state.frame} · {state.time_s[state.frame]:.2f} s"
    on = f"{int(state.active().sum())} of {state.depth} tokens on"
    shown = {TOKEN: f"token {state.token}", COMPOSED: "composed face", RECORDED: "recorded face"}[state.mode]
    line = f'<span role="status">{where} · {on} · {shown}: {what}</span>'
    return f'<div style="line-height:1.4;min-height:2.8em">{line}</div>'  # long names take two lines


def facts(state: ExplorerState, book: Codebook, clips: Mapping[str, Clip], recording: str) -> str:
    """What is known of the chosen token: what it does, where it occurs, which action units it is like."""
    token = state.token
    at, stage = state.places()
    counts = ", ".join(f"stage {s + 1}: {n}" for s, n in enumerate(np.bincount(stage)) if n)
    used = f"Used <b>{len(at)}</b> times in this recording"
    used += f" ({counts}), first at {state.time_s[at[0]]:.2f} s." if len(at) else "."
    others = [
        f"{html.escape(name)} {int((clip.codes == token).sum())}"
        for name, clip in clips.items()
        if name != recording
    ]
    like = [
        f"{unit.code} {html.escape(unit.name)} <b>{unit.cosine:+.2f}</b>".replace("-", "−")
        for unit in book.units(token)
    ]
    lines = [
        f"<b>Token {token}</b>: {html.escape(book.words[token])}. Moves the face by {book.size[token]:.2f} "
        f"{book.space.unit} RMS at intensity 1.",
        used + (f" Elsewhere: {', '.join(others)}." if others else ""),
        f"Action units it is most like (cosine in G; − takes back): {' · '.join(like)}" if like else "",
        "Tokens most like it (cosine in G):",
    ]
    return paragraph("<br>".join(line for line in lines if line))


def stage_line(state: ExplorerState, book: Codebook, stage: int) -> str:
    """One stage of the composed face: what its token does, and how far the face still is from the measured one."""
    code = state.composed[stage]
    words = "" if code == NOTHING else f"{html.escape(book.words[code])} × {state.tokenizer.gains[stage]:.2f}"
    truth = replace(state, mode=COMPOSED).truth()
    if truth is None:
        return paragraph(words)
    left = float(book.space.norm(truth - state.composition()[stage]))
    return paragraph(f"{left:.2f} {book.space.unit} left{' · ' if words else ''}{words}")


def compared(table: pd.DataFrame, distance: float) -> str:
    """Two recordings' use of the codebook in two sentences; what :func:`~.codebook.compare_use` gives."""
    shared = int(((table["one"] > 0) & (table["two"] > 0)).sum())
    apart = "not defined, as one has no face" if np.isnan(distance) else f"{distance:.2f}"
    return paragraph(
        f"{len(table)} tokens occur in A or B, {shared} in both. Jensen–Shannon distance of token use (0 alike, 1 "
        f"nothing in common): <b>{apart}</b>. Shares are of all tokens of a recording; largest differences first."
    )


def paragraph(text: str) -> str:
    """``text`` (HTML) set closer than ipywidgets does."""
    return f'<div style="line-height:1.45;font-size:13px">{text}</div>'
