"""What agent functions and tools have in their hands, as files: bytes, pictures, charts, tables.

Libraries of pictures and tables are recognized by what their objects are, and never imported here.
"""

import io
import mimetypes
from collections.abc import Iterable
from typing import Any

from agentchat.core.files import File, judged_type
from agentchat.core.text import title_of

MAX_TITLE_CHARS = 300


def file_of(value: Any, name: str = "") -> File | None:
    """The value as a file, if it is one, or a picture, a chart, a table or bytes; else None.

    `name` is that of the file, without an extension if its type decides that. A picture or a chart becomes a PNG, a
    table a CSV.
    """
    if isinstance(value, File):
        return value
    if isinstance(value, bytes | bytearray | memoryview):
        contents = bytes(value)
        type_ = judged_type(contents, name)
        return File(_with_extension(name or "file", type_), contents, type_)
    if type(value).__module__ == "builtins":  # of long lists, each value is looked at
        return None
    if _is_of(value, "PIL") and hasattr(value, "save"):
        return File(_with_extension(name or "image", "image/png"), _png_of_image(value), "image/png")
    if _is_of(value, "matplotlib") and (figure := _figure_of(value)) is not None:
        contents, title = _png_of_figure(figure), _title_of_figure(figure)
        return File(_with_extension(name or "chart", "image/png"), contents, "image/png", title=title)
    if _is_of(value, "pandas", "polars") and (csv := _csv_of(value)) is not None:
        return File(_with_extension(name or "table", "text/csv"), csv, "text/csv")
    return None


def files_in(value: Any, name: str) -> tuple[list[File], Any]:
    """The files in what a tool returned, and the rest of it; a list or a tuple may have both. The rest may be None."""
    if (file := file_of(value, name)) is not None:
        return [file], None
    if not isinstance(value, list | tuple):
        return [], value
    made = [file_of(each, f"{name}-{number}" if number > 1 else name) for number, each in enumerate(value, start=1)]
    if not any(made):
        return [], value
    rest = [each for each, file in zip(value, made, strict=True) if file is None]
    return [file for file in made if file is not None], rest[0] if len(rest) == 1 else rest or None


def _is_of(value: Any, *packages: str) -> bool:
    return any(kind.__module__.partition(".")[0] in packages for kind in type(value).__mro__)


def _with_extension(name: str, content_type: str) -> str:
    known = {"text/plain": ".txt", "text/csv": ".csv", "audio/wave": ".wav", "audio/wav": ".wav"}
    extension = known.get(content_type) or mimetypes.guess_extension(content_type) or ".bin"
    return name if mimetypes.guess_type(name)[0] else f"{name}{extension}"


def _png_of_image(image: Any) -> bytes:
    with io.BytesIO() as png:
        (image if image.mode in ("1", "L", "LA", "I", "P", "RGB", "RGBA") else image.convert("RGB")).save(png, "PNG")
        return png.getvalue()


def _figure_of(value: Any) -> Any:
    """The figure, if it is one or a plot in one."""
    figure = value if hasattr(value, "savefig") else getattr(value, "figure", None)
    return figure if hasattr(figure, "savefig") else None


def _png_of_figure(figure: Any) -> bytes:
    with io.BytesIO() as png:
        figure.savefig(png, format="png", bbox_inches="tight")
        return png.getvalue()


def _title_of_figure(figure: Any) -> str:
    """What a chart says about itself: for those who cannot see it."""
    titles: Iterable[str] = [figure.get_suptitle(), *(axes.get_title() for axes in figure.axes)]
    return title_of(": ".join(filter(None, titles)), MAX_TITLE_CHARS)


def _csv_of(table: Any) -> str | None:
    if hasattr(table, "write_csv"):  # polars
        return str(table.write_csv())
    return str(table.to_csv(index=False)) if hasattr(table, "to_csv") and hasattr(table, "columns") else None
