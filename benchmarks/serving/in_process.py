"""What ONNX Runtime alone reaches here: `in_process.py MODEL.onnx MODEL.json CORES SECONDS`, in an environment with it.

Prints JSON: the best rows a second over batches of 1, 4, 16 and 64 rows, on so many threads of one ONNX Runtime thread
each and on one thread with as many of ONNX Runtime's own, and which of these it was.
"""

import json
import sys
import threading
import time
from typing import Any

import numpy as np
import onnxruntime as ort

BATCHES = (1, 4, 16, 64)


def main(path: str, told: dict[str, Any], cores: int, seconds: float) -> None:
    best = (0.0, "")
    share = seconds / (2 * len(BATCHES))
    row = np.array(told["data"], dtype=np.float32).reshape(told["shape"])
    for threads, inner in {(cores, 1), (1, cores)}:
        options = ort.SessionOptions()
        options.intra_op_num_threads, options.inter_op_num_threads = inner, 1
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        session = ort.InferenceSession(path, options, providers=["CPUExecutionProvider"])
        for batch in BATCHES:
            feed = {told["input"]: np.repeat(row, batch, axis=0)}
            session.run(None, feed)
            rate = rows_a_second(session, feed, batch, threads, share)
            best = max(best, (rate, f"{threads} × {inner} threads, {batch} rows"))
    print(json.dumps({"rows": best[0], "how": best[1]}))


def rows_a_second(session: Any, feed: dict[str, Any], batch: int, threads: int, seconds: float) -> float:
    counts = [0] * threads
    begun = time.perf_counter()

    def work(number: int) -> None:
        while time.perf_counter() - begun < seconds:
            session.run(None, feed)
            counts[number] += batch

    workers = [threading.Thread(target=work, args=(number,)) for number in range(threads)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    return sum(counts) / (time.perf_counter() - begun)


if __name__ == "__main__":
    with open(sys.argv[2]) as file:
        main(sys.argv[1], json.load(file), int(sys.argv[3]), float(sys.argv[4]))
