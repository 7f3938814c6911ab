//! Tables: made, described, listed and deleted, and the keys of their items.
//!
//! Decides a table's schema and status and which key an item has. Reads and writes of items are
//! [`super::reading`]'s and [`super::writing`]'s.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::attribute::{Item, ItemKey, KeyValue, item_size, parts};
use super::expression::project;
use super::{Answer, ApiError, Caller, DynamoDb, Typed, seconds, validation};

/// How long a table is CREATING or DELETING.
const DWELL: SignedDuration = SignedDuration::from_secs(5);
/// AWS updates ItemCount and TableSizeBytes about every six hours.
const RECOUNT: SignedDuration = SignedDuration::from_hours(6);

#[derive(Debug, Clone)]
struct KeyAttribute {
    name: String,
    /// `S` or `N`.
    kind: String,
}

#[derive(Debug, Clone)]
pub(super) struct Table {
    name: String,
    arn: String,
    created_at: Timestamp,
    active_at: Timestamp,
    deleted_at: Option<Timestamp>,
    partition: KeyAttribute,
    sort: Option<KeyAttribute>,
    billing_mode: &'static str,
    pub(super) items: BTreeMap<ItemKey, Item>,
    counted_at: Timestamp,
    counted_items: usize,
    counted_bytes: usize,
}

impl Table {
    fn new(caller: &Caller, name: &str, partition: KeyAttribute, sort: Option<KeyAttribute>, now: Timestamp) -> Self {
        Self {
            name: name.to_owned(),
            arn: format!("arn:aws:dynamodb:{}:{}:table/{name}", caller.region, caller.account),
            created_at: now,
            active_at: now,
            deleted_at: None,
            partition,
            sort,
            billing_mode: "PAY_PER_REQUEST",
            items: BTreeMap::new(),
            counted_at: now,
            counted_items: 0,
            counted_bytes: 0,
        }
    }

    pub(super) fn with_text_keys(
        caller: &Caller,
        name: &str,
        partition: &str,
        sort: Option<&str>,
        now: Timestamp,
    ) -> Self {
        let key = |name: &str| KeyAttribute { name: name.to_owned(), kind: "S".to_owned() };
        Self::new(caller, name, key(partition), sort.map(key), now)
    }

    pub(super) fn is_gone(&self, now: Timestamp) -> bool {
        self.deleted_at.is_some_and(|deleted| now.duration_since(deleted) >= DWELL)
    }

    pub(super) fn takes_items(&self, now: Timestamp) -> bool {
        self.status(now) == "ACTIVE"
    }

