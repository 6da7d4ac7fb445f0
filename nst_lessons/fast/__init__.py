"""Lesson 08: a network that paints in one pass. `network` is what it is, `training` and `train` how it learns, `shipped` the file."""
from .muon import Muon
from .network import FastNetwork, instance_norm
from .shipped import load_fast, save_fast
from .train import STYLE_SIZE, add_style, learn_style, train_fast
from .training import Trainer

__all__ = ["STYLE_SIZE", "FastNetwork", "Muon", "Trainer", "add_style", "instance_norm", "learn_style", "load_fast", "save_fast",
           "train_fast"]
