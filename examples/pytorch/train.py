"""Train a small network that reads handwritten digits; torch.export writes it as a program with its inputs' shapes."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import torch
from sklearn.datasets import load_digits

HERE = Path(__file__).parent


class Reader(torch.nn.Module):
    """Images of 8 × 8 pixels in, the digit and how sure it is of each out."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = torch.nn.Sequential(
            torch.nn.Flatten(), torch.nn.Linear(64, 32), torch.nn.ReLU(), torch.nn.Linear(32, 10)
        )

    def forward(self, image: torch.Tensor) -> dict[str, torch.Tensor]:
        probabilities = self.layers(image).softmax(1)
        return {"digit": probabilities.argmax(1), "probabilities": probabilities}


def main() -> None:
    torch.manual_seed(0)
    digits = load_digits()
    images, answers = torch.tensor(digits.images / 16, dtype=torch.float32), torch.tensor(digits.target)
    network = Reader()
    optimizer, seen = torch.optim.Adam(network.parameters(), lr=0.01), slice(0, 1500)
    for _ in range(300):
        optimizer.zero_grad()
        torch.nn.functional.cross_entropy(network.layers(images[seen]), answers[seen]).backward()
        optimizer.step()
    right = (network.eval()(images[1500:])["digit"] == answers[1500:]).float().mean()
    print(f"accuracy on images it has not seen: {right:.3f}")
    rows = torch.export.Dim("images")
    program = torch.export.export(network, (images[:2].clone(),), dynamic_shapes=({0: rows},))
    for node in program.graph.nodes:
        node.meta.pop("stack_trace", None)  # it holds this machine's paths
    torch.export.save(program, HERE / "digits.pt2")
    asked = np.round(images[[1600, 1701]].numpy(), 4).tolist()
    (HERE / "request.json").write_text(json.dumps({"image": asked}) + "\n")


if __name__ == "__main__":
    main()
