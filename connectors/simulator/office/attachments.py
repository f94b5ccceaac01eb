"""Small files of the kinds that people attach: a workbook, a PDF page, a picture, a text."""

from __future__ import annotations

import io
import struct
import zipfile
import zlib
from dataclasses import dataclass
from xml.sax.saxutils import escape

XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
_EPOCH = (2020, 1, 1, 0, 0, 0)  # a fixed time stamp keeps the bytes the same from run to run
_SHEET_NS = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
_RELS_NS = "http://schemas.openxmlformats.org/package/2006/relationships"
_DOC_RELS = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
_WORKBOOK_PARTS = {
    "[Content_Types].xml": '<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types">'
    '<Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
    f'<Override PartName="/xl/workbook.xml" ContentType="{XLSX}.main+xml"/>'
    '<Override PartName="/xl/worksheets/sheet1.xml" ContentType="'
    'application/vnd.openxmlformats-officedocument.spreadsheetml.worksheet+xml"/></Types>',
    "_rels/.rels": f'<Relationships xmlns="{_RELS_NS}"><Relationship Id="r1" '
    f'Type="{_DOC_RELS}/officeDocument" Target="xl/workbook.xml"/></Relationships>',
    "xl/_rels/workbook.xml.rels": f'<Relationships xmlns="{_RELS_NS}"><Relationship Id="r1" '
    f'Type="{_DOC_RELS}/worksheet" Target="worksheets/sheet1.xml"/></Relationships>',
    "xl/workbook.xml": f'<workbook xmlns="{_SHEET_NS}" xmlns:r="{_DOC_RELS}">'
    '<sheets><sheet name="Лист1" sheetId="1" r:id="r1"/></sheets></workbook>',
}


@dataclass(frozen=True)
class File:
    """An attached file. `content_id` is set for a picture shown inside the text."""

    name: str
    content_type: str
    content: bytes
    content_id: str = ""


def workbook(name: str, rows: list[list[str]]) -> File:
    """A workbook of one sheet that spreadsheet programs open."""
    cells = "".join(
        "<row>" + "".join(f'<c t="inlineStr"><is><t>{escape(cell)}</t></is></c>' for cell in row) + "</row>"
        for row in rows
    )
    sheet = f'<worksheet xmlns="{_SHEET_NS}"><sheetData>{cells}</sheetData></worksheet>'
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as book:
        for part, text in {**_WORKBOOK_PARTS, "xl/worksheets/sheet1.xml": sheet}.items():
            book.writestr(zipfile.ZipInfo(part, _EPOCH), f'<?xml version="1.0" encoding="UTF-8"?>{text}')
    return File(name, XLSX, archive.getvalue())


def page(name: str, lines: list[str]) -> File:
    """A PDF of one page. Its font knows Latin letters only, so `lines` must be Latin."""
    shown = " ".join(f"({line.replace('(', '[').replace(')', ']')}) '" for line in lines)
    stream = f"BT /F1 11 Tf 14 TL 50 790 Td {shown} ET".encode("ascii", "replace")
    objects = [
        b"<</Type/Catalog/Pages 2 0 R>>",
        b"<</Type/Pages/Kids[3 0 R]/Count 1>>",
        b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 595 842]/Contents 4 0 R/Resources<</Font<</F1 5 0 R>>>>>>",
        b"<</Length %d>>stream\n%s\nendstream" % (len(stream), stream),
        b"<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>",
    ]
    body = bytearray(b"%PDF-1.4\n")
    offsets = []
    for number, content in enumerate(objects, 1):
        offsets.append(len(body))
        body += b"%d 0 obj%s endobj\n" % (number, content)
    start = len(body)
    body += b"xref\n0 6\n0000000000 65535 f \n" + b"".join(b"%010d 00000 n \n" % at for at in offsets)
    body += b"trailer<</Size 6/Root 1 0 R>>\nstartxref\n%d\n%%%%EOF\n" % start
    return File(name, "application/pdf", bytes(body))


def picture(name: str, tint: int, content_id: str = "") -> File:
    """A small PNG picture: a soft gradient in a colour chosen by `tint`."""
    width, height = 48, 36
    base = (tint * 47 % 160 + 60, tint * 89 % 120 + 80, tint * 31 % 140 + 60)
    rows = b"".join(
        b"\0" + b"".join(bytes(min(255, part + x + y) for part in base) for x in range(width)) for y in range(height)
    )
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(rows, 9)), (b"IEND", b""))
    body = b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data)) for kind, data in chunks
    )
    return File(name, "image/png", b"\x89PNG\r\n\x1a\n" + body, content_id)


def text(name: str, content: str) -> File:
    """A plain text file in the encoding that Windows programs in Russia write."""
    return File(name, "text/plain", content.encode("cp1251", "replace"))
