"""Lesson 11: moving pictures. `files` and `writing` read and write clips, `flow` and `warp` follow what moves, `temporal` holds it
still, `film` paints frame after frame, `synthetic` moves pictures in a known way, `steady` trains a one-pass network with that."""
from .files import Clip, Frame, VideoError, open_clip
from .film import Followed, clear, film, finished, one_pass, write
from .flow import flow, flow_color
from .synthetic import Motion, crossing, pan, random_motion
from .temporal import TEMPORAL_WEIGHT, TemporalTerm, temporal, warping_error
from .warp import consistent, inside, own_places, smooth, trust, warp
from .writing import write_clip

__all__ = ["TEMPORAL_WEIGHT", "Clip", "Followed", "Frame", "Motion", "TemporalTerm", "VideoError", "clear", "consistent", "crossing", "film",
           "finished", "flow", "flow_color", "inside", "one_pass", "open_clip", "pan", "own_places", "random_motion", "smooth", "temporal", "trust", "warp",
           "warping_error", "write", "write_clip"]
