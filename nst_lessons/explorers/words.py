"""Lesson 15: type a description, see what was understood, the study that shows it, and a photograph painted with it."""
import functools

import ipywidgets as widgets
import torch

from ..settings import Settings
from ..stylize import finish, paint
from ..words import measure, style_from_words
from .background import attentive_features
from .canvas import beside, sheet
from .canvas import photo as photo_of
from .captions import ask, checked
from .controls import choice, load_sample, slider
from .working import Working

SIZE, STEPS, LEVELS = 144, 36, 2        # px, evaluations, sizes of a preview
PATIENCE = 4.0                          # s, after which a preview is shown as it is
_LIVE, _SMALL = 300, 128                # px on the screen: what is painted, the study
_PHOTOS = ["cat", "astronaut", "coffee", "rocket", "motorcycle"]
EXAMPLES = ["swirling night sky, thick blue and yellow strokes", "旋转的夜空，粗犷的蓝黄笔触", "Van Gogh style", "梵高风格", "水墨山水", "ukiyo-e, red and gold",
            "autumn mosaic, large", "pink and turquoise dots, radiating", "点彩派的大海", "green and purple shards, slanting", "剪纸", "青花瓷"]


class WordsExplorer(Working):
    """A description and what becomes of a photograph by it; displays itself in a notebook.

    text_distance(code [1, K], codes [N, K]) → [N], the learner's, says how far photograph, study and painting are from the words. Controls are
    attributes: `explorer.text.value = "thick red dots"`. `wait()` returns when the preview is painted.
    """
    patience = 4 * PATIENCE

    def __init__(self, text_distance, text=EXAMPLES[0], photo="cat"):
        super().__init__()
        self.text_distance, self._features, self._painted = text_distance, None, None
        self.text = widgets.Text(text, description="in words", continuous_update=False, placeholder="English or 中文, then Enter",
                                 tooltip="press Enter to paint", style={"description_width": "124px"}, layout={"width": "auto"})
        self.example = choice("or choose", ["…", *EXAMPLES], "…", "puts an example into the field above")
        self.photo = choice("photograph", _PHOTOS, photo)
        self.seed = slider("study number", 0, 0, 9, 1, "the same style, another composition")
        self.seed.continuous_update = False
        self.controls = [self.text, self.example, self.photo, self.seed]
        self.picture = widgets.Image(format="jpeg", layout={"width": "100%", "max_width": f"{_LIVE + 16 + _SMALL}px", "margin": "4px 0"})
        self.widget = widgets.Box([
            widgets.VBox(self.controls, layout={"flex": "1 1 300px", "max_width": "420px", "min_width": "0"}),
            widgets.VBox([self.picture, self.state, self.problem], layout={"flex": "2 1 320px", "max_width": "470px", "min_width": "0"}),
        ], layout={"flex_flow": "row wrap", "grid_gap": "8px 24px", "width": "100%"})
        self.example.observe(self.guarded(self._example), "value")
        for control in (self.text, self.photo, self.seed):
            control.observe(self.guarded(self._turned), "value")
        self.guarded(self._turned)()

    def __repr__(self):
        return f"WordsExplorer(text_distance={getattr(self.text_distance, '__name__', 'function')})"

    @property
    def empty(self):
        """True while nothing was painted."""
        return self._painted is None

    def _example(self, event):
        if event["new"] != "…":
            self.text.value = event["new"]

    def _turned(self, event=None):
        self._background.stop()
        self._asked(torch.rand(1, 5, requires_grad=True), torch.rand(3, 5))                 # a stub is told at once
        target, photo = style_from_words(self.text.value), load_sample(self.photo.value, SIZE)
        self._background.wait(10)
        if self._painted is None:
            self._show(photo, "photograph", target)
        self._begin_preview(self._follow, target, photo, self.seed.value)

    def _asked(self, code, codes):
        """The learner's distances; ValueError, in plain words, when they are no such thing."""
        return checked(ask(self.text_distance, code, codes), [len(codes)])

    def _show(self, picture, title, target, seed=0):
        """The picture, and beside it the study that the words stand for. Titles are in English: fonts for pictures lack Chinese."""
        live = sheet([[(title, photo_of(picture, _LIVE))]])
        self._put(beside(live, sheet([[("study", photo_of(_study(target.recipe, seed), _SMALL))]])))

    def _follow(self, target, photo, seed):
        self._features = self._features or attentive_features(self._background.check)
        settings = Settings(size=SIZE, steps=STEPS, levels=LEVELS)
        painting = paint(photo, _Seeded(target, seed), settings, features=self._features)
        progress = self._followed(painting, functools.partial(self._show, target=target, seed=seed), PATIENCE)
        self._painted = finish(progress.image, photo, settings)
        self._show(self._painted, "painted", target, seed)
        codes = torch.cat([measure(one, self._features) for one in (photo, _study(target.recipe, seed), self._painted)])
        far = self._asked(target.code[None], codes).tolist()
        self.say(f"{target.told()} · distance from the words: photograph {far[0]:.2f}, study {far[1]:.2f}, painted {far[2]:.2f}")


class _Seeded:
    """A target whose study has another composition."""

    def __init__(self, target, seed):
        self.target, self.seed, self.recipe, self.terms = target, seed, target.recipe, target.terms

    def picture(self, size):
        """The study of this seed."""
        return self.target.picture(size, self.seed)


@functools.lru_cache(maxsize=8)
def _study(recipe, seed):
    return torch.from_numpy(recipe.picture(160, seed)).permute(2, 0, 1)[None].contiguous()
