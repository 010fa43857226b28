"""The frame viewer as an anywidget: carries messages between the browser and a FrameViewer, and decides nothing."""

from pathlib import Path
from typing import Any

import anywidget
import traitlets

from labkit.errors import LabkitError
from labkit.view.decoded import one_line
from labkit.view.viewer import FrameViewer, Told

_HERE = Path(__file__).parent
_SCRIPTS = ("controls.js", "pictures.js", "strip.js", "figure.js", "viewer.js")
"""One after the other they are one module: a front end takes no second file."""


class FrameWidget(anywidget.AnyWidget):
    """Draws what a FrameViewer tells."""

    _esm = traitlets.Unicode("\n".join((_HERE / name).read_text("utf-8") for name in _SCRIPTS)).tag(sync=True)
    _css = traitlets.Unicode((_HERE / "viewer.css").read_text("utf-8")).tag(sync=True)

    def __init__(self, viewer: FrameViewer) -> None:
        super().__init__()
        self._viewer = viewer
        viewer.tell = self._tell
        self.on_msg(self._asked)
        self.add_class("lab-frames")

    def view(self) -> dict[str, Any]:
        """Return the data by which a front end finds this widget."""
        kind = "application/vnd.jupyter.widget-view+json"
        return {kind: {"version_major": 2, "version_minor": 0, "model_id": self.model_id}}

    def _asked(self, _: object, content: dict[str, Any], buffers: object) -> None:
        try:
            self._tell(self._viewer.answer(content))
        except LabkitError as error:
            self._tell(({"tell": "line", "line": one_line(str(error))}, []))

    def _tell(self, told: Told) -> None:
        content, buffers = told
        self.send(content, buffers)
