"""Shares: together they are the whole, and no shard is in two of them."""

import pytest

from batch.share import Share


def test_shares_cover_every_shard_once() -> None:
    taken = [shard for index in range(4) for shard in Share(index=index, of=4).shards(11)]
    assert sorted(taken) == list(range(11))
    assert list(Share().shards(3)) == [0, 1, 2]
    assert Share().is_whole


def test_a_share_that_does_not_exist() -> None:
    with pytest.raises(ValueError, match="from 0 to 3"):
        Share(index=4, of=4)
