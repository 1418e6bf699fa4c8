"""The tree: every node is reached once."""

from hypothesis import given

from tollway.expressions.syntax import children, walk

from .trees import trees


@given(trees)
def test_walking_reaches_every_node_once(tree):
    def count(node) -> int:
        return 1 + sum(count(child) for child in children(node))

    assert len(list(walk(tree))) == count(tree)
    assert next(walk(tree)) is tree
