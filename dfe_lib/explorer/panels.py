"""The explorer's controls, panel by panel. They hold no meaning: :mod:`~dfe_lib.explorer.widget` gives them one."""

from __future__ import annotations

import ipywidgets as widgets

from dfe_lib.explorer.codebook import ORDERS
from dfe_lib.explorer.state import COLOURS, DISPLACEMENT, NOTHING
from dfe_lib.explorer.views import FaceView, Gallery, Picture

_NAMED = {"description_width": "92px"}
_WIDE = {"width": "96%"}
TAB = {"height": "636px", "overflow": "auto"}  # all alike, so that the raster below stays where it is


def _slider(description: str, **options) -> widgets.FloatSlider:
    return widgets.FloatSlider(description=description, style=_NAMED, layout=_WIDE, **options)


def _choice(description: str, options, **more) -> widgets.Dropdown:
    return widgets.Dropdown(description=description, options=options, style=_NAMED, layout=_WIDE, **more)


def _button(text: str, tooltip: str, width: str = "auto") -> widgets.Button:
    return widgets.Button(
        description=text, tooltip=tooltip, layout={"width": width, "align_self": "flex-start", "flex": "none"}
    )


class FacePanel:
    """The face, how it is coloured, and whose it is."""

    def __init__(self, model):
        self.view = FaceView(model)
        self.colour = _choice("Colour", COLOURS, value=DISPLACEMENT)
        self.wire = widgets.Checkbox(description="Wireframe", indent=False, layout={"width": "110px"})
        modes = len(getattr(model, "identities", ()))
        self.mode = _choice("Identity mode", [(str(i + 1), i) for i in range(modes)] or [("none", 0)])
        self.amount = _slider("Amount (SD)", min=-3, max=3, step=0.1, value=0)
        self.generic = _button("Generic face", "Set all identity modes to zero")
        whose = [self.mode, self.amount] if modes else []
        self.box = widgets.VBox(
            [self.view, self.colour, *whose, widgets.HBox([self.wire, *([self.generic] if modes else [])])],
            layout={"width": "35%", "min_width": "290px"},
        )


class TokenPanel:
    """All templates, and what is known of the chosen one."""

    def __init__(self):
        self.gallery = Gallery(label="All tokens", height="236px")
        self.order = _choice("Order by", ORDERS, value="use")
        self.intensity = _slider("Intensity", min=-2, max=2, step=0.1, value=1)
        self.facts = widgets.HTML()
        self.alike = Gallery(label="Tokens most like it")
        self.next = _button("next place in the recording", "Go to where the recording uses it next")
        self.put = _button("put into the composed face", "At the first stage that is empty there")
        self.box = widgets.VBox(
            [
                self.order,
                self.gallery,
                self.intensity,
                self.facts,
                self.alike,
                widgets.HBox([self.next, self.put]),
            ]
        )


class ComposePanel:
    """A code for every stage, and ψ as bars."""

    def __init__(self, depth: int, size: int):
        self.codes = [
            widgets.BoundedIntText(
                description=f"Stage {s + 1}",
                value=NOTHING,
                min=NOTHING,
                max=size - 1,
                style={"description_width": "56px"},
                layout={"width": "130px"},
            )
            for s in range(depth)
        ]
        self.says = [widgets.HTML() for _ in range(depth)]
        self.take = _button("take this frame's tokens", "Start from the tokens of the recording's frame")
        self.clear = _button("clear", "Take all tokens out")
        self.bars = widgets.HTML()
        rows = [widgets.HBox(pair) for pair in zip(self.codes, self.says, strict=True)]
        note = widgets.HTML(
            f"Codes 0 to {size - 1}; {NOTHING} leaves a stage empty. Every stage adds to those above."
        )
        self.box = widgets.VBox([widgets.HBox([self.take, self.clear]), note, *rows, self.bars])


class RecordingPanel:
    """The video, the frame, and which of its tokens make the face."""

    def __init__(self, recordings: list[str], depth: int):
        self.recording = _choice("Recording", recordings)
        self.picture = Picture()
        self.dots = widgets.Checkbox(description="Landmarks", value=True, indent=False)
        self.frame = widgets.IntSlider(description="Frame", min=0, max=0, style=_NAMED, layout=_WIDE)
        self.back = _button("◀ step", "One frame back", "84px")
        self.on = _button("step ▶", "One frame on", "84px")
        self.stages = widgets.IntSlider(
            description="Stages used", value=depth, min=0, max=depth, style=_NAMED, layout=_WIDE
        )
        self.amplitude = _slider("Amplitude", min=0, max=2, step=0.1, value=1)
        self.chips = [widgets.ToggleButton(value=True, layout={"width": "116px"}) for _ in range(depth)]
        self.looks = [widgets.Button(layout={"width": "116px"}) for _ in range(depth)]
        pairs = [widgets.VBox(pair) for pair in zip(self.chips, self.looks, strict=True)]
        self.box = widgets.VBox(
            [
                self.recording,
                self.picture,
                self.frame,
                widgets.HBox([self.back, self.on, self.dots]),
                self.stages,
                self.amplitude,
                widgets.HBox(pairs, layout={"flex_flow": "row wrap"}),
            ]
        )


class ComparePanel:
    """Two recordings and how each uses the codebook."""

    def __init__(self, recordings: list[str]):
        self.one = _choice("Recording A", recordings)
        self.two = _choice("Recording B", recordings, value=recordings[1 % len(recordings)])
        self.says = widgets.HTML()
        self.faces = Gallery(label="Tokens that tell the two apart")
        self.bars = widgets.HTML()
        self.box = widgets.VBox([self.one, self.two, self.says, self.faces, self.bars])


class ExportPanel:
    """What is written, and where."""

    def __init__(self):
        self.span = widgets.IntRangeSlider(
            description="Frames", min=0, max=0, style=_NAMED, layout=_WIDE, tooltip="First and last frame"
        )
        self.only = widgets.Checkbox(description="the chosen token only", indent=False)
        self.folder = widgets.Text(description="Folder", value="selection", style=_NAMED, layout=_WIDE)
        self.write = _button("write CSV, PNG and citation", "Into the folder, beside the notebook")
        self.cite = widgets.HTML()
        self.done = widgets.HTML()
        self.box = widgets.VBox([self.span, self.only, self.cite, self.folder, self.write, self.done])
