//! Lists: which parameters they take, which rows they show, and their pages.
//!
//! Decides what CC refuses with 400 (unknown parameters by name, pages beyond 5000 rows, times with
//! fractions) and how pages link to each other. It never knows what a row is. Faults that strike
//! between pages strike here.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde_json::{Value, json};

use super::encoding::{decoded, encoded};
use super::errors::CfError;
use super::faults::Effect;
use super::presenting::View;
use super::record::{Entity, Record};

/// The parameters that every list takes.
const COMMON: [&str; 6] = ["page", "per_page", "order_by", "created_ats", "updated_ats", "guids"];

/// The longest page.
const LONGEST: usize = 5000;

/// What one kind of list takes beyond the common parameters.
pub struct Kind {
    pub filters: &'static [&'static str],
    pub orders: &'static [&'static str],
    pub includes: &'static [&'static str],
}

/// A bound on a time, in whole seconds.
struct Bound {
    of_update: bool,
    operator: Operator,
    seconds: BTreeSet<i64>,
}

#[derive(Clone, Copy)]
enum Operator {
    Is,
    Before,
    Until,
    After,
    From,
}

/// What a request asks of a list.
pub struct Listing {
    page: usize,
    per_page: usize,
    order: Option<(String, bool)>,
    filters: BTreeMap<String, BTreeSet<String>>,
    bounds: Vec<Bound>,
    pub include: BTreeSet<String>,
    pub fields: BTreeMap<String, BTreeSet<String>>,
    query: Vec<(String, String)>,
}

impl Listing {
    /// Reads a query, or refuses it as CC does.
    pub fn parse(query: &[(String, String)], kind: &Kind) -> Result<Self, CfError> {
        let known = |name: &str| COMMON.contains(&name) || kind.filters.contains(&name);
        let base_name = |key: &str| key.split_once('[').map_or(key, |(name, _)| name).to_owned();
        let unknown: Vec<&str> =
            query.iter().map(|(key, _)| key.as_str()).filter(|key| !known(&base_name(key))).collect();
        if !unknown.is_empty() {
            let valid = [&COMMON[..], kind.filters].concat().join("', '");
            return Err(CfError::bad_query(format!(
                "Unknown query parameter(s): '{}'. Valid parameters are: '{valid}'",
                unknown.join("', '")
            )));
        }
        let mut listing = Self {
            page: 1,
            per_page: 50,
            order: None,
            filters: BTreeMap::new(),
            bounds: Vec::new(),
            include: BTreeSet::new(),
            fields: BTreeMap::new(),
            query: query.to_vec(),
        };
        for (key, value) in query {
            listing.read(key, value, kind)?;
        }
        Ok(listing)
    }

    fn read(&mut self, key: &str, value: &str, kind: &Kind) -> Result<(), CfError> {
        let (name, inside) = match key.split_once('[') {
            Some((name, rest)) => (name, rest.trim_end_matches(']')),
            None => (key, ""),
        };
        match name {
            "page" => {
                self.page = positive(value).ok_or_else(|| CfError::bad_query("Page must be a positive integer"))?
            }
            "per_page" => self.per_page = per_page(value)?,
            "order_by" => self.order = Some(order(value, kind)?),
            "created_ats" | "updated_ats" => self.bounds.push(bound(name, inside, value)?),
            "include" | "embed" => {
                let wanted = list(value);
                if let Some(odd) = wanted.iter().find(|one| !kind.includes.contains(&one.as_str())) {
                    let valid = kind.includes.join("', '");
                    return Err(CfError::bad_query(format!(
                        "Invalid included resource: '{odd}'. Valid included resources are: '{valid}'"
                    )));
                }
                self.include.extend(wanted);
            }
            "fields" => {
                self.fields.insert(inside.to_owned(), list(value));
            }
            _ if inside.is_empty() || key == "target_guids[not]" => {
                self.filters.insert(key.to_owned(), list(value));
            }
            _ => return Err(CfError::bad_query(format!("Invalid operator in '{key}'"))),
        }
        Ok(())
    }

