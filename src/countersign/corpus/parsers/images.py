"""Pictures for recognition: decoded in the child and handed on as a plain grey PNG, one frame at a time."""

from __future__ import annotations

import io
from collections.abc import Mapping
from typing import Any

from countersign.corpus.parsers.decoding import read_all
from countersign.corpus.preflight import MAX_PIXELS
from countersign.corpus.zygote import Output, Refusal

MAX_FRAMES = 500
A4_INCHES = 8.27


def _open(source: int) -> Any:
    try:
        from PIL import Image, UnidentifiedImageError
    except ImportError:
        raise Refusal("unsupported", "extra_documents_missing") from None
    try:
        image = Image.open(io.BytesIO(read_all(source)))
    except UnidentifiedImageError:
        raise Refusal("corrupt", "image_structure") from None
    except Image.DecompressionBombError:
        raise Refusal("refused_limit", "image_pixels") from None
    if image.width * image.height > MAX_PIXELS:
        raise Refusal("refused_limit", "image_pixels")
    return image


def count(source: int, _params: Mapping[str, Any], output: Output) -> None:
    """Records `{"pages": frames}` and one `{"page", "image_dpi"}` for each."""
    image = _open(source)
    frames = min(MAX_FRAMES, int(getattr(image, "n_frames", 1))) if image.format == "TIFF" else 1
    output.record({"pages": frames, "parser": "tesseract"})
    dpi = _dpi(image)
    for page in range(1, frames + 1):
        output.record({"page": page, "needs_ocr": True, "image_dpi": dpi})


def _dpi(image: Any) -> int:
    """What the file says, else as if the picture were an A4 page."""
    said = image.info.get("dpi", (0, 0))[0]
    if 100 <= said <= 1200:
        return round(said)
    return max(100, min(600, round(min(image.width, image.height) / A4_INCHES)))


def render(source: int, params: Mapping[str, Any], output: Output) -> None:
    """Raw PNG of frame `page`: grey for recognition, or `width_px` wide for people."""
    image = _open(source)
    from PIL import ImageOps

    page = int(params["page"])
    if page > 1:
        try:
            image.seek(page - 1)
        except (EOFError, ValueError):
            raise Refusal("empty", "no_such_page") from None
    if image.width * image.height > MAX_PIXELS:
        raise Refusal("refused_limit", "image_pixels")
    dpi = _dpi(image)
    wanted = "L" if params.get("grey") else "RGB"
    image = ImageOps.exif_transpose(image) if "exif" in image.info else image
    if image.mode in ("RGBA", "LA", "P", "PA"):
        image = _on_white(image)
    picture = image.convert(wanted)
    if "width_px" in params:
        width = int(params["width_px"])
        picture = picture.resize((width, max(1, min(20_000, round(picture.height * width / picture.width)))))
    buffer = io.BytesIO()
    picture.save(buffer, "PNG", compress_level=1, dpi=(dpi, dpi))
    output.raw(buffer.getvalue())


def _on_white(image: Any) -> Any:
    from PIL import Image

    clear = image.convert("RGBA")
    white = Image.new("RGBA", clear.size, (255, 255, 255, 255))
    return Image.alpha_composite(white, clear)
