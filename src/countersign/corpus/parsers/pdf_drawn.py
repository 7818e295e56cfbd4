"""What is drawn on a PDF page besides text: straight lines, filled areas, pictures. By PDFium, inside a confined child."""

from __future__ import annotations

import ctypes
from dataclasses import dataclass, field
from typing import Any

MAX_OBJECTS_PER_PAGE = 20_000
MAX_RULING_POINTS = 6_000
_PATH, _IMAGE, _FORM = 2, 3, 5
_LOOKED_AT = frozenset((_PATH, _IMAGE, _FORM))
Matrix = tuple[float, float, float, float, float, float]
Box = tuple[float, float, float, float]
Projection = Matrix


@dataclass(slots=True)
class Drawn:
    """What is drawn on a page besides text, in points as displayed."""

    horizontal: list[tuple[float, float, float]] = field(default_factory=list[tuple[float, float, float]])
    vertical: list[tuple[float, float, float]] = field(default_factory=list[tuple[float, float, float]])
    backgrounds: list[Box] = field(default_factory=list[Box])
    images: list[Box] = field(default_factory=list[Box])
    image_dpi: float = 0.0
    paths: int = 0
    points: int = 0
    objects: int = 0


def as_address(function: Any, *arguments: Any) -> Any:
    """The same native function taking and giving plain addresses: pointer objects for every character are slow."""
    native = int(ctypes.cast(function, ctypes.c_void_p).value or 0)
    prototype: Any = ctypes.CFUNCTYPE(ctypes.c_void_p, *arguments)
    return prototype(native)


def as_number(function: Any, *arguments: Any) -> Any:
    native = int(ctypes.cast(function, ctypes.c_void_p).value or 0)
    prototype: Any = ctypes.CFUNCTYPE(ctypes.c_int, *arguments)
    return prototype(native)


def drawn_on(page: Any, project: Projection) -> Drawn:
    import pypdfium2.raw as raw

    drawn = Drawn()
    kind_of = as_number(raw.FPDFPageObj_GetType, ctypes.c_void_p)
    inside = as_address(raw.FPDFFormObj_GetObject, ctypes.c_void_p, ctypes.c_ulong)

    def visit(address: int, matrix: Matrix, depth: int) -> None:
        drawn.objects += 1
        kind = kind_of(address)
        if kind not in _LOOKED_AT:
            return
        handle = ctypes.cast(address, raw.FPDF_PAGEOBJECT)
        if kind == _FORM and depth < 3:
            inner = _times(_matrix_of(raw, handle), matrix)
            count = raw.FPDFFormObj_CountObjects(handle)
            for index in range(min(count, MAX_OBJECTS_PER_PAGE - drawn.objects)):
                visit(inside(address, index), inner, depth + 1)
        elif kind == _IMAGE:
            _add_image(raw, handle, matrix, project, drawn)
        elif kind == _PATH:
            drawn.paths += 1
            _add_path(raw, handle, matrix, project, drawn)

    object_at = as_address(raw.FPDFPage_GetObject, ctypes.c_void_p, ctypes.c_int)
    place = ctypes.cast(page.raw, ctypes.c_void_p)
    for index in range(min(raw.FPDFPage_CountObjects(page), MAX_OBJECTS_PER_PAGE)):
        visit(object_at(place, index), (1.0, 0.0, 0.0, 1.0, 0.0, 0.0), 0)
        if drawn.objects >= MAX_OBJECTS_PER_PAGE:
            break
    return drawn


def _matrix_of(raw: Any, handle: Any) -> Matrix:
    matrix = raw.FS_MATRIX()
    if not raw.FPDFPageObj_GetMatrix(handle, matrix):
        return (1.0, 0.0, 0.0, 1.0, 0.0, 0.0)
    return (matrix.a, matrix.b, matrix.c, matrix.d, matrix.e, matrix.f)


def _times(first: Matrix, then: Matrix) -> Matrix:
    a, b, c, d, e, f = first
    p, q, r, s, t, u = then
    return (a * p + b * r, a * q + b * s, c * p + d * r, c * q + d * s, e * p + f * r + t, e * q + f * s + u)


