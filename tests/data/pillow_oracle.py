"""Does picture work with Pillow so that the tests can compare: pillow_oracle.py JOBS.json

JOBS.json is a list of jobs, each with "op", its arguments, and "out". Every op but "make" writes a picture as two
little-endian int32 (width, height) and its RGB bytes.
"""
import json
import math
import struct
import sys

import numpy
from PIL import Image, ImageEnhance, ImageOps

FILTERS = {"bilinear": Image.BILINEAR, "bicubic": Image.BICUBIC}


def make(job):
    """A picture with smooth parts, edges and noise, saved in the given mode."""
    width, height = job["width"], job["height"]
    random = numpy.random.RandomState(width * 1000 + height)
    y, x = numpy.mgrid[0:height, 0:width]
    channels = [
        127 + 90 * numpy.sin(x / (7 + 3 * c)) * numpy.cos(y / (11 - 2 * c)) + 60 * ((x // 9 + y // 5) % 2)
        for c in range(4)
    ]
    pixels = numpy.stack(channels, -1) + random.normal(0, 12, (height, width, 4))
    rgba = Image.fromarray(numpy.clip(pixels, 0, 255).astype(numpy.uint8), "RGBA")
    mode = job["mode"]
    if mode == "I;16":
        image = Image.fromarray((pixels[:, :, 0] * 2).clip(0, 65535).astype(numpy.uint16))
    elif mode == "P":
        image = rgba.convert("RGB").quantize(job["colors"])
    elif mode == "RGB":
        image = rgba.convert("RGB")
    elif mode == "RGBA":
        image = rgba
    else:
        image = rgba.convert("RGB").convert(mode)
    save = dict(job.get("save", {}))
    if "frames" in job:
        save |= {"save_all": True, "append_images": [ImageOps.invert(image)] * (job["frames"] - 1)}
    image.save(job["out"], **save)


def resize(image, job):
    return image.resize((job["width"], job["height"]), FILTERS[job["filter"]], box=job.get("box"))


def preprocess(image, job):
    """timm's evaluation transform up to the crop."""
    size = [job["height"], job["width"]]
    scaled = [math.floor(side / job["crop_pct"]) for side in size]
    w, h = image.size
    if job["crop_mode"] == "squash":
        new_h, new_w = scaled
    elif scaled[0] == scaled[1]:
        short, long = min(w, h), max(w, h)
        new_long = int(scaled[0] * long / short)
        new_w, new_h = (scaled[0], new_long) if w <= h else (new_long, scaled[0])
    else:
        ratio = min(h / scaled[0], w / scaled[1])
        new_h, new_w = round(h / ratio), round(w / ratio)
    image = image.resize((new_w, new_h), FILTERS[job["filter"]])
    top = int(round((new_h - size[0]) / 2.0))
    left = int(round((new_w - size[1]) / 2.0))
    return image.crop((left, top, left + size[1], top + size[0]))


OPS = {
    "decode": lambda image, job: image,
    "resize": resize,
    "preprocess": preprocess,
    "brightness": lambda image, job: ImageEnhance.Brightness(image).enhance(job["value"]),
    "contrast": lambda image, job: ImageEnhance.Contrast(image).enhance(job["value"]),
    "saturation": lambda image, job: ImageEnhance.Color(image).enhance(job["value"]),
    "sharpness": lambda image, job: ImageEnhance.Sharpness(image).enhance(job["value"]),
    "auto_contrast": lambda image, job: ImageOps.autocontrast(image),
    "equalize": lambda image, job: ImageOps.equalize(image),
    "invert": lambda image, job: ImageOps.invert(image),
    "posterize": lambda image, job: ImageOps.posterize(image, job["value"]),
    "solarize": lambda image, job: ImageOps.solarize(image, job["value"]),
    "flip": lambda image, job: ImageOps.mirror(image),
    "affine": lambda image, job: image.transform(
        image.size, Image.AFFINE, job["matrix"], resample=Image.BILINEAR, fillcolor=tuple(job["fill"])),
}


def main():
    with open(sys.argv[1]) as file:
        jobs = json.load(file)
    for job in jobs:
        if job["op"] == "make":
            make(job)
            continue
        image = OPS[job["op"]](Image.open(job["file"]).convert("RGB"), job)
        with open(job["out"], "wb") as file:
            file.write(struct.pack("<ii", *image.size) + image.tobytes())


main()
