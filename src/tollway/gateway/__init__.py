"""The data plane: listener, identify, chain, route, translate, upstream, relay, meter, spool."""
