//! `$(VAR)` in commands, arguments and values, by the rules of Kubernetes.

/// Replaces `$(NAME)` by what `lookup` knows. `$$` stands for `$`; unknown names stay as they are.
pub(super) fn expand<'a>(text: &str, lookup: impl Fn(&str) -> Option<&'a str>) -> String {
    let mut result = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('$') {
        result.push_str(&rest[..at]);
        rest = &rest[at + 1..];
        if let Some(after) = rest.strip_prefix('$') {
            result.push('$');
            rest = after;
        } else if let Some((name, after)) = rest.strip_prefix('(').and_then(|rest| rest.split_once(')')) {
            match lookup(name) {
                Some(value) => result.push_str(value),
                None => {
                    result.push_str("$(");
                    result.push_str(name);
                    result.push(')');
                }
            }
            rest = after;
        } else {
            result.push('$');
        }
    }
    result.push_str(rest);
    result
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_replaced_by_the_rules_of_kubernetes() {
        let lookup = |name: &str| match name {
            "PORT" => Some("8080"),
            "EMPTY" => Some(""),
            _ => None,
        };
        for (text, expected) in [
            ("--port=$(PORT)", "--port=8080"),
            ("$(PORT)$(PORT)", "80808080"),
            ("[$(EMPTY)]", "[]"),
            ("$(UNKNOWN)", "$(UNKNOWN)"),
            ("$$(PORT)", "$(PORT)"),
            ("$$$(PORT)", "$8080"),
            ("$$$$(PORT)", "$$(PORT)"),
            ("$PORT", "$PORT"),
            ("100$", "100$"),
            ("$(PORT", "$(PORT"),
            ("ä$(PORT)ö", "ä8080ö"),
        ] {
            assert_eq!(expand(text, lookup), expected, "{text}");
        }
    }
}
