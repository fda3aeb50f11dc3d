"""What a host process is told: which virtual clients it holds, on what data, and where the server is."""

from pathlib import Path
from typing import Annotated, Any, NamedTuple

from pydantic import BaseModel, ConfigDict, Field

from federation.client.options.own_data import OwnDataOptions
from federation.run.networks import Dataset

MAX_CLIENTS, MAX_PROCESSES = 10_000, 256
STATES = "states"
"""The folder for ``Plan.states`` beside the secret of the clients' keys."""
MAX_PLAN_BYTES = 4 * 2**20
"""Of a plan as text; that of MAX_CLIENTS clients has a twentieth of it."""


class Member(NamedTuple):
    """A virtual client: its number, which is in its name and counts from 1, and its partition."""

    number: Annotated[int, Field(ge=1, le=MAX_CLIENTS)]
    partition: Annotated[int, Field(ge=0, lt=MAX_CLIENTS)]


class GpuShare(NamedTuple):
    """The GPU of a process, as CUDA_VISIBLE_DEVICES names it, and the memory that TensorFlow may take, in MiB."""

    device: Annotated[str, Field(pattern=r"^[\w/-]{1,100}$")]
    memory_mb: Annotated[int, Field(ge=1)]


class Plan(BaseModel):
    """The virtual clients of one simulation, or of one of its host processes.

    ``partitions`` is the number of partitions of the data. ``secret`` makes the clients' keys: a plan goes to its
    process through a pipe, not on a command line. ``states`` is the folder in which clients keep their personal layers.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    host: str
    port: int = Field(ge=1, le=65_535)
    prefix: str
    digits: int = Field(ge=1, le=len(str(MAX_CLIENTS)))
    members: tuple[Member, ...] = Field(min_length=1, max_length=MAX_CLIENTS)
    partitions: int = Field(ge=1, le=MAX_CLIENTS)
    secret: str = Field(pattern=r"^[0-9a-f]{64}$", repr=False)
    tls: bool = False
    root_certificates: str | None = None
    tls_server_name: str | None = None
    dataset: Dataset | None = None
    data_path: Path | None = None
    own_data: OwnDataOptions | None = None
    app: str | None = None
    node_config: dict[str, Any] = Field(default_factory=dict)
    share_labels: bool = False
    share_logs: bool = False
    gpu: GpuShare | None = None
    states: Path | None = None

    @property
    def trains_keras(self) -> bool:
        """Whether the clients train the networks of Meadow."""
        return self.app is None and self.dataset != "synthetic"

    def name_of(self, number: int) -> str:
        """Return the name of a client, whose number has at least ``digits`` digits."""
        return f"{self.prefix}-{number:0{self.digits}d}"

    @property
    def title(self) -> str:
        """The names of the clients, the first and the last where there are several."""
        first, last = (self.name_of(self.members[place].number) for place in (0, -1))
        return first if first == last else f"{first} to {last}"

    def shares(self, processes: int) -> list["Plan"]:
        """Return the plans of at most so many host processes, whose sizes differ by at most one."""
        size, more = divmod(len(self.members), processes)
        plans, first = [], 0
        for index in range(min(processes, len(self.members))):
            last = first + size + (index < more)
            plans.append(self.model_copy(update={"members": self.members[first:last]}))
            first = last
        return plans

    def without(self, numbers: set[int]) -> "Plan | None":
        """Return the plan without some clients; None where no client is left."""
        left = tuple(member for member in self.members if member.number not in numbers)
        return self.model_copy(update={"members": left}) if left else None
