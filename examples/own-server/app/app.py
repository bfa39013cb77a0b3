"""A web service as one would run it anywhere; mlserve starts it, watches it and puts it behind a token."""

from __future__ import annotations

import json
from pathlib import Path

from fastapi import FastAPI
from pydantic import BaseModel

MODEL = json.loads(Path(__file__).with_name("model.json").read_text())

app = FastAPI(title="Diabetes progression")


class Patient(BaseModel):
    """What is known of a patient."""

    age: float
    sex: int
    bmi: float
    bp: float


@app.get("/")
def about() -> dict[str, object]:
    return {"weights": MODEL["weights"]}


@app.post("/")
def progression(patient: Patient) -> dict[str, float]:
    values = patient.model_dump()
    result = MODEL["intercept"] + sum(weight * values[name] for name, weight in MODEL["weights"].items())
    return {"progression": round(result, 1)}
