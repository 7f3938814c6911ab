//! Container images: one image has many spellings.
//!
//! Decides when two references name the same image: `docker.io/library/nginx` is `nginx`, and what
//! has neither tag nor digest is pulled as `latest`. Never asks a registry. `spec` reads declared
//! images with it, `live` those of a task definition.

use std::borrow::Cow;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::value::MapAccessDeserializer;
use serde::de::{self, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};

use crate::kinds::text::Text;

/// Names of Docker Hub that may be left out.
const DOCKER_HUB: [&str; 3] = ["docker.io/", "index.docker.io/", "registry-1.docker.io/"];

/// An image reference in its shortest spelling.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Image {
    /// Registry and name.
    pub repository: String,
    /// Such as `1.2`.
    pub tag: Option<String>,
    /// Such as `sha256:…`.
    pub digest: Option<String>,
}

impl Image {
    /// Reads `registry:port/name:tag@digest`; `None` when that names no image.
    pub fn parse(text: &str) -> Option<Self> {
        let (rest, digest) = match text.split_once('@') {
            Some((rest, digest)) => (rest, Some(digest)),
            None => (text, None),
        };
        // A colon before the last slash belongs to the registry's port.
        let (repository, tag) = match rest.rsplit_once(':') {
            Some((repository, tag)) if !tag.contains('/') => (repository, Some(tag)),
            _ => (rest, None),
        };
        Self::of(repository, tag, digest)
    }

    /// An image whose parts were written apart; `None` when they name none.
    pub fn of(repository: &str, tag: Option<&str>, digest: Option<&str>) -> Option<Self> {
        let name = repository.rsplit('/').next().unwrap_or_default();
        let sound = !name.is_empty()
            && !name.contains([':', '@'])
            && !repository.contains(char::is_whitespace)
            && tag.is_none_or(|tag| !tag.is_empty() && !tag.contains([':', '/', '@']))
            && digest.is_none_or(|digest| digest.contains(':'));
        sound.then(|| Self {
            repository: shortest(repository).to_owned(),
            tag: tag.map(str::to_owned),
            digest: digest.map(str::to_owned),
        })
    }

    /// What a host would pull: without tag and digest it is `latest`.
    pub fn pulled(mut self) -> Self {
        if self.tag.is_none() && self.digest.is_none() {
            self.tag = Some("latest".to_owned());
        }
        self
    }
}

fn shortest(repository: &str) -> &str {
    let bare = DOCKER_HUB.iter().find_map(|host| repository.strip_prefix(host)).unwrap_or(repository);
    match bare.strip_prefix("library/") {
        Some(name) if !name.contains('/') => name,
        _ => bare,
    }
}

/// A declared image: `repository:tag`, or its parts apart. What names no image is kept until its
/// spec is resolved, where its place is known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImageSpec(pub Result<Image, NoImage>);

/// A text that names no image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NoImage {
    /// The part that it was written for; none if the image was written as one text.
    pub part: Option<&'static str>,
    /// What was written.
    pub text: String,
}

impl NoImage {
    /// What to write instead.
    pub fn hint(&self) -> &'static str {
        match self.part {
            None => "write `repository:tag`",
            Some("repository") => "the tag goes to `tag`, the digest to `digest`",
            Some("tag") => "write the tag alone, such as `1.2`",
            Some(_) => "write the whole digest, such as `sha256:…`",
        }
    }
}

/// An image whose parts are written apart, so that an override can replace one of them.
#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct ImageParts {
    /// Registry and name, such as `jimdo/deployer`.
    repository: String,
    /// The tag. Without one, any tag will do.
    tag: Option<Text>,
    /// The digest, such as `sha256:…`. Without one, any digest will do.
    digest: Option<Text>,
}

impl ImageParts {
    fn image(&self) -> Result<Image, NoImage> {
        let refused = |part: &'static str, text: &str| NoImage { part: Some(part), text: text.to_owned() };
        let (tag, digest) = (self.tag.as_deref(), self.digest.as_deref());
        Image::of(&self.repository, tag, digest).ok_or_else(|| match (tag, digest) {
            _ if Image::of(&self.repository, None, None).is_none() => refused("repository", &self.repository),
            (Some(tag), _) if Image::of(&self.repository, Some(tag), None).is_none() => refused("tag", tag),
            (_, digest) => refused("digest", digest.unwrap_or_default()),
        })
    }
}

impl<'de> Deserialize<'de> for ImageSpec {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ImageVisitor)
    }
}

struct ImageVisitor;

impl<'de> Visitor<'de> for ImageVisitor {
    type Value = ImageSpec;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an image as `repository:tag`, or as repository, tag and digest")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<ImageSpec, E> {
        Ok(ImageSpec(Image::parse(text).ok_or_else(|| NoImage { part: None, text: text.to_owned() })))
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<ImageSpec, A::Error> {
        Ok(ImageSpec(ImageParts::deserialize(MapAccessDeserializer::new(map))?.image()))
    }
}

impl JsonSchema for ImageSpec {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Image".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let parts = generator.subschema_for::<ImageParts>();
        json_schema!({ "anyOf": [{ "type": "string" }, parts] })
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn one_image_in_many_spellings_is_one_image() {
        let cases = [
            ("nginx", "nginx", None, None),
            ("docker.io/library/nginx:1.27", "nginx", Some("1.27"), None),
            ("index.docker.io/jimdo/deployer:5", "jimdo/deployer", Some("5"), None),
            ("localhost:5000/deployer", "localhost:5000/deployer", None, None),
            ("localhost:5000/deployer:5", "localhost:5000/deployer", Some("5"), None),
            ("library/team/nginx", "library/team/nginx", None, None),
            ("jimdo/deployer:5@sha256:ab", "jimdo/deployer", Some("5"), Some("sha256:ab")),
        ];
        for (text, repository, tag, digest) in cases {
            let image = Image::parse(text).unwrap();
            assert_eq!(
                (&*image.repository, image.tag.as_deref(), image.digest.as_deref()),
                (repository, tag, digest),
                "{text}"
            );
        }
    }

    #[test]
    fn what_names_no_image_is_refused() {
        for text in ["", "docker.io/", ":5", "jimdo/deployer:", "a b", "nginx@latest"] {
            assert_eq!(Image::parse(text), None, "{text}");
        }
        assert_eq!(Image::of("jimdo/deployer:5", None, None), None);
    }

    #[test]
    fn text_and_parts_declare_the_same_image() {
        let text: ImageSpec = serde_json::from_str(r#""docker.io/jimdo/deployer:5""#).unwrap();
        let parts: ImageSpec = serde_json::from_str(r#"{"repository": "jimdo/deployer", "tag": "5"}"#).unwrap();
        assert_eq!(text, parts);
        assert!(serde_json::from_str::<ImageSpec>(r#"{"repository": "jimdo/deployer", "tga": "5"}"#).is_err());
    }

    #[test]
    fn the_part_that_makes_it_no_image_is_known() {
        let cases = [
            (r#""nginx@latest""#, None),
            (r#"{"repository": "jimdo/deployer:tag@sha256:abc"}"#, Some("repository")),
            (r#"{"repository": "jimdo/deployer", "tag": "a:b", "digest": "sha256:abc"}"#, Some("tag")),
            (r#"{"repository": "jimdo/deployer", "tag": "5", "digest": "abc"}"#, Some("digest")),
        ];
        for (written, part) in cases {
            let image: ImageSpec = serde_json::from_str(written).unwrap();
            assert_eq!(image.0.unwrap_err().part, part, "{written}");
        }
    }
}
