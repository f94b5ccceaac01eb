"""Which files are flagged before somebody opens them, and why (S12). Pure.

By name alone while the content is in the mailbox; by its bytes, too, once they were fetched. It is no virus scanner:
it tells what kind of file can run something, and what a file hides about itself.
"""

from __future__ import annotations

import io
import re
import struct
import zipfile
from collections.abc import Iterable
from enum import StrEnum

from terracrm.domain import file_types
from terracrm.domain.attachments import file_name
from terracrm.domain.file_types import HTML, OLE, PDF, RTF, SVG, ZIP, ending, sniff


class Danger(StrEnum):
    """Why a file is flagged, the worst first."""

    DISGUISED = "disguised"  # its content is not what its name says
    DECEPTIVE = "deceptive"  # its name hides what it is
    PROGRAM = "program"
    ARCHIVE = "archive"  # an archive with a program in it
    MACRO = "macro"
    ACTIVE = "active"  # a page or drawing whose scripts run when it is opened
    HIDDEN = "hidden"  # encrypted or packed so that nobody can look into it


def _endings(text: str) -> frozenset[str]:
    return frozenset(text.split())


# What Outlook blocks (Microsoft: "Blocked attachments in Outlook", level 1), then what else runs when it is opened.
PROGRAMS = _endings(
    """
    ade adp app appcontent-ms application appref-ms asp aspx asx bas bat bgi cab cer chm cmd cnt com cpl crt csh der
    diagcab exe fxp gadget grp hlp hpj hta htc inf ins iso isp its jar jnlp js jse ksh lnk mad maf mag mam maq mar mas
    mat mau mav maw mcf mda mdb mde mdt mdw mdz msc msh msh1 msh2 mshxml msh1xml msh2xml msi msp mst msu ops osd pcd
    pif pl plg prf prg printerexport ps1 ps1xml ps2 ps2xml psc1 psc2 psd1 psdm1 pst py pyc pyo pyw pyz pyzw reg scf scr
    sct settingcontent-ms shb shs theme tmp udl url vb vbe vbp vbs vhd vhdx vsmacros vsw webpnp website ws wsb wsc wsf
    wsh xbap xll xnk

    accda accdb accde action apk appinstaller appx appxbundle bash command dbx deb desktop dll dmg drv elf img iqy
    jsx library-ms mjs msix msixbundle ocx oxt one onetoc2 pkg psm1 rdp rpm run search-ms searchconnector-ms service sh
    slk sys udf vmdk wim workflow xpi xsl xslt zsh
    """
)
# Office documents that may hold macros, and the code that 1C runs when it opens a file.
MACROS = _endings("docm dotm xlsm xltm xlsb xlam xla pptm potm ppam ppsm ppa sldm epf erf cfe")
ACTIVE = _endings("html htm xhtml xht shtml mht mhtml svg svgz swf")
CLOSED = _endings("rar 7z ace arj lzh lha zipx")
_DOCUMENTS = _endings(
    "pdf doc docx xls xlsx ppt pptx rtf odt ods txt csv xml jpg jpeg png gif bmp tif tiff webp mp3 mp4 avi mov zip rar"
    " 7z eml msg html htm"
)

_IMAGES = _endings("png jpg jpeg jpe jfif gif webp bmp tif tiff heic heif")
_PACKED = _endings("docx xlsx pptx dotx xltx potx ppsx vsdx odt ods odp zip epub")
_OLD_OFFICE = _endings("doc xls ppt dot xlt pot pps vsd mpp pub")
_TEXTS = _endings("txt csv tsv log")

_ALLOWED = {
    "pdf": {PDF},
    **{each: {ZIP, OLE} for each in _PACKED},  # OLE is the envelope of an encrypted one
    **{each: {OLE, ZIP, RTF, HTML} for each in _OLD_OFFICE},  # accounting programs name their HTML tables .xls
    **{each: {HTML, SVG} for each in _TEXTS},
}
"""What the content may show itself to be, by the ending of the name."""

