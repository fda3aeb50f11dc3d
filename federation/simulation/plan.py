"""What a host process is told: which virtual clients it holds, on what data, and where the server is."""

from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from federation.run.networks import Dataset

MAX_CLIENTS, MAX_PROCESSES = 10_000, 256


class Plan(BaseModel):
    """The virtual clients of one simulation, or of one of its host processes: ``first`` and the ``count`` from it on.

    ``clients`` is the number of clients in the simulation and of the partitions of the data.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    host: str
    port: int = Field(ge=1, le=65_535)
    prefix: str
    clients: int = Field(ge=1, le=MAX_CLIENTS)
    first: int = Field(0, ge=0)
    count: int = Field(ge=1, le=MAX_CLIENTS)
    identities: Path
    tls: bool = False
    root_certificates: str | None = None
    tls_server_name: str | None = None
    dataset: Dataset | None = None
    data_path: Path | None = None
    app: str | None = None
    node_config: dict[str, Any] = Field(default_factory=dict)
    share_labels: bool = False
    share_logs: bool = False

    def name_of(self, number: int) -> str:
        """Return the name of a client, whose numbers have as many digits as the last one's."""
        return f"{self.prefix}-{number + 1:0{len(str(self.clients))}d}"

    def shares(self, processes: int) -> list["Plan"]:
        """Return the plans of so many host processes, whose sizes differ by at most one."""
        size, more = divmod(self.count, processes)
        counts = [size + (index < more) for index in range(processes)]
        return [
            self.model_copy(update={"first": self.first + sum(counts[:index]), "count": count})
            for index, count in enumerate(counts)
            if count
        ]
