"""How the documentation is built: `make docs`."""

project = "Tollway"
author = "The Tollway authors"
html_title = "Tollway"
extensions = ["myst_parser"]
html_theme = "furo"
exclude_patterns = ["_build"]
source_suffix = {".md": "markdown"}
# Headings become link targets this deep, as the generated pages' own tables of contents expect.
myst_heading_anchors = 4
myst_enable_extensions = ["colon_fence", "deflist", "fieldlist"]
html_show_sourcelink = False
html_show_sphinx = False
html_copy_source = False
pygments_style = "friendly"
pygments_dark_style = "monokai"
