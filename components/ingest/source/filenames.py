"""Classify files by name, before they are read: images, other files, and hidden files of tools."""

# of files that are images of a kind that is read, or broken ones
IMAGE_NAMES = (
    ".jpg .jpeg .jpe .jfif .mpo .png .apng .webp .avif .heic .heif .hif .jp2 .j2k .jpf .jpx .j2c .tif .tiff .bmp .gif "
    ".ppm .pgm .pbm .pnm"
)
# of files that are not worth a look at their first bytes. A thumbnail that a camera writes beside a video (.thm) is an
# image, but not a picture of its own.
OTHER_NAMES = (
    ".txt .csv .tsv .json .jsonl .ndjson .md .rst .html .htm .xml .yaml .yml .toml .ini .cfg .log .cls .idx .index "
    ".names .lst .srt .vtt .xmp .aae .thm .pp3 .dop .md5 .sha256 .url .lnk .tar .gz .tgz .zip .7z .rar .bz2 .xz .zst "
    ".parquet .arrow .feather .npy .npz .pt .pth .pkl .pickle .pyd .h5 .hdf5 .mat .tfrecord .tfrecords .safetensors "
    ".onnx .db .sqlite .py .pyc .ipynb .sh .js .css .c .h .cpp .java .exe .dll .so .pdf .doc .docx .xls .xlsx .ppt "
    ".pptx .mp4 .m4v .mov .avi .mkv .webm .3gp .mts .mpg .mpeg .wmv .mp3 .wav .m4a .aac .flac .ogg"
)
# of folders and files that systems, network drives and photo programs leave behind, one a line; whatever begins with a
# dot is one too
TOOL_NAMES = """__MACOSX
@eaDir
#recycle
@Recycle
@__thumb
$RECYCLE.BIN
RECYCLER
System Volume Information
lost+found
Thumbs.db
ehthumbs.db
desktop.ini"""
IMAGES, OTHERS = frozenset(IMAGE_NAMES.split()), frozenset(OTHER_NAMES.split())
TOOLS = frozenset(TOOL_NAMES.casefold().splitlines())
NO, MAYBE, YES = 0, 1, 2  # whether a file is an image, by its name


def is_image(extension: str) -> int:
    """YES where the name says so, NO where it says something else, MAYBE where only the first bytes tell."""
    if extension in IMAGES:
        return YES
    return NO if extension in OTHERS else MAYBE


def is_hidden(key: str) -> bool:
    """Whether a file, or a folder above it, is hidden or a tool's own."""
    return any(part.startswith(".") or part.casefold() in TOOLS for part in key.split("/"))


def extension_of(key: str) -> str:
    """`.png` of `a/b.PNG`; nothing of `a/.png`, as pathlib has it, which takes ten times as long."""
    name = key[key.rfind("/") + 1 :]
    dot = name.rfind(".")
    return name[dot:].lower() if 0 < dot < len(name) - 1 else ""


def named_kind(extension: str) -> str:
    """What files that are no images are called in counts."""
    return extension or "without extension"
