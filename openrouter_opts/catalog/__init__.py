"""What is known of OpenRouter's models without asking: windows, modalities, parameters, prices.

`Catalog.bundled` is a snapshot; ``Catalog.from_wire(answer)`` reads a fresh ``GET /models``, and ``dump`` and ``load``
keep it in a file.
"""

from openrouter_opts.catalog.catalog import Catalog, UnknownModelError
from openrouter_opts.catalog.endpoints import Endpoint
from openrouter_opts.catalog.models import Model

__all__ = ["Catalog", "Endpoint", "Model", "UnknownModelError"]
