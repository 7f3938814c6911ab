//! Manifests: from text to declared resources, every error with its place in the file.
//!
//! Decides what a manifest means: [`load`] reads one root, [`resolve`] puts all roots together.
//! Never asks a cloud, and never accepts half a root. The engine and the commands call it.

mod attached;
pub mod check;
mod conflict;
pub mod decode;
pub mod draft;
pub mod envelope;
pub mod environment;
pub mod explain;
pub mod ignore;
mod judge;
pub mod kept;
pub mod load;
mod ownership;
pub mod parse;
pub mod problem;
pub mod reach;
pub mod resolve;
mod rules;
pub mod schema;
pub mod source;
pub mod succession;
#[cfg(test)]
mod tests;
pub mod tree;
pub mod warning;
pub mod write;
