"""The whole training as one Triton kernel: one launch for all epochs. Needs Triton, which comes with torch on Linux."""

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
    EPOCHS: tl.constexpr,  # a constant: with numpy 2.4, the interpreter of Triton 3.6 loops to nothing else
    HIDDEN: tl.constexpr,
    CLASSES: tl.constexpr,
    R: tl.constexpr,
    F: tl.constexpr,
    H: tl.constexpr,
    C: tl.constexpr,
):
    """Train in one program: rows and weights stay in registers, and each loss goes out to `losses_at[epoch]`.

    Sizes (padded, powers of 2 from 16 on): x (F, R), truth (C, R), share (R,), w1 (H, F), w2 (C, H), as
    `ways.pack_data` and `ways.pack_weights` lay them out. w1 and w2 are changed in place.
    """
    rows = tl.arange(0, R)[None, :]
    units = tl.arange(0, H)[:, None]
    classes = tl.arange(0, C)[:, None]
    features = tl.arange(0, F)
    x = tl.load(x_at + features[:, None] * R + rows)
    truth = tl.load(truth_at + classes * R + rows)
    share = tl.load(share_at + rows)
    w1_at += units * F + features[None, :]
    w2_at += classes * H + tl.arange(0, H)[None, :]
    w1 = tl.load(w1_at)
    w2 = tl.load(w2_at)
    for epoch in range(EPOCHS):
        h = tl.maximum(tl.dot(w1, x, input_precision="ieee"), 0.0)
        z = tl.where(classes < CLASSES, tl.dot(w2, h, input_precision="ieee"), -1e30)
        z -= tl.max(z, axis=0)[None, :]
        e = tl.exp(z)
        s = tl.sum(e, axis=0)[None, :]
        own = tl.sum(z * truth, axis=0)[None, :]
        tl.store(losses_at + epoch, tl.sum((tl.log(s) - own) * share))
        dz = (e / s - truth) * share
        dh = tl.dot(tl.trans(w2), dz, input_precision="ieee")
        dh = tl.where((h > 0.0) & (units < HIDDEN), dh, 0.0)  # the unit that is always 1 learns nothing
        w2 -= lr * tl.dot(dz, tl.trans(h), input_precision="ieee")
        w1 -= lr * tl.dot(dh, tl.trans(x), input_precision="ieee")
    tl.store(w1_at, w1)
    tl.store(w2_at, w2)
