"""The children of a labelled metric, kept by their labels: to ask the library for one costs more than to count."""

from typing import Generic, TypeVar

from prometheus_client.metrics import MetricWrapperBase

Metric = TypeVar("Metric", bound=MetricWrapperBase)


class Children(dict[tuple[str, ...], Metric], Generic[Metric]):
    """`children[label, …]` is the series with these labels; what is removed here is removed there."""

    def __init__(self, metric: Metric) -> None:
        super().__init__()
        self._metric = metric

    def __missing__(self, labels: tuple[str, ...]) -> Metric:
        child: Metric = self._metric.labels(*labels)
        self[labels] = child
        return child

    def remove(self, **labels: str) -> None:
        """Every series with these labels."""
        self._metric.remove_by_labels(labels)
        names = self._metric._labelnames  # noqa: SLF001 - the library tells them nowhere else
        wanted = {names.index(name): value for name, value in labels.items()}
        for key in [key for key in self if all(key[place] == value for place, value in wanted.items())]:
            del self[key]
