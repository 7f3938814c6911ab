//! PutItem, DeleteItem, UpdateItem and TransactWriteItems.
//!
//! Decides whether a write's condition holds and what it leaves behind. All of a request is read and
//! checked before anything is written, so that a refused one changes nothing. [`super::apply`] calls it.

use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::attribute::{Item, ItemKey, item_size, normalise_item};
use super::expression::{Condition, Placeholders, Update, condition, project, update};
use super::table::Table;
use super::{Answer, ApiError, Consumed, DynamoDb, Typed, validation};

const LARGEST_ITEM: usize = 400 * 1024;
const MOST_ACTIONS: usize = 100;
const CONDITION_FAILED: &str = "The conditional request failed";

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Check,
    Put,
    Delete,
    Update,
}

enum Action {
    Check,
    Put(Item),
    Delete,
    Update { key: Item, update: Update },
}

/// One write as it was asked for.
struct Write {
    table: String,
    key: ItemKey,
    action: Action,
    condition: Option<Condition>,
    /// Whether a failed condition shows the item that it was judged by.
    shows_item: bool,
}

/// What becomes of a write.
enum Judgement {
    Holds(Outcome),
    Fails { shown: Option<Item> },
}

/// What a write does to the item under its key.
struct Outcome {
    before: Option<Item>,
    after: Option<Item>,
}

impl Write {
    fn read(kind: Kind, dynamodb: &DynamoDb, input: Typed<'_>, now: Timestamp) -> Result<Self, ApiError> {
        let table = dynamodb.open_table(input, now)?;
        let mut placeholders = Placeholders::new(input);
        let (key, action) = match kind {
            Kind::Put => {
                let item = input.map("Item")?.ok_or_else(|| validation("Item must not be null"))?;
                let item = normalise_item(item)?;
                (table.key_of_item(&item)?, Action::Put(item))
            }
            Kind::Check | Kind::Delete | Kind::Update => {
                let given = input.map("Key")?.ok_or_else(|| validation("Key must not be null"))?;
                let given = normalise_item(given)?;
                let key = table.key_of(&given)?;
                match kind {
                    Kind::Update => {
                        let update = read_update(table, input, &mut placeholders)?;
                        (key, Action::Update { key: given, update })
                    }
                    Kind::Delete => (key, Action::Delete),
                    Kind::Check | Kind::Put => (key, Action::Check),
                }
            }
        };
        let condition = match input.text("ConditionExpression")? {
            Some(expression) => Some(condition(expression, "ConditionExpression", &mut placeholders)?),
            None if kind == Kind::Check => return Err(validation("ConditionExpression must not be null")),
            None => None,
        };
        placeholders.all_used()?;
        let shows_item = match input.text("ReturnValuesOnConditionCheckFailure")? {
            None | Some("NONE") => false,
            Some("ALL_OLD") => true,
            Some(other) => {
                return Err(validation(format!("Invalid ReturnValuesOnConditionCheckFailure: {other}")));
            }
        };
        let table = input.required("TableName")?.to_owned();
        Ok(Self { table, key, action, condition, shows_item })
    }

    /// Whether the condition holds now, and what the write would do.
    fn judge(&self, dynamodb: &DynamoDb) -> Result<Judgement, ApiError> {
        let before = dynamodb.tables.get(&self.table).and_then(|table| table.items.get(&self.key));
        let absent = Item::new();
        let judged = before.unwrap_or(&absent);
        if !self.condition.as_ref().is_none_or(|condition| condition.holds(judged)) {
            return Ok(Judgement::Fails { shown: before.filter(|_| self.shows_item).cloned() });
        }
        let after = match &self.action {
            Action::Check => before.cloned(),
            Action::Put(item) => Some(item.clone()),
            Action::Delete => None,
            Action::Update { key, update } => Some(update.apply(before.unwrap_or(key))?),
        };
        if after.as_ref().is_some_and(|item| item_size(item) > LARGEST_ITEM) {
            return Err(validation("Item size has exceeded the maximum allowed size"));
        }
        Ok(Judgement::Holds(Outcome { before: before.cloned(), after }))
    }
}

