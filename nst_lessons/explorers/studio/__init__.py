"""The studio: the whole package under a hand. `painter` works, `desk` has the knobs, `masking` says where, `gallery` keeps what was painted."""
from .studio import Studio

__all__ = ["Studio"]
