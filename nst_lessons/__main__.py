"""`python -m nst_lessons` is the command line, for when the script is not on the PATH."""
import sys

from .cli import main

sys.exit(main())