impl DynamoDb {
    pub(super) fn put_one(&mut self, input: Typed<'_>, now: Timestamp) -> Answer {
        let returned = returned_values(input, &["NONE", "ALL_OLD"])?;
        let (_, outcome, output) = self.write_one(Kind::Put, input, now)?;
        Ok(with_attributes(output, (returned == "ALL_OLD").then_some(outcome.before).flatten()))
    }

    pub(super) fn delete_one(&mut self, input: Typed<'_>, now: Timestamp) -> Answer {
        let returned = returned_values(input, &["NONE", "ALL_OLD"])?;
        let (_, outcome, output) = self.write_one(Kind::Delete, input, now)?;
        Ok(with_attributes(output, (returned == "ALL_OLD").then_some(outcome.before).flatten()))
    }

    pub(super) fn update_one(&mut self, input: Typed<'_>, now: Timestamp) -> Answer {
        let returned = returned_values(input, &["NONE", "ALL_OLD", "ALL_NEW", "UPDATED_OLD", "UPDATED_NEW"])?;
        let (write, outcome, output) = self.write_one(Kind::Update, input, now)?;
        let touched = match &write.action {
            Action::Update { update, .. } => update.names().cloned().collect(),
            Action::Check | Action::Put(_) | Action::Delete => Vec::new(),
        };
        let only_touched = |item: Item| project(&item, &touched);
        let attributes = match returned {
            "ALL_OLD" => outcome.before,
            "ALL_NEW" => outcome.after,
            "UPDATED_OLD" => outcome.before.map(only_touched),
            "UPDATED_NEW" => outcome.after.map(only_touched),
            _ => None,
        };
        Ok(with_attributes(output, attributes))
    }

    /// Carries one write out; the output has no attributes yet.
    fn write_one(
        &mut self,
        kind: Kind,
        input: Typed<'_>,
        now: Timestamp,
    ) -> Result<(Write, Outcome, Map<String, Value>), ApiError> {
        let write = Write::read(kind, self, input, now)?;
        let outcome = match write.judge(self)? {
            Judgement::Holds(outcome) => outcome,
            Judgement::Fails { shown } => return Err(condition_failed(shown)),
        };
        let mut consumed = Consumed::default();
        consumed.write(&write.table, outcome.size());
        let mut output = Map::new();
        consumed.report(input, &mut output, true)?;
        self.commit(&write, outcome.after.clone());
        Ok((write, outcome, output))
    }

    /// Leaves an item (or none) under the key of a write. ItemCount lags behind, as it does in AWS.
    fn commit(&mut self, write: &Write, after: Option<Item>) {
        let Some(table) = self.tables.get_mut(&write.table) else { return };
        match after {
            Some(item) => table.items.insert(write.key.clone(), item),
            None => table.items.remove(&write.key),
        };
    }

    pub(super) fn transact(&mut self, input: Typed<'_>, now: Timestamp) -> Answer {
        let actions = input.structures("TransactItems")?;
        if actions.is_empty() || actions.len() > MOST_ACTIONS {
            return Err(validation(format!(
                "1 validation error detected: Value at 'transactItems' failed to satisfy constraint: Member must have \
                 length less than or equal to {MOST_ACTIONS}, and at least 1"
            )));
        }
        let token = input.text("ClientRequestToken")?;
        let asked = Value::from(input.list("TransactItems")?);
        if let Some((_, earlier)) = token.and_then(|token| self.transactions.get(token)) {
            return if *earlier == asked { Ok(Value::Object(Map::new())) } else { Err(reused_token()) };
        }

        let mut writes: Vec<Write> = Vec::new();
        for action in actions {
            let write = self.read_action(action, now)?;
            if writes.iter().any(|other| other.table == write.table && other.key == write.key) {
                return Err(validation("Transaction request cannot include multiple operations on one item"));
            }
            writes.push(write);
        }
        let mut judgements = Vec::new();
        for write in &writes {
            judgements.push(write.judge(self)?);
        }
        if judgements.iter().any(|judgement| matches!(judgement, Judgement::Fails { .. })) {
            return Err(cancelled(&judgements));
        }
        let mut consumed = Consumed::default();
        for (write, judgement) in writes.iter().zip(judgements) {
            let Judgement::Holds(outcome) = judgement else { continue };
            // A transaction writes everything twice.
            consumed.write(&write.table, outcome.size());
            consumed.write(&write.table, outcome.size());
            if !matches!(write.action, Action::Check) {
                self.commit(write, outcome.after);
            }
        }
        if let Some(token) = token {
            self.transactions.insert(token.to_owned(), (now, asked));
        }
        let mut output = Map::new();
        consumed.report(input, &mut output, false)?;
        Ok(Value::Object(output))
    }

