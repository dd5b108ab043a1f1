//! The Join Server's devices, nonces and session keys.

use async_trait::async_trait;
use ttn_core::{
    id::{ApplicationId, DeviceKey},
    key::SessionKeyId,
    store::{Durable, Replaces, Revision, StoreError, StoreErrorKind, Versioned},
};
use ttn_js::{
    ActivationSettings, Device, Euis,
    store::{
        DevNonceRule, DeviceSelector, JoinStore, JoinWrite, NonceId, Nonces, NoncesChange,
        SessionKeySet,
    },
};

use crate::{
    PostgresStore,
    engine::{Db, Failure, Row, get},
    lane::device_key,
};

#[async_trait]
impl JoinStore for PostgresStore {
    async fn device(&self, of: &DeviceSelector) -> Result<Versioned<Device>, StoreError> {
        self.engine.read(of.clone(), |db, of| Box::pin(device(db, of))).await
    }

    async fn put_device(
        &self,
        device: &Device,
        replaces: Replaces,
    ) -> Result<Revision, StoreError> {
        let of = (device.clone(), replaces);
        let put = self.engine.write(of, |db, (device, by)| Box::pin(put_device(db, device, *by)));
        Ok(put.await?)
    }

    async fn delete_device(&self, key: &DeviceKey, replaces: Replaces) -> Result<(), StoreError> {
        let of = (key.clone(), replaces);
        let deleted = self.engine.write(of, |db, (key, by)| Box::pin(delete_device(db, key, *by)));
        Ok(deleted.await?)
    }

    async fn nonces(&self, id: &NonceId, dev_nonce: u16) -> Result<Nonces, StoreError> {
        let read = self.engine.read((*id, dev_nonce), |db, (id, dev_nonce)| {
            Box::pin(async move { nonces(db, id, *dev_nonce).await })
        });
        read.await
    }

    async fn used_dev_nonces(&self, id: &NonceId, limit: usize) -> Result<Vec<u16>, StoreError> {
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let read = self.engine.read((*id, limit), |db, (id, limit)| {
            Box::pin(async move {
                let [join, dev] = octets(id.euis);
                let rows =
                    db.rows(USED, &[&&join[..], &&dev[..], &&id.root_key.0[..], limit]).await?;
                let numbers = rows.iter().map(|row| Ok(word(get(row, 0)?)));
                numbers.collect::<Result<_, StoreError>>().map_err(Failure::from)
            })
        });
        read.await
    }

    async fn change_nonces(&self, euis: Euis, change: &NoncesChange) -> Result<(), StoreError> {
        let of = (euis, change.clone());
        let changed =
            self.engine.write(of, |db, (euis, change)| Box::pin(change_nonces(db, *euis, change)));
        Ok(changed.await?)
    }

    async fn join(&self, write: JoinWrite) -> Result<Durable, StoreError> {
        self.engine.write(write, |db, write| Box::pin(join(db, write))).await?;
        Ok(self.prove())
    }

    async fn activation_settings(
        &self,
        application: &ApplicationId,
    ) -> Result<Versioned<ActivationSettings>, StoreError> {
        let read = self.engine.read(application.clone(), |db, application| {
            Box::pin(async move {
                let row = db.row(SETTINGS, &[&application.as_str()]).await?;
                let row = row.ok_or_else(|| no_settings(application, StoreErrorKind::NotFound))?;
                let value = ActivationSettings::decode(get(&row, 1)?)?;
                Ok(Versioned { revision: revision(&row)?, value })
            })
        });
        read.await
    }

    async fn put_activation_settings(
        &self,
        application: &ApplicationId,
        settings: Option<&ActivationSettings>,
        replaces: Replaces,
    ) -> Result<Revision, StoreError> {
        let of = (application.clone(), settings.map(ActivationSettings::encode), replaces);
        let put = self.engine.write(of, |db, (application, record, by)| {
            Box::pin(put_settings(db, application, record.as_deref(), *by))
        });
        Ok(put.await?)
    }

    async fn session_keys(
        &self,
        euis: Euis,
        id: &SessionKeyId,
    ) -> Result<SessionKeySet, StoreError> {
        let read = self.engine.read((euis, id.clone()), |db, (euis, id)| {
            Box::pin(async move {
                let [join, dev] = octets(*euis);
                let row = db.row(SESSION_KEYS, &[&&join[..], &&dev[..], &id.as_bytes()]).await?;
                let row = row.ok_or_else(|| {
                    let context = format!("the session keys {id} of {euis}");
                    StoreError::new(StoreErrorKind::NotFound, context)
                })?;
                Ok(SessionKeySet::decode(get(&row, 0)?)?)
            })
        });
        read.await
    }
}

