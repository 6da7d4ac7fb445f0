"""Lesson 15 with CLIP: a style as a direction from "a photo" to the words (CLIPstyler: Kwon & Ye 2022), by open_clip.

Pictures and texts are points of one space. What shall change is not where the picture is but in which direction it goes: as the text went. The
loss is asked of the whole picture and of random crops of it, tilted a little, so that every part of the picture gets strokes.
"""
import contextlib
import dataclasses
import functools
import logging
import pathlib
import zlib

import torch
from torch.nn import functional as F

from ..losses import RANGE_WEIGHT, ContentTerm, Objective, RangeTerm, TVTerm, Weighted

CROPS, CROP = 12, 0.25                        # how many crops; their side, of the picture's longer side
PATCH, WHOLE = 1.0, 500 / 9000                # weights of the crops' loss and the whole picture's, in the paper's ratio
THRESHOLD = 0.7                               # a crop whose loss is under it has had enough: it counts 0
SOURCE = "a photo"
PROMPTS = ("{}", "a painting of {}", "a picture in the style of {}", "an artwork with {}")
_KNOWN = {"ViT-B-32": "laion2b_s34b_b79k", "RN50": "openai", "ViT-B-16": "laion2b_s34b_b88k"}
_PATIENCE = 5                                 # s, for the hub's first answer


def directional_loss(pictures, photo, text, source):
    """1 − cos(E(picture) − E(photo), E(text) − E(source)): embeddings [B, D], [1, D], [1, D], [1, D] → [B] (StyleGAN-NADA: Gal et al. 2022)."""
    return 1 - torch.cosine_similarity(pictures - photo, text - source, dim=-1)


def patch_loss(losses, threshold=THRESHOLD):
    """The mean of the crops' losses [N], those under the threshold counted as 0 → 0-d (Kwon & Ye 2022, eq. 5)."""
    return torch.where(losses < threshold, torch.zeros_like(losses), losses).mean()


def random_crops(image, count, side, out, generator, tilt=0.25):
    """`count` crops of a picture [1, 3, H, W], `side` px wide, each corner moved by up to `tilt` of that, at out × out px: [count, 3, out, out]."""
    height, width = image.shape[2:]
    draw = lambda *shape: torch.rand(*shape, generator=generator)
    corner = draw(count, 2) * torch.tensor([max(width - side, 0), max(height - side, 0)])                  # (x, y) of the upper left
    square = torch.tensor([[0., 0.], [1., 0.], [0., 1.], [1., 1.]]) * side
    corners = corner[:, None] + square + (draw(count, 4, 2) - 0.5) * 2 * tilt * side                       # [count, 4, 2]
    s = torch.linspace(0, 1, out)
    weights = torch.stack([torch.outer(1 - s, 1 - s), torch.outer(1 - s, s), torch.outer(s, 1 - s), torch.outer(s, s)], -1)       # rows: y
    places = torch.einsum("yxk,nkc->nyxc", weights, corners)                                               # bilinear between the four
    grid = 2 * places / torch.tensor([width, height]) - 1
    return F.grid_sample(image.expand(count, -1, -1, -1), grid.to(image), mode="bilinear", padding_mode="reflection", align_corners=False)


class ClipEncoder:
    """A model of open_clip, frozen, with its tokenizer: `texts([…])` → [N, D], `pictures([N, 3, H, W] in [0, 1])` → [N, D], all of length 1."""

    def __init__(self, model, tokenizer, name="CLIP"):
        self.model, self.tokenizer, self.name = model.eval().requires_grad_(False), tokenizer, name
        side = model.visual.image_size
        self.side = side[0] if isinstance(side, (tuple, list)) else side
        mean = getattr(model.visual, "image_mean", None) or (0.48145466, 0.4578275, 0.40821073)
        deviation = getattr(model.visual, "image_std", None) or (0.26862954, 0.26130258, 0.27577711)
        self.mean, self.deviation = (torch.tensor(one).view(1, 3, 1, 1) for one in (mean, deviation))

    def to(self, device):
        """Moves the model, and returns this."""
        self.model.to(device)
        return self

    def texts(self, texts):
        """Embeddings [N, D] of N texts, each the mean over PROMPTS."""
        with torch.no_grad():
            rows = [F.normalize(self.model.encode_text(self._tokens(text)), dim=-1).mean(0) for text in texts]
        return F.normalize(torch.stack(rows), dim=-1)

    def _tokens(self, text):
        return self.tokenizer([prompt.format(text) for prompt in PROMPTS]).to(next(self.model.parameters()).device)

    def pictures(self, pictures):
        """Embeddings [N, D] of pictures [N, 3, H, W] in [0, 1], squeezed to the model's square; gradients pass."""
        square = F.interpolate(pictures, (self.side, self.side), mode="bicubic", antialias=True, align_corners=False) \
            if pictures.shape[2:] != (self.side, self.side) else pictures
        return F.normalize(self.model.encode_image((square - self.mean.to(square)) / self.deviation.to(square)), dim=-1)


