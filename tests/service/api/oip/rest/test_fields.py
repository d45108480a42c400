"""Protocol messages as JSON."""

from recognition.oip import model_config_pb2
from recognition.oip import open_inference_pb2 as pb

from service.api.oip.rest.fields import fields_of


def test_numbers_are_numbers() -> None:
    """64-bit ones too; zeros and empty lists are there."""
    message = pb.ModelStatistics(name="m", inference_count=2**53, batch_stats=[pb.InferBatchStatistics(batch_size=4)])
    fields = fields_of(message)
    assert fields["inference_count"] == 2**53
    assert fields["execution_count"] == 0
    assert fields["memory_usage"] == []
    assert fields["batch_stats"] == [{"batch_size": 4}]


def test_enums_are_names_and_maps_are_objects() -> None:
    """Messages that are not set are left out."""
    config = model_config_pb2.ModelConfig(
        input=[model_config_pb2.ModelInput(format=model_config_pb2.ModelInput.Format.FORMAT_NHWC, dims=[8, -1])]
    )
    config.parameters["key"].string_value = "value"
    fields = fields_of(config)
    assert (fields["input"][0]["format"], fields["input"][0]["dims"]) == ("FORMAT_NHWC", [8, -1])
    assert fields["input"][0]["data_type"] == "TYPE_INVALID"
    assert fields["parameters"] == {"key": {"string_value": "value"}}
    assert "dynamic_batching" not in fields
