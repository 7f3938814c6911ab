//! Tags of load balancers, target groups and listeners.
//!
//! Decides which tags are valid and how many resources can be asked for at once. Called by
//! [`super::apply`] and by everything that is created with tags.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::Elbv2;
use crate::sim::world::members::Members;
use crate::sim::world::{Answer, ApiError};

/// Most ARNs in one DescribeTags.
const MOST_ARNS: usize = 20;
/// Most tags on one resource.
const MOST_TAGS: usize = 50;

/// The member `Tags` of a request.
pub(super) fn read(members: &Members<'_>) -> Result<BTreeMap<String, String>, ApiError> {
    let mut tags = BTreeMap::new();
    for tag in members.structures("Tags")? {
        let (key, value) = (tag.required("Key")?, tag.text("Value")?.unwrap_or_default());
        if key.chars().count() > 128 || value.chars().count() > 256 {
            return Err(members.invalid("A tag's key has at most 128 characters, its value at most 256"));
        }
        if tags.insert(key.to_owned(), value.to_owned()).is_some() {
            return Err(ApiError::bad_request("DuplicateTagKeys", format!("The tag key '{key}' is there twice")));
        }
    }
    too_many(&tags)?;
    Ok(tags)
}

fn too_many(tags: &BTreeMap<String, String>) -> Result<(), ApiError> {
    if tags.len() > MOST_TAGS {
        return Err(ApiError::bad_request("TooManyTags", format!("A resource has at most {MOST_TAGS} tags")));
    }
    Ok(())
}

impl Elbv2 {
    /// The ARNs of a request, each of something that exists.
    fn tagged<'a>(&self, members: &Members<'a>) -> Result<Vec<&'a str>, ApiError> {
        let arns = members.texts("ResourceArns")?;
        if arns.is_empty() || arns.len() > MOST_ARNS {
            return Err(
                members.invalid(format!("ResourceArns must hold 1 to {MOST_ARNS} ARNs, and holds {}", arns.len()))
            );
        }
        for arn in &arns {
            self.require(members, arn)?;
        }
        Ok(arns)
    }

    pub(super) fn add_tags(&mut self, members: &Members<'_>) -> Answer {
        let arns = self.tagged(members)?;
        let added = read(members)?;
        if added.is_empty() {
            return Err(members.invalid("Tags is required"));
        }
        let mut changed = Vec::with_capacity(arns.len());
        for arn in arns {
            let mut tags = self.tags.get(arn).cloned().unwrap_or_default();
            tags.extend(added.clone());
            too_many(&tags)?;
            changed.push((arn.to_owned(), tags));
        }
        self.tags.extend(changed);
        Ok(json!({}))
    }

    pub(super) fn remove_tags(&mut self, members: &Members<'_>) -> Answer {
        let arns = self.tagged(members)?;
        let keys = members.texts("TagKeys")?;
        for arn in arns {
            if let Some(tags) = self.tags.get_mut(arn) {
                tags.retain(|key, _| !keys.contains(&key.as_str()));
            }
        }
        Ok(json!({}))
    }

    pub(super) fn describe_tags(&self, members: &Members<'_>) -> Answer {
        let descriptions: Vec<Value> = self
            .tagged(members)?
            .into_iter()
            .map(|arn| {
                let tags: Vec<Value> = self
                    .tags
                    .get(arn)
                    .into_iter()
                    .flatten()
                    .map(|(key, value)| json!({ "Key": key, "Value": value }))
                    .collect();
                json!({ "ResourceArn": arn, "Tags": tags })
            })
            .collect();
        Ok(json!({ "TagDescriptions": descriptions }))
    }
}
