"""Lesson 13: only there. Styles that keep to their regions, and pixels outside of them that nobody touches.

`masks`: regions from a file or a recipe, and the border between painted and untouched. `cutting`: GrabCut from a rectangle.
`clusters`: features that fall into groups without labels. `networks`: torchvision's segmentation and detection, where their weights are.
`guided`: Gram matrices of a region, and the Objective made of them.
"""
from .clusters import feature_clusters, kmeans
from .cutting import grab_cut, tidy
from .guided import GuidedObjective, GuidedTerm, guide, guided_gram, style_error_in
from .masks import as_text, composite, ellipse, feathered, read_mask, read_masks, rectangle, resized
from .networks import detect, segment

__all__ = ["GuidedObjective", "GuidedTerm", "as_text", "composite", "detect", "ellipse", "feature_clusters", "feathered", "grab_cut", "guide",
           "guided_gram", "kmeans", "read_mask", "read_masks", "rectangle", "resized", "segment", "style_error_in", "tidy"]
