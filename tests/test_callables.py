from day37 import Adder, Counter, EarlyStopping


def test_a_counter_keeps_its_count():
    counter, other = Counter(), Counter()
    assert [counter(), counter(), counter.count, other.count] == [1, 2, 2, 0]


def test_an_adder_prints_its_line_and_adds(capsys):
    assert Adder()(3, 5) == 8
    assert capsys.readouterr().out == "唱跳篮球rap\n"
    assert Adder("hello")("a", "b") == "ab"
    assert capsys.readouterr().out == "hello\n"


def test_early_stopping_waits_for_its_patience():
    stop = EarlyStopping(patience=2, min_delta=0.1)
    assert [stop(i, loss) for i, loss in enumerate([1.0, 0.8, 0.75, 0.65, 0.6, 0.58])] == [
        False,
        False,
        False,
        False,
        False,
        True,
    ]
    assert stop.best == 0.65
