"""What several tests need and takes long to make."""

from collections.abc import Iterator

import pytest

from tests.support.base_image import base_created


@pytest.fixture(scope="session")
def base_image(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Return the name of an image that the exporter's image can be built from."""
    with base_created(tmp_path_factory.mktemp("base")) as name:
        yield name
