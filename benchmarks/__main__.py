"""All benchmarks, or those named: `python -m benchmarks [cli] [first_answer] [many_services] [containers] [direct] …`.

One alone takes options of its own: `python -m benchmarks peers --only triton --rounds 3`. On request only: `soak`,
`random_bodies`.
"""

import importlib
import signal
import sys
from itertools import takewhile

ALL = ("cli", "first_answer", "many_services", "containers", "storage", "direct", "peers")
WITH_OPTIONS = ("peers", "soak", "random_bodies")

signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # what was started is then ended too
named = list(takewhile(lambda word: not word.startswith("-"), sys.argv[1:]))
names, options = named or list(ALL), sys.argv[1 + len(named) :]
if options and (len(names) != 1 or names[0] not in WITH_OPTIONS):
    raise SystemExit(f"options go with one name of: {', '.join(WITH_OPTIONS)}")
for name in names:
    print(f"\n### {name}\n", flush=True)
    module = importlib.import_module(f"benchmarks.{name}")
    module.main(options) if name in WITH_OPTIONS else module.main()
