//! Pictures of users and end devices (IS-18): kept in the store beside the record that names them, and changed with it.

use std::collections::BTreeMap;

use data_encoding::HEXLOWER;
use ttn_core::store::Replaces;

use super::IdentityServer;
use crate::{
    error::Error,
    picture,
    record::{EmbeddedPicture, Picture},
    store::{Table, Transaction},
};

/// Whose picture it is: the field of the record, and the directory in its addresses.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PictureOf {
    pub(crate) field: &'static str,
    directory: &'static str,
}

impl PictureOf {
    pub(crate) const DEVICE: Self = Self { field: "picture", directory: "end_device_pictures" };
    pub(crate) const USER: Self = Self { field: "profile_picture", directory: "profile_pictures" };
}

impl IdentityServer {
    /// Whether pictures are taken.
    #[must_use]
    pub const fn takes_pictures(&self) -> bool {
        picture::CAN_DRAW && self.config.pictures.uploads
    }

    /// Reads a picture by the place that its address names; with its media type.
    ///
    /// # Errors
    ///
    /// The store failed.
    pub async fn picture(&self, place: &str) -> Result<Option<(&'static str, Vec<u8>)>, Error> {
        let Some(media_type) = picture::media_type(place).filter(|_| place.len() < PLACE_MAX)
        else {
            return Ok(None);
        };
        let found = self.store.get(Table::Picture, place).await?;
        Ok(found.map(|found| (media_type, found.value)))
    }

    /// Adds to the transaction that changes a record what happens to its picture: an embedded one is drawn and kept, and
    /// one that is not named any more is deleted. Addresses are not taken from anybody.
    pub(crate) async fn draw(
        &self,
        transaction: Transaction,
        of: PictureOf,
        old: Option<&Picture>,
        new: &mut Option<Picture>,
    ) -> Result<Transaction, Error> {
        if new.as_ref() == old {
            return Ok(transaction);
        }
        match new.take() {
            Some(Picture { embedded: Some(embedded), .. }) => {
                let (transaction, sizes) = self.keep(transaction, of, &embedded).await?;
                *new = Some(Picture { embedded: None, sizes });
                Ok(without_picture(transaction, old))
            }
            Some(Picture { sizes, .. }) if !sizes.is_empty() => {
                *new = old.cloned();
                Ok(transaction)
            }
            _ => Ok(without_picture(transaction, old)),
        }
    }

    async fn keep(
        &self,
        mut transaction: Transaction,
        of: PictureOf,
        embedded: &EmbeddedPicture,
    ) -> Result<(Transaction, BTreeMap<u32, String>), Error> {
        if !self.takes_pictures() {
            return Err(Error::PicturesDisabled { field: of.field });
        }
        let drawn = {
            // One at a time: it takes memory.
            let _one = self.painting.lock().await;
            off_the_way(|| picture::variants(embedded))
        };
        let drawn = drawn.map_err(|reason| Error::InvalidField { field: of.field, reason })?;
        let mut id = [0; ID_OCTETS];
        self.entropy.fill(&mut id);
        let (id, mut sizes) = (HEXLOWER.encode(&id), BTreeMap::new());
        for variant in drawn {
            let picture::Variant { size, extension, octets } = variant;
            let place = format!("{}/{id}/{size}.{extension}", of.directory);
            sizes.insert(size, format!("{ROUTE}/{place}"));
            transaction = transaction.set(Table::Picture, place, octets, Replaces::Nothing);
        }
        Ok((transaction, sizes))
    }
}

/// Deletes a picture that no record names any more.
pub(crate) fn without_picture(transaction: Transaction, picture: Option<&Picture>) -> Transaction {
    let addresses = picture.into_iter().flat_map(|picture| picture.sizes.values());
    let places = addresses.filter_map(|address| address.strip_prefix(ROUTE)?.strip_prefix('/'));
    places.fold(transaction, |transaction, place| {
        transaction.delete(Table::Picture, place.to_owned(), Replaces::Any)
    })
}

/// Works for long without holding up other tasks of the thread, where there are other threads.
fn off_the_way<T>(work: impl FnOnce() -> T) -> T {
    #[cfg(feature = "pictures")]
    {
        use tokio::runtime::{Handle, RuntimeFlavor};
        let flavor = Handle::try_current().map(|handle| handle.runtime_flavor());
        if flavor.is_ok_and(|flavor| flavor == RuntimeFlavor::MultiThread) {
            return tokio::task::block_in_place(work);
        }
    }
    work()
}

/// Below what pictures are served.
pub(crate) const ROUTE: &str = "/assets/blob";
/// Addresses cannot be guessed.
const ID_OCTETS: usize = 16;
const PLACE_MAX: usize = 128;
