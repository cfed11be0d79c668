"""Remove from the libraries of an image what no part of Gleaner reads: descriptions of other services of AWS, headers,
sources and tests, and the parts of Arrow that talk to servers of their own.

Called as the image is built, in the layer that installs them.
"""

import shutil
import sysconfig
from pathlib import Path

SERVICES = {"s3", "sso", "sso-oidc", "sts", "signin"}  # what boto3 needs for objects, and to find credentials
UNREAD = (
    "pyarrow/include",
    "pyarrow/tests",
    "pyarrow/*flight*",
    "pyarrow/*s3*",  # objects are read through boto3
    "pyarrow/**/*.p[xy][xdi]",
    "scipy/**/tests",
    "uvloop/**/*.p[xy][xdi]",
    "uvloop/*.c",
    "onnxruntime/capi/libonnxruntime.so*",  # for programs in C; Python's module has it built in
    "onnxruntime/datasets",
    "onnxruntime/tools",
    "onnxruntime/transformers",
)


def main() -> None:
    libraries = Path(sysconfig.get_path("platlib"))
    services = [each for each in (libraries / "botocore" / "data").iterdir() if each.is_dir()]
    unread = [each for each in services if each.name not in SERVICES]
    unread += [each for pattern in UNREAD for each in libraries.glob(pattern) if each.suffix != ".py"]
    for path in unread:
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)


if __name__ == "__main__":
    main()
