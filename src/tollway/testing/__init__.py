"""The shipped fakes: scripted upstream, provider simulator, frozen clock.

They are part of the distribution so that a third party's provider or policy is tested
with the same tools as Tollway's own.
"""
