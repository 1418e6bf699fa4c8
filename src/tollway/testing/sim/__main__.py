"""`python -m tollway.testing.sim`."""

import sys

from tollway.testing.sim.app import main

if __name__ == "__main__":
    sys.exit(main())
