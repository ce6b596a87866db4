//! What happens to one image, and what is counted along with it: states, the digest, who uses which file, and what of a
//! plan is open.

use super::apply::require;
use super::image::Happening;
use super::{Illegal, Image, Rung, State, digest};
use crate::ids::{ImageId, RunId};

impl State {
    /// What is on the CDN is fetched, sent or confirmed again only where its run was started or resumed since.
    pub(super) fn not_seen_yet(&self, run: RunId, id: ImageId) -> Result<(), Illegal> {
        let image = self.image(id).filter(|image| image.rung == Rung::Uploaded && image.mark.is_none());
        let is_due = image.is_none_or(|image| image.is_stale(self.runs[&run].going_since));
        require(is_due, || format!("{id} was seen on the CDN since run {run} goes on"))
    }

    pub(super) fn happen(&mut self, id: ImageId, happening: Happening) -> Result<&mut Image, Illegal> {
        self.happen_with(id, happening, |_| ())
    }

    /// Moves one image, and the counts and the digest with it.
    pub(super) fn happen_with(
        &mut self,
        id: ImageId,
        happening: Happening,
        and: impl FnOnce(&mut Image),
    ) -> Result<&mut Image, Illegal> {
        let no_image = || Illegal::new(format!("there is no image {id}"));
        let plan = self.plans.get_mut(&id.planned).ok_or_else(no_image)?;
        let since = self.runs[&plan.run].going_since;
        if plan.ready_since != since {
            // The run was resumed: of what was ready then, nothing is.
            (plan.ready_since, plan.ready) = (since, 0);
        }
        let image = plan.images.get_mut(id.index as usize).ok_or_else(no_image)?;
        let (rung, mark) = image.after(happening)?;
        self.digest = self.digest.wrapping_sub(digest::share(id, image));
        *self.rungs.of(image.rung) -= 1;
        let used = |image: &Image| image.path.filter(|_| image.is_used());
        let before = used(image);
        plan.open -= u32::from(!image.is_settled());
        plan.ready -= u32::from(image.is_ready(since));
        (image.rung, image.mark) = (rung, mark);
        and(image);
        plan.open += u32::from(!image.is_settled());
        plan.ready += u32::from(image.is_ready(since));
        *self.rungs.of(image.rung) += 1;
        let after = used(image);
        if before != after {
            if let Some(users) = before.and_then(|path| self.users.get_mut(&path)) {
                *users = users.saturating_sub(1);
            }
            if let Some(path) = after {
                *self.users.entry(path).or_default() += 1;
            }
        }
        self.digest = self.digest.wrapping_add(digest::share(id, image));
        Ok(image)
    }
}
