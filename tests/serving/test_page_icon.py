"""The page's icon: it stands in the page, so that a browser asks for none."""

from __future__ import annotations

import re
import urllib.parse
from pathlib import Path
from xml.etree import ElementTree

from protloc.serving import server


def test_the_icon_is_a_picture_inside_the_page() -> None:
    page = Path(server.__file__).with_name("page.html").read_text()
    (icon,) = re.findall(r'<link rel="icon" href="data:image/svg\+xml,([^"]+)">', page)
    assert ElementTree.fromstring(urllib.parse.unquote(icon)).tag == "{http://www.w3.org/2000/svg}svg"
