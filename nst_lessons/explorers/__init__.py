"""The explorers: widgets that let a learner turn the knobs. They, and nothing else in the package, need ipywidgets."""
try:
    import anywidget as _anywidget  # noqa: F401: only to say at once what is missing
    import ipywidgets as _ipywidgets  # noqa: F401
except ModuleNotFoundError as error:
    raise ModuleNotFoundError(f'the explorers need {error.name}: pip install "nst_lessons[lab]"', name=error.name) from None

from .any_style import AnyStyleExplorer
from .attention import AttentionExplorer
from .compare import BeforeAfter
from .drawing import side_by_side
from .feature_maps import FeatureMapExplorer
from .film import FilmExplorer
from .gram import GramExplorer
from .layer_lab import LayerLab
from .losses import LossExplorer
from .mixing import MixExplorer
from .networks import NetworkExplorer
from .norms import NormExplorer
from .painting import PaintingExplorer
from .phone import PhoneExplorer
from .pictures import PictureExplorer
from .regions import RegionExplorer
from .scale import ScaleExplorer
from .studio import Studio
from .words import WordsExplorer

__all__ = ["AnyStyleExplorer", "AttentionExplorer", "BeforeAfter", "FeatureMapExplorer", "FilmExplorer", "GramExplorer", "LayerLab", "LossExplorer", "MixExplorer",
           "NetworkExplorer", "NormExplorer", "PaintingExplorer", "PhoneExplorer", "PictureExplorer", "RegionExplorer", "ScaleExplorer", "Studio",
           "WordsExplorer", "side_by_side"]
