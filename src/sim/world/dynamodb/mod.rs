//! The simulated DynamoDB of one account and region.
//!
//! Decides what tables, items, conditions and transactions answer. It never reads a clock; the only
//! thing that time changes is a table that is being made or deleted. [`super::apply`] calls it for
//! every request; scenarios and tests put things straight into place through [`of`] and the public
//! methods of [`DynamoDb`]. Indexes, streams, binary keys and the legacy parameters are not simulated
//! and are refused, never ignored.

mod attribute;
mod expression;
mod number;
mod reading;
mod reserved;
mod table;
mod writing;

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use serde_json::{Map, Value, json};

pub use attribute::Item;

use super::typed::Typed;
use super::{Answer, ApiError, Caller, Request, World};
use table::Table;

/// For so long, a transaction with the same `ClientRequestToken` is the same transaction.
const TOKEN_LIFE: SignedDuration = SignedDuration::from_mins(10);

/// What DynamoDB holds in one account and region.
#[derive(Debug, Clone, Default)]
pub struct DynamoDb {
    tables: BTreeMap<String, Table>,
    /// Transactions carried out lately, by token: when, and what they asked.
    transactions: BTreeMap<String, (Timestamp, Value)>,
}

/// The DynamoDB that a caller speaks to: that of its account and region.
pub fn of<'a>(world: &'a mut World, caller: &Caller) -> &'a mut DynamoDb {
    world.dynamodb.entry((caller.account.clone(), caller.region.clone())).or_default()
}

/// Answers one DynamoDB request.
pub fn apply(world: &mut World, caller: &Caller, request: &Request, now: Timestamp, _seed: u64) -> Answer {
    let dynamodb = of(world, caller);
    dynamodb.advance(now);
    let input = Typed::new(&request.input, "ValidationException");
    refuse_unsimulated(input)?;
    match request.operation.as_str() {
        "CreateTable" => dynamodb.create_table(caller, input, now),
        "DeleteTable" => dynamodb.delete_table(input, now),
        "DescribeTable" => dynamodb.describe_table(input, now),
        "ListTables" => dynamodb.list_tables(input),
        "GetItem" => dynamodb.get_item(input, now),
        "BatchGetItem" => dynamodb.batch_get_item(input, now),
        "Query" => dynamodb.query(input, now),
        "Scan" => dynamodb.scan(input, now),
        "PutItem" => dynamodb.put_one(input, now),
        "DeleteItem" => dynamodb.delete_one(input, now),
        "UpdateItem" => dynamodb.update_one(input, now),
        "TransactWriteItems" => dynamodb.transact(input, now),
        other => Err(ApiError::bad_request(
            "UnknownOperationException",
            format!("The simulated DynamoDB does not know the operation {other}."),
        )),
    }
}

impl DynamoDb {
    fn advance(&mut self, now: Timestamp) {
        self.tables.retain(|_, table| !table.is_gone(now));
        for table in self.tables.values_mut() {
            table.recount(now);
        }
        self.transactions.retain(|_, (at, _)| now.duration_since(*at) < TOKEN_LIFE);
    }

    /// Puts an ACTIVE, empty table with text keys into place.
    pub fn put_table(&mut self, caller: &Caller, name: &str, partition: &str, sort: Option<&str>, now: Timestamp) {
        self.tables.insert(name.to_owned(), Table::with_text_keys(caller, name, partition, sort, now));
    }

    /// Puts an item into a table, whatever was under its key.
    pub fn put_item(&mut self, table: &str, item: Value) -> Result<(), ApiError> {
        let item = item.as_object().ok_or_else(|| validation("An item is an object"))?;
        let item = attribute::normalise_item(item)?;
        let table = self.tables.get_mut(table).ok_or_else(table_not_found)?;
        let key = table.key_of_item(&item)?;
        table.place(key, Some(item));
        Ok(())
    }

