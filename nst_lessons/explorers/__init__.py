"""The explorers: widgets that let a learner turn the knobs. They, and nothing else in the package, need ipywidgets."""
try:
    import ipywidgets as _ipywidgets  # noqa: F401: only to say at once what is missing
except ModuleNotFoundError as error:
    raise ModuleNotFoundError(f'the explorers need {error.name}: pip install "nst_lessons[lab]"', name=error.name) from None

from .drawing import side_by_side
from .gram import GramExplorer
from .playground import Playground

__all__ = ["GramExplorer", "Playground", "side_by_side"]
