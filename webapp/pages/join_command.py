"""How a client joins: the address of the Flower server as others see it, and commands to copy."""

from dataclasses import asdict, dataclass

from federation.protocol.addresses import format_address, parse_address
from federation.protocol.join_code import JoinCode
from federation.protocol.tls.certificates import ServerTls
from federation.run.config import RunConfig
from federation.run.networks import OWN_DATA, is_data_name
from webapp.operations.connections.join_codes import ClientSettings
from webapp.problems import Invalid

HTTPS = "https://"
OWN_OPTIONS = "--data FILE --target COLUMN --share-statistics"
UNSPECIFIED = ("0.0.0.0", "::", "")


@dataclass(frozen=True, slots=True)
class Join:
    """The address that clients join at; ``here`` is the name under which the reader reached the dashboard.

    ``needs_code``: the server admits no new client without a join code.
    """

    host: str
    port: int
    here: str
    tls: ServerTls | None = None
    needs_code: bool = False

    @property
    def server(self) -> str:
        """Where the Flower server is, as the client's command line has it."""
        return f"https://{self.address}" if self.tls is not None else self.address

    @property
    def probe(self) -> str:
        """Arguments of curl with which a machine tries whether it reaches the Flower server."""
        return f"-k {self.server}" if self.tls is not None else f"http://{self.server}"

    @property
    def start(self) -> str:
        """The beginning of each command: the server, and by which CA a client knows it."""
        authority = self.tls.authority_sha256 if self.tls is not None else None
        trust = f" --root-certificates sha256:{authority}" if authority is not None else ""
        return f"python -m federation.client --server {self.server}{trust}"

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
        if is_data_name(data):
            holds = f"{OWN_OPTIONS} --data-name {data}"
        else:
            holds = "--app MODULE:APP" if data == OWN_DATA else f"--dataset {data}"
        return f"{self.start} --name my-lab {holds}"

    def checked_server(self, text: str) -> str:
        """Return the address for a join code, the reader's own where the text is empty; raises Invalid."""
        try:
            address = format_address(*parse_address(text.strip().removeprefix(HTTPS) or self.address, self.port))
        except ValueError as error:
            raise Invalid("server", str(error)) from None
        return f"{HTTPS}{address}" if self.tls is not None else address

    def code_for(self, secret: str, settings: ClientSettings, server: str) -> str:
        """Return the join code with a secret, for a client that reaches the Flower server at ``server``."""
        return JoinCode(
            server=server, secret=secret, fingerprint=self.tls.authority_sha256 if self.tls is not None else None,
            **asdict(settings),
        ).encode()  # fmt: skip

    @staticmethod
    def command_with(code: str, *, own_data: bool = False) -> str:
        """Return the command that joins with a code, with data of the client's own or as the code says."""
        return f"python -m federation.client --join {code}{f' {OWN_OPTIONS} --data-name NAME' if own_data else ''}"

    @property
    def demo(self) -> tuple[str, str]:
        """Two commands that try it out on one machine."""
        rest = "--dataset digits --partitions 2 --partition"
        return f"{self.start} --name site-a {rest} 0", f"{self.start} --name site-b {rest} 1"
