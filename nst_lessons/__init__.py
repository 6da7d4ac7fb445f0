"""Neural style transfer, lesson by lesson: the package that does the real work of the course."""
from . import features
from .features import Features
from .gram import gram_matrix
from .images import ImageError, load_image, save_image
from .losses import Objective, content_loss, style_error, style_loss, tv_loss
from .optimize import OptimizationError, optimize
from .samples import samples
from .settings import Settings
from .stylize import stylize
from .sweep import sweep

__version__ = "0.1.0"
__all__ = ["Features", "ImageError", "Objective", "OptimizationError", "Settings", "content_loss", "features", "gram_matrix",
           "load_image", "optimize", "samples", "save_image", "style_error", "style_loss", "stylize", "sweep", "tv_loss"]
