"""Lesson 14: no labels. Features from pictures alone, for the question whether painting needs ImageNet.

`patches`: filters learned from the two pictures themselves. `network`: a small network with VGG's layer names. `views`, `training`: how it
was trained on photographs that nobody labeled, without a teacher. The networks `patches` and `selfsup` are known to `Features`.
"""
from ..features import register
from .network import SelfNet, folded, self_builder
from .patches import PatchPyramid, cut_patches, patch_builder, patch_features, ready, spherical_kmeans, without_color, zca
from .training import Learner, SelfRecipe, SelfTrainer, contrast, off_color, save_self
from .views import at_points, jittered, two_views

register("patches", patch_builder)
register("selfsup", self_builder)

__all__ = ["Learner", "PatchPyramid", "SelfNet", "SelfRecipe", "SelfTrainer", "at_points", "contrast", "cut_patches", "folded", "jittered", "off_color",
           "patch_builder", "patch_features", "ready", "save_self", "self_builder", "spherical_kmeans", "two_views", "without_color", "zca"]
