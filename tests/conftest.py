"""What holds for every test: no test may fail because the machine was busy."""

from hypothesis import settings

settings.register_profile("tollway", deadline=None)
settings.load_profile("tollway")
