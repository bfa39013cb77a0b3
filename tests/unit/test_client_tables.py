"""What the SDK shows of images, in a notebook and on a terminal."""

from __future__ import annotations

from mlserve.client.images import Image


def test_the_size_of_an_image_is_shown_in_mb_and_kept_in_bytes() -> None:
    image = Image({"image": "mlserve/iris:1", "digest": "sha256:0a", "size": 637_070_298, "layers": 6})
    assert "637 MB" in repr(image)
    assert "637 MB" in image._repr_html_()
    assert image.size == 637_070_298