    fn status(&self, now: Timestamp) -> &'static str {
        if self.deleted_at.is_some() {
            "DELETING"
        } else if now < self.active_at {
            "CREATING"
        } else {
            "ACTIVE"
        }
    }

    /// Brings ItemCount up to date, as AWS does now and then.
    pub(super) fn recount(&mut self, now: Timestamp) {
        if now.duration_since(self.counted_at) >= RECOUNT {
            self.counted_at = now;
            self.counted_items = self.items.len();
            self.counted_bytes = self.items.values().map(item_size).sum();
        }
    }

    /// Puts an item (or with None removes it), counts that at once, and returns what was there.
    pub(super) fn place(&mut self, key: ItemKey, item: Option<Item>) -> Option<Item> {
        let added = item.as_ref().map_or(0, item_size);
        let before = match item {
            Some(item) => self.items.insert(key, item),
            None => self.items.remove(&key),
        };
        let removed = before.as_ref().map_or(0, item_size);
        self.counted_bytes = (self.counted_bytes + added).saturating_sub(removed);
        self.counted_items = self.items.len();
        before
    }

    pub(super) fn partition_name(&self) -> &str {
        &self.partition.name
    }

    pub(super) fn sort_name(&self) -> Option<&str> {
        self.sort.as_ref().map(|sort| sort.name.as_str())
    }

    pub(super) fn key_names(&self) -> Vec<String> {
        [Some(&self.partition), self.sort.as_ref()].into_iter().flatten().map(|key| key.name.clone()).collect()
    }

    /// The key attributes of an item, as LastEvaluatedKey shows them.
    pub(super) fn key_attributes(&self, item: &Item) -> Item {
        project(item, &self.key_names())
    }

    /// The key that a whole item has.
    pub(super) fn key_of_item(&self, item: &Item) -> Result<ItemKey, ApiError> {
        let read = |key: &KeyAttribute| {
            let problem = "One or more parameter values were invalid:";
            let value = item
                .get(&key.name)
                .ok_or_else(|| validation(format!("{problem} Missing the key {} in the item", key.name)))?;
            let kind = parts(value).map_or("?", |(kind, _)| kind);
            if kind != key.kind {
                let expected = format!("expected: {} actual: {kind}", key.kind);
                return Err(validation(format!("{problem} Type mismatch for key {} {expected}", key.name)));
            }
            key_value(key, value)
        };
        Ok(ItemKey::new(read(&self.partition)?, self.sort.as_ref().map(read).transpose()?))
    }

    /// The key that a request gives: exactly the key attributes, of the right types.
    pub(super) fn key_of(&self, given: &Item) -> Result<ItemKey, ApiError> {
        let mismatch = || validation("The provided key element does not match the schema");
        if given.len() != self.key_names().len() {
            return Err(mismatch());
        }
        let read = |key: &KeyAttribute| {
            let value = given.get(&key.name).ok_or_else(mismatch)?;
            match parts(value) {
                Some((kind, _)) if kind == key.kind => key_value(key, value),
                _ => Err(mismatch()),
            }
        };
        Ok(ItemKey::new(read(&self.partition)?, self.sort.as_ref().map(read).transpose()?))
    }

    /// The key before every item of a partition.
    pub(super) fn start_of(&self, partition: &Value) -> Result<ItemKey, ApiError> {
        if parts(partition).is_none_or(|(kind, _)| kind != self.partition.kind) {
            return Err(validation(
                "One or more parameter values were invalid: Condition parameter type does not match schema type",
            ));
        }
        Ok(ItemKey::new(key_value(&self.partition, partition)?, None))
    }

    fn describe(&self, now: Timestamp) -> Value {
        let schema = |key: &KeyAttribute, role: &str| json!({ "AttributeName": key.name, "KeyType": role });
        let definition = |key: &KeyAttribute| json!({ "AttributeName": key.name, "AttributeType": key.kind });
        let sort = self.sort.as_ref();
        let key_schema: Vec<Value> = [Some(schema(&self.partition, "HASH")), sort.map(|key| schema(key, "RANGE"))]
            .into_iter()
            .flatten()
            .collect();
        let definitions: Vec<Value> =
            [Some(definition(&self.partition)), sort.map(definition)].into_iter().flatten().collect();
        json!({
            "TableName": self.name,
            "TableArn": self.arn,
            "TableStatus": self.status(now),
            "CreationDateTime": seconds(self.created_at),
            "KeySchema": key_schema,
            "AttributeDefinitions": definitions,
            "ItemCount": self.counted_items,
            "TableSizeBytes": self.counted_bytes,
            "BillingModeSummary": { "BillingMode": self.billing_mode },
            "DeletionProtectionEnabled": false,
        })
    }
}

fn key_value(key: &KeyAttribute, value: &Value) -> Result<KeyValue, ApiError> {
    match KeyValue::read(value) {
        Some(KeyValue::Text(text)) if text.is_empty() => Err(validation(format!(
            "One or more parameter values are not valid. The AttributeValue for a key attribute cannot contain an \
             empty string value. Key: {}",
            key.name
        ))),
        Some(value) => Ok(value),
        None => Err(validation("The provided key element does not match the schema")),
    }
}

impl DynamoDb {
    pub(super) fn create_table(&mut self, caller: &Caller, input: Typed<'_>, now: Timestamp) -> Answer {
        let name = input.required("TableName")?;
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"_.-".contains(&byte);
        if !(3..=255).contains(&name.len()) || !name.bytes().all(allowed) {
            return Err(validation("TableName must be 3 to 255 letters, digits, '_', '-' or '.'"));
        }
        if input.has("GlobalSecondaryIndexes") || input.has("LocalSecondaryIndexes") {
            return Err(validation("Secondary indexes are not simulated"));
        }
        if self.tables.contains_key(name) {
            let message = format!("Table already exists: {name}");
            return Err(ApiError::bad_request("ResourceInUseException", message));
        }
        let (partition, sort) = key_schema(input)?;
        let mut table = Table::new(caller, name, partition, sort, now);
        table.billing_mode = billing_mode(input)?;
        table.active_at = now.checked_add(DWELL).unwrap_or(now);
        let output = json!({ "TableDescription": table.describe(now) });
        self.tables.insert(name.to_owned(), table);
        Ok(output)
    }

