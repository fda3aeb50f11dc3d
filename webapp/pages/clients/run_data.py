"""What clients hold for a run: the partition that the run cuts, which may not be the one that they last prepared."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from federation.learning.partitions import TrainSamples, even_size, train_samples
from federation.run.data_cut import DataCut
from webapp.db.tables import Client

MAX_CUTS = 8
"""A page computes the partitions of a data set for so many numbers of partitions; clients with others report later."""


class Partition(NamedTuple):
    """The partition that a client reports to hold of a data set."""

    dataset: str
    partition: int
    partitions: int


class RunData:
    """The data of clients as one run cuts them; ``config`` is that of the run.

    Without ``drawn`` the seed in the configuration is not the one that the run will have.
    """

    def __init__(self, config: Mapping[str, Any], *, drawn: bool = True) -> None:
        self._cut = DataCut.of(config, drawn=drawn)
        self._computed: set[tuple[str, int]] = set()

    def of(self, client: Client) -> Client:
        """Return a client with the samples and labels that it has in the run, as a row that no table gets.

        They are those that it reported, if it prepared for the same cut or has data that no run cuts; else the computed
        ones, as far as they can be; else it has none. Labels are computed only for a client that shares them.
        """
        cut, partition = self._cut, _partition_of(client)
        if cut is None or partition is None or DataCut.from_json(client.data.get("cut")) == cut:
            return client
        data = {name: value for name, value in client.data.items() if name not in ("samples", "label_counts")}
        if (computed := self._compute(client, partition, cut)) is not None:
            data["samples"] = {"train": computed.samples}
            if computed.label_counts is not None and shares_labels(client):
                data["label_counts"] = list(computed.label_counts)
        keys = (column.key for column in Client.__table__.columns if column.key != "data_schema")
        columns = {key: getattr(client, key) for key in keys}
        return Client(**columns | {"data": data})

    def _compute(self, client: Client, partition: Partition, cut: DataCut) -> TrainSamples | None:
        kind = (partition.dataset, partition.partitions)
        if kind not in self._computed and len(self._computed) >= MAX_CUTS:
            return None
        self._computed.add(kind)
        return train_samples(*partition, cut) if _holds_published_files(client, partition) else None


def shares_labels(client: Client) -> bool | None:
    """Say whether a client shares its labels, by its hello or by what it has ever reported to train on."""
    if client.data.get("label_counts") or client.data.get("shares_labels"):
        return True
    said = isinstance(client.data.get("samples"), dict) or client.data.get("shares_labels") is False
    return False if said else None


def _partition_of(client: Client) -> Partition | None:
    """Return the partition that runs cut for a client; None for a client with an app or data of its own."""
    data = client.data
    match data.get("dataset"), data.get("partition"), data.get("partitions"):
        case str(dataset), int(partition), int(partitions) if not data.get("app"):
            return Partition(dataset, partition, partitions)
    return None


def _holds_published_files(client: Client, partition: Partition) -> bool:
    """Say whether a client's files are as large as the published ones, by what it reported before or after a cut."""
    samples, cut = client.data.get("samples"), DataCut.from_json(client.data.get("cut"))
    if isinstance(samples, int):
        return samples == even_size(*partition)
    computed = train_samples(*partition, cut) if cut is not None else None
    return isinstance(samples, dict) and computed is not None and samples.get("train") == computed.samples


def cut_words(client: Client) -> str:
    """Say how the run cut the data for which a client prepared last: ``Dirichlet α 0.3, seed 7``."""
    cut = DataCut.from_json(client.data.get("cut"))
    if cut is None:
        return ""
    return f"{cut.words}, seed {cut.seed}"
