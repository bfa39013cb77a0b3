"""Run one throw-away instance of a descriptor, ask it, and keep its answer and log."""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass
from typing import Any

from mlserve.client.logs import Log
from mlserve.client.sample import sample
from mlserve.client.service import Service
from mlserve.client.waiting import Progress
from mlserve.errors import MlserveError
from mlserve.predictor import Predictor


@dataclass(frozen=True, slots=True)
class Trial:
    """How a trial went. ``generated``: the question was made from what the model says of its inputs."""

    name: str
    question: Any
    answer: Any
    generated: bool
    seconds: float
    log: Log

    def to_dict(self) -> dict[str, Any]:
        """Plain data."""
        lines = [asdict(line) for line in self.log]
        question = f"<{len(self.question)} bytes>" if isinstance(self.question, bytes) else self.question
        answer = f"<{len(self.answer)} bytes>" if isinstance(self.answer, bytes) else self.answer
        return {
            "name": self.name,
            "question": None
            if question is None
            else (question if isinstance(question, dict | list) else str(question)),
            "answer": answer,
            "generated": self.generated,
            "seconds": self.seconds,
            "log": lines,
        }


def try_out(service: Service, data: Any = None, *, timeout: float | None, on_progress: Progress | None) -> Trial:
    """Wait for a throw-away service, ask it, and delete it whatever happens."""
    begin = time.monotonic()
    try:
        service.wait(timeout, on_progress)
        with service.predictor() as predictor:
            question = _question(predictor) if data is None else data
            answer = None if question is None else _ask(service, predictor, question)
        seconds = round(time.monotonic() - begin, 3)
        return Trial(service.name, question, answer, data is None, seconds, service.logs(tail=200))
    finally:
        service.delete(wait=False)


def _ask(service: Service, predictor: Predictor, question: Any) -> Any:
    """The answer; an error takes the log with it, for the instance is gone when the user reads it."""
    try:
        return predictor.predict(question)
    except MlserveError as exc:
        lines = [line.text for line in service.logs(tail=40)]
        exc.details.append({"code": "log", "message": "log of the throw-away instance", "log": lines})
        exc.hint = "its log is above; correct the processor or the question and try again"
        raise


def _question(predictor: Predictor) -> Any:
    description = predictor.describe()
    return sample(description) if description else None
