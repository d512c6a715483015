"""All parsers that are tried, and what the child process calls for each."""

from collections.abc import Callable, Mapping
from pathlib import Path

from tests.soak import parsers_archives, parsers_debian, parsers_dockerfile, parsers_images, parsers_root

PARSERS = (
    *parsers_images.PARSERS,
    *parsers_archives.PARSERS,
    *parsers_debian.PARSERS,
    *parsers_root.PARSERS,
    *parsers_dockerfile.PARSERS,
)
CALLS: Mapping[str, Callable[[Path], object]] = {parser.name: parser.call for parser in PARSERS}
