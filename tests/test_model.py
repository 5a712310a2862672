import torch
from torch import nn

from day37 import MLP


def test_layers_and_parameters():
    model = MLP()
    assert [name for name, _ in model.named_children()] == ["fc1", "relu", "fc2"]
    assert sum(p.numel() for p in model.parameters()) == 83
    assert model(torch.zeros(5, 4)).shape == (5, 3)


def test_the_state_dict_fits_the_original_class():
    class Original(nn.Module):
        def __init__(self):
            super().__init__()
            self.fc1 = nn.Linear(4, 10)
            self.relu = nn.ReLU()
            self.fc2 = nn.Linear(10, 3)

    assert Original().load_state_dict(MLP().state_dict(), strict=True)


def test_one_seed_gives_one_model():
    torch.manual_seed(1)
    a = MLP(hidden=5).state_dict()
    torch.manual_seed(1)
    b = MLP(hidden=5).state_dict()
    assert all(torch.equal(a[key], b[key]) for key in a)
