"""Templates made into a file that needs nothing beside it."""

from functools import cache
from pathlib import Path
from typing import Any

import jinja2
import vl_convert
from markupsafe import Markup

TEMPLATES = Path(__file__).parent / "templates"


def render(template: str, **content: Any) -> str:
    """The text of a page: everything that it is given is escaped, what is missing is an error.

    Args:
        template: A file of templates/.
        content: The names that it uses.
    """
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.policies["json.dumps_kwargs"] = {"ensure_ascii": False, "separators": (",", ":")}
    environment.globals.update(file=_file, charts_library=charts_library)
    return environment.get_template(template).render(**content)


def _file(name: str) -> Markup:
    """A stylesheet or script of templates/, as it stands."""
    return Markup((TEMPLATES / name).read_text(encoding="utf-8"))


@cache
def charts_library() -> Markup:
    """Vega, Vega-Lite and Vega-Embed as one script."""
    # Inside of a page, these two would end or hide the script; inside of JavaScript's texts they mean the same so.
    return Markup(
        vl_convert.javascript_bundle("window.vegaEmbed = vegaEmbed;")
        .replace("</script", r"<\/script")
        .replace("<!--", r"<\!--")
    )
