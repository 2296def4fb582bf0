"""Convert the published numbers of the catalogue and the survey to `results/reported/*.csv`, with stable ids.

    python scripts/import_reported.py ../shared

It reads `catalogue/reported_*.csv`, `survey/tables.csv` and, for the ANN, `survey/README.md`. Every number is copied as
text. Rows without a number are printed and left out. A repeated id gets a suffix such as `-2`, which depends on the
order of the source rows: append new rows to a source, and never reorder them.
"""

from __future__ import annotations

import argparse
import csv
import re
from pathlib import Path

from snnbench.tables.reported import COLUMNS

DATASETS = {"CIFAR10": "CIFAR-10", "CIFAR100": "CIFAR-100", "sequential CIFAR10": "sequential CIFAR-10",
            "sequential CIFAR100": "sequential CIFAR-100"}  # fmt: skip
SURVEY_NETS = {  # table -> data set, architecture, T (survey/README.md and details.md)
    "cifar10": ("CIFAR-10", "survey CSNN (6 conv)", "4"),
    "sequential_cifar10": ("sequential CIFAR-10", "survey CSNN (6 conv1d)", "32"),
    "shd": ("SHD", "2x256 MLP", ""),
    "gen1_detection": ("Gen1 detection", "DenseNet-121_16 SFOD", "5"),
}
SURVEY_PAPER = {
    "key": "survey",
    "section": "3",
    "title": "脉冲深度学习梯度替代算法研究综述",
    "first_author": "Fang (inferred)",
    "venue": "Chinese Journal of Computers",
    "year": "2025",
}
SURVEY_SOURCE = "survey repo fangwei123456/chinese_snn_surrogate_gradient_review at 2d8a509, spreadsheets; one seed"


def slug(text: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")


def survey_rows(path: Path) -> list[dict[str, str]]:
    rows = []
    for line in csv.DictReader(path.open(encoding="utf-8")):
        dataset, architecture, time_steps = SURVEY_NETS[line["table"]]
        for method, value in list(line.items())[3:]:
            if value:
                rows.append({
                    **SURVEY_PAPER, "id": f"survey/{line['table']}/{method.lower()}/{line['quantity']}",
                    "dataset": dataset, "architecture": architecture, "neuron": method, "T": time_steps,
                    "quantity": line["quantity"], "unit": line["unit"], "value": value, "params_M": "",
                    "source": SURVEY_SOURCE, "verified": "yes", "same_as": "",
                })  # fmt: skip
    return rows


def survey_ann_row(readme: Path) -> dict[str, str]:
    """The row of the survey's ANN. The survey's tables leave it out, but its README (in `survey/`) has the number."""
    dataset, architecture, _ = SURVEY_NETS["cifar10"]
    return {
        **SURVEY_PAPER, "id": "survey/cifar10/ann/top1", "dataset": dataset, "architecture": architecture,
        "neuron": "ANN", "T": "", "quantity": "top1", "unit": "percent",
        "value": re.search(r"ANN itself: ([\d.]+\d)", readme.read_text(encoding="utf-8"))[1], "params_M": "",
        "source": SURVEY_SOURCE, "verified": "yes", "same_as": "",
    }  # fmt: skip


def catalogue_rows(path: Path, taken: dict[str, int], survey: dict[tuple[str, str], str]) -> list[dict[str, str]]:
    rows = []
    for line in csv.DictReader(path.open(encoding="utf-8")):
        dataset = DATASETS.get(line["dataset"], line["dataset"])
        if not line["top1_percent"]:
            print(f"left out (no number): {line['key']} on {dataset}: {line['source']}")
            continue
        parts = [line["key"], slug(dataset), slug(line["architecture"]), f"t{line['T']}" if line["T"] else ""]
        base = "/".join(part for part in parts if part)
        taken[base] = taken.get(base, 0) + 1
        # The catalogue repeats the survey's own runs. Refer to the survey's row, so that tables show it once.
        rerun = "RE-RUN by the survey" in line["source"] or line["title"].startswith("Survey benchmark")
        same_as = survey.get((dataset, f"{float(line['top1_percent']):g}"), "") if rerun else ""
        rows.append({
            **{name: line[name] for name in ("key", "section", "title", "first_author", "venue", "year")},
            "id": base if taken[base] == 1 else f"{base}-{taken[base]}", "dataset": dataset,
            "architecture": line["architecture"], "neuron": line["neuron"], "T": line["T"], "quantity": "top1",
            "unit": "percent", "value": line["top1_percent"], "params_M": line["params_M"], "source": line["source"],
            "verified": line["verified(yes/no)"], "same_as": same_as,
        })  # fmt: skip
    return rows


def write(path: Path, rows: list[dict[str, str]]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    print(f"{path}: {len(rows)} rows, {sum(bool(row['same_as']) for row in rows)} repeat the survey")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("shared", type=Path, help="folder with catalogue/ and survey/")
    parser.add_argument("--out", type=Path, default=Path("results/reported"))
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    survey = survey_rows(arguments.shared / "survey" / "tables.csv")
    survey.append(survey_ann_row(arguments.shared / "survey" / "README.md"))
    write(arguments.out / "survey.csv", survey)
    by_value: dict[tuple[str, str], str] = {}
    for row in survey:
        if row["quantity"] == "top1":
            key = (row["dataset"], f"{float(row['value']):g}")
            by_value[key] = "" if key in by_value else row["id"]  # an ambiguous value identifies no row
    taken: dict[str, int] = {}
    for path in sorted((arguments.shared / "catalogue").glob("reported_*.csv")):
        write(arguments.out / path.name.replace("reported_", "section_"), catalogue_rows(path, taken, by_value))


if __name__ == "__main__":
    main()