def _box_of(raw: Any, handle: Any, matrix: Matrix, project: Projection) -> Box | None:
    left, bottom, right, top = (ctypes.c_float() for _ in range(4))
    if not raw.FPDFPageObj_GetBounds(handle, left, bottom, right, top):
        return None
    corners = [_apply(matrix, x, y) for x, y in ((left.value, bottom.value), (right.value, top.value))]
    (x0, y0), (x1, y1) = (_apply(project, x, y) for x, y in corners)
    return min(x0, x1), min(y0, y1), max(x0, x1), max(y0, y1)


def _apply(matrix: Matrix, x: float, y: float) -> tuple[float, float]:
    a, b, c, d, e, f = matrix
    return a * x + c * y + e, b * x + d * y + f


def _add_image(raw: Any, handle: Any, matrix: Matrix, project: Projection, drawn: Drawn) -> None:
    box = _box_of(raw, handle, matrix, project)
    if box is None:
        return
    drawn.images.append(box)
    width, height = ctypes.c_uint(), ctypes.c_uint()
    if raw.FPDFImageObj_GetImagePixelSize(handle, width, height) and box[2] - box[0] > 1:
        drawn.image_dpi = max(drawn.image_dpi, min(1200.0, width.value * 72 / (box[2] - box[0])))


def _add_path(raw: Any, handle: Any, matrix: Matrix, project: Projection, drawn: Drawn) -> None:
    fill_mode, stroke = ctypes.c_int(), ctypes.c_int()
    raw.FPDFPath_GetDrawMode(handle, fill_mode, stroke)
    if fill_mode.value:
        box = _box_of(raw, handle, matrix, project)
        if box is not None:
            _add_filled(raw, handle, box, drawn)
    if stroke.value:
        _add_strokes(raw, handle, _times(_matrix_of(raw, handle), matrix), project, drawn)


def _add_filled(raw: Any, handle: Any, box: Box, drawn: Drawn) -> None:
    x0, y0, x1, y1 = box
    if y1 - y0 < 2.5 and x1 - x0 > 6:
        drawn.horizontal.append(((y0 + y1) / 2, x0, x1))
    elif x1 - x0 < 2.5 and y1 - y0 > 6:
        drawn.vertical.append(((x0 + x1) / 2, y0, y1))
    else:
        parts = [ctypes.c_uint() for _ in range(4)]
        if raw.FPDFPageObj_GetFillColor(handle, *parts) and min(part.value for part in parts[:3]) < 235:
            drawn.backgrounds.append(box)


def _add_strokes(raw: Any, handle: Any, matrix: Matrix, project: Projection, drawn: Drawn) -> None:
    count = raw.FPDFPath_CountSegments(handle)
    drawn.points += max(0, count)
    if drawn.points > MAX_RULING_POINTS:
        return
    start = last = (0.0, 0.0)
    x, y = ctypes.c_float(), ctypes.c_float()
    for index in range(count):
        piece = raw.FPDFPath_GetPathSegment(handle, index)
        raw.FPDFPathSegment_GetPoint(piece, x, y)
        point = _apply(project, *_apply(matrix, x.value, y.value))
        kind = raw.FPDFPathSegment_GetType(piece)
        if kind == raw.FPDF_SEGMENT_MOVETO:
            start = point
        elif kind == raw.FPDF_SEGMENT_LINETO:
            _add_line(last, point, drawn)
        last = point
        if raw.FPDFPathSegment_GetClose(piece):
            _add_line(last, start, drawn)


def _add_line(first: tuple[float, float], second: tuple[float, float], drawn: Drawn) -> None:
    (x0, y0), (x1, y1) = first, second
    if abs(y1 - y0) < 1.0 and abs(x1 - x0) > 4:
        drawn.horizontal.append(((y0 + y1) / 2, min(x0, x1), max(x0, x1)))
    elif abs(x1 - x0) < 1.0 and abs(y1 - y0) > 4:
        drawn.vertical.append(((x0 + x1) / 2, min(y0, y1), max(y0, y1)))
