"""The table of speed runs: accuracy and seconds over seeds, and no place in the data set's own table."""

from .records_of import record, rows


def test_seeds_of_a_speed_run_and_what_they_took(build):
    name = "speedrun/cifar10"
    out = build(*(
        record(name=name, experiment=name, seed=seed, config_hash=str(seed), acc_last=last, acc_mirrored=last + 0.5,
               epochs=40, epochs_planned=40, epochs_s=seconds, choices={"model": "resnet9", "neuron": "psn"})
        for seed, (last, seconds) in enumerate([(94.1, 101.0), (94.3, 103.0), (93.8, 105.0)])
    ))  # fmt: skip
    (row,) = rows(out / "speedrun.csv")
    assert (row["Model"], row["Neuron"], row["Seeds"], row["Seconds"]) == ("resnet9", "psn", "3", "103.0 ± 2.0")
    assert (row["Last epoch (%)"], row["Lowest seed (%)"]) == ("94.07 ± 0.25", "93.80")
    assert row["Mirrored (%)"] == "94.57 ± 0.25"
    assert "speedrun" not in (out / "cifar10.csv").read_text()
