//! The calls that a reading of a table is made of.
//!
//! Decides when an answer is complete, and how fast a table may be scanned: its capacity is its
//! owner's. Every read is consistent. What is not complete is a failure. The orchestration is
//! [`super::Table`]'s.

use std::time::Duration;

use aws_sdk_dynamodb::types::{KeysAndAttributes, ReturnConsumedCapacity, TableStatus};

use super::item::{Item, KeySchema};
use crate::aws::allow_list;
use crate::aws::read::ReadContext;
use crate::core::observation::{Failure, Reason};
use crate::kinds::table_item::live::TableName;

/// As many keys as BatchGetItem takes.
pub(super) const BATCH: usize = 100;
/// How often keys that DynamoDB did not get to are asked for again.
const RETRIES: u32 = 5;
/// The wait before the first of these; it doubles.
const BACKOFF: Duration = Duration::from_millis(100);
/// Read capacity units a second that a scan may use.
const SCAN_CAPACITY: f64 = 25.0;
/// Pages of 1 MB; a deployer's table is not larger.
const MAX_PAGES: usize = 1_000;

/// The calls of one reading.
pub(super) struct Calls<'a> {
    /// How to call.
    pub cx: &'a ReadContext,
    /// What to call about.
    pub name: &'a TableName,
}

impl Calls<'_> {
    /// The table's key. Fails unless the table can be read.
    pub async fn key_schema(&self) -> Result<KeySchema, Failure> {
        let request = self.cx.clients.dynamodb.describe_table().table_name(&*self.name.table).send();
        let answer = self.cx.call(&allow_list::DYNAMODB_DESCRIBE_TABLE, request).await?;
        let Some(table) = answer.table() else {
            return Err(Failure::new(Reason::Malformed, format!("DescribeTable answered without {}", self.name.arn())));
        };
        match table.table_status() {
            Some(TableStatus::Active | TableStatus::Updating) => KeySchema::of(table),
            status => {
                let status = status.map_or("(none)", TableStatus::as_str);
                let detail = format!("the status of {} is {status}: its items are unknown, not gone", self.name.arn());
                Err(Failure::new(Reason::ContainerMissing, detail))
            }
        }
    }

    /// The items that these keys (at most [`BATCH`]) have, and the keys that DynamoDB never got to.
    pub async fn batch(&self, keys: Vec<Item>) -> Result<(Vec<Item>, Vec<Item>), Failure> {
        let table = &*self.name.table;
        let mut items = Vec::new();
        let mut pending = keys;
        for attempt in 0..=RETRIES {
            if pending.is_empty() {
                break;
            }
            if attempt > 0 {
                self.cx.clock.sleep(BACKOFF * 2_u32.pow(attempt - 1)).await;
            }
            let wanted = KeysAndAttributes::builder().set_keys(Some(pending)).consistent_read(true).build();
            let wanted = wanted.map_err(|error| Failure::new(Reason::Malformed, error.to_string()))?;
            let request = self.cx.clients.dynamodb.batch_get_item().request_items(table, wanted).send();
            let answer = self.cx.call(&allow_list::DYNAMODB_BATCH_GET_ITEM, request).await?;
            items.extend(answer.responses.unwrap_or_default().remove(table).unwrap_or_default());
            let left = answer.unprocessed_keys.unwrap_or_default().remove(table);
            pending = left.map(|left| left.keys).unwrap_or_default();
        }
        Ok((items, pending))
    }

    /// One item, consistently: `None` is the proof that it is not there.
    pub async fn item(&self, key: Item) -> Result<Option<Item>, Failure> {
        let request = self
            .cx
            .clients
            .dynamodb
            .get_item()
            .table_name(&*self.name.table)
            .set_key(Some(key))
            .consistent_read(true)
            .send();
        let answer = self.cx.call(&allow_list::DYNAMODB_GET_ITEM, request).await?;
        // Some versions of the service send an empty item instead of none.
        Ok(answer.item.filter(|item| !item.is_empty()))
    }

    /// Every item, page by page, no faster than the capacity that a scan may use.
    pub async fn scan(&self, mut each: impl FnMut(Item) -> Result<(), Failure> + Send) -> Result<(), Failure> {
        let mut start: Option<Item> = None;
        for _ in 0..MAX_PAGES {
            let request = self
                .cx
                .clients
                .dynamodb
                .scan()
                .table_name(&*self.name.table)
                .consistent_read(true)
                .return_consumed_capacity(ReturnConsumedCapacity::Total)
                .set_exclusive_start_key(start.clone())
                .send();
            let page = self.cx.call(&allow_list::DYNAMODB_SCAN, request).await?;
            let consumed = page.consumed_capacity().and_then(|capacity| capacity.capacity_units()).unwrap_or_default();
            page.items.unwrap_or_default().into_iter().try_for_each(&mut each)?;
            let next = page.last_evaluated_key.filter(|key| !key.is_empty());
            if next.is_none() {
                return Ok(());
            }
            if next == start {
                let detail = format!("Scan of {} does not move on: two pages end at the same key", self.name.arn());
                return Err(Failure::new(Reason::Incomplete, detail));
            }
            start = next;
            self.cx.clock.sleep(Duration::try_from_secs_f64(consumed / SCAN_CAPACITY).unwrap_or_default()).await;
        }
        let detail = format!("{} is too large to scan: more than {MAX_PAGES} pages", self.name.arn());
        Err(Failure::new(Reason::Incomplete, detail))
    }
}
