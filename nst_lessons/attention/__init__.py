"""Lesson 09: any style. `adain` and `attend` are two ideas, `network` is what is made of them, `training` how it learns."""
from .adain import adain, moments, normalized
from .attend import attend, attention_weights
from .network import AnyStyle, AttentionStyle
from .shipped import METHODS, load_any, save_any
from .training import AnyTrainer

__all__ = ["METHODS", "AnyStyle", "AnyTrainer", "AttentionStyle", "adain", "attend", "attention_weights", "load_any", "moments",
           "normalized", "save_any"]
