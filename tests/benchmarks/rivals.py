"""The same training outside the library, each as a way: by hand, in NumPy, scikit-learn, skorch and JAX."""

import importlib
import warnings
from collections.abc import Callable

import numpy as np
import torch
from torch import nn
from torch.nn.functional import one_hot

from day37 import MLP, IrisSplit
from day37.speedups import Way
from day37.ways import Run, pack_data, pack_weights, unpack_weights


def hand_written(model: nn.Module, data: IrisSplit, epochs: int, lr: float) -> Run:
    """Lesson 1's loop."""

    def run() -> torch.Tensor:
        loss_fn, losses = nn.CrossEntropyLoss(), []
        optimizer = torch.optim.SGD(model.parameters(), lr=lr)
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
def _give_back(model: MLP, weights: list) -> None:
    """Put the trained weights, in the order of `_weights`, into the model."""
    for parameter, trained in zip(model.parameters(), weights, strict=True):
        parameter.copy_(torch.tensor(np.asarray(trained)))


def _rows(data: IrisSplit) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """x, y and y as ones and zeros, on the host."""
    truth = one_hot(data.y_train, len(data.class_names)).float()
    return data.x_train.cpu().numpy(), data.y_train.cpu().numpy(), truth.cpu().numpy()


def numpy_loop(model: MLP, data: IrisSplit, epochs: int, lr: float) -> Run:
    """Gradients written out by hand, float32, on the host."""
    x, _, truth = _rows(data)

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

    def run() -> torch.Tensor:
        weights = _weights(model)
        losses = torch.tensor([step(*weights) for _ in range(epochs)], dtype=torch.float32)
        _give_back(model, weights)
        return losses

    return run


def numpy_rows_innermost(model: MLP, data: IrisSplit, epochs: int, lr: float) -> Run:
    """The same in the layout of `compiled_loop`: NumPy too goes faster along the rows. On the host."""
    n, features = data.x_train.shape
    x, truth, _ = (
        packed.cpu().numpy() for packed in pack_data(data, n, features + 1, len(data.class_names))
    )

    def step(w1: np.ndarray, w2: np.ndarray) -> float:
        h = np.maximum(w1 @ x, 0)
        z = w2 @ h
        z -= z.max(0)
        e = np.exp(z)
        s = e.sum(0)
        loss = (np.log(s).sum() - np.vdot(truth, z)) / n
        dz = (e / s - truth) / n
        dh = (w2[:, :-1].T @ dz) * (h[:-1] > 0)  # without the unit that is always 1
        w2 -= lr * (dz @ h.T)
        w1[:-1] -= lr * (dh @ x.T)
        return loss

    def run() -> torch.Tensor:
        weights = [packed.cpu().numpy() for packed in pack_weights(model)]
        losses = torch.tensor([step(*weights) for _ in range(epochs)], dtype=torch.float32)
        model.load_state_dict(unpack_weights(model, *map(torch.from_numpy, weights)))
        return losses

    return run


def scikit_learn(model: MLP, data: IrisSplit, epochs: int, lr: float) -> Run:
    """MLPClassifier, on the host. `fit` from the weights it has: quicker than a call of partial_fit for each epoch."""
    from sklearn.neural_network import MLPClassifier

    x, y, _ = _rows(data)
    sgd = {
        "solver": "sgd",
        "learning_rate_init": lr,
        "momentum": 0,
        "alpha": 0,
        "batch_size": len(x),
        "shuffle": False,
    }
    never_stop = {"tol": 0, "n_iter_no_change": np.inf, "max_iter": epochs}
    net = MLPClassifier((model.fc1.out_features,), warm_start=True, **sgd, **never_stop)
    net.partial_fit(x, y, classes=np.unique(y))  # only so that it has weights to be replaced

    def run() -> torch.Tensor:
        w1, b1, w2, b2 = _weights(model)
        net.coefs_, net.intercepts_, net.loss_curve_ = [w1.T.copy(), w2.T.copy()], [b1, b2], []
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # that all the epochs were run
            net.fit(x, y)
        (w1, w2), (b1, b2) = net.coefs_, net.intercepts_
        _give_back(model, [w1.T, b1, w2.T, b2])
        return torch.tensor(net.loss_curve_)

    return run


def skorch_net(model: MLP, data: IrisSplit, epochs: int, lr: float) -> Run:
    """NeuralNetClassifier around the model itself, with nothing that it could do without."""
    from skorch import NeuralNetClassifier
    from skorch.history import History

    options = {
        "batch_size": -1,
        "iterator_train__shuffle": False,
        "train_split": None,
        "callbacks": "disable",
        "verbose": 0,
    }
    sgd = {"optimizer": torch.optim.SGD, "lr": lr, "max_epochs": epochs}
    net = NeuralNetClassifier(
        model, criterion=nn.CrossEntropyLoss, device=str(data.device), **sgd, **options
    ).initialize()

    def run() -> torch.Tensor:
        net.history_ = History()
        net.partial_fit(data.x_train, data.y_train)
        return torch.tensor([epoch["batches"][0]["train_loss"] for epoch in net.history_])

    return run


def jax_scan(model: MLP, data: IrisSplit, epochs: int, lr: float) -> Run:
    """All epochs as one compiled lax.scan, whose output is the losses; on the data's kind of device if JAX has one."""
    import jax

    device = _jax_device(data.device.type)
    x, truth = (jax.device_put(rows, device) for rows in _rows(data)[::2])

    def loss_of(weights: list) -> jax.Array:
        w1, b1, w2, b2 = weights
        scores = jax.nn.relu(x @ w1.T + b1) @ w2.T + b2
        return -(jax.nn.log_softmax(scores) * truth).sum() / len(x)

    def step(weights: list, _: None) -> tuple[list, jax.Array]:
        loss, gradients = jax.value_and_grad(loss_of)(weights)
        return [w - lr * g for w, g in zip(weights, gradients, strict=True)], loss

    train = jax.jit(
        lambda weights: jax.lax.scan(step, weights, length=epochs, unroll=5)
    )  # 5 as in compiled_loop

    def run() -> torch.Tensor:
        weights, losses = jax.block_until_ready(
            train([jax.device_put(w, device) for w in _weights(model)])
        )
        _give_back(model, weights)
        return torch.tensor(np.asarray(losses))

    return run


def _jax_device(kind: str):
    """JAX's first device of this kind, or its CPU."""
    import jax

    try:
        return jax.devices(kind)[0]
    except RuntimeError:
        return jax.devices("cpu")[0]


def _needs(package: str) -> Callable[..., str]:
    """A way's need: that `package`, of the bench extra, can be imported (here, outside any stopwatch)."""

    def obstacle(*_) -> str:
        try:
            importlib.import_module(package)
        except ImportError:
            return "not installed: pip install -e '.[bench]'"
        return ""

    return obstacle


HAND_WRITTEN = Way("hand-written loop", "nothing", "nothing", hand_written)
RIVALS = (
    Way("NumPy", "autograd", "gradients by hand", numpy_loop),
    Way(
        "NumPy, rows innermost",
        "autograd, and slow loops",
        "gradients by hand",
        numpy_rows_innermost,
    ),
    Way("scikit-learn", "the loop", "the models it has", scikit_learn),
    Way("skorch", "the loop", "time at each epoch", skorch_net, (_needs("skorch"),)),
    Way(
        "JAX",
        "Python between steps",
        "time to compile, functions without side effects",
        jax_scan,
        (_needs("jax"),),
    ),
)
