"""The tests of listeners have a gateway that really listens."""

from collections.abc import AsyncGenerator

import pytest

from tests.serving.api.notices.listening_gateway import ListeningGateway, listening
from tests.serving.installation import Installation


@pytest.fixture
async def gateway(lite: Installation) -> AsyncGenerator[ListeningGateway]:
    async with listening(lite) as gateway:
        yield gateway
