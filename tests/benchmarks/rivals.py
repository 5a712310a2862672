"""The same training outside the library: by hand, NumPy, scikit-learn, skorch and JAX."""

import importlib
import warnings
from collections.abc import Callable
from functools import partial

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import one_hot

from day37 import MLP, Stopwatch
from day37.data import IrisSplit
from day37.faster.trial import Way
from day37.faster.ways import Run


def hand_written(model: nn.Module, data: IrisSplit, epochs: int, lr: float) -> Run:
    """Lesson 1's loop."""

    def run() -> Tensor:
        loss_fn = nn.CrossEntropyLoss()
        optimizer = torch.optim.SGD(model.parameters(), lr=lr)
        losses = []
        for _ in range(epochs):
            loss = loss_fn(model(data.x_train), data.y_train)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            losses.append(loss.item())  # synchronisation point
        return torch.tensor(losses)

    return run


def _weights(model: MLP) -> list[np.ndarray]:
    """Copies on the host: fc1.weight, fc1.bias, fc2.weight, fc2.bias."""
    return [p.detach().cpu().numpy().copy() for p in model.parameters()]


@torch.no_grad()
def _give_back(model: MLP, *trained) -> None:
    """Put the trained weights, in the order of `_weights`, into the model."""
    for parameter, weights in zip(model.parameters(), trained, strict=True):
        parameter.copy_(torch.tensor(np.asarray(weights)))


def _rows(data: IrisSplit) -> tuple[np.ndarray, np.ndarray]:
    """The training rows, and ones and zeros for their classes, on the host."""
    truth = one_hot(data.y_train, len(data.class_names)).float()
    return data.x_train.cpu().numpy(), truth.cpu().numpy()


def numpy_loop(model: MLP, data: IrisSplit, epochs: int, lr: float) -> Run:
    """Gradients written out by hand, float32, on the host."""
    x, truth = _rows(data)

    def step(w1: np.ndarray, b1: np.ndarray, w2: np.ndarray, b2: np.ndarray) -> float:
        h = np.maximum(x @ w1.T + b1, 0)
        z = h @ w2.T + b2
        z -= z.max(1, keepdims=True)
        e = np.exp(z)
        s = e.sum(1, keepdims=True)
        loss = (np.log(s).sum() - np.vdot(truth, z)) / len(x)
        dz = (e / s - truth) / len(x)
        dh = (dz @ w2) * (h > 0)
        w2 -= lr * (dz.T @ h)
        b2 -= lr * dz.sum(0)
        w1 -= lr * (dh.T @ x)
        b1 -= lr * dh.sum(0)
        return loss

    def run() -> Tensor:
        weights = _weights(model)
        losses = [step(*weights) for _ in range(epochs)]
        _give_back(model, *weights)
        return torch.tensor(losses, dtype=torch.float32)

    return run


def numpy_rows_innermost(model: MLP, data: IrisSplit, epochs: int, lr: float) -> Run:
    """The same with a column for each row, and each bias as one more column of its weights."""
    x, truth = (np.ascontiguousarray(each.T) for each in _rows(data))
    n = x.shape[1]
    x = np.vstack([x, np.ones((1, n), np.float32)])
    h = np.ones((model.fc1.out_features + 1, n), np.float32)  # the last row stays 1

    def step(w1: np.ndarray, w2: np.ndarray) -> float:
        np.maximum(w1 @ x, 0, out=h[:-1])
        z = w2 @ h
        z -= z.max(0)
        e = np.exp(z)
        s = e.sum(0)
        loss = (np.log(s).sum() - np.vdot(truth, z)) / n
        dz = (e / s - truth) / n
        dh = (w2[:, :-1].T @ dz) * (h[:-1] > 0)
        w2 -= lr * (dz @ h.T)
        w1 -= lr * (dh @ x.T)
        return loss

    def run() -> Tensor:
        w1, b1, w2, b2 = _weights(model)
        first = np.column_stack([w1, b1])
        second = np.column_stack([w2, b2])
        losses = [step(first, second) for _ in range(epochs)]
        _give_back(model, first[:, :-1], first[:, -1], second[:, :-1], second[:, -1])
        return torch.tensor(losses, dtype=torch.float32)

    return run


