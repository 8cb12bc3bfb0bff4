"""Images are decoded once, within a limit of pixels, and made anew from their pixels: what else was in them is gone.

That is their metadata (where a photo was taken), and whatever a hostile file hides behind its image. The orientation
that a camera notes is applied first. Pillow is imported with the first image.
"""

import io
import tempfile
import threading
from dataclasses import dataclass
from typing import IO, Any

from django.conf import settings

from agentchat import conf

THUMBNAIL = (480, 360)
MAX_FRAMES = 1_000  # of a film: each costs more than its pixels
_FORMATS = {"image/gif": "GIF", "image/jpeg": "JPEG", "image/png": "PNG", "image/webp": "WEBP"}
_MODES = {
    "GIF": ("1", "L", "P", "RGB", "RGBA"),
    "JPEG": ("L", "RGB"),
    "PNG": ("1", "I;16", "L", "LA", "P", "RGB", "RGBA"),
    "WEBP": ("RGB", "RGBA"),
}

_one_at_a_time = threading.Lock()  # one large image needs a hundred megabytes while it is decoded


class BadImage(Exception):
    """It cannot be decoded."""


class TooManyPixels(BadImage):
    """It has more pixels than MAX_IMAGE_PIXELS."""


@dataclass(frozen=True, kw_only=True)
class CleanImage:
    """An image without its metadata. Callers close `content`."""

    content: IO[bytes]
    thumbnail: bytes
    width: int
    height: int


def remade(file: IO[bytes], content_type: str) -> CleanImage:
    """The image of one of `content_types.IMAGES`, made anew. Raise BadImage."""
    from PIL import Image

    file.seek(0)
    with _one_at_a_time:
        try:
            with Image.open(file, formats=[_FORMATS[content_type]]) as image:
                return _remade(image, _FORMATS[content_type])
        except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
            raise TooManyPixels(str(error)) from error
        except BadImage:
            raise
        except Exception as error:  # Pillow's decoders raise whatever they come across in a damaged file
            raise BadImage(f"{type(error).__name__}: {error}") from error


def _remade(image: Any, format_: str) -> CleanImage:
    limit = conf.app.max_image_pixels
    pixels = image.width * image.height
    if pixels > limit:
        raise TooManyPixels(f"{image.width} by {image.height} pixels, of at most {limit}")
    most = min(MAX_FRAMES, limit // pixels)
    frames = _frames_in(image, most) if format_ in ("GIF", "WEBP") else 1
    if 1 < frames <= most:
        first, options = _frames_of(image)
    else:  # of a film that is too long the first picture
        first, options = _still(image, _MODES[format_]), {}
    if format_ == "JPEG":
        options["quality"] = 92
    content = tempfile.TemporaryFile(dir=settings.FILE_UPLOAD_TEMP_DIR)  # noqa: SIM115 (callers close it)
    try:
        first.save(content, format_, **options)
        return CleanImage(content=content, thumbnail=_thumbnail(first), width=first.width, height=first.height)
    except BaseException:
        content.close()
        raise


def _frames_in(image: Any, most: int) -> int:
    """How many frames it has, at most one more than `most`: `n_frames` would go through millions of them."""
    for number in range(1, most + 1):
        try:
            image.seek(number)
        except EOFError:
            image.seek(0)
            return number
    image.seek(0)
    return most + 1


def _still(image: Any, modes: tuple[str, ...]) -> Any:
    from PIL import ImageOps

    profile = image.info.get("icc_profile")
    pixels = ImageOps.exif_transpose(image)
    if pixels.mode not in modes or profile:
        has_alpha = "A" in pixels.getbands() or "transparency" in pixels.info
        pixels = _in_srgb(pixels, profile).convert("RGBA" if has_alpha and "RGBA" in modes else "RGB")
    return _without_info(pixels)


def _frames_of(image: Any) -> tuple[Any, dict[str, Any]]:
    from PIL import ImageSequence

    durations, frames = [], []
    for frame in ImageSequence.Iterator(image):
        durations.append(frame.info.get("duration") or 100)
        frames.append(_without_info(frame.convert("RGBA")))
    loop = image.info.get("loop", 1)
    return frames[0], {"save_all": True, "append_images": frames[1:], "duration": durations, "loop": loop}


def _in_srgb(image: Any, profile: bytes | None) -> Any:
    """With the colours that its profile means, since the profile goes with the rest."""
    from PIL import ImageCms

    if not profile or image.mode not in ("RGB", "RGBA", "CMYK"):
        return image
    try:
        given = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        mode = "RGBA" if image.mode == "RGBA" else "RGB"
        return ImageCms.profileToProfile(image, given, ImageCms.createProfile("sRGB"), outputMode=mode)
    except (ImageCms.PyCMSError, OSError, ValueError):
        return image  # a damaged profile means nothing


def _without_info(image: Any) -> Any:
    copy = image.copy()
    copy.info = {key: value for key, value in image.info.items() if key == "transparency"}
    return copy


def _thumbnail(image: Any) -> bytes:
    small = image.convert("RGBA" if image.mode in ("RGBA", "LA", "P") else "RGB")
    small.thumbnail(THUMBNAIL)
    content = io.BytesIO()
    _without_info(small).save(content, "WEBP", quality=80)
    return content.getvalue()
