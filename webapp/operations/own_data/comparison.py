"""How the own data of connected clients compare: columns by clients, classes, and who does not fit, before any run."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Literal, TypeVar

from pydantic import BaseModel, Field, PrivateAttr

from federation.schema.agreement import Agreement, agree
from federation.schema.columns import AgreedColumn, AgreedSchema, ClientSchema, Column, ColumnKind, Form, TaskKind
from federation.schema.spec import Spec
from webapp.db.tables import Client
from webapp.operations.own_data.held import ByName, Told

T = TypeVar("T")
Fit = Literal["fits", "missing", "other kind"]


class DataName(BaseModel):
    """Own data that connected clients hold under one name."""

    name: str = Field(examples=["wards"])
    clients: int
    rows: int
    form: Form
    target: str


class DataNames(BaseModel):
    """The names of connected clients' own data."""

    items: list[DataName]


class DataClient(BaseModel):
    """A connected client that holds the data. ``misfit``: why it would be refused; null: it fits."""

    id: int
    name: str
    rows: int
    classes: list[str]
    shares_statistics: bool
    misfit: str | None = Field(examples=["column age: holds text such as “unknown”, the run needs numbers"])


class DataCell(BaseModel):
    """One column at one client; ``kind`` is null where the client does not have it."""

    fit: Fit
    kind: ColumnKind | None


class DataColumn(BaseModel):
    """One column: ``used`` if all clients that fit have it. ``cells`` are in the order of the clients."""

    name: str
    kind: ColumnKind
    used: bool
    mean: float | None = Field(description="Over the clients that share statistics; null: none does.")
    deviation: float | None
    cells: list[DataCell]


class DataComparison(BaseModel):
    """The data of one name as the connected clients hold it; ``problem``: why no run can train on it; null: it can."""

    name: str
    form: Form | None
    task: TaskKind | None
    target: str | None
    shape: list[int]
    classes: list[str]
    clients: list[DataClient]
    columns: list[DataColumn]
    problem: str | None
    _agreed: AgreedSchema | None = PrivateAttr(None)

    @property
    def spec(self) -> Spec | None:
        """What a network over these data is built for; None where no run can train on them."""
        return Spec.agreed(self._agreed) if self._agreed is not None else None

    @property
    def rows(self) -> int:
        """The rows of the clients that fit."""
        return sum(client.rows for client in self.clients if client.misfit is None)

    @property
    def sharing(self) -> int:
        """The number of clients that share statistics."""
        return sum(client.shares_statistics for client in self.clients)

    @property
    def used(self) -> int:
        """The number of columns that a run would use."""
        return sum(column.used for column in self.columns)


def data_names(held: ByName) -> DataNames:
    """Return the names with what most of their clients hold."""
    return DataNames(items=[
        DataName(
            name=name, clients=len(clients), rows=sum(client.data["schema"]["rows"] for client in clients),
            form=_most_common(client.data["schema"]["form"] for client in clients),
            target=_most_common(client.data["schema"]["target"] for client in clients),
        )
        for name, clients in held.items()
    ])  # fmt: skip


def compare_data(name: str, clients: Sequence[Client], told: Told) -> DataComparison:
    """Return how the schemas of these clients fit together."""
    known = [client for client in clients if client.id in told]
    agreement = agree({client.id: told[client.id] for client in known})
    reasons = {misfit.client: misfit.reason for misfit in agreement.misfits}
    schema = agreement.schema
    sample = schema or next(iter(told.values()), None)
    compared = DataComparison(
        name=name, form=sample and sample.form, task=sample and sample.task, target=sample and sample.target,
        shape=sample.shape if sample else [], classes=schema.classes if schema else [],
        clients=[
            DataClient(
                id=client.id, name=client.name, rows=one.rows, classes=one.classes,
                shares_statistics=one.shares_statistics, misfit=reasons.get(client.id),
            )
            for client in known for one in [told[client.id]]
        ],
        columns=_columns([told[client.id] for client in known], agreement), problem=agreement.problem or None,
    )  # fmt: skip
    compared._agreed = schema
    return compared


def _columns(told: Sequence[ClientSchema], agreement: Agreement) -> list[DataColumn]:
    """Return all columns that any client has: those that do not fit everywhere first."""
    used = {column.name: column for column in agreement.schema.columns} if agreement.schema else {}
    held = [{column.name: column for column in one.columns} for one in told]
    columns = [_column(name, held, used.get(name)) for name in sorted(set().union(*held))]
    return sorted(columns, key=lambda column: all(cell.fit == "fits" for cell in column.cells))


def _column(name: str, held: Sequence[Mapping[str, Column]], used: AgreedColumn | None) -> DataColumn:
    kinds = [columns[name].kind if name in columns else None for columns in held]
    kind = used.kind if used else _most_common(kind for kind in kinds if kind is not None)
    cells = [DataCell(fit="missing" if k is None else "fits" if k == kind else "other kind", kind=k) for k in kinds]
    told = any(columns[name].summary for columns in held if name in columns)
    return DataColumn(
        name=name, kind=kind, used=used is not None, cells=cells,
        mean=used.mean if used and told else None, deviation=used.deviation if used and told else None,
    )  # fmt: skip


def _most_common(values: Iterable[T]) -> T:
    return Counter(values).most_common(1)[0][0]
