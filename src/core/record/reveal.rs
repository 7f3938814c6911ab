//! Which recorded values that may be secret are shown to whom asks.
//!
//! Decides it when the record is asked, not when it is written: a name that is taken off `visible`
//! is hidden at once, also in changes of long ago. A value that was visible when it was recorded is
//! stored with a mark, `{"v": …}`; no other fact is a JSON object. Without knowing what is visible
//! now, nothing marked is shown. The store calls it for every answer.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

use crate::core::identity::ScopeKey;

/// What stands where a value is that may be secret.
pub const SECRET: &str = "(secret)";

const MARK: &str = "v";

/// The names whose values may be shown, by scope.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Visible(BTreeMap<ScopeKey, BTreeSet<Arc<str>>>);

impl FromIterator<(ScopeKey, BTreeSet<Arc<str>>)> for Visible {
    fn from_iter<T: IntoIterator<Item = (ScopeKey, BTreeSet<Arc<str>>)>>(scopes: T) -> Self {
        Self(scopes.into_iter().filter(|(_, names)| !names.is_empty()).collect())
    }
}

impl Visible {
    /// Puts in the place of each marked value what may be shown of it.
    pub fn reveal(&self, scope: &ScopeKey, path: &str, fact: &mut Json) {
        match fact {
            Json::Array(items) => items.iter_mut().for_each(|item| self.reveal(scope, path, item)),
            Json::Object(marked) => {
                let shown = self.0.get(scope).is_some_and(|names| names.contains(name_at(path)));
                *fact = marked.remove(MARK).filter(|_| shown).unwrap_or_else(|| SECRET.into());
            }
            _ => {}
        }
    }
}

/// A value that was visible when it was recorded.
pub fn marked(text: &str) -> Json {
    Json::Object([(MARK.to_owned(), text.into())].into_iter().collect())
}

/// What `visible` calls the value at this path: a variable or an attribute by its name, which may
/// hold dots, and the rest (`command`) by the last part.
fn name_at(path: &str) -> &str {
    if let Some(name) = path.strip_prefix("attributes.") {
        return name;
    }
    let of_container = path.strip_prefix("taskDefinition.containers.").and_then(|rest| rest.split_once('.'));
    let field = of_container.map_or(path, |(_, field)| field);
    field.strip_prefix("environment.").or_else(|| field.rsplit('.').next()).unwrap_or(field)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use serde_json::json;

    use super::*;

    fn scope(name: &str) -> ScopeKey {
        ScopeKey::parse(&format!("ecs_cluster/111122223333/eu-west-1/{name}")).unwrap()
    }

    fn visible(names: &[&str]) -> Visible {
        [(scope("wonderland"), names.iter().map(|name| Arc::from(*name)).collect())].into_iter().collect()
    }

    fn revealed(visible: &Visible, path: &str, mut fact: Json) -> Json {
        visible.reveal(&scope("wonderland"), path, &mut fact);
        fact
    }

    #[test]
    fn a_marked_value_is_shown_only_while_its_name_is_visible_in_its_scope() {
        let visible = visible(&["LOG_LEVEL", "spring.profiles", "command"]);
        let variable = |name: &str| format!("taskDefinition.containers.environment.environment.{name}");
        for (path, shown) in [
            (variable("LOG_LEVEL"), true),
            (variable("spring.profiles"), true),
            (variable("other.LOG_LEVEL"), false),
            (variable("TOKEN"), false),
            ("taskDefinition.containers.app.command".to_owned(), true),
            ("taskDefinition.containers.app.entryPoint".to_owned(), false),
            ("attributes.LOG_LEVEL".to_owned(), true),
            ("attributes.a.LOG_LEVEL".to_owned(), false),
        ] {
            let expected = if shown { json!("info") } else { json!(SECRET) };
            assert_eq!(revealed(&visible, &path, marked("info")), expected, "{path}");
        }
        let mut elsewhere = marked("info");
        visible.reveal(&scope("looking-glass"), "attributes.LOG_LEVEL", &mut elsewhere);
        assert_eq!(elsewhere, json!(SECRET));
        assert_eq!(revealed(&Visible::default(), "attributes.LOG_LEVEL", marked("info")), json!(SECRET));
    }

    #[test]
    fn marks_in_lists_are_found_and_everything_else_stays() {
        let fact = json!(["plain", marked("a"), SECRET, 1, null]);
        assert_eq!(revealed(&visible(&["list"]), "list", fact.clone()), json!(["plain", "a", SECRET, 1, null]));
        assert_eq!(revealed(&visible(&[]), "list", fact), json!(["plain", SECRET, SECRET, 1, null]));
    }

    #[test]
    fn what_is_visible_comes_back_from_the_store() {
        let all = visible(&["LOG_LEVEL"]);
        let text = serde_json::to_string(&all).unwrap();
        assert_eq!(serde_json::from_str::<Visible>(&text).unwrap(), all);
    }
}
