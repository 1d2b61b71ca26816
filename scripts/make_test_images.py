#!/usr/bin/env python3
"""Writes tests/data/images_unit: small pictures of every kind that lib/images reads, and what Pillow and OpenCV make of them.

    python3 scripts/make_test_images.py      needs Pillow >= 13, numpy, opencv-python-headless; the result is checked in

  pictures/     one file for each kind; those that Pillow cannot write are put together here byte by byte
  tensors/      .npy, .npz, .pb files, good and bad ones, their name says which
  expected.npz  "<file>/L" and "<file>/RGBA": pixels by Image.open().convert()
                "resize/<library>/<mode>/<channels>/<w>x<h>-<W>x<H>": pattern(w, h, channels) resized
                "prep/<case>/<file>": the model's input, by the rules that lib/images/preprocess.h lists
"""
import io
import struct
import zlib
from pathlib import Path

import cv2
import numpy as np
from PIL import Image, ImageDraw

FOLDER = Path(__file__).resolve().parent.parent / "tests/data/images_unit"
PICTURES, TENSORS = FOLDER / "pictures", FOLDER / "tensors"
EXPECTED = {}


# --- what the pictures show ---------------------------------------------------------------------------------------
def scene(width=37, height=29):
    """A soft gradient with hard shapes on it, and alpha that is 0, 255 and between."""
    x, y = np.meshgrid(np.arange(width), np.arange(height))
    base = np.stack([x * 255 // width, y * 255 // height, (x + y) * 255 // (width + height)], 2).astype(np.uint8)
    image = Image.fromarray(base)
    draw = ImageDraw.Draw(image)
    draw.ellipse((width // 5, height // 4, width // 2, height * 3 // 4), fill=(230, 30, 60), outline=(255, 255, 255))
    draw.polygon([(width * 3 // 5, height - 4), (width - 3, height - 6), (width * 4 // 5, 3)], fill=(10, 160, 250))
    draw.line((0, height - 1, width - 1, 0), fill=(0, 0, 0))
    alpha = np.clip((x - 5) * 255 // (width - 10), 0, 255).astype(np.uint8)
    return image, Image.fromarray(np.dstack([np.asarray(image), alpha]))


def pattern(width, height, channels):
    """Restless values from a formula that the C++ test repeats."""
    x, y, c = np.meshgrid(np.arange(width), np.arange(height), np.arange(channels))
    values = ((x * x * 3 + y * y * 5 + x * y * 7 + c * 677) >> 3) & 255
    return values.astype(np.uint8)[:, :, 0] if channels == 1 else values.astype(np.uint8)


# --- files that Pillow does not write -----------------------------------------------------------------------------
def png(width, height, depth, colour, rows, interlaced=False, extra=b""):
    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, int(interlaced))
    return (b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + extra + chunk(b"IDAT", zlib.compress(rows, 9)) +
            chunk(b"IEND", b""))


def unfiltered(array):
    return b"".join(b"\0" + row.tobytes() for row in array)


def adam7(array):
    passes = [(0, 0, 8, 8), (0, 4, 8, 8), (4, 0, 8, 4), (0, 2, 4, 4), (2, 0, 4, 2), (0, 1, 2, 2), (1, 0, 2, 1)]
    parts = [array[top::down, left::right] for top, left, down, right in passes]
    return b"".join(unfiltered(part) for part in parts if part.size)


def bmp(width, height, bits, rows, palette=b"", compression=0, masks=b"", top_down=False):
    offset = 14 + 40 + len(masks) + len(palette)
    info = struct.pack("<IiiHHIIiiII", 40, width, -height if top_down else height, 1, bits, compression, len(rows), 0, 0,
                       len(palette) // 4, 0)
    return b"BM" + struct.pack("<IHHI", offset + len(rows), 0, 0, offset) + info + masks + palette + rows


def padded(rows):
    return b"".join(row + b"\0" * (-len(row) % 4) for row in rows)


def write_pngs(rgb, rgba):
    gray, array = rgb.convert("L"), np.asarray(rgb)
    deep = (np.asarray(rgba).astype(">u2") * 257) ^ 0x5A
    gray_alpha = np.dstack([np.asarray(gray), np.asarray(rgba)[:, :, 3]])
    width, height = rgb.size
    small = rgb.quantize(11, dither=Image.Dither.NONE)
    files = {
        "rgb.png": rgb, "rgba.png": rgba, "gray.png": gray, "gray_alpha.png": Image.fromarray(gray_alpha),
        "palette.png": small, "bits1.png": gray.point(lambda v: 255 * (v > 100), "1")}
    for name, image in files.items():
        image.save(PICTURES / name)
    small.save(PICTURES / "palette_trns.png", transparency=bytes([255, 0, 128, 7]))
    gray.save(PICTURES / "gray_trns.png", transparency=int(np.asarray(gray)[3, 3]))
    rgb.save(PICTURES / "rgb_trns.png", transparency=tuple(int(v) for v in array[14, 14]))
    values = (np.asarray(gray) >> 6).astype(np.uint8)
    values = np.pad(values, ((0, 0), (0, -width % 4))).reshape(height, -1, 4)
    bits2 = (values[:, :, 0] << 6 | values[:, :, 1] << 4 | values[:, :, 2] << 2 | values[:, :, 3]).astype(np.uint8)
    deep_gray = (np.asarray(gray).astype(">u2") * 3)
    byte_made = {
        "bits2.png": png(width, height, 2, 0, unfiltered(bits2)),
        "gray16.png": png(width, height, 16, 0, unfiltered(deep_gray)),
        "gray_alpha16.png": png(width, height, 16, 4, unfiltered(np.ascontiguousarray(deep[:, :, 2:]))),
        "rgb16.png": png(width, height, 16, 2, unfiltered(np.ascontiguousarray(deep[:, :, :3]))),
        "rgba16.png": png(width, height, 16, 6, unfiltered(deep)),
        "interlaced.png": png(width, height, 8, 2, adam7(array), interlaced=True),
        "interlaced_rgba.png": png(width, height, 8, 6, adam7(np.asarray(rgba)), interlaced=True)}
    for name, data in byte_made.items():
        (PICTURES / name).write_bytes(data)


def write_jpegs(rgb):
    def save(name, image, **options):
        image.save(PICTURES / name, "JPEG", **options)
    exif = Image.Exif()
    exif[0x0112] = 6  # "turn by 90 degrees to show": Image.open() does not
    save("rgb_444.jpg", rgb, quality=92, subsampling=0)
    save("rgb_422.jpg", rgb, quality=85, subsampling=1)
    save("rgb_420.jpg", rgb, quality=80, subsampling=2)
    save("progressive.jpg", rgb, quality=85, progressive=True)
    save("gray.jpeg", rgb.convert("L"), quality=90)
    save("cmyk.jpg", rgb.convert("CMYK"), quality=90)
    save("restarts.jpg", rgb, quality=75, restart_marker_rows=1)
    save("turned.jpg", rgb, quality=80, exif=exif)
    text = (PICTURES / "rgb_444.jpg").read_bytes()
    (PICTURES / "stray_bytes.jpg").write_bytes(text + b"some bytes behind the end")


def write_others(rgb, rgba):
    width, height = rgb.size
    rgb.save(PICTURES / "lossy.webp", quality=80)
    rgb.save(PICTURES / "lossless.webp", lossless=True)
    rgba.save(PICTURES / "alpha.webp", lossless=True, exact=True)
    rgba.save(PICTURES / "lossy_alpha.webp", quality=70)
    array, gray = np.asarray(rgb), rgb.convert("L")
    rgb.save(PICTURES / "rgb.bmp")
    gray.save(PICTURES / "gray.bmp")
    rgb.quantize(9).save(PICTURES / "palette.bmp")
    rgb.convert("1").save(PICTURES / "bits1.bmp")
    rgba.save(PICTURES / "rgba.bmp")
    five = (array >> 3).astype("<u2")
    packed = (five[:, :, 0] << 10 | five[:, :, 1] << 5 | five[:, :, 2]).astype("<u2")
    wide = (five[:, :, 0] << 11 | (array[:, :, 1] >> 2).astype("<u2") << 5 | five[:, :, 2]).astype("<u2")
    bgrx = np.dstack([array[:, :, ::-1], np.full((height, width), 9, np.uint8)])
    nibbles = np.pad(array[:, :, 0] >> 4, ((0, 0), (0, width % 2)))
    nibbles = (nibbles[:, ::2] << 4 | nibbles[:, 1::2]).astype(np.uint8)
    ramp = b"".join(bytes([v, 255 - v, v // 2, 0]) for v in range(0, 256, 17))
    by_hand = {
        "bits16.bmp": bmp(width, height, 16, padded(row.tobytes() for row in packed[::-1])),
        "bits565.bmp": bmp(width, height, 16, padded(row.tobytes() for row in wide[::-1]), compression=3,
                           masks=struct.pack("<III", 0xF800, 0x07E0, 0x001F)),
        "top_down.bmp": bmp(width, height, 32, bgrx.tobytes(), top_down=True),
        "bits4.bmp": bmp(width, height, 4, padded(row.tobytes() for row in nibbles[::-1]), palette=ramp)}
    for name, data in by_hand.items():
        (PICTURES / name).write_bytes(data)
    (FOLDER / "rle.bmp").write_bytes(bmp(width, height, 8, b"\0\1", palette=ramp, compression=1))
    rgb.save(PICTURES / "binary.ppm")
    gray.save(PICTURES / "binary.pgm")
    low = (np.asarray(gray).astype(int) * 100 // 255).astype(np.uint8)
    deep = np.asarray(rgb).astype(">u2") * 3
    plain = "\n".join(" ".join(str(v) for v in row) for row in array[:9].reshape(9, -1))
    (PICTURES / "largest_100.pgm").write_bytes(b"P5 # a comment\n%d %d\n100\n" % (width, height) + low.tobytes())
    (PICTURES / "plain.ppm").write_text(f"P3\n# made by hand\n{width} 9\n255\n{plain}\n")
    (PICTURES / "plain_100.pgm").write_text(f"P2 {width} 5 100 " + " ".join(str(v) for v in low[:5].ravel()))
    (PICTURES / "deep.ppm").write_bytes(b"P6 %d %d 1000 " % (width, height) + deep.tobytes())
    (PICTURES / "deep.pgm").write_bytes(b"P5 %d %d 65535\n" % (width, height) + (np.asarray(gray).astype(">u2") * 2).tobytes())


def expect_pictures():
    for file in sorted(PICTURES.iterdir()):
        image = Image.open(file)
        gray, rgba, rgb = (np.asarray(image.convert(mode)) for mode in ("L", "RGBA", "RGB"))
        assert (rgba[:, :, :3] == rgb).all(), file
        EXPECTED[f"{file.name}/L"], EXPECTED[f"{file.name}/RGBA"] = gray, rgba


# --- resizing ---------------------------------------------------------------------------------------------------------
SIZES = [((38, 26), (25, 17)), ((31, 20), (22, 22)), ((17, 11), (31, 29)), ((400, 300), (27, 20)), ((1, 1), (4, 3)),
         ((60, 1), (7, 2)), ((1, 60), (2, 13)), ((24, 30), (24, 11)), ((30, 24), (11, 24)), ((20, 20), (10, 10)),
         ((3, 5), (40, 2)), ((23, 41), (20, 13)), ((1000, 40), (9, 8)), ((12, 9), (12, 9))]


def expect_resizes():
    modes = {"nearest": (Image.NEAREST, cv2.INTER_NEAREST), "bilinear": (Image.BILINEAR, cv2.INTER_LINEAR),
             "bicubic": (Image.BICUBIC, cv2.INTER_CUBIC)}
    for (w, h), (new_w, new_h) in SIZES:
        for name, (pillow, opencv) in modes.items():
            for channels in (1, 3, 4):
                source = pattern(w, h, channels)
                key = f"{name}/{channels}/{w}x{h}-{new_w}x{new_h}"
                EXPECTED["resize/pillow/" + key] = np.asarray(Image.fromarray(source).resize((new_w, new_h), pillow))
                if channels == 3:
                    EXPECTED["resize/opencv/" + key] = cv2.resize(source, (new_w, new_h), interpolation=opencv)


# --- preprocessing ------------------------------------------------------------------------------------------------------
def crop(image, height, width):
    w, h = image.size
    left, top = (w - width) // 2, (h - height) // 2
    return image.crop((left, top, left + width, top + height))


def cover(image, height, width):
    w, h = image.size
    k = max(width / w, height / h)
    return image.resize((max(width, round(w * k)), max(height, round(h * k))), Image.BILINEAR) if k > 1 else image


def short_side(image, side, mode=Image.BILINEAR):
    w, h = image.size
    k = side / min(w, h)
    return image.resize((max(side, round(w * k)), max(side, round(h * k))), mode)


def letterbox(image, height, width, pad, centred):
    w, h = image.size
    k = min(width / w, height / h)
    small = image.resize((max(1, round(w * k)), max(1, round(h * k))), Image.BILINEAR)
    canvas = Image.new(image.mode, (width, height), pad)
    at = ((width - small.size[0]) // 2, (height - small.size[1]) // 2) if centred else (0, 0)
    canvas.paste(small, at)
    return canvas


def fixed_height(image, height, width):
    w, h = image.size
    return image.resize((min(width, max(1, round(w * height / h))), height), Image.BILINEAR)


def multiple_of(image, step):
    w, h = image.size
    return image.crop((0, 0, w // step * step, h // step * step))


MEAN, STD = (123.675, 116.28, 103.53), (58.395, 57.12, 57.375)
PLAIN = ((0,), (1,))
# name: (mode of Pillow, order of channels, what is done, (mean, std), NCHW)
CASES = {
    "short": ("RGB", (0, 1, 2), lambda i: crop(short_side(i, 16), 12, 14), (MEAN, STD), True),
    "short_bgr_bicubic": ("RGB", (2, 1, 0), lambda i: crop(short_side(i, 13, Image.BICUBIC), 10, 9), (MEAN, STD), False),
    "stretch": ("RGB", (0, 1, 2), lambda i: i.resize((15, 11), Image.BILINEAR), ((127.5,), (127.5,)), True),
    "stretch_gray": ("L", (0,), lambda i: i.resize((9, 14), Image.BILINEAR), ((0,), (255,)), True),
    "letterbox": ("RGB", (2, 1, 0), lambda i: letterbox(i, 16, 14, (114,) * 3, False), PLAIN, True),
    "letterbox_centred": ("RGB", (0, 1, 2), lambda i: letterbox(i, 13, 18, (3, 2, 1), True), (MEAN, STD), False),
    "letterbox_cropped": ("RGB", (0, 1, 2), lambda i: crop(letterbox(i, 16, 16, (9,) * 3, True), 14, 15), PLAIN, True),
    "own_crop": ("RGB", (0, 1, 2), lambda i: crop(cover(i, 32, 32), 32, 32), PLAIN, True),
    "multiple": ("RGB", (2, 1, 0), lambda i: multiple_of(i, 8), PLAIN, True),
    "line": ("RGB", (2, 1, 0), lambda i: fixed_height(i, 10, 14), ((127.5,), (127.5,)), True),
    "rgba": ("RGBA", (0, 1, 2, 3), lambda i: i.resize((11, 10), Image.BILINEAR), ((0,), (1, 1, 1, 255)), False),
    "bgra": ("RGBA", (2, 1, 0, 3), lambda i: crop(short_side(i, 9), 9, 9), PLAIN, True),
    "nearest": ("RGB", (0, 1, 2), lambda i: i.resize((10, 12), Image.NEAREST), PLAIN, True),
}


def expect_preprocessing():
    for name, (mode, order, change, (mean, std), planar) in CASES.items():
        for file in ("tall.png", "rgb_420.jpg", "rgba.png"):
            image = change(Image.open(PICTURES / file).convert(mode))
            x = np.asarray(image, np.float32)
            x = x[:, :, None] if x.ndim == 2 else x
            x = (x[:, :, order] - np.float32(mean)) / np.float32(std)
            if name == "line":
                x = np.concatenate([x, np.zeros((10, 14 - x.shape[1], 3), np.float32)], 1)
            EXPECTED[f"prep/{name}/{file}"] = np.ascontiguousarray(x.transpose(2, 0, 1) if planar else x)[None]


# --- tensors ------------------------------------------------------------------------------------------------------------
def tensor_proto(array, data_type, typed_field=None, name=b"x", extra=b""):
    """A serialized onnx.TensorProto: dims 1, data_type 2, typed data 4 to 8, name 8, raw_data 9, data_location 14."""
    def varint(value):
        out = b""
        while value > 127:
            out += bytes([value & 127 | 128])
            value >>= 7
        return out + bytes([value])
    def field(number, data):
        return varint(number << 3 | 2) + varint(len(data)) + data
    out = b"".join(varint(1 << 3) + varint(d) for d in array.shape) + varint(2 << 3) + varint(data_type)
    if typed_field is None:
        out += field(9, array.tobytes())
    elif array.dtype.kind == "f":
        out += field(typed_field, array.tobytes())
    else:
        out += field(typed_field, b"".join(varint(int(v) & (1 << 64) - 1) for v in array.ravel()))
    return out + field(8, name) + extra


def write_tensors():
    x = (np.arange(2 * 3 * 4).reshape(1, 2, 3, 4) * 0.5 - 3).astype(np.float32)
    size = np.array([[320, 240]], np.int64)
    whole = np.arange(24).reshape(1, 2, 3, 4)
    arrays = {"float32": x, "float64": x.astype("f8"), "uint8": whole.astype("u1"), "int64": whole.astype("i8"),
              "no_batch": x[0], "batch_of_2": np.concatenate([x, x]), "other_shape": x.transpose(0, 2, 1, 3).copy(),
              "fortran": np.asfortranarray(x), "big_endian": x.astype(">f4"), "complex": x.astype("c8")}
    for name, array in arrays.items():
        np.save(TENSORS / f"{name}.npy", array)
    (TENSORS / "cut.npy").write_bytes((TENSORS / "float32.npy").read_bytes()[:-5])
    np.savez(TENSORS / "stored.npz", x=x, size=size, unused=whole)
    np.savez_compressed(TENSORS / "deflated.npz", x=x, size=size)
    np.savez(TENSORS / "no_key.npz", x=x, sise=size)
    np.savez(TENSORS / "only_size.npz", size=size)
    damaged = bytearray((TENSORS / "deflated.npz").read_bytes())
    damaged[90] ^= 0x55
    (TENSORS / "damaged.npz").write_bytes(damaged)
    protos = {"raw": tensor_proto(x, 1), "typed": tensor_proto(x, 1, 4), "int64": tensor_proto(size, 7, 7, b"size"),
              "uint8": tensor_proto(whole.astype("u1"), 2, 5), "strings": tensor_proto(np.zeros(0, "u1"), 8),
              "external": tensor_proto(x[:0], 1, extra=bytes([14 << 3, 1]))}
    for name, data in protos.items():
        (TENSORS / f"{name}.pb").write_bytes(data)


def write_archive():
    """np.savez_compressed, but with a fixed date: the same bytes every time."""
    import zipfile
    with zipfile.ZipFile(FOLDER / "expected.npz", "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        for key, array in EXPECTED.items():
            text = io.BytesIO()
            np.save(text, np.ascontiguousarray(array))
            archive.writestr(zipfile.ZipInfo(key + ".npy", (1980, 1, 1, 0, 0, 0)), text.getvalue(), zipfile.ZIP_DEFLATED)


def main():
    for folder in (PICTURES, TENSORS):
        folder.mkdir(parents=True, exist_ok=True)
        for old in folder.iterdir():
            old.unlink()
    rgb, rgba = scene()
    write_pngs(rgb, rgba)
    write_jpegs(rgb)
    write_others(rgb, rgba)
    scene(19, 33)[0].save(PICTURES / "tall.png")
    expect_pictures()
    expect_resizes()
    expect_preprocessing()
    write_tensors()
    write_archive()
    print(f"{len(EXPECTED)} expected arrays, {sum(f.stat().st_size for f in FOLDER.rglob('*') if f.is_file())} bytes in all")


if __name__ == "__main__":
    main()
