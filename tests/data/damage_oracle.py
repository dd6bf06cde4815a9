"""Makes damaged pictures and says which of them Pillow refuses: damage_oracle.py FOLDER FORMATS CUTS CHANGES SEED

FORMATS is "jpeg-png" or "others". Pictures are drawn, saved in every kind of the formats, and damaged at random: CUTS
files end early, CHANGES files have one byte changed. FOLDER receives them and verdicts.json, a list of {"file", "kind",
"damage", "refused"}; "whole" pictures are among them as well.
"""
import io
import json
import os
import pathlib
import random
import sys
import warnings

from PIL import Image, ImageDraw, ImageFile

ImageFile.LOAD_TRUNCATED_IMAGES = False


def draw(rng, width, height):
    image = Image.new("RGB", (width, height))
    pen = ImageDraw.Draw(image)
    for y in range(height):
        pen.line([(0, y), (width, y)], fill=(y * 255 // height, 90, 255 - y * 200 // height))
    for _ in range(12):
        x, y, size = rng.randrange(width), rng.randrange(height), rng.randrange(4, 24)
        color = tuple(rng.randrange(256) for _ in range(3))
        shape = rng.choice([pen.ellipse, pen.rectangle])
        shape([x, y, x + size, y + size], fill=color)
    for _ in range(150):
        image.putpixel((rng.randrange(width), rng.randrange(height)), tuple(rng.randrange(256) for _ in range(3)))
    return image


KINDS = {
    "jpeg-png": {
        "jpeg baseline": ("RGB", "JPEG", {"quality": 85}),
        "jpeg progressive": ("RGB", "JPEG", {"quality": 85, "progressive": True}),
        "jpeg grey": ("L", "JPEG", {"quality": 80}),
        "jpeg grey progressive": ("L", "JPEG", {"quality": 80, "progressive": True}),
        "jpeg cmyk": ("CMYK", "JPEG", {"quality": 85}),
        "png rgb": ("RGB", "PNG", {}),
        "png rgba": ("RGBA", "PNG", {}),
        "png grey": ("L", "PNG", {}),
        "png palette": ("P", "PNG", {}),
    },
    "others": {
        "webp lossy": ("RGB", "WEBP", {"quality": 80}),
        "webp lossless": ("RGB", "WEBP", {"lossless": True}),
        "webp alpha": ("RGBA", "WEBP", {"quality": 80}),
        "bmp rgb": ("RGB", "BMP", {}),
        "bmp palette": ("P", "BMP", {}),
        "ppm": ("RGB", "PPM", {}),
        "pgm": ("L", "PPM", {}),
        "pbm": ("1", "PPM", {}),
        "tiff raw": ("RGB", "TIFF", {}),
        "tiff lzw": ("RGB", "TIFF", {"compression": "tiff_lzw"}),
        "tiff deflate": ("L", "TIFF", {"compression": "tiff_adobe_deflate"}),
        "tiff packbits": ("P", "TIFF", {"compression": "packbits"}),
        "tiff jpeg": ("RGB", "TIFF", {"compression": "jpeg", "quality": 85}),
        "tiff group4": ("1", "TIFF", {"compression": "group4"}),
    },
}


def save(image, kind):
    mode, name, options = kind
    image = image.quantize(60) if mode == "P" else image.convert(mode)
    stream = io.BytesIO()
    image.save(stream, name, **options)
    return stream.getvalue()


def refused(path):
    try:
        with Image.open(path) as image:
            image.load()
            image.convert("RGB")
    except Exception:  # whatever it is, Pillow gives no picture
        return True
    return False


def main():
    folder, formats, cuts, changes, seed = pathlib.Path(sys.argv[1]), sys.argv[2], *map(int, sys.argv[3:6])
    warnings.simplefilter("ignore")
    sys.stderr = os.fdopen(os.dup(2), "w")
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)  # libtiff speaks there
    rng = random.Random(seed)
    kinds = KINDS[formats]
    pictures = [draw(rng, *size) for size in [(64, 48), (57, 70), (96, 33)]]
    whole = {name: [save(picture, kind) for picture in pictures] for name, kind in kinds.items()}
    verdicts = []

    def add(kind, damage, content):
        path = folder / f"{len(verdicts):05d}"
        path.write_bytes(content)
        verdicts.append({"file": path.name, "kind": kind, "damage": damage, "refused": refused(path)})

    names = list(kinds)
    for name in names:
        for content in whole[name]:
            add(name, "whole", content)
    for i in range(cuts):
        content = rng.choice(whole[names[i % len(names)]])
        add(names[i % len(names)], "cut", content[:rng.randrange(1, len(content))])
    for i in range(changes):
        content = bytearray(rng.choice(whole[names[i % len(names)]]))
        content[rng.randrange(len(content))] ^= rng.randrange(1, 256)
        add(names[i % len(names)], "change", bytes(content))
    (folder / "verdicts.json").write_text(json.dumps(verdicts))


main()
