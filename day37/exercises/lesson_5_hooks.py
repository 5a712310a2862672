"""Lesson 5's exercise with hooks: how often each layer of a model runs."""

from numbers import Real

import torch
from torch import Tensor, nn
from torch.nn.modules import module as torch_module

from day37.exercises.checking import Exercise, Mistake, Trial, judge, takes
from day37.exercises.running import Wrong, ask_told
from day37.exercises.showing import same, shown

COUNTS = "forward_counts(model, x)"
REPLACED = "What a hook returns takes the place of the layer's output. Let yours return nothing."
WIDTH = 3
OUR_NAMES = ("fc1", "relu", "fc2")  # of the lesson's model


class Network(nn.Module):
    """Layers that run in an order of their own: some several times, one perhaps never.

    It raises Wrong where a hook changes what a layer gives.
    """

    def __init__(self, layers: dict[str, nn.Module], order: list[str]):
        super().__init__()
        for name, layer in layers.items():
            self.add_module(name, layer)
        self._order = tuple(order)

    def forward(self, x: Tensor) -> Tensor:
        """The last layer's output."""
        for name in self._order:
            layer = self.get_submodule(name)
            came = layer(x)
            plain = type(layer).forward(layer, x)  # without hooks
            if not (isinstance(came, Tensor) and torch.equal(came, plain)):
                raise Wrong(f"with your hook, layer {name!r} gave {shown(came)}", REPLACED)
            x = came
        return x


def networks(dice):
    """Names of layers, and the order in which they run: a small one, then four with a spare one."""
    twice, once = dice.sample(("relu", "fc2"), 2)
    yield list(OUR_NAMES), ["fc1", twice, once, twice]
    for size in (4, 5, 6, 7):
        names = [dice.choice(("layer", "part", "block")) + str(n) for n in range(1, size + 1)]
        spare = dice.choice(names)
        order = [name for name in names if name != spare]
        order += [dice.choice(order), *dice.choices(order, k=2)]
        dice.shuffle(order)
        yield names, order


def build(names, order) -> Network:
    """Linear layers and ReLUs in turn, all of one width: any order fits."""
    layers = {}
    for at, name in enumerate(names):
        layers[name] = nn.ReLU() if at % 2 else nn.Linear(WIDTH, WIDTH)
    return Network(layers, order)


def hooks_of(model) -> set:
    """The hooks of a model, of its layers and of all modules at once, each with where it stands."""
    found = {("", id(hook)) for hook in torch_module._global_forward_hooks.values()}
    found |= {("", id(hook)) for hook in torch_module._global_forward_pre_hooks.values()}
    for name, each in model.named_modules():
        hooks = [*each._forward_hooks.values(), *each._forward_pre_hooks.values()]
        found |= {(name or "the model", id(hook)) for hook in hooks}
        if "forward" in vars(each):  # put on the object: counting without hooks
            found.add((f"{name}.forward", 0))
    return found


def counted(came, wanted) -> bool:
    """Whether these are the counts; a layer that never ran may be missing."""
    ran = {name: count for name, count in came.items() if not same(count, 0)}
    return same(ran, {name: count for name, count in wanted.items() if count})


def right_counts(names, order) -> dict[str, int]:
    """How often each layer runs."""
    return {name: order.count(name) for name in names}


def by_counts(hint: str, of) -> Mistake:
    """The mistake that gives `of(names, order)` in place of the counts."""
    return Mistake(hint, lambda came, names, order: counted(came, of(names, order)))


