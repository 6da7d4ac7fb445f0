"""Lesson 09, second half: each place of the photograph gathers what suits it from all places of the painting (Park & Lee 2019)."""
import torch

_LARGEST = 2 ** 24       # weights held at a time, 64 MiB: a large photograph is done some places after the other


def attention_weights(query, key):
    """How much each place looks at each other place: softmax over keys of q · k / √D (Vaswani et al. 2017, eq. 1).

    query: [B, D, H, W]; key: [B, D, H′, W′] → [B, H·W, H′·W′], each row's sum is 1.
    """
    similar = query.flatten(2).transpose(1, 2) @ key.flatten(2)              # [B, H·W, D] · [B, D, H′·W′]
    return (similar / query.shape[1] ** 0.5).softmax(dim=2)


def attend(query, key, value):
    """For every place of `query` the mean of `value`, weighted by how well its place in `key` suits (Park & Lee 2019, eq. 4).

    query: [B, D, H, W]; key: [B, D, H′, W′]; value: [B, C, H′, W′] → [B, C, H, W].
    """
    weights = attention_weights(query, key)                                  # [B, H·W, H′·W′]
    gathered = value.flatten(2) @ weights.transpose(1, 2)                    # [B, C, H′·W′] · [B, H′·W′, H·W]
    return gathered.view(*value.shape[:2], *query.shape[2:])                 # [B, C, H·W] → [B, C, H, W]


def attend_in_parts(query, key, value, largest=_LARGEST):
    """The same numbers as `attend`, in less memory: rows of places one after the other, since no place needs another's weights."""
    columns = query.shape[0] * query.shape[3] * key.shape[2] * key.shape[3]  # weights for one row of places
    rows = query.split(max(1, largest // columns), dim=2)
    return torch.cat([attend(part, key, value) for part in rows], dim=2)
