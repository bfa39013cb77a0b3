"""All benchmarks, or those named: `python -m benchmarks [cli] [first_answer] [many_services]`."""

import importlib
import sys

ALL = ("cli", "first_answer", "many_services")

for name in sys.argv[1:] or ALL:
    print(f"\n### {name}\n", flush=True)
    importlib.import_module(f"benchmarks.{name}").main()
