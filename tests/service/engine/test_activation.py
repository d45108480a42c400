"""Class activation maps out of the graph for explanations."""

import numpy as np

from service.engine.activation import ActivationSession
from service.engine.providers import CPU_PROVIDER
from tests.service.packages import expected_logits, explanation_graph, picture


def test_the_maps_add_up_to_the_logits() -> None:
    """For each image and each label; only the label's own third speaks for it."""
    session = ActivationSession.load(
        explanation_graph(), provider=CPU_PROVIDER, threads=1, tensor="image", logits="logits", maps="class_activation"
    )
    images = np.stack([picture(place) for place in range(3)])[..., np.newaxis]
    activations = session.run(images)
    expected = np.stack([expected_logits(picture(place)) for place in range(3)])
    np.testing.assert_allclose(activations.logits, expected, atol=1e-4)
    np.testing.assert_allclose(activations.maps.sum(axis=(2, 3)), expected, atol=1e-4)
    assert (activations.maps[0, 0, :, 4:] == 0).all()
