"""GrabCut: a rectangle around a thing → the thing (Rother et al. 2004)."""
import numpy as np
import torch

_CRUMB = 0.005           # of the picture: smaller islands and holes are taken for mistakes


def grab_cut(photo, box=(0.05, 0.05, 0.95, 1.0), rounds=5):
    """The thing inside a rectangle: two mixtures of colors, the thing's and the rest's, fitted and cut apart in turns.

    photo: [1, 3, H, W] in [0, 1]; box: (left, top, right, bottom), shares of width and height. All that lies outside of it counts
    as background, so it must leave some. → [1, 1, H, W], 0 or 1, without crumbs. Raises ValueError for a box that makes no sense.
    """
    try:
        import cv2
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError('GrabCut needs OpenCV: pip install "nst_lessons[lab]"', name=error.name) from None
    left, top, width, height = _pixels(box, *photo.shape[2:])
    bgr = (photo[0].detach().cpu().clamp(0, 1) * 255).round().byte().permute(1, 2, 0).flip(2).contiguous().numpy()
    labels = np.zeros(bgr.shape[:2], np.uint8)
    cv2.setRNGSeed(0)                                             # its mixtures begin with a random guess
    cv2.grabCut(bgr, labels, (left, top, width, height), np.zeros((1, 65)), np.zeros((1, 65)), rounds, cv2.GC_INIT_WITH_RECT)
    inside = (labels == cv2.GC_FGD) | (labels == cv2.GC_PR_FGD)
    return tidy(torch.from_numpy(inside)[None, None].float()).to(photo)


def _pixels(box, rows, columns):
    """The box as whole pixels: left, top, width, height."""
    left, top, right, bottom = box
    if not (0 <= left < right <= 1 and 0 <= top < bottom <= 1):
        raise ValueError(f"the box {','.join(f'{side:g}' for side in box)} makes no sense; "
                         "give left,top,right,bottom as shares of width and height, 0,0,1,1 being all")
    x, y = round(left * columns), round(top * rows)
    width, height = max(1, round(right * columns) - x), max(1, round(bottom * rows) - y)
    if width * height > 0.99 * rows * columns:
        raise ValueError("the box leaves no background to learn from; draw it closer around the thing")
    return x, y, width, height


def tidy(mask):
    """A mask [1, 1, H, W] of 0 and 1 without islands and holes of less than half a percent of the picture; the largest island stays."""
    from scipy import ndimage

    inside = mask[0, 0].cpu().numpy() > 0.5
    for value in (True, False):
        islands, count = ndimage.label(inside == value)
        sizes = np.bincount(islands.ravel(), minlength=count + 1)
        small = sizes < min(_CRUMB * inside.size, max(sizes[1:], default=0))
        small[0] = False                                          # number 0 is what is no island
        inside[small[islands]] = not value
    return torch.from_numpy(inside)[None, None].to(mask)
