"""Lesson 3: the whole training as one kernel on a CUDA GPU: its data laid out, launched once."""

import torch
from torch import Tensor
from torch.nn.functional import one_hot

from day37.data import IrisSplit
from day37.faster.ways import Run
from day37.model import MLP


def one_kernel(model: MLP, data: IrisSplit, epochs: int, lr: float) -> Run:
    """The whole training as a single Triton kernel: it loops over the epochs itself. One read."""
    from day37.faster.kernel import WARPS, train_kernel

    hidden = model.fc1.out_features
    classes = model.fc2.out_features
    wanted = (len(data.x_train), data.x_train.shape[1] + 1, hidden + 1, classes)
    sizes = [max(16, 1 << (size - 1).bit_length()) for size in wanted]  # Triton's products ask so
    rows, features, units, outputs = sizes  # with what is only padding
    inputs = pack_data(data, rows, features, outputs)
    losses = torch.empty(epochs, device=data.device)

    def run() -> Tensor:
        w1, w2 = pack_weights(model, features, units, outputs)
        fixed = (lr, epochs, hidden, classes, *sizes)
        with torch.cuda.device_of(losses):  # Triton launches on the current device
            train_kernel[(1,)](*inputs, w1, w2, losses, *fixed, num_warps=WARPS)
        model.load_state_dict(unpack_weights(model, w1, w2), strict=False)
        return losses.cpu()  # synchronisation point, the only one

    return run


def pack_data(data: IrisSplit, rows: int, features: int, outputs: int) -> tuple[Tensor, ...]:
    """Three tensors of these sizes, padded with 0.

    x (features, rows): a column for each training row, with a 1 after the real features, for the
    bias; truth (outputs, rows): 1 for the right class; share (rows,): what a row counts.
    """
    n, given = data.x_train.shape
    x = torch.zeros(features, rows, device=data.device)
    x[:given, :n] = data.x_train.T
    x[given, :n] = 1
    truth = torch.zeros(outputs, rows, device=data.device)
    truth[:, :n] = one_hot(data.y_train, outputs).T
    share = torch.zeros(rows, device=data.device)
    share[:n] = 1 / n
    return x, truth, share


@torch.no_grad()
def pack_weights(model: MLP, features: int, units: int, outputs: int) -> tuple[Tensor, Tensor]:
    """Copies of the weights with each bias as one more column, padded with 0.

    w1 (units, features), w2 (outputs, units). One more unit is always 1, for the second bias.
    """
    hidden, given = model.fc1.weight.shape
    classes = model.fc2.out_features
    w1 = model.fc1.weight.new_zeros(units, features)
    w1[:hidden, :given] = model.fc1.weight
    w1[:hidden, given] = model.fc1.bias
    w1[hidden, given] = 1
    w2 = w1.new_zeros(outputs, units)
    w2[:classes, :hidden] = model.fc2.weight
    w2[:classes, hidden] = model.fc2.bias
    return w1, w2


def unpack_weights(model: MLP, w1: Tensor, w2: Tensor) -> dict[str, Tensor]:
    """The packed weights by the names of the model's own."""
    hidden, given = model.fc1.weight.shape
    classes = model.fc2.out_features
    return {
        "fc1.weight": w1[:hidden, :given],
        "fc1.bias": w1[:hidden, given],
        "fc2.weight": w2[:classes, :hidden],
        "fc2.bias": w2[:classes, hidden],
    }
