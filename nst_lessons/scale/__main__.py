"""`torchrun --nproc-per-node N -m nst_lessons.scale CONTENT STYLE -o OUT …`: `nst-lessons stylize`, shared among N processes."""
import sys

from ..cli import main

sys.exit(main(["stylize", *sys.argv[1:], "--distributed"]))