_OVERRIDES = re.compile("[\u202a-\u202e\u2066-\u2069]")
_GAP = re.compile(r"\s{5,}")
_MAX_LISTING = 2_000_000
"""The longest listing of an archive that is read, in bytes: some 20,000 files."""
_END_OF_LISTING = b"PK\x05\x06"
_BROKEN = (
    zipfile.BadZipFile, struct.error, OSError, ValueError, EOFError, NotImplementedError, LookupError, OverflowError
)  # fmt: skip


def of_name(name: str, content_type: str = "") -> str:
    """Why a file of this name is flagged, or "".

    invoice.pdf.exe hides what it is, and so does an ending behind a hundred spaces.
    """
    saved_as = file_name(name, content_type)
    last = ending(saved_as)
    is_veiled = bool(_GAP.search(name)) or ending(saved_as.rpartition(".")[0]) in _DOCUMENTS
    if _OVERRIDES.search(name) or (is_veiled and last in PROGRAMS | MACROS | ACTIVE):
        return Danger.DECEPTIVE
    for endings, danger in (
        (PROGRAMS, Danger.PROGRAM),
        (MACROS, Danger.MACRO),
        (ACTIVE, Danger.ACTIVE),
        (CLOSED, Danger.HIDDEN),
    ):
        if last in endings:
            return danger
    return ""


def of_content(name: str, content_type: str, data: bytes) -> str:
    """Why a file with this name and content is flagged, or ""; what its name says counts as well."""
    found = sniff(data)
    last = ending(file_name(name, content_type))
    reasons = [of_name(name, content_type), _of_misfit(last, found)]
    if found in (HTML, SVG) and last not in _TEXTS:
        reasons.append(Danger.ACTIVE)
    elif found in file_types.CLOSED_ARCHIVES:
        reasons.append(Danger.HIDDEN)
    elif found == ZIP:
        reasons.append(_of_zip(data))
    elif found == OLE:
        reasons.append(_of_ole(data))
    return _worst(reasons)


def _worst(reasons: Iterable[str]) -> str:
    return min((Danger(reason) for reason in reasons if reason), key=list(Danger).index, default="")


def _of_misfit(last: str, found: str) -> str:
    """Whether the content is something else than the ending of the name promises."""
    if found in file_types.PROGRAMS:
        return "" if last in PROGRAMS else Danger.DISGUISED
    if not found:
        return ""
    if last in _IMAGES:
        return "" if found.startswith("image/") and found != SVG else Danger.DISGUISED
    return Danger.DISGUISED if found not in _ALLOWED.get(last, {found}) else ""


def _of_zip(data: bytes) -> str:
    """What the listing of an archive, or of a modern Office document, gives away. Nothing is unpacked."""
    end = data.rfind(_END_OF_LISTING, max(0, len(data) - 66_000))
    if end < 0 or int.from_bytes(data[end + 12 : end + 16], "little") > _MAX_LISTING:
        return Danger.HIDDEN
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            files = [entry for entry in archive.infolist() if not entry.is_dir()]
    except _BROKEN:
        return Danger.HIDDEN
    paths = [entry.filename.lower() for entry in files]
    if "[content_types].xml" in paths or "mimetype" in paths:
        return Danger.MACRO if any(_is_macro(path) for path in paths) else ""
    inside = {of_name(path.replace("\\", "/").rpartition("/")[2]) for path in paths}
    if inside & {Danger.PROGRAM, Danger.DECEPTIVE, Danger.MACRO}:
        return Danger.ARCHIVE
    return Danger.HIDDEN if any(entry.flag_bits & 1 for entry in files) else ""


def _is_macro(path: str) -> bool:
    """A part of an Office document (Microsoft's or OpenDocument's) that holds macros."""
    return path.endswith("vbaproject.bin") or "/macrosheets/" in path or path.startswith(("basic/", "scripts/"))


def _of_ole(data: bytes) -> str:
    """Older Office documents: the names of their inner streams stand in them as UTF-16."""
    if "_VBA_PROJECT".encode("utf-16-le") in data:
        return Danger.MACRO
    return Danger.HIDDEN if "EncryptedPackage".encode("utf-16-le") in data else ""
