"""Take the README's picture of each lesson out of its solved notebook: docs/lessons/NN.jpg.

python tools/lesson_pictures.py        after `make notebooks`
"""
import base64
import io
import json
from pathlib import Path

from PIL import Image

ROOT = Path(__file__).resolve().parents[1]
# Lesson → which of the notebook's pictures says most about it (counted from 0, explorers included).
CHOSEN = {"01": 1, "02": 5, "03": 5, "04": 3, "05": 0, "06": 5, "07": 1, "08": 0, "09": 0, "10": 0, "11": 4, "12": 0, "13": 5, "14": 0, "15": 5}
WIDTH = 440              # px, twice what is shown


def pictures(notebook):
    """All pictures in the outputs of a notebook's cells, as Pillow images, in order."""
    outputs = [output.get("data", {}) for cell in json.loads(notebook.read_text())["cells"] for output in cell.get("outputs", [])]
    files = [data.get("image/jpeg") or data.get("image/png") for data in outputs]
    return [Image.open(io.BytesIO(base64.b64decode(file))).convert("RGB") for file in files if file]


def main():
    """Writes docs/lessons/NN.jpg for every lesson of which there is a notebook."""
    (ROOT / "docs/lessons").mkdir(exist_ok=True)
    for lesson, number in CHOSEN.items():
        notebook, = (ROOT / "notebooks/solutions").glob(f"{lesson}_*.ipynb")
        picture = pictures(notebook)[number]
        picture.thumbnail((WIDTH, WIDTH), Image.LANCZOS)
        picture.save(ROOT / f"docs/lessons/{lesson}.jpg", quality=88)


if __name__ == "__main__":
    main()
