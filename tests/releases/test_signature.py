"""Signatures of both kinds of key: checked by ours, by another library's program, and refused where a bit differs."""

import base64
import stat
import subprocess
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, Encoding, NoEncryption, PrivateFormat

from components.common.errors import BadInputError
from components.releases.signature import PUBLIC, SIGNATURE, fingerprint, sign, verify

DATA = b"0123  weights\n4567  release.json\n"


def key_file(path, key, encryption=None):
    path.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, encryption or NoEncryption()))
    return str(path)


@pytest.fixture(params=[ed25519.Ed25519PrivateKey.generate, lambda: ec.generate_private_key(ec.SECP256R1())])
def key(request, tmp_path):
    return key_file(tmp_path / "release.key", request.param())


def test_a_signature_verifies_follows_from_key_and_bytes_and_no_bit_may_differ(key):
    signed = sign(DATA, key)
    assert signed == sign(DATA, key)
    assert verify(DATA, signed[SIGNATURE], signed[PUBLIC]) == ""
    assert verify(DATA, signed[SIGNATURE] + b"\n", signed[PUBLIC]) == ""
    assert "not one of these bytes" in verify(DATA + b"\n", signed[SIGNATURE], signed[PUBLIC])
    raw = bytearray(base64.b64decode(signed[SIGNATURE]))
    raw[-1] ^= 1
    assert "not one of these bytes" in verify(DATA, base64.b64encode(raw), signed[PUBLIC])
    assert "not base64" in verify(DATA, b"%%%", signed[PUBLIC])
    assert len(fingerprint(signed[PUBLIC])) == 64


def test_openssl_accepts_both_kinds_of_signature(key, tmp_path):
    signed = sign(DATA, key)
    for name, data in (("sums", DATA), ("sig", base64.b64decode(signed[SIGNATURE])), ("pub", signed[PUBLIC])):
        (tmp_path / name).write_bytes(data)
    ecdsa = ["openssl", "dgst", "-sha256", "-verify", "pub", "-signature", "sig", "sums"]
    ed25519 = ["openssl", "pkeyutl", "-verify", "-pubin", "-inkey", "pub", "-rawin", "-in", "sums", "-sigfile", "sig"]
    check = ecdsa if len(base64.b64decode(signed[SIGNATURE])) > 64 else ed25519
    assert _ok(check, tmp_path)
    (tmp_path / "sums").write_bytes(DATA[1:])
    assert not _ok(check, tmp_path)


def test_a_signature_that_openssl_made_verifies(tmp_path):
    key = key_file(tmp_path / "key", ec.generate_private_key(ec.SECP256R1()))
    (tmp_path / "sums").write_bytes(DATA)
    run = ["openssl", "dgst", "-sha256", "-sign", key, "sums"]
    raw = subprocess.run(run, cwd=tmp_path, check=True, capture_output=True).stdout
    assert verify(DATA, base64.b64encode(raw), sign(DATA, key)[PUBLIC]) == ""


@pytest.mark.parametrize(
    ("make", "line"),
    [
        (lambda path: str(path), "cannot be read as a key"),
        (lambda path: path.write_text("-----BEGIN nothing") and str(path), "holds no private key"),
        (lambda path: key_file(path, rsa.generate_private_key(65537, 2048)), "is a key of another kind"),
        (lambda path: key_file(path, ec.generate_private_key(ec.SECP384R1())), "is a key of another kind"),
        (
            lambda path: key_file(path, ed25519.Ed25519PrivateKey.generate(), BestAvailableEncryption(b"pass")),
            "is encrypted; expected a key without a passphrase",
        ),
    ],
)
def test_a_key_that_cannot_sign_is_one_line_that_tells_nothing_of_it(tmp_path, make, line):
    path = make(tmp_path / "release.key")
    with pytest.raises(BadInputError, match=line) as refused:
        sign(DATA, path)
    text = str(refused.value)
    assert path in text
    assert "\n" not in text
    held = (tmp_path / "release.key").read_bytes() if (tmp_path / "release.key").exists() else b""
    assert not any(word in text for word in held.decode().split() if len(word) > 20)


def test_a_private_key_is_no_public_one(key):
    with pytest.raises(BadInputError, match="holds a private key; expected the public one"):
        verify(DATA, sign(DATA, key)[SIGNATURE], Path(key).read_bytes())


def test_a_key_of_cosign_needs_cosign(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    (tmp_path / "cosign.key").write_text("-----BEGIN ENCRYPTED SIGSTORE PRIVATE KEY-----\nabc\n")
    for name in (str(tmp_path / "cosign.key"), "awskms:///alias/release"):
        with pytest.raises(BadInputError, match="only cosign reads it, and there is no cosign on the PATH"):
            sign(DATA, name)


def test_what_a_program_called_cosign_signs_is_verified_before_it_is_believed(tmp_path, monkeypatch):
    """The stand-in only shows that a wrong answer is refused: what the real program answers is not known from it."""
    key = sign(DATA, key_file(tmp_path / "key", ec.generate_private_key(ec.SECP256R1())))
    program = tmp_path / "cosign"
    program.write_text(
        f"#!/bin/sh\ncase $1$2 in\nsign-blob--help) echo ' --yes --output-signature';;\n"
        f"sign-blob*) while [ $1 != --output-signature ]; do shift; done; printf %s {key[SIGNATURE].decode()} > $2;;\n"
        f"public-key*) cat <<'END'\n{key[PUBLIC].decode()}END\n;;\nesac\n"
    )
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    assert sign(DATA, "awskms:///alias/release") == key
    with pytest.raises(BadInputError, match="gave a signature that does not verify"):
        sign(DATA + b"more", "awskms:///alias/release")
    program.write_text("#!/bin/sh\necho 'no such key' >&2\nexit 1\n")
    with pytest.raises(BadInputError, match="cosign sign-blob failed: no such key"):
        sign(DATA, "awskms:///alias/release")


def _ok(command, folder) -> bool:
    return subprocess.run(command, cwd=folder, capture_output=True).returncode == 0
