//! A comment in an encoded picture, where each format has its place for one: the pixels stay, the bytes are new.

use ledger::ids::Format;

/// The signature and the IHDR chunk, behind which a text chunk may stand.
const PNG_HEAD_BYTES: usize = 8 + 25;
/// The `RIFF`, size and `WEBP` of a WebP file.
const RIFF_HEAD_BYTES: usize = 12;
/// A block of a GIF's comment holds this many bytes at most.
const GIF_BLOCK_BYTES_MAX: usize = 255;

/// What every comment of the sandbox begins with.
pub(super) const BEGINS: &str = "Longshore sandbox, ";
/// The text chunk's name and its keyword, which stand before a PNG's comment.
const PNG_KEYWORD: &[u8] = b"tEXtComment\0";

/// The picture with the note in it.
pub(super) fn insert(format: Format, picture: &[u8], note: &str) -> Vec<u8> {
    match format {
        Format::Jpeg => jpeg(picture, note.as_bytes()),
        Format::Png => png(picture, note.as_bytes()),
        Format::Gif => gif(picture, note.as_bytes()),
        Format::Webp => webp(picture, note.as_bytes()),
    }
}

/// What stands before and behind the sandbox's comment in a JPEG or PNG: all that the pixels depend on.
pub(super) fn around(file: &[u8]) -> Option<(&[u8], &[u8])> {
    // A segment's length counts its own two bytes, a chunk's neither itself nor name and checksum.
    let (at, text_at, length) = if file.starts_with(&[0xff, 0xd8, 0xff, 0xe0]) {
        let at = 4 + usize::from(u16::from_be_bytes(*file.get(4..)?.first_chunk()?));
        let length = 2 + usize::from(u16::from_be_bytes(*file.get(at + 2..)?.first_chunk()?));
        (at, at + 4, file.get(at..)?.starts_with(&[0xff, 0xfe]).then_some(length)?)
    } else {
        let chunk = file.get(PNG_HEAD_BYTES..)?;
        let length = 12_usize.checked_add(u32::from_be_bytes(*chunk.first_chunk()?) as usize)?;
        let is_comment = file.starts_with(b"\x89PNG\r\n\x1a\n") && chunk.get(4..)?.starts_with(PNG_KEYWORD);
        (PNG_HEAD_BYTES, PNG_HEAD_BYTES + 4 + PNG_KEYWORD.len(), is_comment.then_some(length)?)
    };
    let is_ours = file.get(text_at..)?.starts_with(BEGINS.as_bytes());
    Some((&file[..at], file.get(at.checked_add(length)?..)?)).filter(|_| is_ours)
}

fn spliced(picture: &[u8], at: usize, part: &[u8]) -> Vec<u8> {
    [&picture[..at], part, &picture[at..]].concat()
}

/// A COM segment behind the JFIF header, which has to be the first segment.
fn jpeg(picture: &[u8], note: &[u8]) -> Vec<u8> {
    let jfif_bytes = usize::from(u16::from_be_bytes([picture[4], picture[5]]));
    let mut segment = vec![0xff, 0xfe];
    segment.extend(u16::try_from(note.len() + 2).unwrap_or(u16::MAX).to_be_bytes());
    segment.extend(note);
    spliced(picture, 4 + jfif_bytes, &segment)
}

/// A tEXt chunk behind the header chunk.
fn png(picture: &[u8], note: &[u8]) -> Vec<u8> {
    let checked = [PNG_KEYWORD, note].concat();
    let mut chunk = u32::try_from(checked.len() - 4).unwrap_or(u32::MAX).to_be_bytes().to_vec();
    chunk.extend(&checked);
    chunk.extend(crc32fast::hash(&checked).to_be_bytes());
    spliced(picture, PNG_HEAD_BYTES, &chunk)
}

/// A comment extension in front of the trailer.
fn gif(picture: &[u8], note: &[u8]) -> Vec<u8> {
    let mut extension = vec![0x21, 0xfe];
    for block in note.chunks(GIF_BLOCK_BYTES_MAX) {
        extension.push(u8::try_from(block.len()).unwrap_or(u8::MAX));
        extension.extend(block);
    }
    extension.push(0);
    spliced(picture, picture.len() - 1, &extension)
}

/// A chunk that no reader knows, behind the image data. Only the extended file format allows that, so the header of
/// one goes in front, with the dimensions that the lossless bitstream begins with (14 bits each, less one).
fn webp(picture: &[u8], note: &[u8]) -> Vec<u8> {
    let data = &picture[RIFF_HEAD_BYTES..];
    let packed = u32::from_le_bytes([data[9], data[10], data[11], data[12]]);
    let (width, height) = (packed & 0x3fff, packed >> 14 & 0x3fff);
    let mut header = vec![0; 4];
    header.extend(&width.to_le_bytes()[..3]);
    header.extend(&height.to_le_bytes()[..3]);

    let mut chunks = b"WEBP".to_vec();
    chunks.extend(chunk(b"VP8X", &header));
    chunks.extend(data);
    chunks.extend(chunk(b"NOTE", note));
    chunk(b"RIFF", &chunks)
}

/// A RIFF chunk: name, length, data, and a zero behind data of an odd length.
fn chunk(name: &[u8; 4], data: &[u8]) -> Vec<u8> {
    let length = u32::try_from(data.len()).unwrap_or(u32::MAX).to_le_bytes();
    let mut chunk = [name.as_slice(), &length, data].concat();
    if data.len() % 2 == 1 {
        chunk.push(0);
    }
    chunk
}
