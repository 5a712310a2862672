"""The whole training as one Triton kernel. Triton comes with torch's CUDA builds for Linux."""

import triton
import triton.language as tl

WARPS = 8  # 8 × 32 threads share the 120 rows


@triton.jit
def train_kernel(
    x_at,
    truth_at,
    share_at,
    w1_at,
    w2_at,
    losses_at,
    lr,
    EPOCHS: tl.constexpr,  # a constant: with numpy 2.4, Triton 3.6's interpreter needs one
    HIDDEN: tl.constexpr,
    CLASSES: tl.constexpr,
    ROWS: tl.constexpr,
    FEATURES: tl.constexpr,
    UNITS: tl.constexpr,
    OUTPUTS: tl.constexpr,
):
    """Train in one program: rows and weights stay in registers, each loss goes to `losses_at`.

    Sizes (padded, powers of 2 from 16 on): x (FEATURES, ROWS), truth (OUTPUTS, ROWS), share
    (ROWS,), w1 (UNITS, FEATURES), w2 (OUTPUTS, UNITS), as `one_kernel.pack_data` and
    `pack_weights` lay them out. w1 and w2 are changed in place.
    """
    # Where everything is: a pointer to each number.
    rows = tl.arange(0, ROWS)[None, :]
    units = tl.arange(0, UNITS)[:, None]
    classes = tl.arange(0, OUTPUTS)[:, None]
    features = tl.arange(0, FEATURES)
    w1_at += units * FEATURES + features[None, :]
    w2_at += classes * UNITS + tl.arange(0, UNITS)[None, :]

    # All of it is loaded once.
    x = tl.load(x_at + features[:, None] * ROWS + rows)
    truth = tl.load(truth_at + classes * ROWS + rows)
    share = tl.load(share_at + rows)
    w1 = tl.load(w1_at)
    w2 = tl.load(w2_at)

    for epoch in range(EPOCHS):
        # Forward: the hidden units h, the scores z; scores that are only padding count for nothing.
        h = tl.maximum(tl.dot(w1, x, input_precision="ieee"), 0.0)
        z = tl.where(classes < CLASSES, tl.dot(w2, h, input_precision="ieee"), -1e30)

        # Loss: the mean over the rows of log(sum of exponentials) minus the right class's score.
        z -= tl.max(z, axis=0)[None, :]
        e = tl.exp(z)
        s = tl.sum(e, axis=0)[None, :]
        own = tl.sum(z * truth, axis=0)[None, :]
        tl.store(losses_at + epoch, tl.sum((tl.log(s) - own) * share))

        # Backward: the slopes of the loss. The unit that is always 1 learns nothing.
        dz = (e / s - truth) * share
        dh = tl.dot(tl.trans(w2), dz, input_precision="ieee")
        dh = tl.where((h > 0.0) & (units < HIDDEN), dh, 0.0)

        # Step.
        w2 -= lr * tl.dot(dz, tl.trans(h), input_precision="ieee")
        w1 -= lr * tl.dot(dh, tl.trans(x), input_precision="ieee")
    tl.store(w1_at, w1)
    tl.store(w2_at, w2)
