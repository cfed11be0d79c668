"""What `gleaner lineage` says once an image was forgotten: of that image that it was, of all others what it said."""

from components.common.lineage import newest_dataset
from components.common.storage import open_store
from components.lineage.known.image import image_of, told
from components.lineage.trace import UNKNOWN, datasets_of, releases_of, releases_of_all
from tests.forget.test_remains import forget
from tests.forget.world import NAME


def test_other_images_are_to_a_release_what_they_were_and_the_forgotten_one_nobody_knows(made):
    store, image = open_store(made.store), made.images["unlabelled"]
    newest = newest_dataset(NAME, store)
    assert newest is not None
    others = [one for one in newest.column("id") if one != image]
    before = {other: [one[:3] for one in some] for other, some in releases_of_all(store, others).items()}
    assert {how for some in before.values() for _, _, how in some} >= {"labelled", "unlabelled", "test"}
    forget(made, image)
    assert {other: [one[:3] for one in some] for other, some in releases_of_all(store, others).items()} == before
    assert datasets_of(store, image) == []
    found = releases_of(store, image)
    assert {one.how for one in found} == {UNKNOWN}
    assert all("the image was forgotten: its dataset" in one.why for one in found)
    text = "\n".join(told(image_of(store, image, [NAME], None)))
    assert "forgotten        as asked for at " in text
