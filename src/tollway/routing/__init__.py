"""Where a call goes: which route and model, which key, what happens when an attempt fails.

Owns: the choice among a proxy's routes, repeats and fallback, health of upstreams, rotation of keys.
Does not own: connections, time, randomness (handed in) or what an error looks like to a caller.
Invariants: pure, no I/O; nothing is tried again once a byte has gone to the caller; one call makes at most
its first attempt, its repeats, one attempt for each further key or route, and one for the fallback.
"""
