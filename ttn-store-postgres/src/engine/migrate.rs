//! The tables, and how they grow: forward only, each step in a transaction.

use std::sync::Arc;

use ttn_core::store::{StoreError, StoreErrorKind};

use super::{Db, Engine, Failure, get};

/// The steps in order; the schema has the number of the last one that was taken. A step never changes once released.
const STEPS: &[&str] = &[include_str!("../../migrations/0001.sql")];
/// The schema that this program knows.
pub(crate) const SCHEMA: u32 = STEPS.len() as u32;

impl Engine {
    /// The number of the schema; 0 for a database without tables.
    pub(crate) async fn schema(self: &Arc<Self>) -> Result<u32, StoreError> {
        self.read((), |db, ()| Box::pin(schema(db))).await
    }

    /// Takes the steps that are missing and gives the schema that was there before.
    pub(crate) async fn migrate(self: &Arc<Self>) -> Result<u32, StoreError> {
        self.write((), |db, ()| Box::pin(prepare(db))).await?;
        let before = self.schema().await?;
        for from in before..SCHEMA {
            self.write(from, |db, from| Box::pin(step(db, *from))).await?;
        }
        Ok(before)
    }

    /// Fails unless the database has the schema that this program knows.
    pub(crate) fn check_schema(&self, schema: u32) -> Result<(), StoreError> {
        if schema == SCHEMA {
            return Ok(());
        }
        let name = &self.name;
        let context = if schema > SCHEMA {
            format!("{name} has schema {schema}, this program knows up to {SCHEMA}; it")
        } else {
            let context = format!(
                "{name} has schema {schema} and needs {SCHEMA}: run `ttn-stack db migrate`; it"
            );
            return Err(StoreError::new(StoreErrorKind::Io, context));
        };
        Err(StoreError::new(StoreErrorKind::Schema, context))
    }
}

async fn schema(db: &Db) -> Result<u32, Failure> {
    let row = db.row("SELECT to_regclass('ttn_schema') IS NOT NULL", &[]).await?;
    let exists = row.map(|row| get::<bool>(&row, 0)).transpose()?;
    if exists != Some(true) {
        return Ok(0);
    }
    let row = db.row("SELECT version FROM ttn_schema", &[]).await?;
    let version = row.map(|row| get::<i32>(&row, 0)).transpose()?.unwrap_or_default();
    Ok(u32::try_from(version).unwrap_or_default())
}

/// Of two that start at once on an empty database, the second is told that the table is there already, in spite of
/// `IF NOT EXISTS`; then it is.
async fn prepare(db: &Db) -> Result<(), Failure> {
    db.batch(
        "DO $$ BEGIN \
         CREATE TABLE IF NOT EXISTS ttn_schema \
         (one boolean PRIMARY KEY DEFAULT true CHECK (one), version integer NOT NULL); \
         EXCEPTION WHEN duplicate_table OR duplicate_object OR unique_violation THEN NULL; \
         END $$; \
         INSERT INTO ttn_schema (version) VALUES (0) ON CONFLICT DO NOTHING",
    )
    .await
}

async fn step(db: &Db, from: u32) -> Result<(), Failure> {
    // Of two that start at once, the second waits for the row and finds it changed.
    let row = db.row("SELECT version FROM ttn_schema FOR UPDATE", &[]).await?;
    let version = row.map(|row| get::<i32>(&row, 0)).transpose()?;
    if version.and_then(|version| u32::try_from(version).ok()) != Some(from) {
        return Ok(());
    }
    let Some(sql) = STEPS.get(from as usize) else { return Ok(()) };
    db.batch(sql).await?;
    let next = i32::try_from(from + 1).unwrap_or(i32::MAX);
    db.run("UPDATE ttn_schema SET version = $1", &[&next]).await?;
    Ok(())
}
