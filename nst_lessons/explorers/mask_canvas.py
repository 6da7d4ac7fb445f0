"""A canvas upon a photograph, to paint a mask by mouse, pen, finger or keys; the browser's half is mask_canvas.js."""
from pathlib import Path

import anywidget
import numpy as np
import torch
import traitlets
from PIL import Image, ImageDraw

from ..images import to_pil
from .explorer import encoded

_GREEN = (0, 158, 115)   # of what is inside; Okabe & Ito's
_VEIL = 150              # of 255: how much the outside is darkened


class MaskCanvas(anywidget.AnyWidget):
    """Strokes painted on a photograph. `strokes`: [{"erase": bool, "brush": radius, "points": [[x, y], …]}, …], all as shares:
    x of the width, y of the height, the radius of the longer side. `brush`, `erase`: how the next stroke will be.
    """
    _esm = Path(__file__).with_name("mask_canvas.js").read_text(encoding="utf-8")
    photo, overlay = (traitlets.Bytes(b"").tag(sync=True) for _ in range(2))
    size = traitlets.List([1, 1]).tag(sync=True)
    label = traitlets.Unicode("mask: paint with mouse or finger; arrow keys move the brush, Space sets a dab").tag(sync=True)
    brush = traitlets.Float(0.05).tag(sync=True)
    erase = traitlets.Bool(False).tag(sync=True)
    strokes = traitlets.List().tag(sync=True)

    def show(self, photo, mask, side=360):
        """The photograph [1, 3, H, W], and a mask [1, 1, H, W] upon it: the outside darkened, the border green."""
        picture = to_pil(photo)
        factor = side / max(picture.size)
        self.size = [max(1, round(length * factor)) for length in picture.size]
        self.photo = encoded(picture.resize(self.size), "jpeg")
        inside = Image.fromarray((mask[0, 0] * 255).round().byte().numpy()).resize(self.size)
        share = np.asarray(inside, np.float32) / 255
        edge = np.zeros_like(share, bool)
        for axis in (0, 1):
            edge |= (share > 0.5) != np.roll(share > 0.5, 1, axis)
        edge[0], edge[:, 0] = False, False                       # np.roll goes round
        veil = np.zeros((*share.shape, 4), np.uint8)
        veil[..., 3] = _VEIL * (1 - share)
        veil[edge] = (*_GREEN, 255)
        self.overlay = encoded(Image.fromarray(veil), "png")

    def painted(self, mask):
        """A mask [1, 1, H, W] with the strokes upon it, in the order in which they were painted."""
        paper = Image.fromarray((mask[0, 0] * 255).round().byte().numpy())
        draw, (width, height) = ImageDraw.Draw(paper), paper.size
        for stroke in self.strokes:
            radius, ink = stroke["brush"] * max(paper.size), 0 if stroke["erase"] else 255
            points = [(x * width, y * height) for x, y in stroke["points"]]
            draw.line(points, ink, max(1, round(2 * radius)))
            for x, y in points:                                  # round ends and joints
                draw.ellipse((x - radius, y - radius, x + radius, y + radius), ink)
        return torch.from_numpy(np.array(paper, np.float32) / 255)[None, None]
