//! Create, replace, patch and apply: one pipeline from the caller's object to the stored one.

mod admit;
mod create;
mod modify;

pub(crate) use modify::PatchBody;
