//! Lists: filter, order, page (IS-04).

use std::cmp::Ordering;

use ttn_core::{store::Page, time::Timestamp};

use crate::record::{
    ApiKey, Application, Client, Device, Gateway, Organization, Tenant, Time, User,
};

/// Which part of a list is wanted, in which order.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
#[expect(clippy::exhaustive_structs, reason = "built by other crates")]
pub struct Query {
    /// The field to order by, descending with a leading `-`; empty: by id.
    pub order: String,
    /// How many per page; 0: 100. Never more than 1000.
    pub limit: u32,
    /// Which page, from 1; 0 is 1.
    pub page: u32,
    /// Whether deleted entities are wanted instead of those that live.
    pub deleted: bool,
    /// Only what was changed since then (IS-14).
    pub updated_since: Option<Timestamp>,
}

/// A record that lists order by fields.
pub(crate) trait Sortable {
    /// Compares by a field of the API; `Equal` for fields that do not order.
    fn compare(&self, other: &Self, field: &str) -> Ordering;

    /// When it was changed, where lists can be asked for that.
    fn updated_at(&self) -> Option<Time> {
        None
    }
}

impl Query {
    /// Whether it asks for everything that there is, in the order of the ids, which are the field `id`.
    pub(crate) fn is_by_id(&self, id: &str) -> bool {
        (self.order.is_empty() || self.order == id) && self.updated_since.is_none()
    }

    /// How many items to leave out and how many to give.
    pub(crate) fn window(&self) -> (usize, usize) {
        let limit = match self.limit {
            0 => LIMIT_DEFAULT,
            limit => limit.min(LIMIT_MAX),
        } as usize;
        ((self.page.max(1) as usize - 1).saturating_mul(limit), limit)
    }
}

/// Orders and cuts a list that comes ordered by id.
pub(crate) fn page<R: Sortable>(mut all: Vec<R>, query: &Query) -> Page<R> {
    if let Some(since) = query.updated_since {
        all.retain(|item| item.updated_at().is_some_and(|at| Timestamp::from(at) >= since));
    }
    let total = all.len() as u64;
    let (field, descending) = match query.order.strip_prefix('-') {
        Some(field) => (field, true),
        None => (query.order.as_str(), false),
    };
    if !field.is_empty() {
        // The sort is stable: equal items stay ordered by id.
        all.sort_by(|a, b| {
            let order = a.compare(b, field);
            if descending { order.reverse() } else { order }
        });
    }
    let (skip, limit) = query.window();
    let items = all.into_iter().skip(skip).take(limit).collect();
    Page { items, total }
}

fn text(a: &str, b: &str) -> Ordering {
    a.cmp(b)
}

fn time(a: Option<Time>, b: Option<Time>) -> Ordering {
    a.cmp(&b)
}

impl Sortable for Application {
    fn compare(&self, other: &Self, field: &str) -> Ordering {
        match field {
            "application_id" => text(self.id(), other.id()),
            "name" => text(&self.name, &other.name),
            "created_at" => time(self.created_at, other.created_at),
            _ => Ordering::Equal,
        }
    }
}

impl Sortable for Client {
    fn compare(&self, other: &Self, field: &str) -> Ordering {
        match field {
            "client_id" => text(self.id(), other.id()),
            "name" => text(&self.name, &other.name),
            "created_at" => time(self.created_at, other.created_at),
            _ => Ordering::Equal,
        }
    }
}

impl Sortable for Organization {
    fn compare(&self, other: &Self, field: &str) -> Ordering {
        match field {
            "organization_id" => text(self.id(), other.id()),
            "name" => text(&self.name, &other.name),
            "created_at" => time(self.created_at, other.created_at),
            _ => Ordering::Equal,
        }
    }
}

impl Sortable for Gateway {
    fn updated_at(&self) -> Option<Time> {
        self.updated_at
    }

    fn compare(&self, other: &Self, field: &str) -> Ordering {
        match field {
            "gateway_id" => text(self.id(), other.id()),
            "gateway_eui" => self.eui().cmp(&other.eui()),
            "name" => text(&self.name, &other.name),
            "created_at" => time(self.created_at, other.created_at),
            _ => Ordering::Equal,
        }
    }
}

impl Sortable for Device {
    fn updated_at(&self) -> Option<Time> {
        self.updated_at
    }

    fn compare(&self, other: &Self, field: &str) -> Ordering {
        let (ids, others) = (self.ids.as_ref(), other.ids.as_ref());
        match field {
            "device_id" => text(self.id(), other.id()),
            "join_eui" => ids.map(|ids| &ids.join_eui).cmp(&others.map(|ids| &ids.join_eui)),
            "dev_eui" => ids.map(|ids| &ids.dev_eui).cmp(&others.map(|ids| &ids.dev_eui)),
            "name" => text(&self.name, &other.name),
            "description" => text(&self.description, &other.description),
            "created_at" => time(self.created_at, other.created_at),
            "last_seen_at" => time(self.last_seen_at, other.last_seen_at),
            _ => Ordering::Equal,
        }
    }
}

impl Sortable for User {
    fn compare(&self, other: &Self, field: &str) -> Ordering {
        match field {
            "user_id" => text(self.id(), other.id()),
            "name" => text(&self.name, &other.name),
            "primary_email_address" => {
                text(&self.primary_email_address, &other.primary_email_address)
            }
            "state" => self.state.cmp(&other.state),
            "admin" => self.admin.cmp(&other.admin),
            "created_at" => time(self.created_at, other.created_at),
            _ => Ordering::Equal,
        }
    }
}

impl Sortable for Tenant {
    fn compare(&self, other: &Self, field: &str) -> Ordering {
        match field {
            "tenant_id" => text(self.id(), other.id()),
            "name" => text(&self.name, &other.name),
            "created_at" => time(self.created_at, other.created_at),
            _ => Ordering::Equal,
        }
    }
}

impl Sortable for ApiKey {
    fn compare(&self, other: &Self, field: &str) -> Ordering {
        match field {
            "api_key_id" => text(&self.id, &other.id),
            "name" => text(&self.name, &other.name),
            "created_at" => time(self.created_at, other.created_at),
            "expires_at" => time(self.expires_at, other.expires_at),
            _ => Ordering::Equal,
        }
    }
}

const LIMIT_DEFAULT: u32 = 100;
const LIMIT_MAX: u32 = 1000;

#[cfg(test)]
mod tests {
    use super::*;

    fn named(id: &str, name: &str) -> Application {
        Application { name: name.to_owned(), ..Application::new(&id.parse().unwrap()) }
    }

    // IS-04
    #[test]
    fn orders_pages_and_counts() {
        let all = vec![named("aaa", "2"), named("bbb", "1"), named("ccc", "2")];
        let query = Query { order: "-name".to_owned(), limit: 2, page: 1, ..Query::default() };
        let first = page(all.clone(), &query);
        assert_eq!(first.total, 3);
        assert_eq!(first.items.iter().map(Application::id).collect::<Vec<_>>(), ["aaa", "ccc"]);
        let second = page(all.clone(), &Query { page: 2, ..query });
        assert_eq!(second.items.iter().map(Application::id).collect::<Vec<_>>(), ["bbb"]);
        assert_eq!(page(all, &Query::default()).items.len(), 3);
    }
}
