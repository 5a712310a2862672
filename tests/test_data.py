import torch

from day37 import load_iris


def test_shapes_dtypes_and_names(data):
    assert [tuple(t.shape) for t in (data.x_train, data.y_train, data.x_test, data.y_test)] == [
        (120, 4),
        (120,),
        (30, 4),
        (30,),
    ]
    assert data.x_train.dtype == data.x_test.dtype == torch.float32
    assert data.y_train.dtype == data.y_test.dtype == torch.int64
    assert data.class_names == ("setosa", "versicolor", "virginica")
    assert len(data.feature_names) == 4


def test_the_scaler_saw_the_training_rows_only(data):
    assert torch.equal(data.x_train.min(dim=0).values, torch.zeros(4))
    assert torch.allclose(data.x_train.max(dim=0).values, torch.ones(4))
    assert (
        data.x_test.min() < 0 or data.x_test.max() > 1
    )  # a scaler fitted on all rows would keep these in 0..1


def test_the_seed_decides_the_split():
    assert torch.equal(load_iris(seed=7).x_train, load_iris(seed=7).x_train)
    assert not torch.equal(load_iris(seed=7).x_train, load_iris(seed=8).x_train)


def test_to_leaves_the_split_as_it_is(data):
    moved = data.to("meta")
    assert moved.device.type == "meta"
    assert moved.y_test.device.type == "meta"
    assert data.device.type == "cpu"
    assert "meta" in repr(moved)
