"""Where images come from: a folder, a glob, a manifest, tar or zip archives; on this machine or in object storage."""

from collections.abc import Iterator

from batch.errors import SourceInvalid
from batch.item import Named
from batch.sources.archive import ARCHIVES, COMPRESSED, IMAGE_SUFFIXES, members
from batch.sources.folder import walk
from batch.sources.location import Location
from batch.sources.manifest import MANIFESTS, ManifestColumns, rows
from batch.sources.pattern import is_pattern, matches


def images_of(source: str, columns: ManifestColumns) -> Iterator[Named]:
    """Every image of the source in an order that does not change. Raises SourceInvalid."""
    found = _found(source, columns)
    first = next(found, None)
    if first is None:
        raise SourceInvalid(f"{source}: there are no images; hidden files are not looked at")
    yield first
    yield from found


def _found(source: str, columns: ManifestColumns) -> Iterator[Named]:
    place = Location.of(source)
    if is_pattern(source) and not place.exists():
        yield from _opened(matches(place))
    elif place.is_folder():
        yield from _opened(walk(place))
    elif not place.exists():
        raise SourceInvalid(f"{source}: there is no such file or folder")
    elif place.suffix in MANIFESTS:
        yield from rows(place, columns)
    elif place.suffix in {"", *IMAGE_SUFFIXES} or place.path.endswith((*ARCHIVES, *COMPRESSED)):
        yield from _opened(iter((place.as_named(),)), alone=True)
    else:
        raise SourceInvalid(
            f"{source} is no image, no archive ({', '.join(ARCHIVES)}) and no manifest ({', '.join(MANIFESTS)})"
        )


def _opened(found: Iterator[Named], *, alone: bool = False) -> Iterator[Named]:
    """Archives are replaced by what they hold; one that is the source itself does not appear in the ids."""
    for named in found:
        if named.item.path.endswith(ARCHIVES):
            prefix = "" if alone else f"{named.id}/"
            for member in members(Location.of(named.item.path)):
                yield Named(prefix + member.id, member.item)
        elif named.item.path.endswith(COMPRESSED):
            raise SourceInvalid(f"{named.item.path}: images cannot be taken out of a compressed tar; use a plain .tar")
        else:
            yield named
