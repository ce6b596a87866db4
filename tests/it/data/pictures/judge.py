#!/usr/bin/env python3
"""judge.py FOLDER: what browsers and whole decoders make of each picture of the corpus, as reference.tsv beside this file.

FOLDER and its list.tsv are written by a test:
    LONGSHORE_CORPUS=FOLDER cargo test --test it the_corpus_is_written_for_its_judges -- --ignored
Needs chromium, djpeg (libjpeg-turbo), gif2rgb (giflib), libpng16.so.16, and Pillow, which brings libwebp.

Verdicts, one a row:
    whole     Chromium shows it, and where it is made from another picture, with all its frames and pixels
    damaged   it does not, and Chromium or a decoder says so
    silent    pixels or frames are not the original's, and nobody says so
    doubtful  all pixels are shown, and yet Chromium's frames are incomplete, or libjpeg speaks of corrupt data
"""
import collections
import ctypes
import http.server
import json
import os
import subprocess
import sys
import tempfile
import threading
import warnings

from PIL import Image, ImageSequence

HERE = os.path.dirname(os.path.abspath(__file__))
TYPES = {"jpg": "image/jpeg", "png": "image/png", "gif": "image/gif", "webp": "image/webp"}
PAGE = """<!doctype html><script>
const hash = data => {
  let hash = 2166136261
  for (const word of new Uint32Array(data.buffer)) hash = Math.imul(hash ^ word, 16777619) >>> 0
  return hash
}
const pixels = (image, width, height) => {
  const canvas = document.createElement('canvas')
  canvas.width = width
  canvas.height = height
  const context = canvas.getContext('2d', {willReadFrequently: true})
  context.drawImage(image, 0, 0)
  const data = context.getImageData(0, 0, width, height).data
  return data.every(byte => byte === 0) ? 'clear' : hash(data)
}
// As a page shows it: loaded, decoded, drawn.
const shown = async url => {
  const image = new Image()
  await new Promise((good, bad) => { image.onload = good; image.onerror = () => bad('it does not load'); image.src = url })
  await image.decode()
  const [width, height] = [image.naturalWidth, image.naturalHeight]
  return {width, height, pixels: pixels(image, width, height)}
}
// Frame by frame, each of which has to be complete.
const framed = async (url, type) => {
  const data = await (await fetch(url)).arrayBuffer()
  const decoder = new ImageDecoder({data, type})
  await decoder.tracks.ready
  await decoder.completed
  const frames = []
  for (let frameIndex = 0; frameIndex < decoder.tracks.selectedTrack.frameCount; frameIndex++) {
    const {image} = await decoder.decode({frameIndex, completeFramesOnly: true})
    frames.push(pixels(image, image.displayWidth, image.displayHeight))
    image.close()
  }
  decoder.close()
  return {frames}
}
const tried = async promise => { try { return await promise } catch (error) { return {error: String(error.message ?? error)} } }
const judge = async ([url, type]) => ({shown: await tried(shown(url)), framed: await tried(framed(url, type))})
const main = async () => {
  const files = await (await fetch('/files')).json()
  const next = async () => {
    for (let file; file = files.pop();) await fetch(file[0], {method: 'POST', body: JSON.stringify(await judge(file))})
  }
  await Promise.all([next(), next(), next(), next()])
  await fetch('/done', {method: 'POST'})
}
main()
</script>"""


def chromium(folder, names):
    """Each file's answer of the page above, by name."""
    answers, done = {}, threading.Event()
    files = json.dumps([["/of/" + name, TYPES[name.rsplit(".")[-1]]] for name in names])

    class Handler(http.server.BaseHTTPRequestHandler):
        def answer(self, kind, body):
            self.send_response(200)
            self.send_header("content-type", kind)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def do_GET(self):
            if self.path == "/":
                self.answer("text/html", PAGE.encode())
            elif self.path == "/files":
                self.answer("application/json", files.encode())
            elif self.path.startswith("/of/"):
                name = self.path[4:]
                with open(os.path.join(folder, name), "rb") as file:
                    self.answer(TYPES[name.rsplit(".")[-1]], file.read())
            else:
                self.send_error(404)

        def do_POST(self):
            body = self.rfile.read(int(self.headers["content-length"] or 0))
            if self.path == "/done":
                done.set()
            else:
                answers[self.path[4:]] = json.loads(body)
            self.answer("text/plain", b"")

        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        page = f"http://127.0.0.1:{server.server_port}/"
        words = ["chromium", "--headless=new", "--no-sandbox", "--disable-gpu", "--user-data-dir=" + profile, page]
        browser = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        if not done.wait(60 + len(names)):
            print("chromium did not come to an end", file=sys.stderr)
        browser.terminate()
        browser.wait()
    server.shutdown()
    return answers


def program(*words):
    done = subprocess.run(words, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, check=False)
    return done.returncode, done.stderr.decode(errors="replace").strip().replace("\n", "; ")


