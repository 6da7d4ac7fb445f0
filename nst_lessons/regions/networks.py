"""Regions by name: torchvision's networks for segmentation and detection, whose weights are downloaded on first use (42 and 74 MB)."""
import torch
from torch.nn import functional as F

from .. import loading
from ..images import normalize
from .cutting import grab_cut

SEGMENTER = "deeplabv3_mobilenet_v3_large", "COCO_WITH_VOC_LABELS_V1"
DETECTOR = "fasterrcnn_mobilenet_v3_large_320_fpn", "COCO_V1"
_INSTEAD = "'subject', 'background' and 'cluster' need no weights"
_SIDE = 520              # px: the longer side at which the segmenter was trained
_SURE = 0.5              # less sure than that, the detector is not believed


def _network(name, version):
    """The network with torchvision's weights. Raises WeightsError, which names the masks that need none."""
    from torchvision import models
    state = loading.torchvision_weights(name, version, _INSTEAD)
    return loading.load_into(models.get_model(name, weights=None, weights_backbone=None), state).eval().requires_grad_(False)


def _number(what, name, version):
    """The number of a category; ValueError, with those there are, for an unknown one."""
    from torchvision import models
    known = models.get_model_weights(name)[version].meta["categories"]
    names = sorted(one for one in set(known) if one not in ("__background__", "N/A"))
    if what not in names:
        raise ValueError(f"{name} knows no {what!r}; it knows {', '.join(names)}")
    return known.index(what)


@torch.no_grad()
def segment(photo, what="person", network=None):
    """Where a thing of the Pascal VOC classes is ("person", "cat", …), by DeepLabv3 (Chen et al. 2017): [1, 3, H, W] → [1, 1, H, W], 0 or 1.

    network: one like torchvision's, else that itself. Raises ValueError for an unknown class or when none is there,
    WeightsError when the weights cannot be had.
    """
    number = _number(what, *SEGMENTER)
    network = network or _network(*SEGMENTER)
    scale = _SIDE / max(photo.shape[2:])
    seen = F.interpolate(normalize(photo.cpu()), scale_factor=scale, mode="bilinear", antialias=True)
    scores = F.interpolate(network(seen)["out"], photo.shape[2:], mode="bilinear")               # [1, classes, H, W]
    found = (scores.argmax(dim=1, keepdim=True) == number).to(photo)
    if not found.any():
        raise ValueError(f"no {what} was found in this photograph")
    return found


@torch.no_grad()
def detect(photo, what="person", network=None):
    """A thing of the COCO classes: the detector's surest box (Faster R-CNN, Ren et al. 2015), cut out by `grab_cut`: [1, 1, H, W], 0 or 1.

    photo: [1, 3, H, W]. network: one like torchvision's, else that itself. Raises as `segment` does.
    """
    number = _number(what, *DETECTOR)
    network = network or _network(*DETECTOR)
    found, = network([photo[0].cpu().clamp(0, 1)])               # sorted, the surest first
    boxes = found["boxes"][(found["labels"] == number) & (found["scores"] >= _SURE)]
    if not len(boxes):
        raise ValueError(f"no {what} was found in this photograph")
    height, width = photo.shape[2:]
    left, top, right, bottom = (boxes[0] / torch.tensor([width, height, width, height])).clamp(0, 1).tolist()
    if (right - left) * (bottom - top) > 0.99:
        return torch.ones_like(photo[:, :1])
    return grab_cut(photo, (left, top, right, bottom))
