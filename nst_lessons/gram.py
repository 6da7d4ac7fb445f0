"""Lesson 03: the Gram matrix, a table of which channels speak together, wherever in the picture they do."""


def gram_matrix(act, normalize="positions"):
    """Gram matrix of one layer's activations (Gatys et al. 2016, eq. 3).

    act: [B, C, H, W] → [B, C, C]. `normalize`: "none" F Fᵀ, "positions" ÷ H·W, "all" ÷ C·H·W.
    Raises ValueError when `act` has not four dimensions, or `normalize` is another word.
    """
    if act.ndim != 4:
        raise ValueError(f"gram_matrix wants activations [B, C, H, W], got a tensor of shape {list(act.shape)}")
    channels, positions = act.shape[1], act.shape[2] * act.shape[3]
    divisors = {"none": 1, "positions": positions, "all": channels * positions}
    if normalize not in divisors:
        raise ValueError(f"normalize={normalize!r} is unknown; choose one of {', '.join(map(repr, divisors))}")
    flat = act.flatten(2)                                   # [B, C, H, W] → [B, C, H·W]
    return flat @ flat.transpose(1, 2) / divisors[normalize]     # [B, C, H·W] · [B, H·W, C] → [B, C, C]
