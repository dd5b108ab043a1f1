//! `ApplicationUpStorage`: messages that the log still has (AS-57).

use async_trait::async_trait;
use futures::{StreamExt as _, stream};
use tonic::{Request, Response, Status};
use ttn_core::{auth::Right, id::ApplicationId, time::Timestamp};
use ttn_proto::{
    convert, json, mask,
    service::{self, BoxStream},
    v3,
};

use super::{Api, application, device, invalid, status};
use crate::{
    integration::storage::{LIMIT_DEFAULT, LIMIT_MAX, Order, Query, Token},
    integration::webhook::MessageKind,
    log::{Delivery, LogFilter},
};

/// The header and metadata that carry the token to go on with.
const TOKEN: &str = "x-continuation-token";
/// What callers need on the application.
const NEEDS: [Right; 1] = [Right::ApplicationTrafficRead];

#[async_trait]
impl service::ApplicationUpStorage for Api {
    async fn get_stored_application_up(
        &self,
        request: Request<v3::GetStoredApplicationUpRequest>,
    ) -> Result<Response<BoxStream<v3::ApplicationUp>>, Status> {
        let asked = request.get_ref();
        let (application, filter) =
            target(asked.application_ids.as_ref(), asked.end_device_ids.as_ref())?;
        self.authorize(&request, &application, &NEEDS).await?;
        let asked = request.into_inner();
        let now = self.0.clock.utc();
        #[expect(deprecated, reason = "clients send it all the same")]
        let last = asked.last.as_ref();
        let since = after(asked.after.as_ref(), last, now)?;
        let limit = asked.limit.map_or(LIMIT_DEFAULT, |limit| limit as usize);
        if limit > LIMIT_MAX {
            return Err(invalid(&format!(
                "limit: at most {LIMIT_MAX}; ask for more with the token of the answer"
            )));
        }
        let query = Query {
            filter: LogFilter { since, ..filter },
            kind: kind(&asked.r#type)?,
            before: asked.before.as_ref().map(convert::to_timestamp),
            f_port: asked.f_port,
            order: if asked.order == "-received_at" {
                Order::NewestFirst
            } else {
                Order::OldestFirst
            },
            limit,
        };
        let token = match asked.continuation_token.as_str() {
            "" => None,
            text => {
                let wrong = || invalid("continuation_token: this is no token of an answer");
                Some(text.parse::<Token>().map_err(|_| wrong())?)
            }
        };
        let found = self.0.stored_messages(&query, token).await.map_err(|error| status(&error))?;
        let paths = asked.field_mask.unwrap_or_default().paths;
        let messages = found.messages.into_iter().map(move |record| {
            let up: v3::ApplicationUp = json::from_slice(&Delivery::new(record).json())
                .map_err(|error| Status::internal(error.to_string()))?;
            if paths.is_empty() {
                return Ok(up);
            }
            mask::filter(
                &up,
                paths.iter().map(String::as_str).chain(["end_device_ids", "received_at"]),
            )
            .map_err(|error| invalid(&error.to_string()))
        });
        let mut response = Response::new(stream::iter(messages).boxed());
        if let Some(token) = found.token
            && let Ok(token) = token.to_string().parse()
        {
            response.metadata_mut().insert(TOKEN, token);
        }
        Ok(response)
    }

    async fn get_stored_application_up_count(
        &self,
        request: Request<v3::GetStoredApplicationUpCountRequest>,
    ) -> Result<Response<v3::GetStoredApplicationUpCountResponse>, Status> {
        let asked = request.get_ref();
        let (application, filter) =
            target(asked.application_ids.as_ref(), asked.end_device_ids.as_ref())?;
        self.authorize(&request, &application, &NEEDS).await?;
        let asked = request.into_inner();
        let query = Query {
            filter: LogFilter {
                since: after(asked.after.as_ref(), asked.last.as_ref(), self.0.clock.utc())?,
                ..filter
            },
            kind: kind(&asked.r#type)?,
            before: asked.before.as_ref().map(convert::to_timestamp),
            f_port: asked.f_port,
            order: Order::OldestFirst,
            limit: usize::MAX,
        };
        let counts = self.0.count_stored(&query).await.map_err(|error| status(&error))?;
        let count = counts.into_iter().map(|(kind, count)| (kind.name().to_owned(), count));
        Ok(Response::new(v3::GetStoredApplicationUpCountResponse { count: count.collect() }))
    }
}

fn target(
    ids: Option<&v3::ApplicationIdentifiers>,
    device_ids: Option<&v3::EndDeviceIdentifiers>,
) -> Result<(ApplicationId, LogFilter), Status> {
    if device_ids.is_some() {
        let key = device(device_ids)?.key;
        let filter = LogFilter { device: Some(key.clone()), ..LogFilter::default() };
        return Ok((key.application_id, filter));
    }
    let id = application(ids)?;
    Ok((id.clone(), LogFilter::application(id)))
}

fn kind(name: &str) -> Result<Option<MessageKind>, Status> {
    if name.is_empty() {
        return Ok(None);
    }
    MessageKind::from_name(name).map(Some).ok_or_else(|| invalid("type: no such kind of message"))
}

fn after(
    after: Option<&prost_types::Timestamp>,
    last: Option<&prost_types::Duration>,
    now: Timestamp,
) -> Result<Option<Timestamp>, Status> {
    if let Some(after) = after {
        return Ok(Some(convert::to_timestamp(after)));
    }
    let Some(last) = last else { return Ok(None) };
    let last = std::time::Duration::try_from(*last);
    last.map(|last| Some(now.minus(last))).map_err(|_| invalid("last: must not be negative"))
}
