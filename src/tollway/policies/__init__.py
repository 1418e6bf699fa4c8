"""Policies: one file each, named by its public id in snake case, with `POLICY` at its end.

Owns: what one policy decides about one call. Does not own: the order of policies, the shape of error
bodies, counting (`interfaces.counters`) or identities (`interfaces.identity`). No policy knows another.
"""
