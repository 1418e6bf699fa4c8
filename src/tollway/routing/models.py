"""Model-based choice: whose a model name is.

A name is looked up in this order; the first that knows it decides:

1. an alias of a route;
2. `prefix/model`, where the prefix is a route's name or its provider's (`openrouter/meta-llama/llama-4`:
   all after the first slash is the model);
3. a bare name that the settings give to one provider alone: a route's `models` or its target model;
4. a bare name that one configured provider alone is known to serve;
5. when all routes have one provider: that provider, whatever the name; but a name like
   `anthropic/claude` goes there only if the provider's own names have slashes.

Several routes may answer to one name: those that list the model come first, then in the order written.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

import msgspec

from tollway.core.errors import BadRequest
from tollway.snapshot.document import Route
