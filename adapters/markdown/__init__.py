"""Markdown as platform messages: one text, cut into parts that each stand by themselves.

`render` is the way in. `tree` reads the blocks, `inline` the spans, `cut` says where a part ends,
`page` writes it, `table` draws what a platform does not show, `files` names long code.
"""

from adapters.markdown.dialect import Dialect, Measure, utf8_size, utf16_size
from adapters.markdown.files import CodeFile
from adapters.markdown.gist import gist
from adapters.markdown.render import Rendered, closed, render

__all__ = [
    "CodeFile",
    "Dialect",
    "Measure",
    "Rendered",
    "closed",
    "gist",
    "render",
    "utf8_size",
    "utf16_size",
]