    /// Whether the filters that every list has let a row pass.
    pub fn covers(&self, record: &Record) -> bool {
        self.admits("guids", &record.guid) && self.bounds.iter().all(|bound| bound.holds(record))
    }

    /// Whether a filter is absent or names this value.
    pub fn admits(&self, filter: &str, value: &str) -> bool {
        self.filters.get(filter).is_none_or(|wanted| wanted.contains(value))
    }

    /// The same for a value that may be absent, which an empty filter means.
    pub fn admits_optional(&self, filter: &str, value: Option<&str>) -> bool {
        self.admits(filter, value.unwrap_or_default())
    }

    /// The same without regard to case, as apps, spaces and organisations are found.
    pub fn admits_folded(&self, filter: &str, value: &str) -> bool {
        self.filters.get(filter).is_none_or(|wanted| wanted.iter().any(|one| one.eq_ignore_ascii_case(value)))
    }

    /// The same for a thing with several values, of which one suffices.
    pub fn admits_any<'a>(&self, filter: &str, mut values: impl Iterator<Item = &'a str>) -> bool {
        self.filters.get(filter).is_none_or(|wanted| values.any(|value| wanted.contains(value)))
    }

    /// Whether a filter is there and names this value.
    pub fn excludes(&self, filter: &str, value: &str) -> bool {
        self.filters.get(filter).is_some_and(|unwanted| unwanted.contains(value))
    }

    /// Puts the rows in order where the request does not say otherwise.
    pub fn order_by_default(&mut self, column: &str) {
        if self.order.is_none() {
            self.order = Some((column.to_owned(), false));
        }
    }

    /// Sorts the rows and cuts out the page.
    pub fn page<'a, T: Entity>(&self, view: &View<'_>, path: &str, mut rows: Vec<&'a T>) -> Page<'a, T> {
        if view.effect == Some(&Effect::Empty) {
            rows.clear();
        }
        self.sort(&mut rows);
        if view.effect == Some(&Effect::ShiftRows) && !rows.is_empty() {
            rows.remove(0);
        }
        let per_page = view.page_limit.map_or(self.per_page, |limit| limit.clamp(1, self.per_page));
        let total = rows.len() + usize::from(view.effect == Some(&Effect::TotalChanges));
        let pages = total.div_ceil(per_page).max(1);
        let skipped = (self.page - 1).saturating_mul(per_page);
        let mut rows: Vec<&'a T> = rows.into_iter().skip(skipped).take(per_page).collect();
        if view.effect == Some(&Effect::DropPage) {
            rows.clear();
        }
        let link = |page: usize| json!({"href": self.href(view.base, path, page, per_page)});
        let next = if self.page < pages { link(self.page + 1) } else { Value::Null };
        let previous = if self.page > 1 { link(self.page - 1) } else { Value::Null };
        let pagination = json!({
            "total_results": total,
            "total_pages": pages,
            "first": link(1),
            "last": link(pages),
            "next": next,
            "previous": previous,
        });
        Page { rows, pagination }
    }

    fn sort<T: Entity>(&self, rows: &mut [&T]) {
        let Some((column, descending)) = &self.order else { return };
        match column.as_str() {
            "created_at" => rows.sort_by_key(|row| row.record().created_at),
            "updated_at" => rows.sort_by_key(|row| row.record().updated_at),
            "position" => rows.sort_by_key(|row| row.position()),
            _ => rows.sort_by(|one, other| one.name().cmp(other.name())),
        }
        if *descending {
            rows.reverse();
        }
    }

    /// The link to a page: the parameters in alphabetical order, as CC writes them.
    fn href(&self, base: &str, path: &str, page: usize, per_page: usize) -> String {
        let mut pairs: BTreeMap<&str, String> =
            self.query.iter().map(|(name, value)| (name.as_str(), value.clone())).collect();
        pairs.insert("page", page.to_string());
        pairs.insert("per_page", per_page.to_string());
        let query: Vec<String> =
            pairs.iter().map(|(name, value)| format!("{}={}", encoded(name), encoded(value))).collect();
        format!("{base}{path}?{}", query.join("&"))
    }
}

