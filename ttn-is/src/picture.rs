//! Pictures drawn anew in several sizes (IS-18). What comes is from outside and may be anything: whatever would take much
//! memory or time is refused before it is decoded.

use crate::record::EmbeddedPicture;

/// A picture in one size.
#[derive(Debug)]
pub(crate) struct Variant {
    /// The longer side at most.
    pub(crate) size: u32,
    /// How its file is called.
    pub(crate) extension: &'static str,
    pub(crate) octets: Vec<u8>,
}

/// Whether pictures can be drawn: that needs the feature `pictures`.
pub(crate) const CAN_DRAW: bool = cfg!(feature = "pictures");

/// The media type of a file by how it is called; `None` if it is no picture of ours.
pub(crate) fn media_type(name: &str) -> Option<&'static str> {
    match name.rsplit_once('.')?.1 {
        JPEG => Some("image/jpeg"),
        PNG => Some("image/png"),
        _ => None,
    }
}

/// A picture in every size, none larger than it was. Nothing else that was in the file remains, such as where it was taken.
/// Takes up to some hundred milliseconds on the thread of the caller.
///
/// # Errors
///
/// It is no picture that is taken; the reason follows the name of the field.
#[cfg(feature = "pictures")]
pub(crate) fn variants(picture: &EmbeddedPicture) -> Result<Vec<Variant>, &'static str> {
    drawing::variants(picture)
}

/// Pictures cannot be drawn.
#[cfg(not(feature = "pictures"))]
pub(crate) fn variants(_picture: &EmbeddedPicture) -> Result<Vec<Variant>, &'static str> {
    Err("cannot be drawn by this build")
}

#[cfg(feature = "pictures")]
mod drawing {
    use std::io::Cursor;

    use image::{
        DynamicImage, ImageDecoder as _, ImageFormat, ImageReader, Limits, imageops::FilterType,
        metadata::Orientation,
    };

    use super::{JPEG, PNG, Variant};
    use crate::record::EmbeddedPicture;

