//! The suites of the ports.

use std::sync::{Arc, Mutex};

use tempfile::TempDir;
use ttn_store_embedded::{Commit, EmbeddedStore, Options};

fn inline() -> Options {
    Options { commit: Commit::Inline, ..Options::default() }
}

/// A new store in a directory that is deleted in the end.
fn open(options: Options) -> (Arc<EmbeddedStore>, TempDir) {
    let directory = tempfile::tempdir().unwrap();
    (EmbeddedStore::open(directory.path(), options).unwrap(), directory)
}

/// A store that can be closed and opened again.
struct Reopened {
    directory: TempDir,
    options: Options,
    // What was opened last, to stop it.
    last: Mutex<std::sync::Weak<EmbeddedStore>>,
}

impl Reopened {
    fn new(options: Options) -> Self {
        Self {
            directory: tempfile::tempdir().unwrap(),
            options,
            last: Mutex::new(std::sync::Weak::new()),
        }
    }

    fn open(&self) -> Arc<EmbeddedStore> {
        let store = EmbeddedStore::open(self.directory.path(), self.options).unwrap();
        *self.last.lock().unwrap() = Arc::downgrade(&store);
        store
    }
}

mod join {
    use std::sync::Arc;

    use async_trait::async_trait;
    use ttn_core::{
        id::{ApplicationId, DeviceKey},
        key::SessionKeyId,
        store::{Durable, Replaces, Revision, StoreError, Versioned},
    };
    use ttn_js::{
        ActivationSettings, Device, Euis,
        store::{
            DeviceSelector, JoinStore, JoinWrite, NonceId, Nonces, NoncesChange, SessionKeySet,
        },
    };

    /// The suite wants a store by reference; what is opened is shared.
    #[derive(Debug)]
    pub(super) struct Shared<S>(pub(super) Arc<S>);

    #[async_trait]
    impl<S: JoinStore> JoinStore for Shared<S> {
        async fn device(&self, of: &DeviceSelector) -> Result<Versioned<Device>, StoreError> {
            self.0.device(of).await
        }

        async fn put_device(
            &self,
            device: &Device,
            replaces: Replaces,
        ) -> Result<Revision, StoreError> {
            self.0.put_device(device, replaces).await
        }

        async fn delete_device(&self, key: &DeviceKey, by: Replaces) -> Result<(), StoreError> {
            self.0.delete_device(key, by).await
        }

        async fn nonces(&self, id: &NonceId, dev_nonce: u16) -> Result<Nonces, StoreError> {
            self.0.nonces(id, dev_nonce).await
        }

        async fn used_dev_nonces(&self, id: &NonceId, max: usize) -> Result<Vec<u16>, StoreError> {
            self.0.used_dev_nonces(id, max).await
        }

        async fn change_nonces(&self, euis: Euis, what: &NoncesChange) -> Result<(), StoreError> {
            self.0.change_nonces(euis, what).await
        }

        async fn join(&self, write: JoinWrite) -> Result<Durable, StoreError> {
            self.0.join(write).await
        }

        async fn activation_settings(
            &self,
            application: &ApplicationId,
        ) -> Result<Versioned<ActivationSettings>, StoreError> {
            self.0.activation_settings(application).await
        }

        async fn put_activation_settings(
            &self,
            application: &ApplicationId,
            settings: Option<&ActivationSettings>,
            replaces: Replaces,
        ) -> Result<Revision, StoreError> {
            self.0.put_activation_settings(application, settings, replaces).await
        }

        async fn session_keys(
            &self,
            euis: Euis,
            id: &SessionKeyId,
        ) -> Result<SessionKeySet, StoreError> {
            self.0.session_keys(euis, id).await
        }
    }

    mod by_thread {
        use super::super::{super::conformance, Shared};

        ttn_js::join_store_suite!({
            let (store, directory) = conformance::open(ttn_store_embedded::Options::default());
            (Shared(store), directory)
        });
    }

    mod inline {
        use super::super::{super::conformance, Shared};

        ttn_js::join_store_suite!({
            let (store, directory) = conformance::open(conformance::inline());
            (Shared(store), directory)
        });
    }
}
use join::Shared;

mod identity {
    mod by_thread {
        ttn_is::identity_store_conformance!(crate::conformance::identity::leak(
            ttn_store_embedded::Options::default()
        ));
    }

    mod inline {
        ttn_is::identity_store_conformance!(crate::conformance::identity::leak(
            crate::conformance::inline()
        ));
    }

    /// The suite takes the store alone: its directory is deleted when the store is closed at the latest by the
    /// system's cleaner.
    fn leak(options: ttn_store_embedded::Options) -> super::Arc<super::EmbeddedStore> {
        let (store, directory) = super::open(options);
        // The files stay open and usable without their names.
        drop(directory.keep());
        store
    }
}

mod network {
    use std::sync::Arc;

    use async_trait::async_trait;
    use ttn_ns::store::{NetworkStore, conformance::Backend};

    use super::Reopened;

    #[async_trait]
    impl Backend for Reopened {
        async fn open(&self) -> Arc<dyn NetworkStore> {
            Self::open(self)
        }

        async fn kill(&self, store: Arc<dyn NetworkStore>) {
            if let Some(last) = self.last.lock().unwrap().upgrade() {
                last.abort();
            }
            drop(store);
        }
    }

    mod by_thread {
        use super::super::Reopened;

        ttn_ns::network_store_conformance!(Reopened::new(ttn_store_embedded::Options::default()));
    }

    mod inline {
        use super::super::{Reopened, inline};

        ttn_ns::network_store_conformance!(Reopened::new(inline()));
    }
}

mod application {
    use futures::future::BoxFuture;
    use ttn_as::log::conformance::{Backend, Fixture};

    use super::Reopened;

    impl Fixture for Reopened {
        fn open(&self) -> BoxFuture<'_, Backend> {
            let store = Self::open(self);
            Box::pin(std::future::ready(Backend { log: store.clone(), store }))
        }
    }

    mod by_thread {
        use super::super::Reopened;

        ttn_as::application_store_conformance!(Reopened::new(
            ttn_store_embedded::Options::default()
        ));
    }

    mod inline {
        use super::super::{Reopened, inline};

        ttn_as::application_store_conformance!(Reopened::new(inline()));
    }
}
