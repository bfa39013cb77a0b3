"""Run a hub: `python -m mlserve.hub [--home DIR] [--gateway HOST:PORT] [--listen HOST:PORT]
[--tls-cert FILE --tls-key FILE] [--insecure]`.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import logging
import os
import signal
import sys
from dataclasses import replace

from mlserve.errors import MlserveError
from mlserve.hub.exposure import Exposure
from mlserve.hub.serve import serve
from mlserve.hub.settings import settings


def main() -> int:
    """Serve until stopped; a start that fails prints its error as one JSON line and ends with its exit code."""
    parser = argparse.ArgumentParser(prog="python -m mlserve.hub", description="The control plane of mlserve.")
    parser.add_argument("--home")
    parser.add_argument("--gateway", metavar="HOST:PORT")
    parser.add_argument("--listen", metavar="HOST:PORT", default="")
    parser.add_argument("--tls-cert", metavar="FILE", default="")
    parser.add_argument("--tls-key", metavar="FILE", default="")
    parser.add_argument("--insecure", action="store_true")
    arguments = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s", stream=sys.stderr)
    logging.getLogger("uvicorn.error").setLevel(logging.WARNING)
    told = Exposure(arguments.listen, arguments.tls_cert, arguments.tls_key, arguments.insecure)
    chosen = replace(settings(os.environ, home=arguments.home, gateway=arguments.gateway), exposure=told)
    os.umask(0o077)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)  # a terminal that closes is no reason to go
    try:
        asyncio.run(serve(chosen))
    except MlserveError as exc:
        print(json.dumps({"error": exc.to_dict()}), file=sys.stderr, flush=True)  # noqa: T201 - read by the client
        return exc.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
