"""Lesson 12: a student for the phone. `blocks` and `network` are what it is, `distill` how it learns, `shipped` the file."""
from .blocks import separable_conv
from .distill import DistillTrainer
from .network import MobileNetwork
from .shipped import load_mobile, load_painter, save_mobile

__all__ = ["DistillTrainer", "MobileNetwork", "load_mobile", "load_painter", "save_mobile", "separable_conv"]
