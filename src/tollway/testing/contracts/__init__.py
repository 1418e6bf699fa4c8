"""Contract suites: what every implementation of a seam must do, ours and yours alike.

Each is a class to inherit in a test module; they need pytest, and some of them hypothesis.
"""