class ClipTerm:
    """CLIPstyler's two losses of a picture: 1 · crops + 500/9000 · whole. It sees the whole picture, so tiles refuse it by name.

    Which crops, the picture itself decides (its bytes seed them): the same picture has the same loss, and a painting can be resumed.
    """
    kind, layer, layers, whole = "style", "clip", (), True

    def __init__(self, encoder, photo, direction, crops=CROPS):
        self.encoder, self.direction, self.crops = encoder, direction, crops
        with torch.no_grad():
            self.photo = encoder.pictures(photo)                                              # [1, D]

    def measure(self, acts, image):
        """The crops' losses [1, N] and the whole picture's [1]. Raises ValueError for more than one picture."""
        if len(image) != 1:
            raise ValueError(f"CLIP's loss is for one picture at a time, got {len(image)}")
        generator = torch.Generator().manual_seed(zlib.crc32(image.detach().cpu().contiguous().numpy().tobytes()))
        side = CROP * max(image.shape[2:])
        crops = random_crops(image, self.crops, side, self.encoder.side, generator)
        text, source = self.direction
        far = lambda pictures: directional_loss(self.encoder.pictures(pictures), self.photo, text, source)
        return {"crops": far(crops)[None], "picture": far(image)}

    def loss(self, sums):
        """The weighted sum of both: [1]."""
        return torch.stack([PATCH * patch_loss(row) for row in sums["crops"]]) + WHOLE * sums["picture"]


class ClipObjective(Objective):
    """alpha · content + beta · CLIP's directional losses + gamma · tv + ½ · range. clip: a ClipTarget."""

    def __init__(self, features, content, clip, alpha=None, beta=None, gamma=None, content_layers=None, scaling="relative"):
        super().__init__(features, content, content, alpha, beta, gamma, content_layers, scaling=scaling)
        self.clip = clip

    @torch.no_grad()
    def make_terms(self, look, study):
        """As in Objective, with CLIP's term in place of Gram matrices."""
        terms = [Weighted(self.alpha, self.content_layers[layer], ContentTerm(layer, act, self.scaling))
                 for layer, act in look(self.content, self.content_layers).items()]
        return [*terms, Weighted(self.beta, 1, self.clip.term(self.content)), Weighted(self.gamma, 1, TVTerm(self.scaling)),
                Weighted(RANGE_WEIGHT, 1, RangeTerm()), *self.extra]


class ClipTarget:
    """A style in words, as a model of open_clip understands them; `stylize(photo, target)` paints with it, by Adam, at one size."""

    def __init__(self, text, encoder):
        self.text, self.encoder = text, encoder
        self.direction = tuple(one[None] for one in encoder.texts([text, SOURCE]))

    def told(self):
        """One line: which encoder ran."""
        return f"words, by open_clip's {self.encoder.name}: directional loss on the picture and {CROPS} crops"

    def term(self, photo):
        """The ClipTerm for a photograph [1, 3, H, W]."""
        self.encoder.to(photo.device)
        return ClipTerm(self.encoder, photo, [one.to(photo.device) for one in self.direction])

    def suited(self, settings, styles=1):
        """The settings as CLIP can paint with them: Adam, since each picture has other crops, and one size. Raises ValueError for what it cannot."""
        refused = {"masks": settings.masks, "tile": settings.tile, "another style beside it": styles > 1,
                   "preserve_color='match'": settings.preserve_color == "match", "init='style'": settings.init == "style"}
        if any(refused.values()):
            raise ValueError(f"CLIP paints the whole picture in one style: leave out {', '.join(name for name, given in refused.items() if given)}")
        return dataclasses.replace(settings, method="adam", levels=1)

    def objective(self, features, content, settings):
        """The ClipObjective for a photograph [1, 3, H, W], with the settings' alpha, beta and gamma."""
        return ClipObjective(features, content, self, settings.alpha, settings.beta, settings.gamma, settings.content_layers, settings.scaling)


