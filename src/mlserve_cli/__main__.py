"""``python -m mlserve_cli`` is ``mlserve``."""

from mlserve_cli.main import run

run()
