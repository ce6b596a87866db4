"""The official Python SDK against a sandbox: upload, conflict, list, details, tags, deletion, purge, delivery."""

import os
import struct
import urllib.error
import urllib.request
import uuid
import zlib

import imagekitio
from imagekitio import ImageKit

ik = ImageKit(
    private_key=os.environ["IMAGEKIT_PRIVATE_KEY"],
    base_url=os.environ["IMAGEKIT_API_URL"],
    max_retries=0,
)
endpoint = os.environ["IMAGEKIT_URL_ENDPOINT"]
folder = f"/sdk-python-{uuid.uuid4().hex[:8]}"


def png(width, height):
    """A grey PNG, made by hand so that no imaging library is needed."""

    def chunk(kind, body):
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    rows = b"".join(b"\0" + bytes(x % 256 for x in range(width)) for _ in range(height))
    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


def refused(kind, message, call):
    """The call must fail with this class and ImageKit's words."""
    try:
        call()
    except kind as error:
        assert message in str(error), error
        return error
    raise AssertionError(f"not refused: {message}")


def fetched(url):
    with urllib.request.urlopen(url) as answer:
        return answer.headers["content-type"], answer.read()


def upload(name, **options):
    settings = {"folder": folder, "use_unique_file_name": False, "overwrite_file": False, **options}
    return ik.files.upload(file=png(120, 80), file_name=name, **settings)


first = upload("a 1.png", tags=["one", "two"], response_fields=["tags"], description="a grey one")
assert (first.name, first.file_path, first.width, first.height) == ("a_1.png", f"{folder}/a_1.png", 120, 80)
assert first.size == len(png(120, 80)) and first.tags == ["one", "two"] and first.file_type == "image"
refused(imagekitio.BadRequestError, "A file with the same name already exists", lambda: upload("a 1.png"))
second = upload("b.png", use_unique_file_name=True)
assert second.name.startswith("b_") and second.name != "b.png"
verbatim = ik.beta.v2.files.upload(file=png(9, 9), file_name="c 3.png", folder=folder, use_unique_file_name=False)
assert verbatim.name == "c 3.png", verbatim.name

listed = ik.assets.list(search_query=f'path : "{folder}/" AND type = "file"', limit=1000)
assert [one.file_id for one in listed] == [first.file_id, second.file_id, verbatim.file_id]
assert [one.name for one in ik.assets.list(path=folder, search_query='name = "a_1.png"', limit=1)] == ["a_1.png"]
refused(imagekitio.BadRequestError, "Maximum value of limit parameter is 1000", lambda: ik.assets.list(limit=2000))

details = ik.files.get(first.file_id)
assert details.file_path == first.file_path and details.mime == "image/png" and details.description == "a grey one"
ik.files.update(first.file_id, tags=["three"])
assert ik.files.get(first.file_id).tags == ["three"]
ik.files.bulk.add_tags(file_ids=[first.file_id, second.file_id], tags=["four"])
assert ik.files.get(first.file_id).tags == ["three", "four"]

assert fetched(f"{endpoint}{first.file_path}?tr=orig-true") == ("image/png", png(120, 80))
kind, small = fetched(f"{endpoint}{first.file_path}?tr=w-50")
assert kind == "image/png" and struct.unpack(">II", small[16:24]) == (50, 33)
built = ik.helper.build_url(url_endpoint=endpoint, src=first.file_path, transformation=[{"width": 30}])
assert struct.unpack(">I", fetched(built)[1][16:20]) == (30,)

purge = ik.cache.invalidation.create(url=first.url)
assert ik.cache.invalidation.get(purge.request_id).status in ("Pending", "Completed")
usage = ik.accounts.usage.get(start_date="2026-01-01", end_date="2026-01-02")
assert usage.media_library_storage_bytes >= first.size

unknown = "0123456789abcdef01234567"
refused(imagekitio.NotFoundError, "The requested file does not exist.", lambda: ik.files.get(unknown))
failed = refused(
    imagekitio.NotFoundError,
    "The requested file(s) does not exist.",
    lambda: ik.files.bulk.delete(file_ids=[first.file_id, unknown]),
)
assert failed.body["missingFileIds"] == [unknown]
ik.files.delete(first.file_id)
refused(imagekitio.NotFoundError, "The requested file does not exist.", lambda: ik.files.delete(first.file_id))
rest = [second.file_id, verbatim.file_id]
assert ik.files.bulk.delete(file_ids=rest).successfully_deleted_file_ids == rest
assert ik.assets.list(path=folder) == []
try:
    fetched(f"{endpoint}{first.file_path}")
    raise AssertionError("still served")
except urllib.error.HTTPError as error:
    assert error.code == 404 and error.headers["ik-error"].startswith("ENOENT")

stranger = ImageKit(private_key="private_of_somebody_else", base_url=os.environ["IMAGEKIT_API_URL"], max_retries=0)
refused(imagekitio.PermissionDeniedError, "Your account cannot be authenticated.", lambda: stranger.assets.list())
print(f"imagekitio {imagekitio.__version__}: all as expected")