async fn device(db: &Db, of: &DeviceSelector) -> Result<Versioned<Device>, Failure> {
    let row = match of {
        DeviceSelector::Key(key) => {
            let (application, device) = (key.application_id.as_str(), key.device_id.as_str());
            db.row(DEVICE, &[&application, &device]).await?
        }
        DeviceSelector::Euis(euis) => {
            let [join, dev] = octets(*euis);
            db.row(DEVICE_OF_EUIS, &[&&join[..], &&dev[..]]).await?
        }
    };
    let row = row.ok_or_else(|| StoreError::new(StoreErrorKind::NotFound, of.to_string()))?;
    let value = Device::decode(device_key(&row, 1)?, get(&row, 3)?)?;
    Ok(Versioned { revision: revision(&row)?, value })
}

async fn put_device(db: &Db, device: &Device, replaces: Replaces) -> Result<Revision, Failure> {
    let key = &device.key;
    let (application, id) = (key.application_id.as_str(), key.device_id.as_str());
    let [join, dev] = octets(device.euis);
    let (join, dev) = (&join[..], &dev[..]);
    let stored = db.row(LOCK_DEVICE, &[&application, &id]).await?;
    let stored = stored.as_ref().map(revision).transpose()?;
    if !replaces.allows(stored) {
        return Err(conflict(key).into());
    }
    let holder = db.row(DEVICE_OF_EUIS, &[&join, &dev]).await?;
    if holder.map(|row| device_key(&row, 1)).transpose()?.is_some_and(|holder| holder != *key) {
        let context = format!("a device with EUIs {}", device.euis);
        return Err(StoreError::new(StoreErrorKind::AlreadyExists, context).into());
    }
    let next = stored.map_or(1, |revision| revision.0 + 1);
    let (revision, record) = (next.cast_signed(), device.encode());
    let statement = if stored.is_some() { UPDATE_DEVICE } else { INSERT_DEVICE };
    // Who makes the same device at once fails at its key, and tries again.
    db.run(statement, &[&application, &id, &revision, &join, &dev, &record]).await?;
    Ok(Revision(next))
}

async fn delete_device(db: &Db, key: &DeviceKey, replaces: Replaces) -> Result<(), Failure> {
    let (application, id) = (key.application_id.as_str(), key.device_id.as_str());
    let Some(row) = db.row(LOCK_DEVICE, &[&application, &id]).await? else {
        return Err(StoreError::new(StoreErrorKind::NotFound, format!("the device {key}")).into());
    };
    if !replaces.allows(Some(revision(&row)?)) {
        return Err(conflict(key).into());
    }
    let (join, dev): (&[u8], &[u8]) = (get(&row, 1)?, get(&row, 2)?);
    db.run(DELETE_SESSION_KEYS, &[&join, &dev]).await?;
    db.run(DELETE_DEVICE, &[&application, &id]).await?;
    Ok(())
}

async fn nonces(db: &Db, id: &NonceId, dev_nonce: u16) -> Result<Nonces, Failure> {
    let [join, dev] = octets(id.euis);
    let (tag, dev_nonce) = (&id.root_key.0[..], i32::from(dev_nonce));
    let row = db.row(NONCES, &[&&join[..], &&dev[..], &tag, &dev_nonce]).await?;
    // Without a row the device never joined.
    let Some(row) = row else { return Ok(Nonces::default()) };
    Ok(Nonces {
        revision: revision(&row)?,
        join_nonce: u32::try_from(get::<i64>(&row, 1)?).unwrap_or(u32::MAX),
        last_dev_nonce: get::<Option<i32>>(&row, 2)?.map(word),
        is_used: get(&row, 3)?,
    })
}

async fn change_nonces(db: &Db, euis: Euis, change: &NoncesChange) -> Result<(), Failure> {
    let [join, dev] = octets(euis);
    let (join, dev) = (&join[..], &dev[..]);
    match change {
        NoncesChange::Purge => {
            db.run(PURGE, &[&join, &dev]).await?;
            db.run(PURGE_COUNTERS, &[&join, &dev]).await?;
            db.run(PURGE_USED, &[&join, &dev]).await?;
        }
        NoncesChange::Raise { root_key, join_nonce, last_dev_nonce, used_dev_nonces } => {
            db.run(RAISE, &[&join, &dev, &i64::from(*join_nonce)]).await?;
            let tag = &root_key.0[..];
            if let Some(last) = last_dev_nonce {
                db.run(RAISE_COUNTER, &[&join, &dev, &tag, &i32::from(*last)]).await?;
            }
            let used: Vec<i32> = used_dev_nonces.iter().copied().map(i32::from).collect();
            if !used.is_empty() {
                db.run(USE, &[&join, &dev, &tag, &used]).await?;
            }
        }
    }
    Ok(())
}