def scikit_learn(model: MLP, data: IrisSplit, epochs: int, lr: float) -> Run:
    """MLPClassifier, on the host. `fit` from given weights: quicker than partial_fit each epoch."""
    from sklearn.neural_network import MLPClassifier

    x, _ = _rows(data)
    y = data.y_train.cpu().numpy()
    sgd = {"solver": "sgd", "learning_rate_init": lr, "momentum": 0, "alpha": 0}
    full_batch = {"batch_size": len(x), "shuffle": False}
    never_stop = {"tol": 0, "n_iter_no_change": np.inf, "max_iter": epochs}
    options = sgd | full_batch | never_stop
    net = MLPClassifier((model.fc1.out_features,), warm_start=True, **options)
    net.partial_fit(x, y, classes=np.unique(y))  # only so that it has weights to be replaced

    def run() -> Tensor:
        w1, b1, w2, b2 = _weights(model)
        net.coefs_ = [w1.T.copy(), w2.T.copy()]
        net.intercepts_ = [b1, b2]
        net.loss_curve_ = []
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # that all the epochs were run
            net.fit(x, y)
        _give_back(model, net.coefs_[0].T, b1, net.coefs_[1].T, b2)
        return torch.tensor(net.loss_curve_)

    return run


def skorch_net(model: MLP, data: IrisSplit, epochs: int, lr: float) -> Run:
    """NeuralNetClassifier around the model itself, with nothing that it could do without."""
    from skorch import NeuralNetClassifier
    from skorch.history import History

    full_batch = {"batch_size": -1, "iterator_train__shuffle": False, "train_split": None}
    quiet = {"callbacks": "disable", "verbose": 0}
    sgd = {"optimizer": torch.optim.SGD, "lr": lr, "max_epochs": epochs}
    options = full_batch | quiet | sgd | {"device": str(data.device)}
    net = NeuralNetClassifier(model, criterion=nn.CrossEntropyLoss, **options).initialize()

    def run() -> Tensor:
        net.history_ = History()
        net.partial_fit(data.x_train, data.y_train)
        return torch.tensor([epoch["batches"][0]["train_loss"] for epoch in net.history_])

    return run


def jax_scan(model: MLP, data: IrisSplit, epochs: int, lr: float, *, innermost=False) -> Run:
    """All epochs as one compiled lax.scan, on JAX's own first device.

    `innermost`: with a column for each row, as in `numpy_rows_innermost`.
    """
    import jax

    x, truth = (jax.numpy.array(each.T if innermost else each) for each in _rows(data))
    relu = jax.nn.relu

    def loss_of(weights: list) -> jax.Array:
        w1, b1, w2, b2 = weights
        if innermost:
            scores = w2 @ relu(w1 @ x + b1[:, None]) + b2[:, None]
        else:
            scores = relu(x @ w1.T + b1) @ w2.T + b2
        logs = jax.nn.log_softmax(scores, axis=0 if innermost else 1)
        return -(logs * truth).sum() / len(data.y_train)

    def step(weights: list, _: None) -> tuple[list, jax.Array]:
        loss, gradients = jax.value_and_grad(loss_of)(weights)
        return [w - lr * g for w, g in zip(weights, gradients, strict=True)], loss

    train = jax.jit(lambda weights: jax.lax.scan(step, weights, length=epochs, unroll=5))

    def run() -> Tensor:
        weights, losses = jax.block_until_ready(train(_weights(model)))
        _give_back(model, *weights)
        return torch.tensor(np.asarray(losses))

    return run


def _needs(package: str) -> Callable[..., tuple[str, float]]:
    """A way's need: that `package`, of the bench extra, is there; and the seconds of its import."""

    def obstacle(*_) -> tuple[str, float]:
        try:
            with Stopwatch() as watch:
                importlib.import_module(package)
        except ImportError:
            return "not installed: pip install -e '.[bench]'", 0.0
        return "", watch.seconds

    return obstacle


jax_rows_innermost = partial(jax_scan, innermost=True)
HAND_WRITTEN = Way("hand-written loop", "", "", hand_written)
RIVALS = (
    Way("NumPy", "", "", numpy_loop),
    Way("NumPy, rows innermost", "", "", numpy_rows_innermost),
    Way("scikit-learn", "", "", scikit_learn),
    Way("skorch", "", "", skorch_net, _needs("skorch")),
    Way("JAX", "", "", jax_scan, _needs("jax")),
    Way("JAX, rows innermost", "", "", jax_rows_innermost, _needs("jax")),
)