    pub(super) fn delete_table(&mut self, input: Typed<'_>, now: Timestamp) -> Answer {
        let name = input.required("TableName")?;
        let table = self.tables.get_mut(name).ok_or_else(|| unknown_table(name))?;
        if !table.takes_items(now) {
            let message = format!("Attempt to change a resource which is still in use: Table: {name}");
            return Err(ApiError::bad_request("ResourceInUseException", message));
        }
        table.deleted_at = Some(now);
        Ok(json!({ "TableDescription": table.describe(now) }))
    }

    pub(super) fn describe_table(&self, input: Typed<'_>, now: Timestamp) -> Answer {
        let name = input.required("TableName")?;
        let table = self.tables.get(name).ok_or_else(|| unknown_table(name))?;
        Ok(json!({ "Table": table.describe(now) }))
    }

    pub(super) fn list_tables(&self, input: Typed<'_>) -> Answer {
        let limit = match input.count("Limit")? {
            None => 100,
            Some(limit @ 1..=100) => usize::try_from(limit).unwrap_or(100),
            Some(_) => return Err(validation("Limit must be between 1 and 100")),
        };
        let start = input.text("ExclusiveStartTableName")?;
        let names: Vec<&String> =
            self.tables.keys().filter(|name| start.is_none_or(|start| name.as_str() > start)).collect();
        let served = names.get(..limit).unwrap_or(&names);
        let mut output = json!({ "TableNames": served });
        if let (true, Some(last)) = (served.len() < names.len(), served.last()) {
            output["LastEvaluatedTableName"] = json!(last);
        }
        Ok(output)
    }
}

fn unknown_table(name: &str) -> ApiError {
    let message = format!("Requested resource not found: Table: {name} not found");
    ApiError::bad_request("ResourceNotFoundException", message)
}

fn billing_mode(input: Typed<'_>) -> Result<&'static str, ApiError> {
    match input.text("BillingMode")? {
        Some("PAY_PER_REQUEST") => Ok("PAY_PER_REQUEST"),
        None | Some("PROVISIONED") if input.has("ProvisionedThroughput") => Ok("PROVISIONED"),
        None | Some("PROVISIONED") => Err(validation(
            "One or more parameter values were invalid: ReadCapacityUnits and WriteCapacityUnits must both be \
             specified when BillingMode is PROVISIONED",
        )),
        Some(other) => Err(validation(format!("Invalid BillingMode: {other}"))),
    }
}

/// The key attributes: one HASH, perhaps one RANGE, and definitions of exactly these.
fn key_schema(input: Typed<'_>) -> Result<(KeyAttribute, Option<KeyAttribute>), ApiError> {
    let mut definitions = BTreeMap::new();
    for definition in input.structures("AttributeDefinitions")? {
        definitions.insert(definition.required("AttributeName")?, definition.required("AttributeType")?);
    }
    let key = |element: &Typed<'_>, role: &str| {
        if element.required("KeyType")? != role {
            return Err(validation("Invalid KeySchema: the first element must be HASH, the second RANGE"));
        }
        let name = element.required("AttributeName")?;
        match definitions.get(name).copied() {
            Some(kind @ ("S" | "N")) => Ok(KeyAttribute { name: name.to_owned(), kind: kind.to_owned() }),
            Some(kind) => Err(validation(format!("Keys of type {kind} are not simulated; use S or N"))),
            None => Err(validation(format!(
                "One or more parameter values were invalid: Some index key attributes are not defined in \
                 AttributeDefinitions. Keys: [{name}]"
            ))),
        }
    };
    let elements = input.structures("KeySchema")?;
    let (partition, sort) = match elements.as_slice() {
        [partition] => (key(partition, "HASH")?, None),
        [partition, sort] => (key(partition, "HASH")?, Some(key(sort, "RANGE")?)),
        _ => return Err(validation("KeySchema must hold one or two elements")),
    };
    if definitions.len() != elements.len() {
        return Err(validation(
            "One or more parameter values were invalid: Number of attributes in KeySchema does not exactly match \
             number of attributes defined in AttributeDefinitions",
        ));
    }
    Ok((partition, sort))
}
