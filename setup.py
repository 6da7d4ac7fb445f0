"""What pyproject.toml cannot say: the notebooks, which lie beside the package, go into a wheel inside it, for `nst-lessons lab`."""
from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py

NOTEBOOKS = "notebooks"                 # the learners' ones only: solutions/ and source/ stay in the checkout


class WithNotebooks(build_py):
    """build_py, and notebooks/*.ipynb → nst_lessons/notebooks/. An editable install needs none: it finds those of the checkout."""

    def run(self):
        super().run()
        if not self.editable_mode:
            for source, target in self._notebooks().items():
                self.mkpath(str(Path(target).parent))
                self.copy_file(source, target)

    def get_outputs(self, include_bytecode=True):
        return super().get_outputs(include_bytecode) + ([] if self.editable_mode else list(self._notebooks().values()))

    def get_source_files(self):
        return super().get_source_files() + list(self._notebooks())

    def _notebooks(self):
        return {str(path): str(Path(self.build_lib, "nst_lessons", NOTEBOOKS, path.name)) for path in sorted(Path(NOTEBOOKS).glob("*.ipynb"))}


setup(cmdclass={"build_py": WithNotebooks})
