"""Lessons 1 to 5: iris, split and scaled, as tensors on a device."""

import math
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from day37.checks import require, whole_number
from day37.device import choose_device

ROWS = 150
TENSORS = ("x_train", "y_train", "x_test", "y_test")


@dataclass(frozen=True)
class IrisSplit:
    """Rows to train on and rows to test on.

    Each `x` is float32 of shape (rows, 4), each `y` is int64 of shape (rows,).
    """

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
        rows = f"{len(self.x_train)} rows to train on, {len(self.x_test)} to test on"
        return f"IrisSplit on {self.device}: {rows}; classes {', '.join(self.class_names)}"


def load_iris(device="cpu", *, test_size: float = 0.2, seed: int = 42) -> IrisSplit:
    """The 150 flowers of scikit-learn, a share of them for the test, as tensors on `device`.

    The features are scaled to 0..1 by the training rows alone: by default 120, and 30 to test on.
    ValueError if `test_size` leaves one of the two empty, or `device` is not on this machine.
    """
    from sklearn import datasets, model_selection, preprocessing

    whole_number("seed", seed, least=0, most=2**32 - 1)
    device = choose_device(device)
    fits = isinstance(test_size, float) and 0 < test_size < 1 and math.ceil(test_size * ROWS) < ROWS
    allowed = f"a share between 0 and 1 that leaves some of the {ROWS} rows on both sides"
    require(fits, "test_size", test_size, allowed)
    iris = datasets.load_iris()
    x_train, x_test, y_train, y_test = model_selection.train_test_split(
        iris.data, iris.target, test_size=test_size, random_state=seed
    )
    scaler = preprocessing.MinMaxScaler().fit(x_train)  # the test rows stay unseen
    split = IrisSplit(
        x_train=torch.tensor(scaler.transform(x_train), dtype=torch.float32),
        y_train=torch.tensor(y_train, dtype=torch.int64),
        x_test=torch.tensor(scaler.transform(x_test), dtype=torch.float32),
        y_test=torch.tensor(y_test, dtype=torch.int64),
        feature_names=tuple(iris.feature_names),
        class_names=tuple(str(name) for name in iris.target_names),
    )
    return split.to(device)
