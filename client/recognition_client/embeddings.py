"""Images as vectors: messages of recognition.v1 in, frozen dataclasses out."""

from dataclasses import dataclass

from recognition.v1 import recognition_pb2 as pb

from recognition_client.results import ImageError, ServedModel, image_error, invalid_response, served_model


@dataclass(frozen=True, slots=True, kw_only=True)
class Embedding:
    """What the last layer of the model sees of one image."""

    values: tuple[float, ...]
    model: ServedModel


def embeddings(response: pb.EmbedResponse, *, expected: int) -> list[Embedding | ImageError]:
    """One outcome for each image of the request, in its order."""
    if len(response.results) != expected:
        raise invalid_response(f"The server answered {len(response.results)} results for {expected} images")
    model = served_model(response.model)
    return [_outcome(result, model) for result in response.results]


def _outcome(result: pb.EmbedResult, model: ServedModel) -> Embedding | ImageError:
    match result.WhichOneof("outcome"):
        case "embedding":
            return Embedding(values=tuple(result.embedding.values), model=model)
        case "error":
            return image_error(result.error)
        case _:
            raise invalid_response("The server answered neither an embedding nor an error for one of the images")
