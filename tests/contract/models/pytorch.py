"""The same small network in every way torch can write one."""

import json
import pathlib

import torch


class Net(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = torch.nn.Linear(4, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.softmax(self.layer(x), 1)


class Two(torch.nn.Module):
    def forward(self, a, b):
        return {"sum": a + b, "product": a * b}


class Writer(torch.nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        torch.save(x, "written")
        return x


torch.manual_seed(0)
torch.jit.script(Writer()).save("writer.pt")
net = Net().eval()
torch.jit.script(net).save("scripted.pt")
torch.jit.trace(net, torch.zeros(2, 4)).save("traced.pth")
rows = {0: torch.export.Dim("batch")}
torch.export.save(torch.export.export(net, (torch.zeros(2, 4),), dynamic_shapes=(rows,)), "model.pt2")
pair = torch.export.export(Two(), (torch.zeros(2, 4),), {"b": torch.ones(2, 4)}, dynamic_shapes={"a": rows, "b": rows})
torch.export.save(pair, "two.pt2")
torch.save(net.state_dict(), "weights.pt")
torch.save(net, "pickled.pt")
torch.save(net.state_dict(), "legacy.pth", _use_new_zipfile_serialization=False)
x = torch.rand(3, 4)
answer = {"request": {"x": x.tolist()}, "expected": {"output": net(x).tolist()}}
pathlib.Path("answer.json").write_text(json.dumps(answer))
