"""What the pages for people name is there: make's targets, the command's commands and options, files, other pages."""
import re
from pathlib import Path

import pytest

from nst_lessons import cli

ROOT = Path(__file__).resolve().parents[1]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
each_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)


def code(text):
    """The parts of a page that are typed: blocks between ``` or indented by four, and what stands between backticks."""
    fenced = re.findall(r"^```.*?\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    rest = re.sub(r"^```.*?^```", "", text, flags=re.MULTILINE | re.DOTALL)
    return "\n".join([*fenced, *re.findall(r"^    (.*)$", rest, re.MULTILINE), *re.findall(r"`([^`\n]+)`", rest)])


def test_the_reader_of_pages_reads_code():
    assert code("make tea\n\n    make one\n\nor `make two`\n```\nmake three\n```\n").split() == ["make", "three", "make", "one", "make", "two"]


@each_page
def test_the_commands_of_a_page_are_there(page, capsys):
    typed = code(page.read_text())
    targets = re.search(r"^\.PHONY: (.*)$", (ROOT / "Makefile").read_text(), re.MULTILINE)[1].split()
    assert [name for name in re.findall(r"(?:^|\s)make (?:[A-Z]+=\S+ )*([a-z]+)", typed, re.MULTILINE) if name not in targets] == []
    for line in re.findall(r"(?:^|[\s/])nst-lessons ([a-z].*)$", typed, re.MULTILINE):
        with pytest.raises(SystemExit) as asked:
            cli.main([line.split()[0], "--help"])
        help_text = capsys.readouterr().out
        assert asked.value.code == 0, f"nst-lessons has no command {line.split()[0]}"
        assert [option for option in re.findall(r"(?<=\s)--[a-z-]+", line.partition("#")[0]) if option not in help_text] == [], line


@each_page
def test_the_files_of_a_page_are_there(page):
    text = page.read_text()
    linked = [name for pair in re.findall(r"\]\(([^)#\s]+)[^)]*\)|src=\"([^\"]+)\"", text) for name in pair if name and "://" not in name]
    named = re.findall(r"\b((?:tools|deploy|training|benchmarks|tests|nst_lessons|notebooks)/[\w./-]+\.(?:py|md|js|json|service|ipynb))\b", code(text))
    assert [name for name in linked if not (page.parent / name).exists()] == []
    assert [name for name in named if "NAME" not in name and not (ROOT / name).exists()] == []          # NAME: any
