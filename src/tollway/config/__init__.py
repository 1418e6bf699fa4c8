"""What operators write: the YAML resources, their loader with positions, and where secrets come from.

    files ── yaml_tree ── loader ──> Document(resources, problems) ── snapshot.compile ──> Snapshot

Nothing here knows providers or policies; whether names exist is checked when a snapshot is compiled.
"""
