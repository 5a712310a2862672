"""Lessons 1 to 5: the network, 4 inputs, 10 hidden units, 3 classes."""

from torch import Tensor, nn

from day37.checks import whole_number


class MLP(nn.Module):
    """Linear, ReLU, linear: (rows, in_features) → (rows, classes), one score (logit) a class."""

    def __init__(self, in_features: int = 4, hidden: int = 10, classes: int = 3):
        whole_number("in_features", in_features)
        whole_number("hidden", hidden)
        whole_number("classes", classes)
        super().__init__()
        self.fc1 = nn.Linear(in_features, hidden)
        self.relu = nn.ReLU()
        self.fc2 = nn.Linear(hidden, classes)

    def forward(self, x: Tensor) -> Tensor:
        """The scores of each row."""
        return self.fc2(self.relu(self.fc1(x)))