async fn join(db: &Db, write: &JoinWrite) -> Result<(), Failure> {
    let euis = write.id.euis;
    let [join, dev] = octets(euis);
    let (join, dev, tag) = (&join[..], &dev[..], &write.id.root_key.0[..]);
    let (reads, join_nonce) = (write.reads.0.cast_signed(), i64::from(write.join_nonce));
    let is_first = reads == 0;
    let taken = if is_first {
        db.run(FIRST_NONCES, &[&join, &dev, &join_nonce]).await?
    } else {
        db.run(NEXT_NONCES, &[&join, &dev, &join_nonce, &reads]).await?
    };
    if taken == 0 {
        let context = format!("the nonces of {euis}");
        return Err(StoreError::new(StoreErrorKind::Conflict, context).into());
    }
    let dev_nonce = i32::from(write.dev_nonce);
    match write.dev_nonce_rule {
        DevNonceRule::Counter => db.run(RAISE_COUNTER, &[&join, &dev, &tag, &dev_nonce]).await?,
        DevNonceRule::Random => db.run(USE, &[&join, &dev, &tag, &vec![dev_nonce]]).await?,
    };
    let (number, id, record) = (reads + 1, write.keys.keys.id.as_bytes(), write.keys.encode());
    db.run(PUT_SESSION_KEYS, &[&join, &dev, &number, &id, &record]).await?;
    let kept = i64::try_from(write.session_keys_max).unwrap_or(i64::MAX);
    db.run(FORGET_SESSION_KEYS, &[&join, &dev, &kept]).await?;
    Ok(())
}

async fn put_settings(
    db: &Db,
    application: &ApplicationId,
    record: Option<&[u8]>,
    replaces: Replaces,
) -> Result<Revision, Failure> {
    let id = application.as_str();
    let stored = db.row(LOCK_SETTINGS, &[&id]).await?;
    let stored = stored.as_ref().map(revision).transpose()?;
    if stored.is_none() && record.is_none() {
        return Err(no_settings(application, StoreErrorKind::NotFound).into());
    }
    if !replaces.allows(stored) {
        return Err(no_settings(application, StoreErrorKind::Conflict).into());
    }
    let next = stored.map_or(1, |revision| revision.0 + 1);
    let number = next.cast_signed();
    match record {
        Some(record) if stored.is_some() => {
            db.run(UPDATE_SETTINGS, &[&id, &number, &record]).await?
        }
        Some(record) => db.run(INSERT_SETTINGS, &[&id, &number, &record]).await?,
        None => db.run(DELETE_SETTINGS, &[&id]).await?,
    };
    Ok(Revision(next))
}

/// Every statement that reads a revision has it in the first column.
fn revision(row: &Row) -> Result<Revision, StoreError> {
    Ok(Revision(get::<i64>(row, 0)?.cast_unsigned()))
}

/// What was stored fits: it was a DevNonce.
fn word(number: i32) -> u16 {
    u16::try_from(number).unwrap_or(u16::MAX)
}

fn octets(euis: Euis) -> [[u8; 8]; 2] {
    [euis.join_eui.to_be_bytes(), euis.dev_eui.to_be_bytes()]
}

fn no_settings(application: &ApplicationId, kind: StoreErrorKind) -> StoreError {
    StoreError::new(kind, format!("the activation settings of {application}"))
}

fn conflict(key: &DeviceKey) -> StoreError {
    StoreError::new(StoreErrorKind::Conflict, format!("the device {key}"))
}

const DEVICE: &str = "SELECT revision, application, device_id, record FROM join_device \
    WHERE application = $1 AND device_id = $2";
const DEVICE_OF_EUIS: &str = "SELECT revision, application, device_id, record FROM join_device \
    WHERE join_eui = $1 AND dev_eui = $2";
const LOCK_DEVICE: &str = "SELECT revision, join_eui, dev_eui FROM join_device \
    WHERE application = $1 AND device_id = $2 FOR UPDATE";
const INSERT_DEVICE: &str = "INSERT INTO join_device \
    (application, device_id, revision, join_eui, dev_eui, record) VALUES ($1, $2, $3, $4, $5, $6)";
