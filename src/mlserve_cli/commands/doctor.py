"""Check this machine and its hub; each check passes or says how to fix it."""

from mlserve_cli.checkup import checkup
from mlserve_cli.options import Output
from mlserve_cli.render import Format
from mlserve_cli.verdict import show_checks


def command(output: Output = Format.table) -> None:
    """Check everything; exit 1 where a check failed."""
    show_checks(output, checkup())
