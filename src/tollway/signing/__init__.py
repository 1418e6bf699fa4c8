"""How the gateway proves its identity to a provider: one signer each, no I/O."""