    /// Reads an element of `TransactItems`, which holds exactly one action.
    fn read_action(&self, action: Typed<'_>, now: Timestamp) -> Result<Write, ApiError> {
        let kinds =
            [("ConditionCheck", Kind::Check), ("Put", Kind::Put), ("Delete", Kind::Delete), ("Update", Kind::Update)];
        let mut write = None;
        for (member, kind) in kinds {
            let Some(members) = action.structure(member)? else { continue };
            super::refuse_unsimulated(members)?;
            if write.replace(Write::read(kind, self, members, now)?).is_some() {
                return Err(one_action_each());
            }
        }
        write.ok_or_else(one_action_each)
    }
}

impl Judgement {
    /// As a cancelled transaction tells it.
    fn reason(&self) -> Value {
        match self {
            Self::Holds(_) => json!({ "Code": "None" }),
            Self::Fails { shown: None } => json!({ "Code": "ConditionalCheckFailed", "Message": CONDITION_FAILED }),
            Self::Fails { shown: Some(item) } => {
                json!({ "Code": "ConditionalCheckFailed", "Message": CONDITION_FAILED, "Item": item })
            }
        }
    }
}

impl Outcome {
    fn size(&self) -> usize {
        let size = |item: &Option<Item>| item.as_ref().map_or(0, item_size);
        size(&self.before).max(size(&self.after))
    }
}

fn read_update(table: &Table, input: Typed<'_>, placeholders: &mut Placeholders<'_>) -> Result<Update, ApiError> {
    let Some(expression) = input.text("UpdateExpression")? else { return Ok(Update::default()) };
    let update = update(expression, placeholders)?;
    let keys = table.key_names();
    if let Some(key) = update.names().find(|name| keys.contains(name)) {
        return Err(validation(format!(
            "One or more parameter values were invalid: Cannot update attribute {key}. \
             This attribute is part of the key"
        )));
    }
    Ok(update)
}

fn returned_values<'a>(input: Typed<'a>, allowed: &[&str]) -> Result<&'a str, ApiError> {
    let returned = input.text("ReturnValues")?.unwrap_or("NONE");
    if allowed.contains(&returned) {
        Ok(returned)
    } else {
        Err(validation(format!("ReturnValues can only be one of {}", allowed.join(", "))))
    }
}

fn with_attributes(mut output: Map<String, Value>, attributes: Option<Item>) -> Value {
    if let Some(attributes) = attributes {
        output.insert("Attributes".to_owned(), Value::Object(attributes));
    }
    Value::Object(output)
}

fn one_action_each() -> ApiError {
    validation("TransactItems can only contain one of Check, Put, Update or Delete")
}

fn reused_token() -> ApiError {
    ApiError::bad_request(
        "IdempotentParameterMismatchException",
        "Request parameters are different from those of an earlier request with the same ClientRequestToken",
    )
}

fn condition_failed(shown: Option<Item>) -> ApiError {
    let error = ApiError::bad_request("ConditionalCheckFailedException", CONDITION_FAILED);
    match shown {
        Some(item) => error.with("Item", Value::Object(item)),
        None => error,
    }
}

/// There is a reason for each action, in their order, and for those that could be carried out `None`.
fn cancelled(judgements: &[Judgement]) -> ApiError {
    let reasons: Vec<Value> = judgements.iter().map(Judgement::reason).collect();
    let codes: Vec<&str> = reasons.iter().filter_map(|reason| reason.get("Code").and_then(Value::as_str)).collect();
    let message =
        format!("Transaction cancelled, please refer cancellation reasons for specific reasons [{}]", codes.join(", "));
    ApiError::bad_request("TransactionCanceledException", message).with("CancellationReasons", Value::from(reasons))
}
