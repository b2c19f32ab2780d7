//! A prompt template: text without actions stays as it is, and everything else ends with a text or a reason.
#![no_main]

use kagent_core::translate::template::{TemplateData, render};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|template: &str| {
    let data = TemplateData {
        texts: vec![("AgentName", "scout".to_owned()), ("Description", String::new())],
        lists: vec![
            ("ToolNames", vec!["one".to_owned(), "two".to_owned()]),
            ("SkillNames", vec![]),
        ],
        includes: [("prompts/rules".to_owned(), "be kind {{.AgentName}}".to_owned())].into(),
    };
    match render(template, &data) {
        Ok(text) => {
            if !template.contains("{{") {
                assert_eq!(text, template);
            }
        }
        Err(reason) => assert!(!reason.is_empty()),
    }
});
