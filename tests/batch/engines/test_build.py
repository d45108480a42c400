"""From words to engines."""

from batch.engines import EngineName
from batch.engines.build import EngineSettings, build_engine
from batch.engines.local import LocalEngine
from batch.engines.ray_actors import RayEngine
from batch.engines.remote import REQUESTS_PER_REPLICA, RemoteEngine


def test_each_name_has_its_engine() -> None:
    assert isinstance(build_engine(EngineSettings()), LocalEngine)
    assert isinstance(build_engine(EngineSettings(name=EngineName.RAY)), RayEngine)
    remote = build_engine(EngineSettings(name=EngineName.REMOTE, servers=("a:1", "b:2")))
    assert isinstance(remote, RemoteEngine)
    assert remote.workers == 2 * REQUESTS_PER_REPLICA
    remote.close()
