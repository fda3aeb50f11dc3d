"""The table of an experiment as a file: CSV with all digits, and LaTeX with those of the page."""

import csv
import io
import unicodedata

from webapp.pages.experiments.results import Configuration, Results
from webapp.sanitizing import csv_cell

_ESCAPED = {
    **{one: f"\\{one}" for one in "&%$#_{}"}, "~": r"\textasciitilde{}", "^": r"\textasciicircum{}",
    "\\": r"\textbackslash{}", "\u202f": "~", "×": r"$\times$", "–": "--", "−": "$-$", "<": "$<$", ">": "$>$",
}  # fmt: skip


def results_csv(results: Results) -> str:
    """Return a line for each configuration: its settings, mean, standard deviation (n - 1), and its runs."""
    text = io.StringIO()
    writer = csv.writer(text)
    name = f"{results.which}_{results.measure.key}"
    writer.writerow([
        "configuration", *(csv_cell(one.path) for one in results.varied), csv_cell(f"{name}_mean"),
        csv_cell(f"{name}_std"), "n", "failed", "runs", "data",
    ])  # fmt: skip
    for one in results.configurations:
        config = one.runs[0].config if one.runs else None
        values = ["" if config is None else _cell(varied.value(config)) for varied in results.varied]
        mean, deviation = one.sample.mean, one.sample.deviation
        writer.writerow([
            one.number, *values, "" if mean is None else repr(mean), "" if deviation is None else repr(deviation),
            one.sample.n, one.failed, len(one.runs), csv_cell(results.basis),
        ])  # fmt: skip
    return text.getvalue()


def _cell(value: object) -> str:
    return "" if value is None else repr(value) if isinstance(value, float) else csv_cell(str(value))


def results_tex(results: Results) -> str:
    """Return the table for LaTeX with booktabs; the best mean is bold, n and failed runs have columns."""
    unit = r", \%" if results.measure.is_share else ""
    head = [*(one.label for one in results.varied)]
    columns = f"r{'l' * len(head)}rrr"
    metric = _escape(f"{results.which.capitalize()} {results.measure.word}")
    titles = [r"\#", *map(_escape, head), f"{metric}{unit}", "$n$", "Failed"]
    best = results.best
    lines = [
        r"% needs \usepackage{booktabs}; mean $\pm$ standard deviation over seeds (n - 1)",
        f"% {_comment(results.experiment.name)}; {_comment(results.basis)}",
        f"\\begin{{tabular}}{{{columns}}}", r"\toprule", " & ".join(titles) + r" \\", r"\midrule",
        *(" & ".join(_row(results, one, is_best=best is one)) + r" \\" for one in results.configurations),
        r"\bottomrule", r"\end{tabular}",
    ]  # fmt: skip
    return "\n".join(lines) + "\n"


def _row(results: Results, one: Configuration, *, is_best: bool) -> list[str]:
    mean, deviation = one.sample.mean, one.sample.deviation
    value = "--" if mean is None else f"${_number(results, mean, bold=is_best)}"
    value += "" if mean is None else "$" if deviation is None else f" \\pm {_number(results, deviation)}$"
    return [str(one.number), *map(_escape, one.settings), value, str(one.sample.n), str(one.failed)]


def _number(results: Results, value: float, *, bold: bool = False) -> str:
    text = f"{value * 100:.2f}" if results.measure.is_share else f"{value:.4g}"
    return f"\\mathbf{{{text}}}" if bold else text


def _escape(text: str) -> str:
    return "".join(map(_character, text))


def _character(one: str) -> str:
    name = unicodedata.name(one, "")
    if one in _ESCAPED:
        return _ESCAPED[one]
    if name.startswith("GREEK SMALL LETTER "):
        return f"$\\{name.rpartition(' ')[2].lower()}$"
    return f"$_{unicodedata.digit(one)}$" if name.startswith("SUBSCRIPT") and one.isdigit() else one


def _comment(text: str) -> str:
    return " ".join(text.split())