COUNT_MISTAKES = (
    Mistake(
        "That is one number. How often did each of the layers run?",
        lambda came, *_: isinstance(came, Real),
    ),
    by_counts(
        "Nothing was counted. Does your code run the model, once the hooks are there?",
        lambda names, order: {},
    ),
    Mistake(
        "The model itself was counted too. Only its layers are wanted.",
        lambda came, names, order: (
            len(set(came) - set(names)) == 1
            and counted({n: c for n, c in came.items() if n in names}, right_counts(names, order))
        ),
    ),
    Mistake(
        "Those are the names of our MLP. This is another model: ask it for its layers.",
        lambda came, names, order: set(came) == set(OUR_NAMES),
    ),
    Mistake(
        "The keys are to be the layers' names: two layers of one type are two layers.",
        lambda came, names, order: isinstance(came, dict) and not set(came) & set(names),
    ),
    by_counts(
        "Each layer has 1, even one that never ran. Where does your code count: in the hook?",
        lambda names, order: dict.fromkeys(names, 1),
    ),
    by_counts(
        "Each layer that ran has 1. What does your hook do when a layer runs once more?",
        lambda names, order: dict.fromkeys(order, 1),
    ),
    by_counts(
        "Each count is doubled. Does your code call the model twice, or count each run twice?",
        lambda names, order: {name: 2 * order.count(name) for name in names},
    ),
    by_counts(
        "All runs are counted for the last layer: when the hooks run, the loop is over, and its"
        " variable stands at the last name. How can each hook keep a name of its own?",
        lambda names, order: {names[-1]: len(order)},
    ),
    by_counts(
        "A ReLU is a layer too.",
        lambda names, order: {name: order.count(name) for name in names[::2]},
    ),
)
COUNT_ERRORS = {
    "must be Tensor": REPLACED,
    "'Network' object has no attribute": "Other models have other layers. `model.named_children()`"
    " gives all of them with their names.",
    "KeyError": "A count must be there before it can grow. With which number does it begin?",
    "positional argument": "A hook gets three values: the module, its inputs and its output. A"
    " pre-hook gets the first two.",
    "UnboundLocalError": "A hook that assigns to a name of the outer function needs `nonlocal`.",
}


def examine_counts(answer, dice) -> None:
    """Networks of linear layers and ReLUs, with hooks of before, in either mode."""
    takes(answer, COUNTS)
    trials = []
    left = []
    for names, order in networks(dice):
        model = build(names, order).train(dice.random() < 0.5)
        x = torch.tensor([[dice.gauss(0, 1) for _ in range(WIDTH)] for _ in range(4)])
        for module in (model, model.get_submodule(names[0])):
            module.register_forward_hook(lambda module, inputs, output: None)
        before = hooks_of(model), [module.training for module in model.modules()]
        came = ask_told("", answer, model, x, advice=COUNT_ERRORS)
        if not (isinstance(came, dict) and counted(came, right_counts(names, order))):
            given = f"forward_counts of a model that runs {', '.join(order)}"
            trials.append(Trial(given, came, (names, order)))
        left.append((model, *before))
    judge(trials, COUNT_MISTAKES)
    for each in left:
        _refuse_what_is_left(*each)


def _refuse_what_is_left(model, hooks, modes) -> None:
    """Wrong if the model's hooks or its mode are not those of before."""
    now = hooks_of(model)
    if now - hooks:
        where = ", ".join(sorted({name or "all modules" for name, _ in now - hooks}))
        raise Wrong(
            f"the counts are right, but something stays behind: {where}",
            "Each later call of the model would run it too. What did registering a hook give you?",
        )
    if hooks - now:
        raise Wrong(
            "the counts are right, but hooks that were there before are gone",
            "Remove only your own: each registering gives a handle, and a handle removes one hook.",
        )
    if modes != [module.training for module in model.modules()]:
        raise Wrong(
            f"the counts are right, but model.training is {model.training} now",
            "Leave the model's mode as it was: nothing here depends on it.",
        )


FORWARD_COUNTS = Exercise(
    COUNTS,
    examine_counts,
    (
        "A hook runs each time its layer has run. What should it do then?",
        "`layer.register_forward_hook(hook)` gives a handle. A hook gets the layer as its first"
        " argument: a dict can lead from a layer to its name.",
        "Begin with a 0 for each name. Register one hook on all layers: it adds 1 for its layer."
        " Keep the handles; call the model, remove each handle, return the counts.",
    ),
    handed_over=("trace_calls",),
)
