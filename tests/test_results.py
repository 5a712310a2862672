import pytest
import torch

from day37.results import (
    CONFIDENCE,
    Comparison,
    Live,
    Measurement,
    Origin,
    show_origins,
    show_seconds,
    table,
)
from day37.timing import judge

HERE = Live("cpu", "a CPU", "today")


def measurement(samples, name="m", origin=HERE):
    return Measurement(name, tuple(map(float, samples)), origin)


def test_a_measurement_keeps_its_samples_and_knows_its_spread():
    m = measurement([1, 2, 3, 4, 100])
    assert m.median == 3
    assert m.quartiles == (2, 4)
    assert m.iqr == 2
    assert "noisy" in m.warning
    assert measurement([1, 1, 1.01]).warning == ""


def test_quartiles_and_median_of_lopsided_samples():
    m = measurement([9, 1, 2, 4, 30])  # in the order in which they were taken
    assert m.samples == (9, 1, 2, 4, 30)
    assert (m.quartiles, m.median, m.iqr) == ((2, 9), 4, 7)


def test_a_measurement_is_noisy_if_its_iqr_is_over_a_tenth_of_its_median():
    assert measurement([90, 95.1, 100, 104.9, 110]).warning == ""
    assert measurement([90, 94.9, 100, 105.1, 110]).warning != ""
    assert measurement([0, 0, 0, 1, 1]).warning == ""  # no share of nothing


def test_a_measurement_prints_its_median_its_spread_and_its_samples():
    first, second, third = repr(measurement([9, 1, 2, 4, 30], "name")).splitlines()
    assert first == "name: median 4 s, IQR 7 s, 5 samples"
    assert second.strip() == "LIVE, a CPU (cpu)"
    assert third.strip() == "noisy: the IQR is 1.8 times the median"
    assert len(repr(measurement([1, 1, 1.01])).splitlines()) == 2


def test_a_measurement_without_a_sample_is_refused():
    with pytest.raises(ValueError, match=r"samples must be one time or more, but it is \(\)"):
        measurement([])


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [
        (2, "2 s"),
        (1, "1 s"),
        (0.0123, "12.3 ms"),
        (1e-3, "1 ms"),
        (1.2e-4, "120 µs"),
        (1e-6, "1 µs"),
        (5e-8, "50 ns"),
        (0, "0 ns"),
        (-2e-3, "-2 ms"),
    ],
)
def test_seconds_get_a_unit(seconds, shown):
    assert show_seconds(seconds) == shown


def test_a_table_has_its_first_column_to_the_left_and_the_others_to_the_right():
    shown = table(("name", "µs", "share"), [("a", "1,000", "5%"), ("longer", "2", "100%")])
    assert shown.splitlines() == [
        "name       µs  share",
        "a       1,000     5%",
        "longer      2   100%",
    ]


def test_a_table_of_one_column_or_no_rows_is_a_table_and_no_line_ends_in_spaces():
    assert table(("name",), [("a",), ("longer",)]) == "name\na\nlonger"
    assert table(("name", "µs"), []) == "name  µs"
    assert table(("a", ""), [("b", ""), ("c", "word")]) == "a\nb\nc  word"


def test_what_a_file_holds_is_recorded_and_what_is_measured_now_is_live():
    old = Origin("cuda:0", "a GPU", "yesterday")
    assert (str(old), old.recorded) == ("RECORDED, a GPU (cuda:0)", True)
    assert (str(HERE), HERE.recorded) == ("LIVE, a CPU (cpu)", False)
    assert old != Live("cuda:0", "a GPU", "yesterday")


def test_what_else_a_reader_must_know_follows_the_origin():
    noted = Origin("cuda:0", "a GPU", "yesterday", "profiled: the host is slowed; CUDA 13.0")
    assert str(noted) == "RECORDED, a GPU (cuda:0); profiled: the host is slowed; CUDA 13.0"
    assert show_origins(noted, HERE) == f"{noted}; LIVE, a CPU (cpu)"


def test_here_is_the_device_as_a_tensor_spells_it_and_now():
    from datetime import UTC, datetime, timedelta

    here = Live.here(torch.device("cpu", 0))
    assert here.device == str(torch.empty(0, device="cpu:0").device)
    assert Live.here("cpu").device == "cpu"
    assert here.product
    assert type(here) is Live
    age = datetime.now(UTC) - datetime.fromisoformat(here.when)
    assert timedelta(0) <= age < timedelta(minutes=1)


def test_origins_are_shown_once_each_in_their_order():
    there = Origin("cuda:0", "a GPU", "today")
    later = Live("cpu", "a CPU", "tomorrow")
    assert show_origins(HERE) == "LIVE, a CPU (cpu)"
    both = "RECORDED, a GPU (cuda:0); LIVE, a CPU (cpu)"
    assert show_origins(there, HERE, later, there) == both


def lopsided(ratio, low, high):
    return Comparison(measurement([2], "old"), measurement([3], "new"), ratio, low, high)


def test_a_speed_up_is_how_many_times_as_fast_and_its_ends():
    assert lopsided(0.5, 0.25, 0.8).speed_up == (2, 1.25, 4)
    assert lopsided(0.5, 0.0, 0.8).speed_up == (2, 1.25, float("inf"))


@pytest.mark.parametrize(
    ("low", "high", "verdict"),
    [
        (0.2, 0.9, "faster"),
        (1.1, 3, "slower"),
        (0.2, 1.1, "cannot tell"),
        (0.9, 3, "cannot tell"),
        (0.9, 1, "cannot tell"),
        (1, 1.1, "cannot tell"),
    ],
)
def test_a_verdict_needs_the_whole_interval_on_one_side(low, high, verdict):
    assert lopsided(1, low, high).verdict == verdict


def test_a_comparison_prints_both_times_the_ratio_and_its_interval():
    assert CONFIDENCE == 0.99
    shown, where = repr(lopsided(1.5, 1.25, 4)).splitlines()
    assert shown == "new is slower: 3 s against 2 s, ratio 1.500 (99% interval 1.250 to 4.000)"
    assert where.strip() == "LIVE, a CPU (cpu)"
    assert repr(lopsided(0.9, 0.5, 4)).startswith("cannot tell new from old: 3 s against 2 s")
    assert repr(lopsided(0.9, 0.5, 0.95)).startswith("new is faster: 3 s against 2 s")


def test_a_comparison_across_devices_names_both():
    here = measurement([1.0] * 8)
    there = measurement([2.0] * 8, "there", Live("cuda:0", "a GPU", "today"))
    assert "a CPU (cpu); LIVE, a GPU (cuda:0)" in repr(judge(here, there))
    old = measurement([2.0] * 8, "there", Origin("cuda:0", "a GPU", "today"))
    assert "LIVE, a CPU (cpu); RECORDED, a GPU (cuda:0)" in repr(judge(here, old))
