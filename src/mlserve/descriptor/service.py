"""A service's descriptor: what runs, with which model, how it is reached."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, WithJsonSchema

from mlserve.descriptor.base import Text, Words
from mlserve.descriptor.environment import EnvVar
from mlserve.descriptor.fallback import Fallback
from mlserve.descriptor.image import Container
from mlserve.descriptor.metadata import Metadata
from mlserve.descriptor.networking import Networking
from mlserve.descriptor.observation import Capture, Explained, Monitor, Tracing
from mlserve.descriptor.pipeline import Step
from mlserve.descriptor.release import Release
from mlserve.descriptor.storage import Storage
from mlserve.descriptor.units import Seconds, Whole

NAME = r"[a-z][a-z0-9_-]{0,62}"


def _unset_enum(value: Any) -> Any:
    return None if value == "" else value


class Descriptor(Words):
    """What a service.json says, read and checked; paths and addresses are as they were written."""

    name: str = Field(pattern=rf"^{NAME}$")
    """The service's name, here or in metadata."""
    label: Text = None
    """What people may call the service; any text."""
    labels: dict[str, str] = Field(default={}, max_length=256)
    """Names and values of your own, kept with the service."""
    token: str = Field(default="", repr=False, max_length=4096, pattern=r"^[\x21-\x7e]*$")
    """What callers send as Authorization; "" lets one be made."""
    generate_token: bool = True
    """A token is made for each service; EAS's samples ask for it with "true"."""
    public: bool = False
    """No token is asked for."""

    processor: Text = None
    """What serves the model: a format (onnx, sklearn, xgboost) or an engine."""
    processor_type: Annotated[
        Literal["python", "cpp", "java"] | None,
        BeforeValidator(_unset_enum),
        WithJsonSchema({"enum": ["python", "cpp", "java", "", None]}),
    ] = None
    """The language of your own processor."""
    processor_path: Text = None
    """Your processor's folder or archive, or the folder a command runs in."""
    processor_entry: Text = None
    """Your processor's file and class: "app.py:Iris"; the class may be left out where the file has one."""
    processor_mainclass: Text = None
    """The main class of a java processor."""
    processor_params: tuple[str, ...] = ()
    """Command-line arguments of an engine such as triton, one per item."""
    processor_envs: tuple[EnvVar, ...] = ()
    """Environment of the processor."""
    require_safe: bool = False
    """Load only model files that can't run code while they are read: a pickle is then refused. Your own code runs."""

    model_path: Text = None
    """The model's file or folder: a path or an address."""
    model_entry: Text = None
    """The file below model_path to load."""
    config: str | dict[str, Any] | None = Field(default=None, alias="model_config")
    """Handed to the processor's load() as an object: text is read as JSON, other text comes under "text"."""
    oss_endpoint: Text = None
    """The endpoint of oss:// and s3:// addresses."""
    warm_up_data_path: Text = None
    """A request that each instance answers before it is ready."""
    pipeline: tuple[Step, ...] = ()
    """Steps instead of one processor: each one's outputs feed the next by name."""
    convert: Literal["auto", "never", "always"] = "auto"
    """Serve the model as ONNX: where both give the same answers (auto), never, or fail where they don't (always)."""

    capture: Capture | None = None
    """Keep a sample of requests and answers."""
    monitor: Monitor | None = None
    """Watch what comes in."""
    explain: Explained = None
    """Answer POST /explain."""
    tracing: Tracing | None = None
    """Send OpenTelemetry spans."""
    access_log: bool = False
    """One line in the log for each request."""

    command: Text = None
    """Your own HTTP server's command line; $PORT and $HOST in it are where it has to listen."""
    port: Whole | None = Field(default=None, ge=1, le=65_535)
    """The port that server listens on."""
    env: tuple[EnvVar, ...] = ()
    """Its environment."""
    containers: tuple[Container, ...] = ()
    """Images to run instead of a processor."""
    docker_auth: Text = Field(default=None, alias="dockerAuth", repr=False)
    """base64 of user:password for a private image."""
    storage: Annotated[tuple[Storage, ...], Field(max_length=256)] = ()
    """Files and folders put into each instance."""

    startup_timeout: Annotated[Seconds, Field(gt=0, le=86_400)] = 600.0
    """How long a start may take: seconds, or "10m"."""
    retry: bool = True
    """A request that an instance did not answer may be sent to another one."""
    calls: Annotated[tuple[Annotated[str, Field(pattern=rf"^({NAME}\*?|\*)$")], ...], Field(max_length=100)] = ()
    """Services and groups that its instances ask, "fraud*" for all that begin so: each gets an address and a token."""
    fallback: Fallback | None = None
    """Who answers where this service does not."""
    release: Release | None = None
    """How the next version takes over."""
    metadata: Metadata = Metadata()
    networking: Networking = Networking()
