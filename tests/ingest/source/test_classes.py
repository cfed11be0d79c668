"""One form of a class's name, and a warning where two can hardly be told apart."""

import unicodedata

from components.common.names import class_name
from components.ingest.source.classes import ClassNames, empty_classes, look_alikes


def test_a_name_has_one_form() -> None:
    assert {class_name(unicodedata.normalize(form, " caf\u00e9\t")) for form in ("NFC", "NFD")} == {"caf\u00e9"}
    assert class_name("Cat  one") == "Cat  one"
    names = ClassNames()
    assert (names("cat"), names("cat "), names("  "), names.warnings()) == (
        "cat",
        "cat",
        None,
        ["class 'cat' is written in 2 ways, 'cat' and 'cat ', and taken as one: Unicode form and white space around a "
         "name do not count"],
    )  # fmt: skip


def test_names_that_differ_in_capitals_or_spaces_stay_apart_and_are_named() -> None:
    assert look_alikes({"cat": 2, "Cat": 1, "dog": 1, "CAT": 1, "Owl": 1}) == (
        "labels 'CAT' (1), 'Cat' (1) and 'cat' (2) differ in capitals only and stay 3 classes; rename them if one is "
        "meant",
    )
    assert look_alikes({"ice cream": 3, "icecream": 1_000}) == (
        "labels 'ice cream' (3) and 'icecream' (1,000) differ in spaces only and stay 2 classes; rename them if one is "
        "meant",
    )
    (line,) = look_alikes({"ice cream": 3, "Ice\u00a0\u200bcream": 0})
    assert "differ in capitals or spaces only" in line
    assert look_alikes({"cat": 1, "dog": 1}) == ()


def test_empty_folders_become_names() -> None:
    assert empty_classes(["a", "b/c", "cafe\u0301"], {}) == ("a", "caf\u00e9")
    assert empty_classes(["a", "train", "train/x", "b/c"], {"train": "train"}) == ("x",)
