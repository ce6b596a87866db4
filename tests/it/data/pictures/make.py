#!/usr/bin/env python3
"""Makes the base files of the corpus of pictures, into this folder: what Rust code cannot make by itself.

Needs Pillow, cjpeg and djpeg's kin (libjpeg-turbo), cwebp, img2webp, gifsicle, libwebp.so.7. They were made once and are
committed; the table of reference holds for these bytes, so whoever makes them again makes the table again too.
"""
import ctypes
import os
import struct
import subprocess
import tempfile

from PIL import Image, ImageCms

HERE = os.path.dirname(os.path.abspath(__file__))


def photo(width, height, seed=1, alpha=False):
    """Gradients, edges and noise: every block of it carries something, so that a loss is seen."""
    state = seed
    image = Image.new("RGBA" if alpha else "RGB", (width, height))
    for y in range(height):
        for x in range(width):
            state = (state * 1103515245 + 12345) & 0x7FFFFFFF
            noise = (state >> 16) % 48
            edge = 60 if (x // 11 + y // 7 + seed) % 3 == 0 else 0
            red, green = (x * 255 // width + noise) % 256, (y * 200 // height + edge) % 256
            pixel = (red, green, (x * y // 9 + noise + seed * 31) % 256)
            image.putpixel((x, y), pixel + ((x * 7 + y * 3 + noise) % 256,) if alpha else pixel)
    return image


def gradient(width, height, ends, slope):
    """From one colour to another, evenly."""
    image, steps = Image.new("RGB", (width, height)), slope[0] * width + slope[1] * height
    colours = [tuple(a + (b - a) * at // steps for a, b in zip(*ends)) for at in range(steps)]
    image.putdata([colours[x * slope[0] + y * slope[1]] for y in range(height) for x in range(width)])
    return image


def run(*words):
    subprocess.run([str(word) for word in words], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def out(name):
    return os.path.join(HERE, name)


def jpegs(folder):
    ppm, scans = os.path.join(folder, "in.ppm"), os.path.join(folder, "scans")
    photo(83, 61).save(ppm)
    samplings = {"444": "1x1", "422": "2x1", "420": "2x2", "440": "1x2", "411": "4x1", "410": "4x2"}
    for name, sampling in samplings.items():
        run("cjpeg", "-quality", 60, "-sample", sampling, "-outfile", out(f"jpeg-{name}.jpg"), ppm)
        run("cjpeg", "-quality", 60, "-sample", sampling, "-progressive", "-outfile", out(f"jpeg-{name}-prog.jpg"), ppm)
    odd = {
        "3x1": "3x1,1x1,1x1", "1x3": "1x3,1x1,1x1", "2x2-2x1-1x2": "2x2,2x1,1x2", "chroma-finer": "1x1,2x2,2x2",
        "all-2x1": "2x1,2x1,2x1", "blue-2x1": "2x1,2x1,1x1",
    }
    for name, sampling in odd.items():
        run("cjpeg", "-quality", 50, "-sample", sampling, "-outfile", out(f"jpeg-odd-{name}.jpg"), ppm)
    run("cjpeg", "-quality", 50, "-sample", odd["2x2-2x1-1x2"], "-progressive", "-outfile", out("jpeg-odd-prog.jpg"), ppm)
    run("cjpeg", "-quality", 60, "-optimize", "-outfile", out("jpeg-optimised.jpg"), ppm)
    run("cjpeg", "-quality", 97, "-outfile", out("jpeg-q97.jpg"), ppm)
    run("cjpeg", "-quality", 1, "-outfile", out("jpeg-q1-wide-tables.jpg"), ppm)
    run("cjpeg", "-quality", 60, "-rgb", "-outfile", out("jpeg-rgb.jpg"), ppm)
    run("cjpeg", "-quality", 60, "-arithmetic", "-outfile", out("jpeg-arithmetic.jpg"), ppm)
    run("cjpeg", "-quality", 60, "-arithmetic", "-progressive", "-outfile", out("jpeg-arithmetic-prog.jpg"), ppm)
    run("cjpeg", "-quality", 60, "-grayscale", "-outfile", out("jpeg-grey.jpg"), ppm)
    run("cjpeg", "-quality", 60, "-grayscale", "-progressive", "-outfile", out("jpeg-grey-prog.jpg"), ppm)
    run("cjpeg", "-quality", 60, "-grayscale", "-sample", "2x2", "-outfile", out("jpeg-grey-2x2.jpg"), ppm)
    for name, every in {"1": "1B", "5": "5B", "row": "1", "large": "9999B"}.items():
        run("cjpeg", "-quality", 60, "-restart", every, "-outfile", out(f"jpeg-restart-{name}.jpg"), ppm)
    run("cjpeg", "-quality", 60, "-restart", "7B", "-sample", "1x1", "-outfile", out("jpeg-restart-444.jpg"), ppm)
    run("cjpeg", "-quality", 60, "-restart", "4B", "-grayscale", "-outfile", out("jpeg-restart-grey.jpg"), ppm)
    run("cjpeg", "-quality", 60, "-restart", "6B", "-progressive", "-outfile", out("jpeg-restart-prog.jpg"), ppm)
    run("cjpeg", "-quality", 60, "-restart", "1", "-progressive", "-outfile", out("jpeg-restart-prog-row.jpg"), ppm)
    scripts = {
        "spectral": "0,1,2: 0-0,0,0; 0: 1-5,0,0; 1: 1-63,0,0; 2: 1-63,0,0; 0: 6-63,0,0;",
        "approximation": "0,1,2: 0-0,0,2; 0: 1-63,0,2; 1: 1-63,0,1; 2: 1-63,0,1; 0,1,2: 0-0,2,1; 0: 1-63,2,1;"
        " 0,1,2: 0-0,1,0; 0: 1-63,1,0; 1: 1-63,1,0; 2: 1-63,1,0;",
        "apart": "0: 0-0,0,0; 1: 0-0,0,0; 2: 0-0,0,0; 0: 1-63,0,0; 1: 1-63,0,0; 2: 1-63,0,0;",
        "fine": "0,1,2: 0-0,0,1; 0: 1-1,0,0; 0: 2-2,0,0; 0: 3-9,0,0; 0: 10-20,0,3; 0: 10-20,3,2; 0: 10-20,2,1;"
        " 0: 10-20,1,0; 0: 21-63,0,0; 2: 1-63,0,0; 1: 1-63,0,0; 0,1,2: 0-0,1,0;",
        "chroma-first": "1,2: 0-0,0,0; 0: 0-0,0,0; 2: 1-63,0,0; 1: 1-63,0,0; 0: 1-63,0,0;",
        "unfinished": "0,1,2: 0-0,0,1; 0: 1-63,0,1; 1: 1-63,0,1; 2: 1-63,0,1;",
        "dc-only": "0,1,2: 0-0,0,0;",
        "sequential-apart": "0; 1; 2;",
        "sequential-two": "0; 1,2;",
        "sequential-backward": "2; 1; 0;",
    }
    for name, script in scripts.items():
        with open(scans, "w", encoding="ascii") as file:
            file.write(script)
        run("cjpeg", "-quality", 60, "-scans", scans, "-outfile", out(f"jpeg-{name}.jpg"), ppm)
    run("cjpeg", "-quality", 60, "-restart", "3B", "-scans", scans, "-outfile", out("jpeg-restart-sequential-apart.jpg"), ppm)
    for width, height in [(1, 1), (1, 9), (9, 1), (7, 9), (8, 8), (16, 16), (17, 33), (64, 48)]:
        photo(width, height).save(ppm)
        for kind in ([], ["-progressive"]):
            name = f"jpeg-size-{width}x{height}{'-prog' if kind else ''}.jpg"
            run("cjpeg", "-quality", 60, *kind, "-outfile", out(name), ppm)
    black = photo(53, 37, 5).getchannel(0).point(lambda value: value // 3)
    cmyk = Image.merge("CMYK", [*photo(53, 37).split(), black])
    cmyk.save(out("jpeg-cmyk.jpg"), quality=60)
    cmyk.save(out("jpeg-cmyk-prog.jpg"), quality=60, progressive=True)
    photo(320, 240).save(ppm)
    run("cjpeg", "-quality", 25, "-outfile", out("jpeg-large.jpg"), ppm)
    run("cjpeg", "-quality", 25, "-progressive", "-outfile", out("jpeg-large-prog.jpg"), ppm)
    # A gradient has hundreds of blocks with the same two coefficients, each in as few zero bits.
    bright, dark = (250, 120, 20), (20, 10, 120)
    grey = "0: 0-0,0,0; 0: 1-2,0,0; 0: 3-63,0,0;"
    colour = "0,1,2: 0-0,0,0;" + grey[grey.index(";") + 1:] + "".join(f" {at}: 1-2,0,0; {at}: 3-63,0,0;" for at in (1, 2))
    for name, ends, slope, kind, script in [
        ("bright", (bright, dark), (1, 1), [], colour),
        ("dark", (dark, bright), (0, 1), [], colour),
        ("grey", (dark, bright), (0, 1), ["-grayscale"], grey),
    ]:
        gradient(400, 304, ends, slope).save(ppm)
        with open(scans, "w", encoding="ascii") as file:
            file.write(script)
        run("cjpeg", "-quality", 75, *kind, "-scans", scans, "-outfile", out(f"jpeg-gradient-{name}.jpg"), ppm)


def in_partitions(image, partitions, path):
    """A lossy WebP in several partitions. No program of libwebp writes one, so its library is called."""
    webp = ctypes.CDLL("libwebp.so.7")
    config, picture, written = (ctypes.create_string_buffer(512) for _ in range(3))
    webp.WebPConfigInitInternal(config, 0, ctypes.c_float(30), 0x020F)
    struct.pack_into("i", config, 4 * 18, partitions.bit_length() - 1)
    webp.WebPPictureInitInternal(picture, 0x020F)
    struct.pack_into("ii", picture, 8, *image.size)
    webp.WebPPictureImportRGB(picture, image.tobytes(), 3 * image.width)
    webp.WebPMemoryWriterInit(written)
    writer = ctypes.cast(webp.WebPMemoryWrite, ctypes.c_void_p).value
    struct.pack_into("PP", picture, 96, writer, ctypes.addressof(written))
    assert webp.WebPEncode(config, picture)
    memory, size = struct.unpack_from("PN", written, 0)
    with open(path, "wb") as file:
        file.write(ctypes.string_at(memory, size))


def webps(folder):
    def png(name, image):
        path = os.path.join(folder, name)
        image.save(path)
        return path

    opaque, clear = png("o.png", photo(83, 61)), png("a.png", photo(53, 37, 2, True))
    few = png("f.png", photo(61, 43).quantize(12))
    two = png("t.png", photo(61, 43).convert("1"))
    grey = png("g.png", photo(61, 43).convert("L"))
    large = png("l.png", photo(320, 240))
    for name, words in {
        "lossy": ["-q", 60, opaque],
        "lossy-simple": ["-q", 60, "-m", 0, "-f", 30, "-strong", opaque],
        "lossy-segments": ["-q", 30, "-segments", 4, "-sns", 100, opaque],
        "lossy-alpha": ["-q", 60, clear],
        "lossy-alpha-raw": ["-q", 60, "-alpha_method", 0, clear],
        "lossy-alpha-best": ["-q", 60, "-alpha_filter", "best", "-alpha_q", 40, clear],
        "lossless": ["-lossless", "-z", 6, opaque],
        "lossless-z0": ["-lossless", "-z", 0, few],
        "lossless-z9": ["-lossless", "-z", 9, clear],
        "lossless-few": ["-lossless", few],
        "lossless-two": ["-lossless", two],
        "lossless-grey": ["-lossless", grey],
        "lossless-near": ["-near_lossless", 40, opaque],
    }.items():
        run("cwebp", *words, "-o", out(f"webp-{name}.webp"))
    in_partitions(photo(320, 240), 8, out("webp-lossy-partitions.webp"))
    for width, height in [(1, 1), (1, 17), (17, 1), (7, 9), (16, 16), (33, 15)]:
        source = png("s.png", photo(width, height))
        run("cwebp", "-q", 60, source, "-o", out(f"webp-size-{width}x{height}.webp"))
        run("cwebp", "-lossless", source, "-o", out(f"webp-size-{width}x{height}-lossless.webp"))
    frames = [png(f"{seed}.png", photo(45, 31, seed)) for seed in range(1, 5)]
    run("img2webp", "-loop", 0, "-lossy", *frames, "-o", out("webp-animated.webp"))
    run("img2webp", "-lossless", *frames[:3], "-o", out("webp-animated-lossless.webp"))
    run("img2webp", "-mixed", "-kmin", 0, *frames[:3], "-o", out("webp-animated-mixed.webp"))
    clear = [png(f"c{seed}.png", photo(31, 45, seed, True)) for seed in range(1, 4)]
    run("img2webp", "-lossy", *clear, "-o", out("webp-animated-alpha.webp"))


def others(folder):
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    # Without the time of its making.
    profile = profile[:24] + bytes(12) + profile[36:]
    photo(53, 37).save(out("jpeg-icc.jpg"), quality=60, icc_profile=profile)
    photo(37, 23).save(out("png-icc.png"), icc_profile=profile)
    photo(53, 37).save(out("webp-icc.webp"), quality=60, icc_profile=profile)
    photo(71, 53).quantize(64).save(out("png-palette.png"), optimize=True)
    photo(71, 53).convert("L").save(out("png-grey.png"))
    photo(47, 35).save(out("png-rgb.png"), compress_level=9)
    photo(31, 23, 3, True).save(out("png-rgba.png"))
    frames = [photo(61, 43, seed).quantize(32) for seed in range(1, 5)]
    path = os.path.join(folder, "in.gif")
    frames[0].save(path, save_all=True, append_images=frames[1:], duration=100, loop=0)
    run("gifsicle", "-O3", "--interlace", path, "-o", out("gif-gifsicle.gif"))
    photo(83, 61).quantize(16).save(out("gif-pillow.gif"))


with tempfile.TemporaryDirectory() as made:
    jpegs(made)
    webps(made)
    others(made)
