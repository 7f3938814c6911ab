//! Tags of hosted zones and health checks.
//!
//! Decides who may be tagged and how many can be asked for at once. Called by [`super::apply`].

use serde_json::{Value, json};

use super::Route53;
use crate::sim::world::members::Members;
use crate::sim::world::{Answer, ApiError};

/// Most resources in one ListTagsForResources, and most tags in one change.
const MOST: usize = 10;
/// Most tags on one resource.
const MOST_ON_ONE: usize = 50;

impl Route53 {
    /// The key of a resource that exists, or the error that AWS gives for one that does not.
    fn tagged(&self, members: &Members<'_>, kind: &str, id: &str) -> Result<(String, String), ApiError> {
        let id = match kind {
            "hostedzone" => self.zone(id)?.id.clone(),
            "healthcheck" if self.checks.contains_key(id) => id.to_owned(),
            "healthcheck" => {
                return Err(ApiError::new(
                    404,
                    "NoSuchHealthCheck",
                    format!("No health check exists with the specified ID: {id}"),
                ));
            }
            other => {
                return Err(members.invalid(format!("ResourceType '{other}' is neither healthcheck nor hostedzone")));
            }
        };
        Ok((kind.to_owned(), id))
    }

    fn tag_set(&self, key: &(String, String)) -> Value {
        let tags: Vec<Value> = self
            .tags
            .get(key)
            .into_iter()
            .flatten()
            .map(|(name, value)| json!({ "Key": name, "Value": value }))
            .collect();
        json!({ "ResourceType": key.0, "ResourceId": key.1, "Tags": tags })
    }

    pub(super) fn list_tags(&self, members: &Members<'_>) -> Answer {
        let kind = members.required("ResourceType")?;
        let ids = members.texts("ResourceIds")?;
        if ids.is_empty() || ids.len() > MOST {
            return Err(members.invalid(format!("ResourceIds must hold 1 to {MOST} ids, and holds {}", ids.len())));
        }
        let mut sets = Vec::with_capacity(ids.len());
        for id in ids {
            sets.push(self.tag_set(&self.tagged(members, kind, id)?));
        }
        Ok(json!({ "ResourceTagSets": sets }))
    }

    pub(super) fn list_tags_of_one(&self, members: &Members<'_>) -> Answer {
        let key = self.tagged(members, members.required("ResourceType")?, members.required("ResourceId")?)?;
        Ok(json!({ "ResourceTagSet": self.tag_set(&key) }))
    }

    pub(super) fn change_tags(&mut self, members: &Members<'_>) -> Answer {
        let key = self.tagged(members, members.required("ResourceType")?, members.required("ResourceId")?)?;
        let added = members.structures("AddTags")?;
        let removed = members.texts("RemoveTagKeys")?;
        if added.is_empty() && removed.is_empty() {
            return Err(members.invalid("AddTags or RemoveTagKeys is required"));
        }
        if added.len() > MOST || removed.len() > MOST {
            return Err(members.invalid(format!("AddTags and RemoveTagKeys hold at most {MOST} tags each")));
        }
        let mut tags = self.tags.get(&key).cloned().unwrap_or_default();
        for name in removed {
            tags.remove(name);
        }
        for tag in added {
            let (name, value) = (tag.required("Key")?, tag.text("Value")?.unwrap_or_default());
            if name.chars().count() > 128 || value.chars().count() > 256 {
                return Err(members.invalid("A tag's key has at most 128 characters, its value at most 256"));
            }
            tags.insert(name.to_owned(), value.to_owned());
        }
        if tags.len() > MOST_ON_ONE {
            return Err(members.invalid(format!("A resource has at most {MOST_ON_ONE} tags")));
        }
        self.tags.insert(key, tags);
        Ok(json!({}))
    }
}
