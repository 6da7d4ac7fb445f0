"""The same loss and the same gradient, tile by tile, in as little memory as one tile wants.

Every loss is a function of sums over positions, so two passes will do. The first adds up the sums of all tiles, without gradients.
They give the loss, and its slopes: by how much it changes with each sum. The second sees each tile again, now with gradients, and
sends the slopes back to the pixels. Both show the network more than a tile, a margin as wide as it looks, and keep the middle of
its answer (Galerne et al. 2024, "Scaling Painting Style Transfer", for Gram matrices; here for every term that can be summed).
"""
from typing import NamedTuple

import torch

from ..losses import StyleTerm
from .processes import add_up, share
from .reach import reach


class Tile(NamedTuple):
    """Slices of a picture: a tile's own `rows` and `columns`, and the wider ones that the network is shown."""
    rows: slice
    columns: slice
    wide_rows: slice
    wide_columns: slice


def cut(length, tile, margin, stride):
    """Cuts one side of a picture into parts of about `tile` px: [(start, stop, wide_start, wide_stop)], wide ones with a margin.

    length, tile, margin: px. Parts are about equally long and begin at multiples of `stride`; no margin leaves the picture.
    """
    count = -(-length // tile)                                             # rounded up
    ends = [length * k // count // stride * stride for k in range(count)] + [length]
    return [(start, stop, max(0, start - margin), min(length, stop + margin)) for start, stop in zip(ends, ends[1:])]


def grid(shape, tile, margin, stride):
    """All Tiles of a picture [..., H, W] of this shape, row by row. tile: px, two strides at least, so that no part is empty."""
    down, across = (cut(length, max(tile, 2 * stride), margin, stride) for length in shape[-2:])
    return [Tile(slice(top, bottom), slice(left, right), slice(*rows), slice(*columns))
            for top, bottom, *rows in down for left, right, *columns in across]


def tiled(objective, tile, group=None):
    """`objective` in tiles of about `tile` px: called like it, it gives the same loss and gradient, and needs a tile's memory.

    group: the processes of torch.distributed that share the tiles (`torch.distributed.group.WORLD`: all); each calls it with the same
    picture. Raises ValueError for a term that cannot be summed, and for a layer that looks at the whole picture.
    """
    if not isinstance(tile, int) or tile < 1:
        raise ValueError(f"tile={tile!r} makes no sense; give the side of a tile in px, for instance 512")
    return Tiled(objective, tile, group)


class Tiled:
    """What `tiled` returns. All that is not about tiles (`terms`, `layers`, `alpha`, …) it has from its objective."""

    def __init__(self, objective, tile, group=None):
        self.objective, self.tile, self.group = objective, tile, group
        if "terms" not in vars(objective):                                 # nobody has asked for them yet: in tiles, from the start
            objective.terms = objective.make_terms(self._look, self._study)
        self._pieces(objective.content)                                    # says at once what cannot be tiled

    def __getattr__(self, name):
        return getattr(self.objective, name)

    def __call__(self, image):
        pieces, learns = self._pieces(image), image.requires_grad and torch.is_grad_enabled()
        sums = pieces.sums(learns)
        leaves = [value.requires_grad_() for one in sums for value in one.values() if learns and isinstance(value, torch.Tensor)]
        terms = self.objective.collect([term.loss(one) for term, one in zip(pieces.terms, sums)])
        if learns:
            slopes = torch.autograd.grad(terms.total, leaves, allow_unused=True)
            terms.total = _Known.apply(image, terms.total.detach(), pieces.gradient(slopes))
        return terms

    def _pieces(self, picture):
        terms = [term for _, _, term in self.objective.terms]
        for term in terms:
            if term.whole:
                raise ValueError(f"the term {term.kind!r} ({type(term).__name__}) needs the whole picture at once and cannot be tiled; "
                                 "leave it out, or paint without tiles")
        return _Pieces(self.objective.features, picture, self.objective.layers, terms, self.tile, self.group)

    def _look(self, content, layers):
        """{layer: activations}, put together from tiles: on the way, all layers at once would want much more room."""
        pieces, found = _Pieces(self.objective.features, content, layers, [], self.tile), {}
        for tile in reversed(pieces.tiles):                                # the last first: it tells how large the whole is
            for layer, act in pieces.acts(pieces.window(tile), tile).items():
                rows, columns = pieces.places(layer, tile)
                if layer not in found:
                    found[layer] = act.new_empty(*act.shape[:2], rows.start + act.shape[2], columns.start + act.shape[3])
                found[layer][..., rows, columns] = act
        return found

    def _study(self, style, layers):
        """{layer: Gram matrix} of a style, added up from tiles; for another statistic {layer: activations}, all at once."""
        if self.objective.style_term is not StyleTerm:
            return self.objective.features(style, layers)
        terms = [StyleTerm(layer, style.new_zeros(1, 1, 1)) for layer in self.objective.features.check_layers(layers)]
        sums = _Pieces(self.objective.features, style, layers, terms, self.tile, self.group).sums()
        return {term.layer: one["gram"] / one["positions"] for term, one in zip(terms, sums)}


class _Pieces:
    """A picture's tiles, and what `terms` measure in those that are this process's own."""

    def __init__(self, features, picture, layers, terms, tile, group=None):
        self.features, self.picture, self.terms, self.group = features, picture.detach(), terms, group
        self.layers = features.check_layers(layers)
        found, halo = reach(features, self.layers, picture), max([getattr(term, "halo", 0) for term in terms], default=0)
        self.strides, margin = {**found.strides, "image": 1}, max(found.margin, -(-halo // found.stride) * found.stride)
        self.tiles, self.kept = grid(picture.shape, tile, margin, found.stride), None
        self.mine = share(self.tiles, group)

    def window(self, tile):
        """What the network is shown for a tile."""
        return self.picture[..., tile.wide_rows, tile.wide_columns]

    def places(self, layer, tile, halo=0, window=False):
        """The tile's own positions at a layer: two slices, of the whole layer, or of what comes from the tile's window."""
        slices, stride = [], self.strides[layer]
        for own, wide, length in zip((tile.rows, tile.columns), (tile.wide_rows, tile.wide_columns), self.picture.shape[2:]):
            first = wide.start if window else 0
            last = own.stop == length and layer != "image"                 # at its end, a layer may have one more than px / stride
            slices.append(slice((own.start - first) // stride, None if last else (own.stop - first) // stride + halo))
        return slices

    def acts(self, window, tile):
        """{layer: the tile's own activations [B, C, h, w]}."""
        found = self.features(window, self.layers)
        return {layer: act[(..., *self.places(layer, tile, window=True))] for layer, act in found.items()}

    def measure(self, window, tile):
        """What each term measures in a tile: a list of {name: tensor or number}."""
        acts, found = self.acts(window, tile), []
        for term in self.terms:
            image = window[(..., *self.places("image", tile, getattr(term, "halo", 0), window=True))]
            part = term.crop(*self.places(term.layer, tile)) if hasattr(term, "crop") else term
            found.append(part.measure(acts, image))
        return found

    def sums(self, learns=False):
        """What each term measures in all tiles of all processes; added up in float64, since there may be many."""
        total = 0
        for tile in self.mine or self.tiles[:1]:
            alone = learns and len(self.mine) == 1                         # seen once, an only tile need not be seen again
            window = self.window(tile).clone().requires_grad_(alone)
            with torch.set_grad_enabled(alone):
                found = self.measure(window, tile)
            self.kept = (window, found) if alone else None
            total = total + _flat(found)
        total = total if self.mine else torch.zeros_like(total)            # without a tile of one's own: only to know the shapes
        return _shaped(add_up(total, self.group), found)

    def gradient(self, slopes):
        """The gradient of the picture; slopes: of the loss, one for each tensor among the sums, None where it does not depend on it."""
        gradient = torch.zeros_like(self.picture)
        for tile in self.mine:
            window = self.window(tile).clone().requires_grad_()
            with torch.enable_grad():
                window, found = self.kept or (window, self.measure(window, tile))
            values = [value for one in found for value in one.values() if isinstance(value, torch.Tensor)]
            felt = [(value, slope) for value, slope in zip(values, slopes) if slope is not None and value.requires_grad]
            if felt:
                ends, weights = zip(*felt)
                gradient[..., tile.wide_rows, tile.wide_columns] += torch.autograd.grad(ends, window, weights)[0]
        self.kept = None
        return add_up(gradient, self.group)


def _flat(sums):
    """All numbers of [{name: tensor or number}, …] as one vector."""
    values = [value for one in sums for value in one.values()]
    device = next(value.device for value in values if isinstance(value, torch.Tensor))
    return torch.cat([torch.as_tensor(value, device=device).detach().double().flatten() for value in values])


def _shaped(vector, sums):
    """The way back from `_flat`, to shapes and types as in `sums`."""
    values = [value for one in sums for value in one.values()]
    parts = iter(vector.split([value.numel() if isinstance(value, torch.Tensor) else 1 for value in values]))
    return [{name: part.reshape(value.shape).to(value.dtype) if isinstance(value, torch.Tensor) else type(value)(part.item())
             for (name, value), part in zip(one.items(), parts)} for one in sums]


class _Known(torch.autograd.Function):
    """A loss whose gradient was computed along with it: so it may stand in any larger computation."""

    @staticmethod
    def forward(ctx, image, loss, gradient):
        ctx.save_for_backward(gradient)
        return loss.clone()

    @staticmethod
    def backward(ctx, slope):
        gradient, = ctx.saved_tensors
        return slope * gradient, None, None
