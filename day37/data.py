"""Iris, split and scaled, as tensors on a device."""

import math
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from day37.arguments import require, whole_number
from day37.hardware import choose_device

ROWS = 150

TENSORS = ("x_train", "y_train", "x_test", "y_test")


@dataclass(frozen=True)
class IrisSplit:
    """Rows to train on and rows to test on: `x` float32 of shape (rows, 4), `y` int64 of shape (rows,)."""

    x_train: Tensor
    y_train: Tensor
    x_test: Tensor
    y_test: Tensor
    feature_names: tuple[str, ...]
    class_names: tuple[str, ...]

    @property
    def device(self) -> torch.device:
        """Where the training rows are, read from the tensor."""
        return self.x_train.device

    def to(self, device: str | torch.device) -> "IrisSplit":
        """A split with all four tensors on `device`; this one stays as it is."""
        device = choose_device(device)
        return replace(self, **{name: getattr(self, name).to(device) for name in TENSORS})

    def __repr__(self) -> str:
        sizes = ", ".join(f"{name} {tuple(getattr(self, name).shape)}" for name in TENSORS)
        return f"IrisSplit on {self.device}: {sizes}; classes {', '.join(self.class_names)}"


def load_iris(device: str | torch.device = "cpu", *, test_size: float = 0.2, seed: int = 42) -> IrisSplit:
    """The 150 flowers, `test_size` of them kept for the test; features scaled to 0..1 by the training rows alone.

    By default 120 rows to train on and 30 to test on. ValueError if `test_size` leaves one of the two empty,
    or if `device` is not on this machine.
    Source of the rows: scikit-learn's copy of Fisher's iris data.
    """
    from sklearn.datasets import load_iris as load
    from sklearn.model_selection import train_test_split
    from sklearn.preprocessing import MinMaxScaler

    whole_number("seed", seed, least=0, most=2**32 - 1)
    device = choose_device(device)
    fits = isinstance(test_size, float) and 0 < test_size < 1 and math.ceil(test_size * ROWS) < ROWS
    require(fits, "test_size", test_size, f"a share between 0 and 1 that leaves some of the {ROWS} rows on both sides")
    iris = load()
    x_train, x_test, y_train, y_test = train_test_split(iris.data, iris.target, test_size=test_size, random_state=seed)
    scaler = MinMaxScaler().fit(x_train)  # only the training rows: the test rows stay unseen
    x_train, x_test = (torch.tensor(scaler.transform(x), dtype=torch.float32) for x in (x_train, x_test))
    y_train, y_test = (torch.tensor(y, dtype=torch.int64) for y in (y_train, y_test))
    split = IrisSplit(x_train, y_train, x_test, y_test, tuple(iris.feature_names), tuple(map(str, iris.target_names)))
    return split.to(device)
