import pytest
import torch

from day37 import MLP, load_iris, timing

torch.set_num_threads(1)  # threads that wait for each other make a busy machine crawl


def pytest_collection_modifyitems(config, items):
    """Tests that need a browser are run only where they are asked for: -m browser."""
    if "browser" in config.option.markexpr:
        return
    browser = [item for item in items if item.get_closest_marker("browser")]
    config.hook.pytest_deselected(items=browser)
    items[:] = [item for item in items if not item.get_closest_marker("browser")]


@pytest.fixture
def data():
    return load_iris()


@pytest.fixture
def model():
    torch.manual_seed(42)
    return MLP()


class FakeClock:
    """A clock that moves only when it is told to."""

    def __init__(self):
        self.now = 0.0

    def __call__(self):
        return self.now

    def work(self, seconds):
        """A function that takes this long."""

        def fn(*_):
            self.now += seconds

        return fn


@pytest.fixture
def clock(monkeypatch):
    fake = FakeClock()
    monkeypatch.setattr(timing, "clock", fake)
    return fake
