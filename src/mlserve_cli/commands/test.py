"""Run one throw-away instance of a descriptor, ask it, show its answer and log."""

from mlserve import connect
from mlserve_cli.follow import Interrupted, following
from mlserve_cli.options import Changes, Data, DataFile, File, Output, Safe, Timeout, changes, seconds
from mlserve_cli.question import question
from mlserve_cli.render import Format, show
from mlserve_cli.verdict import trial_text


def command(
    file: File,
    set: Changes = None,
    require_safe: Safe = False,
    data: Data = None,
    sample: DataFile = None,
    timeout: Timeout = None,
    output: Output = Format.table,
) -> None:
    """Try a descriptor out."""
    limit = seconds(timeout) if timeout else None
    asked = question(data, sample)
    with following(_interrupted) as progress:
        trial = connect().test(file, asked, set=changes(set, require_safe), timeout=limit, on_progress=progress)
    show(output, trial.to_dict(), lambda: trial_text(trial))


def _interrupted(status: str) -> Interrupted:
    return Interrupted("interrupted: the throw-away instance is being ended", hint="nothing stays behind")