def jpeg(path):
    _, said = program("djpeg", "-outfile", "/dev/null", path)
    return "; ".join(line for line in said.split("; ") if "extraneous bytes" not in line)


def gif(path):
    """giflib, which is stricter with screens and tables than anybody who shows a GIF."""
    with tempfile.TemporaryDirectory() as folder:
        code, said = program("gif2rgb", "-o", os.path.join(folder, "out"), path)
    if any(words in said for words in ("not confined", "width or height 0", "have a colormap")):
        return ""
    return said or f"gif2rgb ends with {code}" if code != 0 else pillow(path)


def png(path):
    """libpng's simplified interface, for the still picture; Pillow, which has its own, goes over an animation's frames."""
    libpng = ctypes.CDLL("libpng16.so.16")
    image = (ctypes.c_char * 104)()
    opaque_and_version = ctypes.c_uint32.from_buffer(image, 8)
    opaque_and_version.value = 1
    words = [ctypes.c_uint32.from_buffer(image, at) for at in range(12, 36, 4)]
    message = lambda: bytes(image[36:100]).split(b"\0")[0].decode()
    if not libpng.png_image_begin_read_from_file(image, path.encode()):
        return message()
    width, height, kind, _, _, failed = words
    kind.value = 3
    if not libpng.png_image_finish_read(image, None, ctypes.create_string_buffer(width.value * height.value * 4), 0, None):
        return message()
    return message() if failed.value > 1 else pillow(path)


def pillow(path):
    try:
        with Image.open(path) as image:
            for frame in ImageSequence.Iterator(image):
                frame.load()
    except TypeError:  # of its own making, with interlaced animations
        return ""
    except Exception as error:  # whatever it says, it is a complaint
        return f"{type(error).__name__}: {error}"
    return ""


DECODERS = {"jpg": ("libjpeg", jpeg), "png": ("libpng", png), "gif": ("giflib", gif), "webp": ("libwebp", pillow)}


def stored_sides(path, answer):
    """Chromium's, turned back where an orientation says so."""
    sides = answer["shown"]["width"], answer["shown"]["height"]
    try:
        with Image.open(path) as image:
            return image.size if image.size == sides[::-1] else sides
    except Exception:
        return sides


def is_same(answer, original):
    """Whether people see the same; of what stands still, frames are no better witness than the page."""
    if answer["shown"] != original["shown"] or "error" in answer["shown"]:
        return False
    frames = original["framed"].get("frames", [])
    return len(frames) < 2 or answer["framed"].get("frames") == frames


def judge(folder, name, origin, answers):
    path, answer = os.path.join(folder, name), answers[name]
    who, decoder = DECODERS[name.rsplit(".")[-1]]
    said = decoder(path)
    complaint = said and f"{who}: {said}"
    is_corrupt = any(words in said for words in ("premature end", "found marker", "Huffman code"))
    errors = [answer[way]["error"] for way in ("shown", "framed") if "error" in answer[way]]
    refusal = f"Chromium: {errors[0]}" if errors else ""
    frames = len(answer["framed"].get("frames", []))
    # Which of the two Chromium says of the same file is a matter of chance.
    if "error" in answer["shown"] or answer["shown"]["pixels"] == "clear":
        return "damaged", "", "Chromium shows nothing"
    if origin and not is_same(answer, answers[origin]):
        if refusal or complaint:
            return "damaged", "", refusal or complaint
        return "silent", "", ""
    if not origin and (refusal or is_corrupt):
        return "damaged", "", refusal or complaint
    if refusal or is_corrupt:
        return "doubtful", "", refusal or complaint
    width, height = stored_sides(path, answer)
    return "whole", f"{width}x{height}{' animated' if frames > 1 else ''}", complaint


def main(folder):
    warnings.simplefilter("ignore")
    with open(os.path.join(folder, "list.tsv"), encoding="utf-8") as file:
        corpus = [line.rstrip("\n").split("\t") for line in file]
    answers = chromium(folder, [name for name, _, _ in corpus])
    with open(os.path.join(folder, "chromium.json"), "w", encoding="utf-8") as file:
        json.dump(answers, file)
    count = collections.Counter()
    with open(os.path.join(HERE, "reference.tsv"), "w", encoding="utf-8") as table:
        table.write("# name, BLAKE3 of its bytes, verdict, what is shown, why. Written by judge.py; see docs/pictures.md.\n")
        for name, digest, origin in corpus:
            verdict, shows, why = judge(folder, name, origin, answers)
            count[name.rsplit(".")[-1], verdict] += 1
            why = " ".join(why.replace(path_of(folder), "").split())[:60]
            table.write(f"{name}\t{digest}\t{verdict}\t{shows}\t{why}\n")
    for (kind, verdict), number in sorted(count.items()):
        print(kind, verdict, number)


def path_of(folder):
    return os.path.join(folder, "")


if __name__ == "__main__":
    main(sys.argv[1])
