"""Without a Chromium the tests in a browser say so in one line; where it is required, they fail."""
import os
import re
import subprocess
import sys
from pathlib import Path


def told(tmp_path, **environ):
    """What pytest answers where no Chromium can be found: (its exit status, its output)."""
    kept = {name: value for name, value in os.environ.items() if name != "NST_REQUIRE_BROWSER"}
    done = subprocess.run([sys.executable, "-m", "pytest", "-rs", "-p", "no:cacheprovider", Path(__file__).with_name("test_browser.py")],
                          env={**kept, "PATH": str(tmp_path), **environ}, capture_output=True, text=True, timeout=120)
    return done.returncode, done.stdout


def test_without_chromium_one_line_says_what_was_skipped_and_why(tmp_path):
    status, text = told(tmp_path)
    assert status == 0
    line, = [line for line in text.splitlines() if line.startswith("SKIPPED")]
    assert re.fullmatch(r"SKIPPED \[\d+\] \S+: no Chromium here: sudo apt install chromium .*", line)


def test_where_chromium_is_required_its_absence_is_a_failure(tmp_path):
    status, text = told(tmp_path, NST_REQUIRE_BROWSER="1")
    assert status == 1 and "no Chromium here" in text and "SKIPPED" not in text
