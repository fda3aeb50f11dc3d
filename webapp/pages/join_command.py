"""How a client joins: the address of the Flower server as others see it, and commands to copy."""

from dataclasses import dataclass

from federation.protocol.addresses import format_address
from federation.run.config import RunConfig
from federation.run.networks import OWN_DATA

UNSPECIFIED = ("0.0.0.0", "::", "")


@dataclass(frozen=True, slots=True)
class Join:
    """The address that clients join at; ``here`` is the name under which the reader reached the dashboard."""

    host: str
    port: int
    here: str

    @property
    def address(self) -> str:
        """Host and port for the command line."""
        host = self.here if self.host in UNSPECIFIED else self.host
        return format_address(host, self.port)

    @property
    def command(self) -> str:
        """The command for a machine with data of the default kind."""
        return self.command_for(RunConfig().dataset)

    def command_for(self, data: str) -> str:
        """Return the command for a machine with data of one kind, as ``data_of`` names it."""
        holds = "--app MODULE:APP" if data == OWN_DATA else f"--dataset {data}"
        return f"python -m federation.client --server {self.address} --name my-lab {holds}"

    @property
    def demo(self) -> tuple[str, str]:
        """Two commands that try it out on one machine."""
        start = f"python -m federation.client --server {self.address}"
        rest = "--dataset digits --partitions 2 --partition"
        return f"{start} --name site-a {rest} 0", f"{start} --name site-b {rest} 1"
