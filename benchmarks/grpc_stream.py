"""flwr's deprecated gRPC stream as a contender: a server process and client processes, nothing recorded."""

from benchmarks.plan import REAL_CLIENTS
from benchmarks.processes import Children, Speaker, cpu_seconds, free_port, peak_bytes, reset_peak
from benchmarks.timing import Timing

CROWD_PROCESSES = 2


class GrpcFederation:
    """A gRPC server and clients that stay connected from one turn to the next."""

    name = "gRPC stream"

    def __init__(self, children: Children, clients: int) -> None:
        self.clients, port = clients, free_port()
        self._server = Speaker(children, f"grpc-server-{clients}", "benchmarks.grpc_server", str(port), str(clients))
        self._server.ask(wait=0)  # it listens by now
        share = 1 if clients <= REAL_CLIENTS else -(-clients // CROWD_PROCESSES)
        counts = [min(share, clients - first) for first in range(0, clients, share)]
        started = [
            children.module(f"grpc-{clients}-{i}", "benchmarks.grpc_client", f"127.0.0.1:{port}", str(count))
            for i, count in enumerate(counts)
        ]
        self._workers = [process.pid for process in started]
        assert self._server.ask(wait=120)["there"], f"{clients} gRPC clients did not come"

    def close(self) -> None:
        """Nothing: its processes end with their block."""

    def work(self, parameters: int, rounds: int) -> Timing:
        """Work so many rounds; a round's time is that from the end of one to the end of the next."""
        server = self._server.process.pid
        idle, theirs = reset_peak(server), cpu_seconds(*self._workers)
        said = self._server.ask(parameters=parameters, rounds=rounds)
        spent = cpu_seconds(*self._workers) - theirs
        return Timing(
            said["rounds_ms"], cpu_ms=said["cpu_ms"], client_cpu_ms=spent / (rounds + 1) * 1000,
            peak_bytes=peak_bytes(server), idle_bytes=idle, committed=rounds + 1,
        )  # fmt: skip
