//! Transformations as URLs write them: `w-300,h-200:q-50`.

use crate::limits;

/// What a `tr` asks for.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Wanted {
    /// `orig-true`: the bytes as they were uploaded.
    Original,
    /// One step after the other; none means the picture as it is.
    Steps(Vec<Step>),
}

/// One step.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Step {
    width: Option<Length>,
    height: Option<Length>,
    fit: Fit,
    /// 1 to 100.
    pub(super) quality: Option<u8>,
    /// A format forced by `f-`; `None` leaves it to the `Accept` header.
    pub(super) format: Option<image::ImageFormat>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Length {
    Pixels(u32),
    Share(f64),
}

/// What happens when width and height are both given.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) enum Fit {
    /// Fill the box and cut what sticks out.
    #[default]
    Crop,
    /// Stretch to the box.
    Force,
    /// Stay within the box.
    Within,
    /// Stay within the box and never grow.
    WithinAndNoLarger,
}

impl Wanted {
    /// Reads a transformation; `None` when a value makes no sense. Parameters that the sandbox does not know are passed
    /// over, since ImageKit has many more.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let mut steps = Vec::new();
        for part in text.split(':').filter(|part| !part.is_empty()) {
            let mut step = Step::default();
            for parameter in part.split(',') {
                let (key, value) = parameter.trim().split_once('-').unwrap_or((parameter, ""));
                match key {
                    "orig" if value == "true" => return Some(Self::Original),
                    "w" => step.width = Some(Length::parse(value)?),
                    "h" => step.height = Some(Length::parse(value)?),
                    "q" => {
                        step.quality = Some(value.parse().ok().filter(|quality| (1..=100).contains(quality))?)
                    }
                    "c" => step.fit = Fit::parse(value),
                    "f" => step.format = format(value)?,
                    "n" if value == "ik_ml_thumbnail" => {
                        step.width = Some(Length::Pixels(limits::SANDBOX_THUMBNAIL_PIXELS));
                        step.height = step.width;
                        step.fit = Fit::WithinAndNoLarger;
                    }
                    _ => {}
                }
            }
            steps.push(step);
        }
        Some(Self::Steps(steps))
    }

    /// The steps, where it is not the original that is wanted.
    pub(super) fn steps(self) -> Option<Vec<Step>> {
        match self {
            Self::Original => None,
            Self::Steps(steps) => Some(steps),
        }
    }
}

impl Length {
    fn parse(text: &str) -> Option<Self> {
        let number: f64 = text.parse().ok().filter(|number: &f64| number.is_finite() && *number > 0.0)?;
        Some(if number < 1.0 { Self::Share(number) } else { Self::Pixels(number as u32) })
    }

    fn of(self, whole: u32) -> f64 {
        match self {
            Self::Pixels(pixels) => f64::from(pixels),
            Self::Share(share) => (f64::from(whole) * share).round(),
        }
    }
}

impl Fit {
    fn parse(text: &str) -> Self {
        match text {
            "force" => Self::Force,
            "at_max_enlarge" => Self::Within,
            "at_max" => Self::WithinAndNoLarger,
            _ => Self::Crop,
        }
    }
}

fn format(text: &str) -> Option<Option<image::ImageFormat>> {
    Some(match text {
        "auto" => None,
        "jpg" | "jpeg" => Some(image::ImageFormat::Jpeg),
        "png" => Some(image::ImageFormat::Png),
        "webp" => Some(image::ImageFormat::WebP),
        "gif" => Some(image::ImageFormat::Gif),
        _ => return None,
    })
}

impl Step {
    /// The box to fill or to stay within, for a picture of this size; `None` when the step is not about size.
    pub(super) fn target(&self, (width, height): (u32, u32)) -> Option<((f64, f64), Fit)> {
        let (wide, high) = (f64::from(width), f64::from(height));
        match (self.width.map(|length| length.of(width)), self.height.map(|length| length.of(height))) {
            (None, None) => None,
            (Some(w), None) if self.fit == Fit::WithinAndNoLarger => {
                let w = w.min(wide);
                Some(((w, high * w / wide), Fit::Force))
            }
            (None, Some(h)) if self.fit == Fit::WithinAndNoLarger => {
                let h = h.min(high);
                Some(((wide * h / high, h), Fit::Force))
            }
            (Some(w), None) => Some(((w, high * w / wide), Fit::Force)),
            (None, Some(h)) => Some(((wide * h / high, h), Fit::Force)),
            (Some(w), Some(h)) => match self.fit {
                Fit::Crop | Fit::Force => Some(((w, h), self.fit)),
                Fit::Within | Fit::WithinAndNoLarger => {
                    let scale = (w / wide).min(h / high);
                    let scale = if self.fit == Fit::WithinAndNoLarger { scale.min(1.0) } else { scale };
                    Some(((wide * scale, high * scale), Fit::Force))
                }
            },
        }
    }
}
