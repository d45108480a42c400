"""A recorded step is the usual one: on any machine by its bookkeeping, on a GPU by what it computes."""

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn

from training.config import Augmentation, Recipe
from training.data import Images, Splits
from training.device import Precision
from training.errors import TrainingFailed
from training.evaluate import predict
from training.loop import Trainer
from training.models import build
from training.step import StepLoss
from training.step_graph import USUAL_STEPS, GraphedStep


class FakeGraph:
    """Counts its replays."""

    def __init__(self) -> None:
        self.generators: list[torch.Generator] = []
        self.replays = 0
        made.append(self)

    def register_generator_state(self, generator: torch.Generator) -> None:
        self.generators.append(generator)

    def replay(self) -> None:
        self.replays += 1


class FakeStream:
    def __init__(self, device: torch.device | None = None) -> None: ...

    def wait_stream(self, other: "FakeStream") -> None: ...


made: list[FakeGraph] = []


class SummingStep:
    """The gradient of the only weight is the sum of the indices; remembers the tensors it was called with."""

    def __init__(self, model: nn.Linear) -> None:
        self._model = model
        self.calls: list[Tensor] = []

    def __call__(self, indices: Tensor) -> StepLoss:
        if len(indices) == 1:
            raise RuntimeError("operation not permitted when stream is capturing\nand a second line")
        self.calls.append(indices)
        self._model.weight.grad = indices.sum().float().view(1, 1)
        return StepLoss(total=indices.sum(), main=indices.sum())


@pytest.fixture
def fake_cuda(monkeypatch: pytest.MonkeyPatch) -> None:
    @contextmanager
    def record(graph: FakeGraph, *, pool: str, stream: FakeStream) -> Iterator[None]:
        yield

    made.clear()
    for name, value in {
        "Stream": FakeStream, "CUDAGraph": FakeGraph, "graph": record, "graph_pool_handle": lambda: "pool",
        "current_stream": FakeStream, "stream": lambda _stream: nullcontext(),
    }.items():  # fmt: skip
        monkeypatch.setattr(torch.cuda, name, value)


@pytest.mark.usefixtures("fake_cuda")
def test_each_size_of_batch_is_recorded_once_after_a_few_usual_steps() -> None:
    """From then on the graph gets the indices, and the weights get its gradients back."""
    model, generator = nn.Linear(1, 1, bias=False), torch.Generator()
    usual = SummingStep(model)
    step = GraphedStep(usual, model, generator)
    batches = [torch.tensor([number, number + 1]) for number in range(USUAL_STEPS + 3)]
    for number, batch in enumerate(batches[: USUAL_STEPS + 1]):
        step(batch)
        assert len(made) == (number >= USUAL_STEPS)
    recorded = model.weight.grad
    step(torch.tensor([1, 2, 3]))  # a short batch, the usual way
    assert model.weight.grad is not recorded
    for batch in batches[USUAL_STEPS + 1 :]:
        step(batch)
        assert model.weight.grad is recorded
    assert [graph.replays for graph in made] == [3]
    assert made[0].generators == [generator]
    assert torch.equal(usual.calls[USUAL_STEPS], batches[-1])  # the recording's own memory


@pytest.mark.usefixtures("fake_cuda")
def test_a_model_that_cannot_be_recorded_says_how_to_train_it() -> None:
    """In one line."""
    model = nn.Linear(1, 1, bias=False)
    step = GraphedStep(SummingStep(model), model, torch.Generator())
    step._seen[1] = USUAL_STEPS
    with pytest.raises(
        TrainingFailed, match=r"graph \(operation not permitted when stream is capturing\); .*--no-graph"
    ):
        step(torch.tensor([0]))


@pytest.mark.usefixtures("fake_cuda")
def test_too_little_memory_is_not_a_model_that_cannot_be_recorded() -> None:
    """Though torch's error is of the same kind."""

    def hungry(indices: Tensor) -> StepLoss:
        raise torch.OutOfMemoryError("CUDA out of memory")

    step = GraphedStep(hungry, nn.Linear(1, 1), torch.Generator())
    step._seen[2] = USUAL_STEPS
    with pytest.raises(TrainingFailed, match=r"no memory for the CUDA graph of a step of 2 images; .*--no-graph"):
        step(torch.tensor([0, 1]))


@pytest.mark.gpu
@pytest.mark.parametrize("name", ["fashion_cnn", "nin", "lenet5"])
def test_on_a_gpu_a_graph_trains_as_single_operations_do(recipe: Recipe, splits: Splits, name: str) -> None:
    """To the random numbers; short last batches, an average, erased and mixed pictures included."""
    arguments = {"channels": 1, "classes": 10, **({"size": 28, "norm": 1} if name == "nin" else {})}
    recipe = replace(
        recipe,
        model=replace(recipe.model, name=name, arguments=arguments),
        augmentation=Augmentation(flip=True, shift=2, cutout=4, random_erasing=0.5, mixup=0.2, cutmix=0.2),
        optimization=replace(recipe.optimization, learning_rate=1e-4, ema_decay=0.9, clip_norm=1.0),
        batch_size=48,
        epochs=6,
    )
    losses = {graph: _losses(recipe, splits.train, graph=graph) for graph in (True, False)}
    assert losses[True] == pytest.approx(losses[False], rel=2e-3)


@pytest.mark.gpu
def test_on_a_gpu_a_graph_learns(recipe: Recipe, splits: Splits) -> None:
    """In bf16, by heart."""
    few = splits.train.take(torch.arange(64).numpy())
    by_heart = replace(recipe, augmentation=Augmentation(), epochs=40, batch_size=16)
    torch.manual_seed(0)
    trainer = Trainer(build("fashion_cnn").cuda(), few, by_heart, seed=0, precision=Precision.BF16, graph=True)
    for _ in range(by_heart.epochs):
        trainer.run_epoch()
    predictions = predict(trainer.model, few, recipe.preprocessing)
    assert predictions.metrics(names=tuple("0123456789"), split="train").accuracy == 1.0


def _losses(recipe: Recipe, images: Images, *, graph: bool) -> list[float]:
    torch.manual_seed(0)
    model = build(recipe.model.name, recipe.model.arguments).cuda()
    trainer = Trainer(model, images, recipe, seed=0, graph=graph)
    return [trainer.run_epoch().loss for _ in range(recipe.epochs)]