    /// Removes the item under a key; true if there was one.
    pub fn remove_item(&mut self, table: &str, key: &Value) -> bool {
        let Some(table) = self.tables.get_mut(table) else { return false };
        let Some(key) = key.as_object().and_then(|key| table.key_of(key).ok()) else { return false };
        table.place(key, None).is_some()
    }

    /// The item under a key.
    pub fn item(&self, table: &str, key: &Value) -> Option<&Item> {
        let table = self.tables.get(table)?;
        table.items.get(&table.key_of(key.as_object()?).ok()?)
    }

    /// Every item of a table, in the order of a scan.
    pub fn items(&self, table: &str) -> Vec<&Item> {
        self.tables.get(table).into_iter().flat_map(|table| table.items.values()).collect()
    }

    /// The table that `TableName` names, if it takes requests for items.
    fn open_table(&self, input: Typed<'_>, now: Timestamp) -> Result<&Table, ApiError> {
        self.open_table_named(input.required("TableName")?, now)
    }

    fn open_table_named(&self, name: &str, now: Timestamp) -> Result<&Table, ApiError> {
        self.tables.get(name).filter(|table| table.takes_items(now)).ok_or_else(table_not_found)
    }
}

fn validation(message: impl Into<String>) -> ApiError {
    ApiError::bad_request("ValidationException", message)
}

fn table_not_found() -> ApiError {
    ApiError::bad_request("ResourceNotFoundException", "Requested resource not found")
}

/// Ignoring one of these would make the simulator kinder than AWS.
fn refuse_unsimulated(input: Typed<'_>) -> Result<(), ApiError> {
    let unsimulated = [
        "AttributesToGet",
        "AttributeUpdates",
        "ConditionalOperator",
        "Expected",
        "IndexName",
        "KeyConditions",
        "QueryFilter",
        "ScanFilter",
        "Segment",
        "TotalSegments",
    ];
    match unsimulated.into_iter().find(|member| input.has(member)) {
        Some(member) => Err(validation(format!("{member} is not simulated; use expressions and whole tables"))),
        None => Ok(()),
    }
}

/// DynamoDB writes times as seconds since 1970, with a fraction.
fn seconds(at: Timestamp) -> Value {
    json!(at.as_millisecond() as f64 / 1000.0)
}

/// Capacity units that a request used, by table.
#[derive(Debug, Default)]
struct Consumed(BTreeMap<String, f64>);

impl Consumed {
    /// One unit reads 4 KB consistently, or twice that eventually; nothing costs as much as one block.
    fn read(&mut self, table: &str, bytes: usize, consistent: bool) {
        let blocks = bytes.div_ceil(4096).max(1) as f64;
        self.add(table, if consistent { blocks } else { blocks / 2.0 });
    }

    /// One unit writes 1 KB.
    fn write(&mut self, table: &str, bytes: usize) {
        self.add(table, bytes.div_ceil(1024).max(1) as f64);
    }

    fn add(&mut self, table: &str, units: f64) {
        *self.0.entry(table.to_owned()).or_default() += units;
    }

    /// One entry for each table.
    fn list(&self) -> Vec<Value> {
        self.0.iter().map(|(table, units)| json!({ "TableName": table, "CapacityUnits": units })).collect()
    }

    /// Adds `ConsumedCapacity` to an answer if the request asks for it.
    fn report(&self, input: Typed<'_>, output: &mut Map<String, Value>, one_table: bool) -> Result<(), ApiError> {
        match input.text("ReturnConsumedCapacity")? {
            None | Some("NONE") => return Ok(()),
            Some("TOTAL" | "INDEXES") => {}
            Some(other) => return Err(validation(format!("Invalid ReturnConsumedCapacity: {other}"))),
        }
        let mut entries = self.list();
        let reported = if one_table { entries.pop().unwrap_or(Value::Null) } else { Value::Array(entries) };
        output.insert("ConsumedCapacity".to_owned(), reported);
        Ok(())
    }
}

#[cfg(test)]
mod tests;