    pub(super) fn variants(picture: &EmbeddedPicture) -> Result<Vec<Variant>, &'static str> {
        let (mut picture, extension) = decode(picture)?;
        let format = if extension == PNG { ImageFormat::Png } else { ImageFormat::Jpeg };
        let mut variants = Vec::new();
        for size in SIZES {
            if picture.width() > size || picture.height() > size {
                picture = picture.resize(size, size, FilterType::Triangle);
            }
            let mut octets = Cursor::new(Vec::new());
            picture.write_to(&mut octets, format).map_err(|_| "cannot be drawn")?;
            variants.push(Variant { size, extension, octets: octets.into_inner() });
        }
        Ok(variants)
    }

    /// Looks at the size, and only then decodes.
    fn decode(picture: &EmbeddedPicture) -> Result<(DynamicImage, &'static str), &'static str> {
        let octets = picture.data.as_slice();
        if octets.len() > OCTETS_MAX {
            return Err("has more than 8 MiB");
        }
        let (format, extension) = match image::guess_format(octets) {
            Ok(ImageFormat::Jpeg) => (ImageFormat::Jpeg, JPEG),
            Ok(ImageFormat::Png) => (ImageFormat::Png, PNG),
            _ => return Err("is neither PNG nor JPEG"),
        };
        if !picture.mime_type.is_empty() && picture.mime_type != format.to_mime_type() {
            return Err("is not what its MIME type says");
        }
        let mut limits = Limits::default();
        limits.max_image_width = Some(SIDE_MAX);
        limits.max_image_height = Some(SIDE_MAX);
        limits.max_alloc = Some(ALLOCATION_MAX);
        let mut reader = ImageReader::with_format(Cursor::new(octets), format);
        // Those of the decoder are set below: an error here would not tell a large picture from a broken one.
        reader.no_limits();
        let mut decoder = reader.into_decoder().map_err(broken)?;
        let (width, height) = decoder.dimensions();
        if width.max(height) > SIDE_MAX || u64::from(width) * u64::from(height) > PIXELS_MAX {
            return Err("has more than 4096 pixels at a side or 12 million in all");
        }
        decoder.set_limits(limits).map_err(broken)?;
        let orientation = decoder.orientation().unwrap_or(Orientation::NoTransforms);
        let mut picture = DynamicImage::from_decoder(decoder).map_err(broken)?;
        // Eight bits per channel are enough for what is seen; the smallest form is the cheapest to turn and shrink.
        picture = match picture.color().has_alpha() {
            true => picture.to_rgba8().into(),
            false => picture.to_rgb8().into(),
        };
        picture.apply_orientation(orientation);
        Ok((picture, extension))
    }

    fn broken(_: image::ImageError) -> &'static str {
        "cannot be read; it may be cut off"
    }

    /// The longer sides of what is kept, the largest first: each is drawn from the one before.
    const SIZES: [u32; 4] = [512, 256, 128, 64];
    const OCTETS_MAX: usize = 8 << 20;
    const SIDE_MAX: u32 = 4096;
    const PIXELS_MAX: u64 = 12_000_000;
    /// Eight octets per pixel.
    const ALLOCATION_MAX: u64 = 8 * PIXELS_MAX;

    #[cfg(test)]
    mod tests {
        use super::*;

        fn encoded(picture: &DynamicImage, format: ImageFormat) -> Vec<u8> {
            let mut octets = Cursor::new(Vec::new());
            picture.write_to(&mut octets, format).unwrap();
            octets.into_inner()
        }

        fn png(width: u32, height: u32) -> Vec<u8> {
            encoded(&DynamicImage::new_rgba8(width, height), ImageFormat::Png)
        }

        fn embedded(data: Vec<u8>) -> EmbeddedPicture {
            EmbeddedPicture { mime_type: String::new(), data }
        }

        /// A PNG that says it is as large, and has no pixels.
        fn bomb(width: u32, height: u32) -> Vec<u8> {
            let mut octets = png(1, 1);
            octets[16..20].copy_from_slice(&width.to_be_bytes());
            octets[20..24].copy_from_slice(&height.to_be_bytes());
            let crc = octets[12..29].iter().fold(u32::MAX, |crc, octet| {
                (0..8)
                    .fold(crc ^ u32::from(*octet), |crc, _| (crc >> 1) ^ (0xEDB8_8320 * (crc & 1)))
            });
            octets[29..33].copy_from_slice(&(!crc).to_be_bytes());
            octets
        }

        fn refusal(octets: Vec<u8>) -> &'static str {
            variants(&embedded(octets)).unwrap_err()
        }

        fn sides(octets: Vec<u8>) -> Vec<(u32, u32, u32)> {
            let variants = variants(&embedded(octets)).unwrap().into_iter();
            let sides = variants.map(|Variant { size, octets, .. }| {
                let picture = image::load_from_memory(&octets).unwrap();
                (size, picture.width(), picture.height())
            });
            sides.collect()
        }

        // IS-18
        #[test]
        fn a_picture_is_drawn_anew_in_every_size_and_never_larger() {
            let small = [(512, 200, 100), (256, 200, 100), (128, 128, 64), (64, 64, 32)];
            assert_eq!(sides(png(200, 100)), small);
            let large = encoded(&DynamicImage::new_rgb8(600, 600), ImageFormat::Jpeg);
            assert_eq!(sides(large)[0], (512, 512, 512));
        }

        // IS-18
        #[test]
        fn what_a_camera_wrote_about_a_picture_is_heeded_and_not_kept() {
            let jpeg = encoded(&DynamicImage::new_rgb8(200, 100), ImageFormat::Jpeg);
            // An Exif segment with one entry: orientation 6, turned by a quarter.
            let mut exif =
                b"Exif\0\0MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x06\0\0".to_vec();
            exif.extend(b"\0\0\0\0 51.0N 4.0E");
            let length = u16::try_from(exif.len() + 2).unwrap().to_be_bytes();
            let turned = [&jpeg[..2], &[0xFF, 0xE1], &length, &exif, &jpeg[2..]].concat();
            let variants = variants(&embedded(turned)).unwrap();
            let picture = image::load_from_memory(&variants[0].octets).unwrap();
            assert_eq!((picture.width(), picture.height()), (100, 200));
            assert!(!variants[0].octets.windows(5).any(|octets| octets == b"51.0N"));
        }

        // IS-18, promise 10
        #[test]
        fn bombs_and_what_is_no_picture_are_refused_before_they_are_decoded() {
            const TOO_LARGE: &str = "has more than 4096 pixels at a side or 12 million in all";
            const CUT: &str = "cannot be read; it may be cut off";
            assert_eq!(refusal(bomb(60_000, 60_000)), TOO_LARGE);
            assert_eq!(refusal(bomb(1, 4_097)), TOO_LARGE);
            assert_eq!(refusal(bomb(4_096, 4_096)), TOO_LARGE);
            assert_eq!(refusal(bomb(2_048, 2_048)), CUT);
            assert_eq!(refusal(bomb(0, 7)), CUT);
            assert_eq!(refusal(vec![0; OCTETS_MAX + 1]), "has more than 8 MiB");
            for other in [&b""[..], b"<svg xmlns='http://www.w3.org/2000/svg'/>", b"GIF89a"] {
                assert_eq!(refusal(other.to_vec()), "is neither PNG nor JPEG");
            }
            for whole in
                [png(300, 300), encoded(&DynamicImage::new_rgb8(90, 90), ImageFormat::Jpeg)]
            {
                refusal(whole[..whole.len() / 4].to_vec());
            }
            let mime_type = "image/jpeg".to_owned();
            let error = variants(&EmbeddedPicture { mime_type, data: png(1, 1) }).unwrap_err();
            assert_eq!(error, "is not what its MIME type says");
        }
    }
}

const JPEG: &str = "jpg";
const PNG: &str = "png";
