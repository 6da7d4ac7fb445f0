"""Figures of the lessons, with matplotlib: pictures in a row, matrices as colors, curves, tables. Each displays itself."""
import io
import struct

import torch

WIDTH, DPI = 6, 80                       # inches, dots per inch: a notebook stays small
# Okabe & Ito's colors: told apart by color-blind eyes too.
COLORS = ["#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000"]


def _figure(rows, columns, height, **options):
    """A figure of `rows` × `columns` axes, `height` inches a row, and the axes as a flat list."""
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(rows, columns, figsize=(WIDTH, rows * height), dpi=DPI, squeeze=False,
                                layout="constrained", **options)
    return plt, figure, list(axes.flat)


def show(pictures, titles=None, columns=None):
    """Pictures in rows. pictures: a list of [1, 3, H, W] or [3, H, W] in [0, 1] (clamped), or of [H, W], shown in gray from least to most."""
    columns = columns or min(len(pictures), 5)
    rows = -(-len(pictures) // columns)
    shapes = [one.shape[-2] / one.shape[-1] for one in pictures]
    plt, figure, axes = _figure(rows, columns, WIDTH / columns * max(shapes) + (0.3 if titles else 0.05))
    for axis in axes:
        axis.set_axis_off()
    for axis, picture, title in zip(axes, pictures, titles or [""] * len(pictures)):
        picture = picture.detach().cpu().float()
        if picture.ndim == 2:
            axis.imshow(picture.numpy(), cmap="gray")
        else:
            axis.imshow(picture.reshape(picture.shape[-3:]).clamp(0, 1).permute(1, 2, 0).numpy())
        axis.set_title(title, fontsize=9)
    _as_jpeg(plt, figure)


def _as_jpeg(plt, figure):
    plt.close(figure)
    display_jpeg(figure)


def display_jpeg(figure):
    """Displays a figure full of pictures as JPEG: a quarter of the bytes of the PNG that `plt.show()` would leave in the notebook."""
    from IPython.display import Image, display

    file = io.BytesIO()
    figure.savefig(file, format="jpeg", pil_kwargs={"quality": 80, "subsampling": 0})
    display(Image(file.getvalue(), format="jpeg"))


def moving(clips, titles, rate=8, colors=64):
    """Clips side by side, as many frames a second as `rate` says, again and again: an animated PNG, which the notebook holds.

    clips: lists, equally long, of pictures [1, 3, H, W]. All frames share `colors` colors, so that no color flickers of itself.
    """
    from IPython.display import Image, display

    held = animated(clips, titles, rate, colors)
    width, _ = struct.unpack(">2I", held[16:24])                                 # PNG's header begins with them
    display(Image(held, format="png", width=min(2 * width, 560)))                # small pictures are shown larger


def animated(clips, titles, rate=8, colors=64, gap=6, band=16):
    """The bytes of what `moving` displays."""
    from PIL import Image, ImageDraw, ImageFont

    from .images import to_pil

    font, sheets = ImageFont.load_default(11), []
    for row in zip(*clips, strict=True):
        pictures = [to_pil(one) for one in row]
        sheet = Image.new("RGB", (sum(one.width + gap for one in pictures) - gap, max(one.height for one in pictures) + band), "white")
        left = 0
        for picture, title in zip(pictures, titles):
            ImageDraw.Draw(sheet).text((left, 0), title, "#222222", font)
            sheet.paste(picture, (left, band))
            left += picture.width + gap
        sheets.append(sheet)
    all_of_them = Image.new("RGB", (sheets[0].width, sheets[0].height * len(sheets)))
    for number, sheet in enumerate(sheets):
        all_of_them.paste(sheet, (0, number * sheet.height))
    palette, file = all_of_them.quantize(colors, method=Image.Quantize.MEDIANCUT), io.BytesIO()
    first, *more = (sheet.quantize(palette=palette, dither=Image.Dither.NONE) for sheet in sheets)
    first.save(file, "PNG", save_all=True, append_images=more, duration=1000 / rate, loop=0, optimize=True)
    return file.getvalue()


def contact_sheet(pictures, rows, columns=None, dpi=DPI):
    """A figure, not displayed, of pictures [1, 3, H, W] in a grid, each row and column with its name; without `columns` each picture has one.

    pictures: row by row. rows: names of the rows, or, without `columns`, of the pictures, which then stand at most five in a row.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    across = len(columns) if columns else min(len(rows), 5)
    down = -(-len(pictures) // across)
    shape = max(picture.shape[-2] / picture.shape[-1] for picture in pictures)
    side = 0.09 * max(len(line) for name in rows for line in name.split("\n")) if columns else 0.05         # inches for the rows' names
    figure = Figure(figsize=(WIDTH, 0.3 + down * ((WIDTH - side) / across * shape + (0.05 if columns else 0.25))), dpi=dpi, layout="constrained")
    FigureCanvasAgg(figure)
    figure.get_layout_engine().set(w_pad=0.02, h_pad=0.02, wspace=0, hspace=0)
    for number, axis in enumerate(figure.subplots(down, across, squeeze=False).flat):
        axis.set(xticks=[], yticks=[])
        axis.spines[:].set_visible(False)
        if number < len(pictures):
            axis.imshow(pictures[number].detach().cpu().reshape(pictures[number].shape[-3:]).clamp(0, 1).permute(1, 2, 0).numpy())
            if not columns or number < across:
                axis.set_title((columns or rows)[number], fontsize=9)
            if columns and number % across == 0:
                axis.set_ylabel(rows[number // across], fontsize=9, rotation=0, ha="right", va="center")
    return figure


def matrices(tables, titles=None, columns=None, limit=None):
    """Matrices [N, M] as colors, all on one scale (viridis from 0 to `limit`, or blue-white-red around 0 when some entry is negative)."""
    columns = columns or min(len(tables), 4)
    tables = [table.detach().cpu().float() for table in tables]
    signed = any((table < 0).any() for table in tables)
    limit = limit or max(table.abs().max().item() for table in tables)
    plt, figure, axes = _figure(-(-len(tables) // columns), columns, WIDTH / columns + 0.2)
    for axis in axes:
        axis.set_axis_off()
    for axis, table, title in zip(axes, tables, titles or [""] * len(tables)):
        image = axis.imshow(table.numpy(), cmap="RdBu_r" if signed else "viridis", vmin=-limit if signed else 0, vmax=limit)
        axis.set_title(title, fontsize=9)
    figure.colorbar(image, ax=axes, shrink=0.8, pad=0.02)
    plt.show()


def table(values, names, columns=None, digits=2):
    """A table of numbers [N, M] on colors, with the names of its rows (and of its columns, the same unless given)."""
    values = torch.as_tensor(values).detach().cpu().float()
    columns = columns or names
    plt, _, (axis,) = _figure(1, 1, 0.42 * len(names) + 0.9)
    axis.imshow(values.numpy(), cmap="viridis", aspect="auto")
    axis.set_xticks(range(len(columns)), columns, rotation=30, ha="right", fontsize=8)
    axis.set_yticks(range(len(names)), names, fontsize=8)
    middle = (values.min() + values.max()) / 2
    for row, line in enumerate(values):
        for column, value in enumerate(line):
            axis.text(column, row, f"{value:.{digits}f}", ha="center", va="center", fontsize=8,
                      color="white" if value < middle else "black")
    plt.show()


def curves(lines, xlabel="evaluations", ylabel="loss", log=True):
    """Curves with their names at the right end. lines: {name: list of values, or of (x, value)}."""
    from matplotlib import patheffects, ticker

    plt, _, (axis,) = _figure(1, 1, 2.6)
    halo = [patheffects.withStroke(linewidth=3, foreground="white")]             # a name stays legible where another curve passes
    for (name, points), color in zip(lines.items(), COLORS):
        points = [point if isinstance(point, tuple) else (number, point) for number, point in enumerate(points, 1)]
        xs, ys = zip(*points)
        axis.plot(xs, ys, color=color, linewidth=1.8)
        axis.annotate(f" {name}", (xs[-1], ys[-1]), color=color, fontsize=9, va="center", annotation_clip=False,
                      path_effects=halo)
    axis.set(xlabel=xlabel, ylabel=ylabel, yscale="log" if log else "linear")
    if log:                                                                      # 0.05, 0.1, 0.2: not 6 × 10⁻¹
        axis.yaxis.set_minor_locator(ticker.LogLocator(subs=(2, 5)))
        for which in (axis.yaxis.set_major_formatter, axis.yaxis.set_minor_formatter):
            which(lambda value, _: f"{value:g}")
    axis.spines[["top", "right"]].set_visible(False)
    axis.grid(alpha=0.3)
    plt.show()


def landscape(loss, paths, span=(0, 1), labels=("left pixel", "right pixel")):
    """A loss of two numbers seen from above, dark where it is low (× is the bottom), once for each path across it.

    loss: tensor [2] → 0-d. paths: {name: list of (x, y)}; or of tensors [2]; each begins at its ring. span: from where to where both axes go.
    """
    places = torch.linspace(*span, 80)
    heights = torch.stack([torch.stack([loss(torch.stack([x, y])) for x in places]) for y in places]).clamp_min(1e-12).log10()
    plt, _, axes = _figure(1, len(paths), 0.3 + WIDTH / len(paths), sharex=True, sharey=True)
    for axis, (name, points), color in zip(axes, paths.items(), COLORS):
        axis.contourf(places, places, heights, levels=24, cmap="Greys_r", vmin=-8, vmax=2)
        xs, ys = zip(*[(float(x), float(y)) for x, y in points])
        axis.plot(xs, ys, ".-", color=color, linewidth=1.8, markersize=5)
        axis.plot(xs[:1], ys[:1], "o", markersize=9, fillstyle="none", color=color)
        lowest = heights.argmin()
        axis.plot(places[lowest % 80], places[lowest // 80], "x", markersize=8, color="black")
        axis.set(aspect="equal", xlabel=labels[0], ylabel=labels[1] if axis is axes[0] else "", xticks=span, yticks=span)
        axis.set_title(name, fontsize=9)
    plt.show()


def filter_sheet(filters, columns=12):
    """Filters [K, 3, s, s] as one picture [1, 3, h, w], `columns` in a row: gray is 0, each as bright as its own largest value allows."""
    filters = filters.detach().cpu()
    filters = filters / filters.abs().amax(dim=(1, 2, 3), keepdim=True).clamp_min(1e-12) / 2 + 0.5
    filters = torch.nn.functional.pad(torch.nn.functional.interpolate(filters, scale_factor=-(-21 // filters.shape[-1])), (1, 1, 1, 1), value=1.0)
    filled = torch.cat([filters, torch.ones(-len(filters) % columns, *filters.shape[1:])]).unflatten(0, (-1, columns))
    return filled.permute(2, 0, 3, 1, 4).flatten(3, 4).flatten(1, 2)[None]           # [rows, columns, 3, s, s] → [1, 3, rows·s, columns·s]
