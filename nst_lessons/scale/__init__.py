"""Lesson 10: faster and larger. Exact tiles, half precision, many processes: the same loss at another price.

`tiles` and `reach`: the exact gradient of a picture that does not fit into memory. `precision`: 16 bits where they do no harm.
`memory`: what is needed, what is there. `processes`: the same sums over torch.distributed.
"""
from .memory import Plan, plan
from .precision import half
from .processes import LostProcess
from .reach import reach
from .tiles import cut, grid, tiled

__all__ = ["LostProcess", "Plan", "cut", "grid", "half", "plan", "reach", "tiled"]
