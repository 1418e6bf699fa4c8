"""How many searches of a provider's own tools an answer's `usage` counts, in the OpenAI family of APIs.

The forms met, all beside the token counts: `server_tool_use_details.web_search_requests` and its older name
`server_tool_use`; `num_search_queries`; `server_side_tool_usage_details` with `web_search_calls` and
`x_search_calls`; `tool_calls_details.<tool>.invocation`, where the tool is a search.
"""

from typing import Final

from tollway.core.json_value import JsonObject
from tollway.dialects.caller_fields import as_count, as_object

_SEARCH_TOOLS: Final = frozenset({"search_web", "web_search", "people_search", "finance_search"})


def searches(usage: JsonObject) -> int:
    """Count them; 0 where none are reported."""
    for name in ("server_tool_use_details", "server_tool_use"):
        requests = as_count(as_object(usage.get(name)).get("web_search_requests"))
        if requests:
            return requests
    calls = as_object(usage.get("server_side_tool_usage_details"))
    sided = as_count(calls.get("web_search_calls")) + as_count(calls.get("x_search_calls"))
    tools = as_object(usage.get("tool_calls_details"))
    invoked = sum(as_count(as_object(tools.get(name)).get("invocation")) for name in _SEARCH_TOOLS)
    return as_count(usage.get("num_search_queries")) or sided or invoked
