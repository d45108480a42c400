"""What a client has not acknowledged (service/http2/unacknowledged.py), of a real connection."""

import asyncio
import socket
import sys
from asyncio.trsock import TransportSocket

import pytest

from service.http2.unacknowledged import unacknowledged


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells")
async def test_it_becomes_less_as_the_other_end_reads() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        loop = asyncio.get_running_loop()
        address = listener.getsockname()
        transport, _ = await loop.create_connection(asyncio.Protocol, *address)
        other, _ = listener.accept()
        with other:
            assert unacknowledged(transport) == 0
            size = 2**24
            transport.write(bytes(size))
            while not (held := unacknowledged(transport)):  # noqa: ASYNC110 - the state of another part
                await asyncio.sleep(0.01)
            read = 0
            while read < size:
                read += len(await loop.run_in_executor(None, other.recv, 2**20))
            async with asyncio.timeout(60):
                while unacknowledged(transport):  # noqa: ASYNC110 - the state of another part
                    await asyncio.sleep(0.01)
            assert 0 < held <= size
        transport.close()


async def test_a_transport_without_a_socket_has_none() -> None:
    assert unacknowledged(asyncio.Transport(extra={})) == 0


async def test_of_a_socket_that_is_closed_there_is_none() -> None:
    with socket.socket() as closed:
        transport = asyncio.Transport(extra={"socket": TransportSocket(closed)})
    assert unacknowledged(transport) == 0
