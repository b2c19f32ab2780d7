//! Results: a table for people, one JSON line per measure for programs.

use serde::Serialize;

/// One measure of ours beside the reference.
#[derive(Clone, Debug, Serialize)]
pub struct Measure {
    /// Name of the benchmark.
    pub bench: &'static str,
    /// What was measured, such as `a2a.unary.rps`.
    pub measure: String,
    /// Unit of `ours` and `reference`.
    pub unit: &'static str,
    /// Our figure.
    pub ours: f64,
    /// The reference's figure, if it has one.
    pub reference: Option<f64>,
    /// What the reference is.
    pub reference_name: Option<&'static str>,
    /// `ours / reference`.
    pub ratio: Option<f64>,
    /// The goal in words, if there is one.
    pub goal: Option<String>,
    /// Whether the goal is met.
    pub holds: Option<bool>,
}

/// What a measure must reach.
#[derive(Clone, Copy, Debug)]
pub enum Goal {
    /// At most this many times the reference.
    RatioAtMost(f64),
    /// At most this, in the measure's unit.
    AtMost(f64),
}

impl Measure {
    /// A measure of benchmark `bench`.
    pub fn new(bench: &'static str, measure: impl Into<String>, unit: &'static str, ours: f64) -> Self {
        Self {
            bench,
            measure: measure.into(),
            unit,
            ours,
            reference: None,
            reference_name: None,
            ratio: None,
            goal: None,
            holds: None,
        }
    }

    /// Beside this reference.
    #[must_use]
    pub fn beside(mut self, name: &'static str, reference: f64) -> Self {
        self.reference = Some(reference);
        self.reference_name = Some(name);
        self.ratio = (reference != 0.0).then(|| self.ours / reference);
        self
    }

    /// With this goal.
    #[must_use]
    pub fn with_goal(mut self, goal: Goal) -> Self {
        let (text, holds) = match goal {
            Goal::RatioAtMost(most) => (
                format!("ratio <= {most}"),
                self.ratio.is_some_and(|ratio| ratio <= most),
            ),
            Goal::AtMost(most) => (format!("<= {most} {}", self.unit), self.ours <= most),
        };
        self.goal = Some(text);
        self.holds = Some(holds);
        self
    }
}

/// A table with one line per measure.
pub fn build_table(measures: &[Measure]) -> String {
    let number = |value: Option<f64>| value.map_or_else(|| "-".to_owned(), |value| format!("{value:.1}"));
    let mut rows = vec![
        [
            "measure",
            "unit",
            "ours",
            "reference",
            "reference is",
            "ratio",
            "goal",
            "holds",
        ]
        .map(str::to_owned),
    ];
    rows.extend(measures.iter().map(|measure| {
        [
            measure.measure.clone(),
            measure.unit.to_owned(),
            number(Some(measure.ours)),
            number(measure.reference),
            measure.reference_name.unwrap_or("-").to_owned(),
            measure
                .ratio
                .map_or_else(|| "-".to_owned(), |ratio| format!("{ratio:.2}")),
            measure.goal.clone().unwrap_or_else(|| "-".to_owned()),
            measure
                .holds
                .map_or("-", |holds| if holds { "yes" } else { "NO" })
                .to_owned(),
        ]
    }));
    let widths: [usize; 8] =
        std::array::from_fn(|column| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0));
    let line = |row: &[String; 8]| {
        let cells = row.iter().zip(widths).map(|(cell, width)| format!("{cell:<width$}"));
        format!("| {} |", cells.collect::<Vec<_>>().join(" | "))
    };
    let rule = widths.map(|width| "-".repeat(width));
    let mut lines = vec![line(&rows[0]), line(&rule)];
    lines.extend(rows[1..].iter().map(line));
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn goals_are_judged_and_written() {
        let measure = Measure::new("a2a", "x", "us", 12.0)
            .beside("proxy", 10.0)
            .with_goal(Goal::RatioAtMost(1.3));
        assert_eq!((measure.ratio, measure.holds), (Some(1.2), Some(true)));
        let missed = Measure::new("a2a", "y", "KiB", 25.0).with_goal(Goal::AtMost(24.0));
        assert_eq!(missed.holds, Some(false));
        let table = build_table(&[measure.clone(), missed]);
        assert!(table.lines().nth(3).is_some_and(|line| line.contains("NO")), "{table}");
        let json = serde_json::to_value(&measure).expect("json");
        assert_eq!(json["goal"], "ratio <= 1.3");
    }
}