impl Bound {
    fn holds(&self, record: &Record) -> bool {
        let at = if self.of_update { record.updated_at } else { record.created_at };
        let at = at.as_second();
        self.seconds.iter().any(|bound| match self.operator {
            Operator::Is => at == *bound,
            Operator::Before => at < *bound,
            Operator::Until => at <= *bound,
            Operator::After => at > *bound,
            Operator::From => at >= *bound,
        })
    }
}

/// One page of a list.
pub struct Page<'a, T> {
    pub rows: Vec<&'a T>,
    pagination: Value,
}

impl<T> Page<'_, T> {
    /// The body of the answer.
    pub fn body(&self, present: impl Fn(&T) -> Value) -> Value {
        let rows: Vec<Value> = self.rows.iter().copied().map(present).collect();
        json!({"pagination": self.pagination, "resources": Value::Array(rows)})
    }

    /// The body of the answer, with what the rows refer to.
    pub fn body_including(&self, included: Option<Value>, present: impl Fn(&T) -> Value) -> Value {
        let mut body = self.body(present);
        if let (Some(included), Some(members)) = (included, body.as_object_mut()) {
            members.insert("included".to_owned(), included);
        }
        body
    }
}

fn list(value: &str) -> BTreeSet<String> {
    // Commas within a value arrive encoded once more.
    value.split(',').map(decoded).collect()
}

fn positive(value: &str) -> Option<usize> {
    value.parse::<usize>().ok().filter(|number| *number > 0)
}

fn per_page(value: &str) -> Result<usize, CfError> {
    match positive(value) {
        Some(number) if number <= LONGEST => Ok(number),
        Some(_) => Err(CfError::bad_query("Per page must be between 1 and 5000")),
        None => Err(CfError::bad_query("Per page must be a positive integer")),
    }
}

fn order(value: &str, kind: &Kind) -> Result<(String, bool), CfError> {
    let descending = value.starts_with('-');
    // A plus that nobody encoded arrives as a space.
    let column = value.trim_start_matches(['+', '-', ' ']);
    let known = ["created_at", "updated_at"];
    if known.contains(&column) || kind.orders.contains(&column) {
        return Ok((column.to_owned(), descending));
    }
    let valid = [&known[..], kind.orders].concat().join("', '");
    Err(CfError::bad_query(format!("Order by can only be: '{valid}'")))
}

fn bound(name: &str, operator: &str, value: &str) -> Result<Bound, CfError> {
    let operator = match operator {
        "" => Operator::Is,
        "lt" => Operator::Before,
        "lte" => Operator::Until,
        "gt" => Operator::After,
        "gte" => Operator::From,
        odd => return Err(CfError::bad_query(format!("Invalid relational operator: '{odd}'"))),
    };
    let seconds: Option<BTreeSet<i64>> = value.split(',').map(whole_seconds).collect();
    let Some(seconds) = seconds else {
        let name = if name == "created_ats" { "Created ats" } else { "Updated ats" };
        return Err(CfError::bad_query(format!(
            "{name} has an invalid timestamp format. Timestamps should be formatted as 'YYYY-MM-DDThh:mm:ssZ'"
        )));
    };
    Ok(Bound { of_update: name == "updated_ats", operator, seconds })
}

fn whole_seconds(text: &str) -> Option<i64> {
    let shaped = text.len() == "2016-03-17T21:41:30Z".len() && text.ends_with('Z');
    shaped.then(|| text.parse::<Timestamp>().ok()).flatten().map(Timestamp::as_second)
}
