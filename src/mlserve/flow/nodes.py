"""The words of a pipeline: nodes, what they take and give, and who feeds whom."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

REQUEST = "request"
"""What a source is called that no step gives: ``request.age``."""
ENSEMBLE = "ensemble"
"""The processor that combines what several steps gave."""


class Port(Protocol):
    """One input or output: a tensor as the runtime declares it, or as a model's file says."""

    @property
    def name(self) -> str: ...
    @property
    def datatype(self) -> str:
        """A word of the Open Inference Protocol, ``""``: not known, or any."""

    @property
    def shape(self) -> tuple[int, ...] | None:
        """-1: any size; None: any shape."""

    @property
    def optional(self) -> bool: ...


@dataclass(frozen=True, slots=True)
class Wire:
    """A port that is nothing else."""

    name: str
    datatype: str = ""
    shape: tuple[int, ...] | None = None
    optional: bool = False


Ports = tuple[Port, ...]
Derive = Callable[[Mapping[str, Port | None]], Ports]
"""Outputs from what feeds the inputs; raises ValueError where that does not go together."""


@dataclass(frozen=True, slots=True)
class Node:
    """One step."""

    name: str
    inputs: Ports | None = None
    """None: not known before it runs."""
    outputs: Ports | Derive | None = None
    takes: Mapping[str, str] = field(default_factory=dict)
    """Its input → ``step.output`` or ``request.name``, as the descriptor has it."""
    gives: Mapping[str, str] = field(default_factory=dict)
    """Name in the answer → its output."""
    open: bool = True
    """Inputs that it does not list are welcome, too."""


@dataclass(frozen=True, slots=True)
class Source:
    """Where an array comes from."""

    step: int
    """-1: the request."""
    name: str | None
    """None: the step's only output, whatever it is called."""


@dataclass(frozen=True, slots=True)
class Mistake:
    """What does not fit, and where: a place below ``pipeline``."""

    place: tuple[str | int, ...]
    message: str


@dataclass(frozen=True, slots=True)
class Flow:
    """A pipeline whose steps are connected."""

    feeds: tuple[Mapping[str, Source] | None, ...]
    """For each step, its inputs; None: everything that came before it."""
    inputs: Ports
    """What a request has to bring."""
    open: bool
    """The first step takes the request as it is."""
    outputs: tuple[tuple[str, Source], ...] | None
    """The answer; None: everything that the last step gives."""
    ports: tuple[Port, ...]
    """What is known of the answer's outputs."""
    mistakes: tuple[Mistake, ...] = ()
