"""provisional"""
from typing import TYPE_CHECKING
import msgspec
from tollway.core.errors import BadRequest, InternalError, TollwayError, UpstreamError
from tollway.gateway.target import Target
if TYPE_CHECKING:
    from tollway.gateway.attempt import Attempt
    from tollway.gateway.exchange import Exchange

class Go(msgspec.Struct, frozen=True):
    target: Target
    model: str
    number: int
    key_index: int = 0
    delay_seconds: float = 0.0

class Plan:
    fell_back = False
    def __init__(self, planner, exchange): self.planner=planner; self.exchange=exchange
    def first(self, now):
        provider, _, model = self.exchange.requested_model.partition("/")
        for t in self.planner.targets:
            if t.route.provider == provider:
                return Go(t, t.route.target_model or model, 1)
        return BadRequest("no such model", param="model")
    def after(self, attempt, error, now): return None
    def succeeded(self, attempt): pass
    def broke(self, attempt, error): pass
    def cancelled(self, attempt): pass

class Planner:
    def __init__(self, document, targets, dialects):
        self.targets=targets
        self.d={d.name:d for d in dialects}
    def conversation_dialect(self, n): return self.d[n]
    def embeddings_dialect(self, n): return self.d[n]
    def model_list(self): return ()
    def plan(self, exchange): return Plan(self, exchange)
