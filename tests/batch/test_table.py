"""Rows: one for each image, with an answer or a reason."""

from batch.item import Chunk, Item, Named
from batch.listing import ListedShard, as_table
from batch.plan import Question
from batch.table import columns_for, schema, table_of
from tests.batch.fake_engine import MODEL, answer

IMAGES = [Named(name, Item(path=f"/p/{name}.png")) for name in ("a0", "b1", "c2x", "d3")]
CHUNKS = [
    Chunk(shard=0, start=2, items=tuple(named.item for named in IMAGES[2:])),
    Chunk(shard=0, start=0, items=tuple(named.item for named in IMAGES[:2])),
]


def test_rows_say_what_was_found() -> None:
    """In the order of the listing, whatever the order of the answers."""
    question = Question(top_k=2, embeddings=True, timings=True)
    table = table_of(ListedShard(as_table(IMAGES)), [answer(chunk, question) for chunk in CHUNKS], question, MODEL)
    assert table.schema == schema(question, MODEL)
    rows = table.to_pylist()
    assert [row["id"] for row in rows] == ["a0", "b1", "c2x", "d3"]
    assert rows[1] == {
        "id": "b1",
        "path": "/p/b1.png",
        "status": "ok",
        "error": None,
        "error_message": None,
        "label_1": "1",
        "probability_1": 0.550000011920929,
        "label_2": "2",
        "probability_2": 0.009999999776482582,
        "unknown": False,
        "model": "digits",
        "version": 3,
        "digest": "d" * 64,
        "width": 28,
        "height": 20,
        "decode_ms": 1.5,
        "embedding": [1.0, -1.0],
    }
    assert rows[0]["unknown"] is True


def test_an_image_without_an_answer_has_a_reason_and_nothing_else() -> None:
    question = Question(top_k=1, embeddings=True, timings=True)
    row = table_of(
        ListedShard(as_table(IMAGES)), [answer(chunk, question) for chunk in CHUNKS], question, MODEL
    ).to_pylist()[2]
    assert (row["status"], row["error"]) == ("error", "IMAGE_UNREADABLE")
    empty = ("label_1", "probability_1", "unknown", "width", "height", "decode_ms", "embedding")
    assert [row[name] for name in empty] == [None] * 7


def test_no_more_labels_than_the_model_has() -> None:
    assert columns_for(Question(top_k=50), MODEL) == 10
