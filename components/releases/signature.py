"""Sign the sums of a release with a private key, and verify such signatures.

    SHA256SUMS.sig   the signature of SHA256SUMS in base64, as `cosign sign-blob --key` writes it
    SHA256SUMS.pem   the public key that goes with it, in PEM, as `cosign public-key` prints it

An ECDSA signature is of the curve P-256 over sha256, in DER, as `openssl dgst -sha256 -verify PUB` checks it once it is
out of base64; `cosign verify-blob --key PUB --signature SHA256SUMS.sig --insecure-ignore-tlog SHA256SUMS` reads the
same (from cosign 2.6 on with `--new-bundle-format=false`). An Ed25519 signature is of the sums themselves (RFC 8032).
Both follow from key and sums alone, so that equal releases are signed by equal bytes (ECDSA by RFC 6979).

A key that only cosign reads (its own encrypted file, a KMS, a Kubernetes Secret) is used by the program `cosign`, where
it is on the PATH; what it signs is verified here before it is published, whatever program answers to that name. No
transparency log is told.
"""

import base64
import binascii
import subprocess
import tempfile
from pathlib import Path
from shutil import which
from typing import TYPE_CHECKING

from components.common.errors import BadInputError

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric import ec, ed25519

SIGNATURE, PUBLIC = "SHA256SUMS.sig", "SHA256SUMS.pem"
EXPECTED = "expected a key in PEM, Ed25519 or ECDSA on P-256"
OF_COSIGN = ("awskms://", "azurekms://", "gcpkms://", "hashivault://", "k8s://", "env://", "pkcs11:")
ENCRYPTED = (b"-----BEGIN ENCRYPTED SIGSTORE PRIVATE KEY-----", b"-----BEGIN ENCRYPTED COSIGN PRIVATE KEY-----")
UNATTENDED = ("--yes", "--tlog-upload=false", "--new-bundle-format=false", "--use-signing-config=false")
SECONDS = 120  # that a KMS may take


def sign(data: bytes, key: str) -> dict[str, bytes]:
    """The signature's files by name. key: a private key's file, or what cosign names a key by.

    Raises BadInputError, which never tells anything of the key, where it cannot sign.
    """
    of_cosign = key.startswith(OF_COSIGN)
    pem = b"" if of_cosign else _read(Path(key).expanduser())
    if of_cosign or pem.startswith(ENCRYPTED):
        public, signature = _by_cosign(data, key if of_cosign else str(Path(key).expanduser()))
    else:
        public, signature = _by_key(data, pem, key)
    encoded = base64.b64encode(signature)
    if wrong := verify(data, encoded, public):
        raise BadInputError(f"{key}: gave a signature that does not verify: {wrong}; nothing was published")
    return {PUBLIC: public, SIGNATURE: encoded}


def verify(data: bytes, signature: bytes, public: bytes) -> str:
    """Why a signature (base64) is not one of `data` by that public key (PEM); empty where it is."""
    try:
        raw = base64.b64decode(b"".join(signature.split()), validate=True)
    except binascii.Error:
        return "the signature is not base64"
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric import ed25519

    key = public_key(public, PUBLIC)
    try:
        if isinstance(key, ed25519.Ed25519PublicKey):
            key.verify(raw, data)
        else:
            key.verify(raw, data, _ecdsa())
    except InvalidSignature:
        return "the signature is not one of these bytes by this key"
    return ""


def public_key(pem: bytes, name: str) -> "ed25519.Ed25519PublicKey | ec.EllipticCurvePublicKey":
    """A public key from PEM; BadInputError where it is none of the two kinds. name: whose fault that is."""
    _needed()
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.serialization import load_pem_public_key

    if b"PRIVATE KEY" in pem:
        raise BadInputError(f"{name}: holds a private key; expected the public one, keep this one to yourself")
    try:
        key = load_pem_public_key(pem)
    except (ValueError, UnsupportedAlgorithm):
        raise BadInputError(f"{name}: holds no public key that can be read; {EXPECTED}") from None
    return _known(key, name)


def fingerprint(public: bytes) -> str:
    """sha256 of a public key (PEM), of its DER form, hexadecimal: the same for every spelling of the PEM."""
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    digest = hashes.Hash(hashes.SHA256())
    digest.update(public_key(public, PUBLIC).public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo))
    return digest.finalize().hex()


def _by_key(data: bytes, pem: bytes, name: str) -> tuple[bytes, bytes]:
    """The public key in PEM, and the raw signature."""
    _needed()
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key

    try:
        key = load_pem_private_key(pem, None)
    except TypeError:
        raise BadInputError(
            f"{name}: is encrypted; expected a key without a passphrase, as a Secret keeps it"
        ) from None
    except (ValueError, UnsupportedAlgorithm):
        raise BadInputError(f"{name}: holds no private key that can be read; {EXPECTED}") from None
    public = _known(key.public_key(), name)
    signature = key.sign(data, _ecdsa()) if isinstance(key, ec.EllipticCurvePrivateKey) else key.sign(data)  # type: ignore
    return public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo), signature


def _by_cosign(data: bytes, key: str) -> tuple[bytes, bytes]:
    """As `_by_key`, by the program; COSIGN_PASSWORD is its own affair."""
    if which("cosign") is None:
        raise BadInputError(
            f"{key}: only cosign reads it, and there is no cosign on the PATH; install it, or name a key in plain PEM"
        )
    helps = _run(["cosign", "sign-blob", "--help"], key).decode("utf-8", "replace")
    flags = [flag for flag in UNATTENDED if flag.partition("=")[0] in helps]  # each version of cosign knows its own
    with tempfile.TemporaryDirectory(prefix="gleaner-sign-") as scratch:
        (Path(scratch) / "sums").write_bytes(data)
        out = Path(scratch) / "signature"
        _run(["cosign", "sign-blob", *flags, "--key", key, "--output-signature", str(out), f"{scratch}/sums"], key)
        try:
            signature = base64.b64decode(b"".join(out.read_bytes().split()), validate=True)
        except (OSError, binascii.Error):
            raise BadInputError(f"{key}: cosign wrote no signature in base64; nothing was published") from None
    return _run(["cosign", "public-key", "--key", key], key), signature


def _run(command: list[str], key: str) -> bytes:
    """What a program prints; BadInputError with its last line where it fails."""
    try:
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, timeout=SECONDS)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise BadInputError(f"{key}: {' '.join(command[:2])} did not answer ({type(error).__name__})") from None
    if done.returncode:
        lines = done.stderr.decode("utf-8", "replace").strip().splitlines() or [f"exit code {done.returncode}"]
        raise BadInputError(f"{key}: {' '.join(command[:2])} failed: {lines[-1]}")
    return done.stdout


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise BadInputError(f"{path}: cannot be read as a key ({error.strerror}); {EXPECTED}") from None


def _known(key: object, name: str) -> "ed25519.Ed25519PublicKey | ec.EllipticCurvePublicKey":
    from cryptography.hazmat.primitives.asymmetric import ec, ed25519

    if isinstance(key, ed25519.Ed25519PublicKey):
        return key
    if isinstance(key, ec.EllipticCurvePublicKey) and isinstance(key.curve, ec.SECP256R1):
        return key
    raise BadInputError(f"{name}: is a key of another kind; {EXPECTED}")


def _ecdsa() -> "ec.ECDSA":
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import ec

    return ec.ECDSA(hashes.SHA256(), deterministic_signing=True)


def _needed() -> None:
    try:
        import cryptography  # noqa: F401 - a library that only signatures need
    except ImportError:
        raise BadInputError("signatures need the library cryptography; pip install 'gleaner[publish]'") from None
