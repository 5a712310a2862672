"""The network of the lessons: 4 inputs, 10 hidden units, 3 classes."""

from torch import Tensor, nn

from day37.arguments import whole_number


class MLP(nn.Module):
    """Linear, ReLU, linear: (rows, in_features) → (rows, classes), one unscaled score (logit) a class."""

    def __init__(self, in_features: int = 4, hidden: int = 10, classes: int = 3):
        for name, value in (("in_features", in_features), ("hidden", hidden), ("classes", classes)):
            whole_number(name, value)
        super().__init__()
        self.fc1 = nn.Linear(in_features, hidden)
        self.relu = nn.ReLU()
        self.fc2 = nn.Linear(hidden, classes)

    def forward(self, x: Tensor) -> Tensor:
        """The scores of each row."""
        return self.fc2(self.relu(self.fc1(x)))


def count_parameters(model: nn.Module) -> int:
    """How many numbers the training may change: 83 for MLP()."""
    return sum(p.numel() for p in model.parameters() if p.requires_grad)