def clip_target(text, clip):
    """The ClipTarget for a model's name, a weights file, or "auto": None where no weights are on disk. Raises ValueError, WeightsError."""
    if not isinstance(text, str) or not text.strip():
        raise ValueError("a style in words is a text, like 'thick blue and yellow strokes'")
    if clip == "auto":
        clip = next((name for name in _KNOWN if _on_disk(name)), None)
    return None if clip is None else ClipTarget(text, load_clip(str(clip)))


def _open_clip():
    try:
        import open_clip
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError('a style by CLIP needs open_clip: pip install "nst_lessons[words]"; '
                                  "without clip=… our own encoder does it", name=error.name) from None
    return open_clip


def _on_disk(name, version=None):
    """True where open_clip's weights of this model were downloaded before."""
    try:
        repository, files = _on_hub(name, version or _KNOWN[name])
        from huggingface_hub import try_to_load_from_cache
    except ModuleNotFoundError:
        return False
    return any(isinstance(try_to_load_from_cache(repository, one), str) for one in files)


def _on_hub(name, version):
    """(repository, files that open_clip asks for); no files where the weights come from elsewhere."""
    where = _open_clip().get_pretrained_cfg(name, version).get("hf_hub") or ""               # "owner/model/" or "owner/model/file"
    repository, _, file = where.rpartition("/")
    if not where:
        return repository, []
    return repository, [f"{pathlib.Path(file).stem}.safetensors", file] if file else ["open_clip_model.safetensors", "open_clip_pytorch_model.bin"]


def _knock():
    """Raises OSError soon where the hub of the weights does not answer: huggingface_hub itself would go on for 23 s with each file."""
    from huggingface_hub import constants
    from huggingface_hub.utils import get_session
    try:
        get_session().head(constants.ENDPOINT, timeout=_PATIENCE)            # any answer will do; proxies are those of the download
    except Exception as error:                                               # of requests or httpx, as the hub's version has it
        raise OSError(f"{constants.ENDPOINT} does not answer: {error}") from error


@contextlib.contextmanager
def _quiet():
    """Without what libraries log meanwhile: what matters of it comes as an exception."""
    before = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    try:
        yield
    finally:
        logging.disable(before)


@functools.lru_cache(maxsize=2)
def load_clip(name):
    """The ClipEncoder of a model's name (cache, or download), or of a file MODEL-anything.pt (ViT-B-32.safetensors, ViT-B-32-mine.pt, …).

    Raises WeightsError when the weights cannot be had, and says what works instead.
    """
    from ..loading import WeightsError
    open_clip, path = _open_clip(), pathlib.Path(name).expanduser()
    here = path.suffix in (".pt", ".pth", ".bin", ".safetensors")
    models = open_clip.list_models()
    model = max((one for one in models if path.name.startswith(one)), key=len, default=None) if here else name
    if model not in models:
        raise WeightsError(f"{name!r}: " + ("its name must begin with that of a model of open_clip, like ViT-B-32-mine.pt" if here else
                                            f"open_clip has no such model; {', '.join(_KNOWN)} are usual ones") +
                           "; without clip=… our own encoder does it")
    if here and not path.is_file():
        raise WeightsError(f"no weights file {name!r}; without clip=… our own encoder needs none")
    versions = [_KNOWN[model]] if model in _KNOWN else open_clip.list_pretrained_tags_by_model(model)
    if not here and not versions:
        raise WeightsError(f"open_clip has no weights of {model}; {', '.join(_KNOWN)} are usual ones; without clip=… our own encoder needs none")
    try:
        with _quiet():
            if not here and _on_hub(model, versions[0])[1] and not _on_disk(model, versions[0]):
                _knock()
            network = open_clip.create_model(model, pretrained=str(path) if here else versions[0])
    except Exception as error:                                     # what download and reading raise: HTTP, OS, RuntimeError, pickle, …
        first = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise WeightsError(f"the weights of {model} cannot be had ({first}); without clip=… our own encoder needs none") from error
    return ClipEncoder(network, open_clip.get_tokenizer(model), model + (f" from {path.name}" if here else ""))
