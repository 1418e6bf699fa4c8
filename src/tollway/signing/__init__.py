"""How the gateway proves its identity: signers of requests, and what each identity asks a token endpoint. No I/O."""
