"""Show what a descriptor would change, what that takes and whether it fits, before anything happens"""

from mlserve import connect
from mlserve_cli import report
from mlserve_cli.follow import uploading
from mlserve_cli.options import Changes, File, Output, Safe, Strategy, changes
from mlserve_cli.planned import plan_text
from mlserve_cli.render import Format, columns, show


def command(
    file: File,
    set: Changes = None,
    require_safe: Safe = False,
    strategy: Strategy = "",
    output: Output = Format.table,
) -> None:
    """Plan a service's next version; nothing is done."""
    with uploading() as on_upload:
        plan = connect().services.plan(file, set=changes(set, require_safe), strategy=strategy, on_upload=on_upload)
    report.warnings(plan.to_dict()["warnings"])
    show(output, plan.to_dict(), lambda: plan_text(plan.to_dict(), columns()))
    plan.require_possible()
