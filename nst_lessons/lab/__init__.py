"""The course on a learner's machine: JupyterLab's command line, and notebooks of their own. Its files import nothing, so that
`make course` and the classes' server can load them by path, without torch."""