const UPDATE_DEVICE: &str = "UPDATE join_device \
    SET revision = $3, join_eui = $4, dev_eui = $5, record = $6 \
    WHERE application = $1 AND device_id = $2";
const DELETE_DEVICE: &str = "DELETE FROM join_device WHERE application = $1 AND device_id = $2";
const DELETE_SESSION_KEYS: &str =
    "DELETE FROM join_session_keys WHERE join_eui = $1 AND dev_eui = $2";
const NONCES: &str = "SELECT n.revision, n.join_nonce, \
    (SELECT c.last FROM join_counter c WHERE c.join_eui = $1 AND c.dev_eui = $2 AND c.root_key = $3), \
    EXISTS (SELECT 1 FROM join_used_nonce u WHERE u.join_eui = $1 AND u.dev_eui = $2 \
    AND u.root_key = $3 AND u.dev_nonce = $4) \
    FROM join_nonces n WHERE n.join_eui = $1 AND n.dev_eui = $2";
const USED: &str = "SELECT dev_nonce FROM join_used_nonce \
    WHERE join_eui = $1 AND dev_eui = $2 AND root_key = $3 ORDER BY dev_nonce LIMIT $4";
const FIRST_NONCES: &str = "INSERT INTO join_nonces (join_eui, dev_eui, revision, join_nonce) \
    VALUES ($1, $2, 1, $3) ON CONFLICT DO NOTHING";
const NEXT_NONCES: &str = "UPDATE join_nonces SET revision = revision + 1, join_nonce = $3 \
    WHERE join_eui = $1 AND dev_eui = $2 AND revision = $4";
const RAISE: &str = "INSERT INTO join_nonces AS n (join_eui, dev_eui, revision, join_nonce) \
    VALUES ($1, $2, 1, $3) ON CONFLICT (join_eui, dev_eui) DO UPDATE \
    SET revision = n.revision + 1, join_nonce = GREATEST(n.join_nonce, EXCLUDED.join_nonce)";
const RAISE_COUNTER: &str = "INSERT INTO join_counter AS c (join_eui, dev_eui, root_key, last) \
    VALUES ($1, $2, $3, $4) ON CONFLICT (join_eui, dev_eui, root_key) DO UPDATE \
    SET last = GREATEST(c.last, EXCLUDED.last)";
const USE: &str = "INSERT INTO join_used_nonce (join_eui, dev_eui, root_key, dev_nonce) \
    SELECT $1, $2, $3, used.dev_nonce FROM unnest($4::int4[]) AS used(dev_nonce) \
    ON CONFLICT DO NOTHING";
const PURGE: &str = "INSERT INTO join_nonces AS n (join_eui, dev_eui, revision, join_nonce) \
    VALUES ($1, $2, 1, 0) ON CONFLICT (join_eui, dev_eui) DO UPDATE \
    SET revision = n.revision + 1, join_nonce = 0";
const PURGE_COUNTERS: &str = "DELETE FROM join_counter WHERE join_eui = $1 AND dev_eui = $2";
const PURGE_USED: &str = "DELETE FROM join_used_nonce WHERE join_eui = $1 AND dev_eui = $2";
const SESSION_KEYS: &str = "SELECT record FROM join_session_keys \
    WHERE join_eui = $1 AND dev_eui = $2 AND id = $3 ORDER BY number DESC LIMIT 1";
const PUT_SESSION_KEYS: &str = "INSERT INTO join_session_keys \
    (join_eui, dev_eui, number, id, record) VALUES ($1, $2, $3, $4, $5)";
const FORGET_SESSION_KEYS: &str = "DELETE FROM join_session_keys \
    WHERE join_eui = $1 AND dev_eui = $2 AND number <= \
    (SELECT number FROM join_session_keys WHERE join_eui = $1 AND dev_eui = $2 \
    ORDER BY number DESC OFFSET $3 LIMIT 1)";
const SETTINGS: &str =
    "SELECT revision, record FROM join_activation_settings WHERE application = $1";
const LOCK_SETTINGS: &str =
    "SELECT revision FROM join_activation_settings WHERE application = $1 FOR UPDATE";
const INSERT_SETTINGS: &str = "INSERT INTO join_activation_settings \
    (application, revision, record) VALUES ($1, $2, $3)";
const UPDATE_SETTINGS: &str = "UPDATE join_activation_settings \
    SET revision = $2, record = $3 WHERE application = $1";
const DELETE_SETTINGS: &str = "DELETE FROM join_activation_settings WHERE application = $1";
