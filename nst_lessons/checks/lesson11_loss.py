"""Lesson 11: the temporal loss. The oracle is a loop in float64."""
import torch

from .lesson11 import _other, _read, _some
from .verdict import differentiable, exercise, same, untouched

_LOSS = {
    "wants a flow": "warp(image, flow) takes the picture first and the flow second",
    "a (2) must match the size of tensor b (3)": "warp(image, flow) takes the picture first and the flow second",
    "cannot be converted to Scalar": "one number for each picture is wanted, a tensor [B]: leave out .item() and float()",
}


@exercise("11.3", "what can be trusted is held to the frame before, one number for each picture, and a gradient gets through.")
def check_temporal_loss(temporal_loss):
    """Tries temporal_loss(image [B, 3, H, W], before [1, 3, H, W], backward [1, 2, H, W], mask [1, 1, H, W]) → [B]."""
    for batch, height, width, seed in [(3, 6, 4, 1), (1, 5, 7, 0)]:
        image, before = (_some(batch if k else 1, 3, height, width, seed=seed + k, by=0.3) + 0.5 for k in (1, 0))
        backward = _some(1, 2, height, width, seed=seed + 7, by=1.5)
        mask = (_some(1, 1, height, width, seed=seed + 8) * 0.7 + 0.5).clamp(0, 1)          # some 0, some 1, some between
        answer = untouched(temporal_loss, image, before, backward, mask, crashes=_LOSS)
        truth, slips = _losses(image.double(), before.double(), backward, mask.double())
        same(answer, truth, f"the loss of {batch} picture{'s' if batch > 1 else ''} {list(image.shape)}", _other(slips, truth))
    differentiable(lambda given: temporal_loss(given, before, backward, mask), image, what="your loss")


def _losses(x, before, backward, c):
    """(the truth [B], [(message, what this slip gives)])."""
    w, over = _read(before, backward), dict(dim=(1, 2, 3))
    mean = lambda squares: squares.mean(**over)
    squares = c * (x - w).square()
    truth, plain = mean(squares), mean((x - w).square())
    trusted = squares.sum(**over) / (c.sum() * 3)
    ahead = torch.cat([_read(one[None], backward) for one in x])
    return truth, [
        ("the frame before is not warped: bring it to where things are now, warp(before, backward)", mean(c * (x - before).square())),
        ("this frame is warped; it is the frame *before* that is brought to where things are now", mean(c * (ahead - before).square())),
        ("both pictures are warped; only the frame before has to move", mean(c * (ahead - w).square())),
        ("it is warped the wrong way: warp(before, backward), without a minus", mean(c * (x - _read(before, -backward)).square())),
        ("the mask is not used: where something was hidden, the old picture says nothing", plain),
        ("the mask is turned around: it is 1 where the warped picture can be trusted", mean((1 - c) * (x - w).square())),
        ("the mask is squared: it weighs the square, c · (x − w)²", mean((c * (x - w)).square())),
        ("the mask weighs the picture alone; it weighs the square of the difference", mean((c * x - w).square())),
        ("the mask weighs the warped picture alone; it weighs the square of the difference", mean((x - c * w).square())),
        ("the mask is taken for yes or no: where it is 0.3, the square counts 0.3", mean((c > 0) * (x - w).square())),
        ("the mask is taken for yes or no: where it is 0.3, the square counts 0.3", mean((c > 0.5) * (x - w).square())),
        ("the mask is taken for yes or no: where it is 0.3, the square counts 0.3", mean((c == 1) * (x - w).square())),
        ("the mask is warped; it is made for this frame's pixels already", mean(_read(c, backward) * (x - w).square())),
        ("the mask hides the frame before, and that is warped; it weighs the square of the difference", mean((x - _read(c * before, backward)).square())),
        ("both pictures are masked before one is warped; the mask weighs the square of the difference",
         mean((c * x - _read(c * before, backward)).square())),
        ("mask and squares are averaged apart, then multiplied: multiply pixel by pixel, then take the mean", c.mean() * plain),
        ("you divided by the trusted pixels, as the measure of flicker does; here by all values, C·H·W, so that little trust is little force", trusted),
        ("you divided by the number of trusted pixels; all values count, C·H·W", squares.sum(**over) / (c > 0).sum()),
        ("you divided by the number of trusted pixels; all values count, C·H·W", squares.sum(**over) / (3 * (c > 0).sum())),
        ("you divided by the sum of the mask; all values count, C·H·W", squares.sum(**over) / c.sum()),
        ("that is the sum; the mean over all values is wanted, ÷ C·H·W", squares.sum(**over)),
        ("that is the sum for the whole batch; the mean over all values is wanted, one for each picture: [B]", squares.sum()),
        ("you divided by H·W; all values count, C·H·W", 3 * truth),
        ("absolute differences instead of squares", mean(c * (x - w).abs())),
        ("you took the root: the mean square is wanted", truth.sqrt()),
        ("that is a norm, a root of a sum: the mean square is wanted", (c * (x - w)).square().sum(**over).sqrt()),
        ("that is half of it: no ½ is wanted here", truth / 2),
        ("you added up before you squared: square each difference", mean(c * (x - w)).square()),
        ("nothing is squared: differences cancel", mean(c * (x - w))),
        ("the pictures of the batch are averaged: one number for each, shape [B]", truth.mean()),
        ("the pictures of the batch are added up: one number for each, shape [B]", truth.sum()),
        ("divided by the pictures of the batch, too: one number for each", truth / len(x)),
        ("the right numbers, with dimensions left over: leave out keepdim, [B] is wanted", truth[:, None, None, None]),
        ("one number for each channel: the mean over dim=(1, 2, 3) leaves one for each picture", squares.mean(dim=(0, 2, 3))),
        ("one number for each channel is left: take the mean over channels too, dim=(1, 2, 3)", squares.mean(dim=(2, 3))),
        ("one number for each pixel is left: take the mean over channels, rows and columns, dim=(1, 2, 3)", squares.mean(dim=1)),
        ("every picture has the first one's loss: image[0] is one picture of the batch", truth[:1].expand_as(truth)),
        ("that is the first picture's loss alone: image[0] is one picture of the batch", truth[:1]),
        ("the pictures of the batch are averaged: one number for each, shape [B]", truth.mean()[None]),
        ("one number for each pixel is left: take the mean over channels, rows and columns, dim=(1, 2, 3)", squares),
        ("the mask is not used, and that is one number for the whole batch: one for each, shape [B]", plain.mean()),
    ]
