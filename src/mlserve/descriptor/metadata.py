"""The metadata part of a descriptor: how many instances, how large, how they take requests."""

from __future__ import annotations

from pydantic import Field

from mlserve.descriptor.base import Text, Words
from mlserve.descriptor.release import RollingStrategy
from mlserve.descriptor.units import Amount, Whole


class Rpc(Words):
    """How one instance takes requests."""

    keepalive: Whole = Field(default=60_000, ge=1, le=86_400_000)
    """The longest a request may take, in ms; beyond it 504."""
    max_queue_size: Whole = Field(default=64, ge=1, le=1_000_000)
    """Requests that may wait in one instance; a full queue answers 503. (EAS's default)"""
    max_queue_wait: Whole | None = Field(default=None, ge=1, le=86_400_000)
    """The longest a request may be expected to wait, in ms, before it is refused at once; unset: its deadline."""
    rate_limit: Whole = Field(default=0, ge=0, le=1_000_000)
    """Requests a second for each instance, beyond it 429; 0 is any number. (EAS's default)"""
    worker_threads: Whole = Field(default=5, ge=1, le=1024)
    """Requests one instance works on at a time. (EAS's default)"""
    batching: bool = False
    """Put requests that wait together into one call of the model. (EAS's default)"""
    max_batch_size: Whole = Field(default=16, ge=1, le=65_536)
    """The most rows of such a call. (EAS's default)"""
    max_batch_timeout: Whole = Field(default=50, ge=0, le=60_000)
    """How long the first of them waits for others, in ms. (EAS's default)"""


class Eas(Words):
    """Settings that EAS writes as one dotted key, ``"eas.termination_grace_period"``."""

    termination_grace_period: Amount = Field(default=30.0, ge=0, le=86_400)
    """Seconds an instance may finish its requests before it is stopped. (EAS's default)"""


class Metadata(Words):
    """Size and count of instances, and where they run."""

    name: Text = None
    """The service's name, here or at the top."""
    instance: Whole = Field(default=1, ge=0, le=1000)
    """Number of instances."""
    cpu: Amount | None = Field(default=None, gt=0, le=4096)
    """Cores of one instance; fractions are allowed."""
    memory: Whole | None = Field(default=None, gt=0, le=2**24)
    """Memory of one instance, in MB."""
    gpu: Whole | None = Field(default=None, ge=0, le=64)
    """GPUs of one instance."""
    gpu_memory: Amount | None = Field(default=None, ge=0, le=4096)
    """GB of one GPU."""
    gpu_core_percentage: Whole | None = Field(default=None, ge=0, le=100)
    """Percent of one GPU's cores, for an instance that shares it."""
    allow_cpu: bool = False
    """A service that asks for a GPU runs on the CPU where there is none; else that is a failed start."""
    shm_size: Amount | None = Field(default=None, ge=0, le=4096)
    """GB of shared memory of one instance; those of a local group share the machine's own."""
    resource: str = Field(default="", max_length=256)
    """The resource group to run in; "" is the default one."""
    group: str = Field(default="", pattern=r"^([a-z][a-z0-9_-]{0,62})?$")
    """The service group whose address it answers at, too; the first service that names one makes it."""
    release: bool = False
    """Join the group without a share of its requests, until `mlserve traffic` gives it one: EAS's blue-green."""
    enable_grpc: bool = False
    """The server of ``command`` speaks gRPC (HTTP/2 without TLS) beside HTTP/1.1; the runtime always does."""
    rolling_strategy: RollingStrategy | None = None
    """How many instances may be more or less while a new version takes over."""
    rpc: Rpc = Rpc()
    eas: Eas = Eas()

    @property
    def termination_grace_period(self) -> float:
        """Seconds an instance may finish its requests before it is stopped."""
        return self.eas.termination_grace_period
