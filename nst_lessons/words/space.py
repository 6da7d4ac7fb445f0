"""Lesson 15: a style as a short list of numbers, its code: five Gram matrices, seen in a fixed basis.

Each layer's Gram matrix [C, C] is reduced to its share in a subspace of r directions, Uᵀ G U [r, r]; of that the square root is taken, so
that sums and differences of codes make matrices that are Gram matrices again; and all five together are a point in a space of K directions.
"""
import torch

from ..gram import gram_matrix

LAYERS = ("relu1_1", "relu2_1", "relu3_1", "relu4_1", "relu5_1")
SIDE = 160                                    # px, longer side of the pictures whose statistics are meant


def root(table):
    """The square root of symmetric matrices [..., r, r]; what is negative in them, by rounding, counts as zero."""
    values, vectors = torch.linalg.eigh(table)
    return (vectors * values.clamp_min(0).sqrt()[..., None, :]) @ vectors.mT


class StyleSpace(torch.nn.Module):
    """The basis. `ranks`: r of each layer; `size`: K. Its numbers are buffers, made by training/train_words.py."""

    def __init__(self, ranks=(24, 32, 40, 40, 28), channels=(64, 128, 256, 512, 512), size=64):
        super().__init__()
        self.ranks, self.size = tuple(ranks), size
        for layer, r, c in zip(LAYERS, ranks, channels):
            self.register_buffer(f"directions_{layer}", torch.zeros(c, r))
        self.register_buffer("norms", torch.ones(len(LAYERS)))                  # of a layer's matrix, in the mean
        numbers = sum(r * (r + 1) // 2 for r in ranks)
        self.register_buffer("mean", torch.zeros(numbers))
        self.register_buffer("basis", torch.zeros(size, numbers))               # rows are orthonormal
        self.register_buffer("spread", torch.ones(size))                        # what another seed changes, along each row

    def numbers(self, grams):
        """{layer: Gram matrix [B, C, C]} → the roots' upper triangles, one after the other [B, D]; their lengths are Frobenius norms."""
        parts = []
        for k, layer in enumerate(LAYERS):
            directions = getattr(self, f"directions_{layer}").float()
            table = root(directions.T @ grams[layer].float() @ directions) / self.norms[k]
            rows, columns = torch.triu_indices(*table.shape[-2:])
            parts.append(table[..., rows, columns] * torch.where(rows == columns, 1.0, 2**0.5))
        return torch.cat(parts, dim=-1)

    def code(self, grams):
        """{layer: Gram matrix [B, C, C]} → code [B, K], counted in what another seed of the same style changes."""
        return (self.numbers(grams) - self.mean) @ self.basis.float().T / self.spread

    def measure(self, picture, features):
        """A picture's own code [B, K]; picture: [B, 3, H, W], meant to be SIDE px large; features: the network `tiny`."""
        with torch.no_grad():
            return self.code({layer: gram_matrix(act) for layer, act in features(picture, LAYERS).items()})

    def grams(self, code):
        """Back again: code [B, K] → {layer: Gram matrix [B, C, C]}, as near as this space has them."""
        numbers, start, tables = self.mean + (code * self.spread) @ self.basis.float(), 0, {}
        for k, (layer, r) in enumerate(zip(LAYERS, self.ranks)):
            rows, columns = torch.triu_indices(r, r)
            part = numbers[..., start:start + len(rows)] / torch.where(rows == columns, 1.0, 2**0.5) * self.norms[k]
            half = part.new_zeros(*part.shape[:-1], r, r)
            half[..., rows, columns] = part
            half[..., columns, rows] = part
            directions = getattr(self, f"directions_{layer}").float()
            tables[layer] = directions @ (half @ half) @ directions.T
            start += len(rows)
        return tables
