//! Go's `text/template`, as far as a system message can use it: what prompts of existing installs contain renders to the
//! same bytes. Pure; a template can neither loop for ever nor fill the memory.

mod execute;
mod functions;
mod lex;
mod parse;
mod printf;
mod value;

use std::collections::BTreeMap;

/// What a template can name.
#[derive(Clone, Debug, Default)]
pub struct TemplateData {
    /// Texts: `AgentName`, `AgentNamespace`, `Description`.
    pub texts: Vec<(&'static str, String)>,
    /// Lists: `ToolNames`, `SkillNames`.
    pub lists: Vec<(&'static str, Vec<String>)>,
    /// What `include` finds, by `source/key`.
    pub includes: BTreeMap<String, String>,
}

/// Fills in a template.
///
/// # Errors
/// The text that Go gives for it.
pub fn render(template: &str, data: &TemplateData) -> Result<String, String> {
    let set = parse::parse(template).map_err(|error| {
        let line = lex::line_of(template, error.position);
        format!(
            "failed to parse system message template: template: systemMessage:{line}: {}",
            error.message
        )
    })?;
    execute::execute(&set, template, data)
        .map_err(|message| format!("failed to execute system message template: {message}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mk_data() -> TemplateData {
        TemplateData {
            texts: vec![("AgentName", "writer".to_owned()), ("Description", String::new())],
            lists: vec![
                ("ToolNames", vec!["a".to_owned(), "b".to_owned()]),
                ("SkillNames", Vec::new()),
            ],
            includes: [("lib/tone".to_owned(), "{{.AgentName}} & kind".to_owned())].into(),
        }
    }

    fn check(template: &str, expected: &str) {
        assert_eq!(render(template, &mk_data()).as_deref(), Ok(expected), "{template}");
    }

    #[test]
    fn fields_lists_and_includes_are_filled_in() {
        check("plain } { text", "plain } { text");
        check("{{.AgentName}}: {{ .ToolNames }} {{.SkillNames}}", "writer: [a b] []");
        check("{{include \"lib/tone\"}}", "{{.AgentName}} & kind");
        check("{{range .ToolNames}}- {{.}}\n{{end}}", "- a\n- b\n");
        check("{{range .SkillNames}}x{{else}}none{{end}}", "none");
        check("{{if .Description}}D{{else}}{{if .ToolNames}}T{{end}}{{end}}", "T");
        check("a \n{{- /* a comment }} */ -}}\n b", "ab");
        check("a {{- .AgentName -}} b", "awriterb");
    }

    #[test]
    fn variables_live_until_their_block_ends() {
        check("{{$x := .AgentName}}{{$x}} {{$x = \"y\"}}{{$x}}", "writer y");
        check("{{$x := 1}}{{range .ToolNames}}{{$x = 2}}{{$y := 3}}{{end}}{{$x}}", "2");
        check("{{range $i, $t := .ToolNames}}{{$i}}={{$t}};{{end}}", "0=a;1=b;");
        check(
            "{{range $t := .ToolNames}}{{$.AgentName}}-{{$t}} {{end}}",
            "writer-a writer-b ",
        );
        check("{{with $d := .AgentName}}{{$d}}{{.}}{{end}}", "writerwriter");
        let error = render("{{if true}}{{$x := 1}}{{end}}{{$x}}", &mk_data()).expect_err("is out of scope");
        assert!(
            error.ends_with("template: systemMessage:1: undefined variable \"$x\""),
            "{error}"
        );
    }

    #[test]
    fn control_goes_as_in_go() {
        check(
            "{{if false}}1{{else if .Description}}2{{else if eq 1 1}}3{{else}}4{{end}}",
            "3",
        );
        check("{{with .Description}}x{{else with .AgentName}}{{.}}{{end}}", "writer");
        check("{{range .ToolNames}}{{if eq . \"b\"}}{{break}}{{end}}{{.}}{{end}}", "a");
        check(
            "{{range .ToolNames}}{{if eq . \"a\"}}{{continue}}{{end}}{{.}}{{end}}",
            "b",
        );
        check("{{range 3}}{{.}}{{end}}", "012");
        check(
            "{{define \"t\"}}<{{.}}>{{end}}{{template \"t\" .AgentName}}",
            "<writer>",
        );
        check("{{block \"b\" .ToolNames}}{{len .}}{{end}}", "2");
    }

    #[test]
    fn functions_and_pipelines_are_gos() {
        check(
            "{{and .AgentName .Description}}|{{or .Description \"x\"}}|{{not 0}}",
            "|x|true",
        );
        check(
            "{{eq .AgentName \"a\" \"writer\"}} {{ne 1 2}} {{lt 1 2}} {{ge 2.5 2.5}}",
            "true true true true",
        );
        check(
            "{{index .ToolNames 1}} {{index .AgentName 0}} {{slice .AgentName 1 3}}",
            "b 119 ri",
        );
        check(
            "{{\"<a b>\" | urlquery}} {{html \"'\"}} {{js \"'=\"}}",
            "%3Ca+b%3E &#39; \\'\\u003D",
        );
        check("{{print 1 2 \"a\" 3 true}} {{println 1 \"x\"}}", "1 2a3 true 1 x\n");
        check("{{(index .ToolNames 0) | printf \"%s-%s\" .AgentName}}", "writer-a");
        check(
            "{{len (slice .ToolNames 1)}} {{1.50}} {{0x10}} {{'a'}} {{`r\\`}}",
            "1 1.5 16 97 r\\",
        );
    }

    #[test]
    fn printf_formats_as_go_does() {
        for (call, expected) in [
            ("\"%5d|%-5d|%05d|%+d\" 42 42 42 42", "   42|42   |00042|+42"),
            (
                "\"%q %x %X %.2s\" \"a\\\"b\" \"hi\" \"hi\" \"über\"",
                "\"a\\\"b\" 6869 6869 üb",
            ),
            (
                "\"%v %t %.2f %e %g\" .ToolNames true 1.005 1500.0 1e21",
                "[a b] true 1.00 1.500000e+03 1e+21",
            ),
            ("\"%d\" \"x\"", "%!d(string=x)"),
            ("\"%s\"", "%!s(MISSING)"),
            ("\"x\" 1", "x%!(EXTRA int=1)"),
            ("\"%q\" .ToolNames", "[\"a\" \"b\"]"),
            ("\"%c %U %T %%\" 65 65 1", "A U+0041 int %"),
            ("\"%*d\" 4 7", "   7"),
        ] {
            check(&format!("{{{{printf {call}}}}}"), expected);
        }
    }

    #[test]
    fn mistakes_are_told_in_gos_words() {
        for (template, expected) in [
            (
                "x\n{{.Model}}",
                "failed to execute system message template: template: systemMessage:2:2: executing \"systemMessage\" \
                 at <.Model>: can't evaluate field Model in type agent.PromptTemplateContext",
            ),
            (
                "{{upper .AgentName}}",
                "failed to parse system message template: template: systemMessage:1: function \"upper\" not defined",
            ),
            (
                "{{if .AgentName}}",
                "failed to parse system message template: template: systemMessage:1: unexpected EOF",
            ),
            (
                "{{end}}",
                "failed to parse system message template: template: systemMessage:1: unexpected {{end}}",
            ),
        ] {
            assert_eq!(render(template, &mk_data()), Err(expected.to_owned()), "{template}");
        }
        for template in [
            "{{",
            "{{include \"x/y\"}}",
            "{{template \"x\"}}",
            "{{index .ToolNames 9}}",
            "{{eq .ToolNames 1}}",
            "{{\"open}}",
            "{{(1}}",
            "{{1 2}}",
            "{{break}}",
            "{{$x}}",
            "{{.AgentName.X}}",
            "{{}}",
            "{{if}}{{end}}",
        ] {
            assert!(render(template, &mk_data()).is_err(), "{template} was accepted");
        }
    }

    #[test]
    fn a_template_ends_and_stays_small() {
        let recursion = "{{define \"a\"}}{{template \"a\"}}{{end}}{{template \"a\"}}";
        let explosion =
            "{{define \"a\"}}{{range 1000}}{{range 1000}}{{range 1000}}x{{end}}{{end}}{{end}}{{end}}{{template \"a\"}}";
        let nesting = format!("{{{{{}1{}}}}}", "(".repeat(100_000), ")".repeat(100_000));
        let width = "{{printf \"%999999999d\" 1}}";
        for template in [recursion, explosion, &nesting, width] {
            assert!(render(template, &mk_data()).is_err_and(|error| error.len() < 1000));
        }
    }
}
