"""The benchmark harness behind `make bench`: Tollway beside nginx, LiteLLM and Portkey in one run."""
