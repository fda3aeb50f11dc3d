"""Which labels a client holds, where it agrees to share them: bars side by side, ticks for all clients together."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from webapp.db.tables import Client
from webapp.formatting import THIN
from webapp.operations.own_data.statistics import ALL, DataStatistics
from webapp.pages.clients.holdings import dataset_of
from webapp.pages.wording import listed

STEP, BAR, HEIGHT = 15, 12, 24
FULL, PEAK, MOST_CLASSES = 0.5, 0.3, 40
_TEN = tuple("0123456789")
NAMES: dict[str, tuple[str, ...]] = {
    "digits": _TEN, "mnist": _TEN,
    "fashion_mnist": ("T-shirt", "trouser", "pullover", "dress", "coat", "sandal", "shirt", "sneaker", "bag", "boot"),
    "cifar10": ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"),
}  # fmt: skip
Totals = Mapping[tuple[str, int], Sequence[int]]


@dataclass(frozen=True, slots=True)
class Bar:
    """One class: where its bar stands, how tall it is, and the height of the tick for all clients."""

    x: int
    y: float
    height: float
    peak: bool
    tick: float
    name: str
    share: float


@dataclass(frozen=True, slots=True)
class Labels:
    """The labels of one client. ``in_two`` is the share of its two largest classes."""

    bars: list[Bar]
    width: int
    in_two: float
    largest: tuple[str, str]
    missing: int

    @property
    def sentence(self) -> str:
        """What the picture shows."""
        most = max(self.bars, key=lambda bar: bar.share)
        return f"largest class {most.name} with {round(most.share * 100)} percent of the samples"

    @property
    def words(self) -> str:
        """How even they are: ``87 % in 2 classes, 3 missing``."""
        return f"{round(self.in_two * 100)}{THIN}% in 2 classes" + (f", {self.missing} missing" if self.missing else "")


def counts_of(client: Client) -> list[int] | None:
    """Return how many training samples a client holds of each class; None where it does not say."""
    counts = client.data.get("label_counts")
    if not isinstance(counts, list) or not 2 <= len(counts) <= MOST_CLASSES:
        return None
    if not all(isinstance(one, int) and one >= 0 for one in counts) or not sum(counts):
        return None
    return counts


def totals_of(clients: Iterable[Client]) -> dict[tuple[str, int], list[int]]:
    """Add up the labels of all clients, by data set and number of classes."""
    totals: dict[tuple[str, int], list[int]] = {}
    for client in clients:
        if counts := counts_of(client):
            known = totals.setdefault(_kind(client, counts), [0] * len(counts))
            for place, count in enumerate(counts):
                known[place] += count
    return totals


def labels_of(client: Client, totals: Totals) -> Labels | None:
    """Draw a client's labels beside those of all; None where it does not share them."""
    counts = counts_of(client)
    if counts is None:
        return None
    return _drawn(counts, totals.get(_kind(client, counts), counts), NAMES.get(str(dataset_of(client)), ()))


def balance_of(statistics: DataStatistics) -> dict[str, Labels]:
    """Draw the classes of each client that tells the rows of all of them, beside those of all clients, by its name."""
    told = next((column.categories for column in statistics.columns if column.is_target and column.categories), [])
    names = list(told[0].counts) if told else []
    rows = {one.client: [one.counts.get(name, 0) or 0 for name in names] for one in told
            if None not in one.counts.values() and one.total}  # fmt: skip
    if not 2 <= len(names) <= MOST_CLASSES:
        return {}
    return {client: _drawn(counts, rows.get(ALL, counts), names, full=1.0) for client, counts in rows.items()}


def _drawn(counts: Sequence[int], whole: Sequence[int], names: Sequence[str], full: float = FULL) -> Labels:
    shares = [count / sum(counts) for count in counts]
    bars = [
        _bar(place, share, whole[place] / sum(whole), names[place] if place < len(names) else str(place), full)
        for place, share in enumerate(shares)
    ]
    first, second, *_ = sorted(bars, key=lambda bar: -bar.share)
    return Labels(bars, STEP * len(bars) + 2, first.share + second.share, (first.name, second.name), counts.count(0))


def _bar(place: int, share: float, of_all: float, name: str, full: float) -> Bar:
    height = round(min(1.0, share / full) * HEIGHT, 1)
    tick = round(HEIGHT + 1 - min(1.0, of_all / full) * HEIGHT, 1)
    return Bar(place * STEP + 1, round(HEIGHT + 1 - height, 1), height, share > PEAK, tick, name, share)


def _kind(client: Client, counts: Sequence[int]) -> tuple[str, int]:
    return str(dataset_of(client)), len(counts)


def class_words(clients: Iterable[Client]) -> str:
    """Name the classes for the line below the list, of the data that is shown."""
    sets = list(dict.fromkeys(str(dataset_of(c)) for c in clients if counts_of(c)))
    if not sets:
        return ""
    words = f": {', '.join(NAMES[sets[0]])}" if len(sets) == 1 and sets[0] in NAMES else f" of {listed(sets)}"
    return f"Labels{words}; a full bar is 50{THIN}%"
