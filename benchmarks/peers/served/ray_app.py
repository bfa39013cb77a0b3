"""Ray Serve around ONNX Runtime: `ray_app.py PORT FOLDER`; ends itself and all of Ray on SIGTERM."""

import signal
import sys

import numpy as np
import ray
from ray import serve


@serve.deployment(num_replicas=1, max_ongoing_requests=100)
class OnnxModel:
    def __init__(self):
        from session import session

        self._session, self._input, self._outputs = session()

    async def __call__(self, request):
        array = np.array((await request.json())["inputs"], dtype=np.float32)
        return {"outputs": self._session.run(self._outputs, {self._input: array})[-1].tolist()}


if __name__ == "__main__":
    ray.init(num_cpus=2, include_dashboard=False, _temp_dir=sys.argv[2], configure_logging=False)
    serve.start(http_options={"host": "127.0.0.1", "port": int(sys.argv[1])})
    serve.run(OnnxModel.bind(), route_prefix="/")
    signal.sigwait({signal.SIGTERM, signal.SIGINT})
    serve.shutdown()
    ray.shutdown()
