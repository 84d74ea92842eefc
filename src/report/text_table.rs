//! What people read: a heading, a table that fits the width it is given, and totals.

use comfy_table::{
    Cell, CellAlignment, ColumnConstraint, ContentArrangement, LineStyle, Row, Table as Grid, TableStyle,
    Width,
};

use super::text::sanitize_for_display;

/// How a column stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Alignment {
    Left,
    Right,
}

/// How long a column stays where the width gets short.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ColumnPriority {
    Always,
    /// As long as the others fit when their texts are wrapped.
    WhereOthersWrap,
    /// As long as all fit on one line.
    WhereAllFit,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Column {
    pub title: &'static str,
    pub alignment: Alignment,
    /// How long it stays.
    pub priority: ColumnPriority,
}

impl Column {
    pub const fn text(title: &'static str) -> Self {
        Self { title, alignment: Alignment::Left, priority: ColumnPriority::Always }
    }

    pub const fn number(title: &'static str) -> Self {
        Self { title, alignment: Alignment::Right, priority: ColumnPriority::Always }
    }

    /// The same column, to go where the width gets short.
    pub const fn with_priority(self, priority: ColumnPriority) -> Self {
        Self { priority, ..self }
    }
}

/// A report for eyes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TextTable {
    pub title: Vec<String>,
    pub columns: Vec<Column>,
    /// The rows; each has as many cells as there are columns.
    pub rows: Vec<Vec<String>>,
    pub footer: Vec<String>,
}

/// A cell longer than this many lines is cut.
const LINES_A_ROW: usize = 3;
/// Between two columns: one for the padding, one where other tables draw a line.
const GAP: u16 = 2;
/// Columns up to this width are numbers, times and the like, and are never wrapped; texts are never narrower.
const NARROW: u16 = 12;
/// Wider texts wrap rather than push another column out.
const WIDE: u16 = 32;

impl TextTable {
    /// The sheet as text. The table is no wider than `width` cells of the terminal, as far as that can be: columns
    /// that need not stay go, from the right, and texts wrap. Nothing in it can drive a terminal.
    pub fn render(&self, width: u16) -> String {
        let mut text = String::new();
        let mut add = |line: &str| {
            text.push_str(line.trim_end());
            text.push('\n');
        };
        for line in &self.title {
            add(&sanitize_for_display(line));
        }
        if !self.rows.is_empty() {
            for line in self.fitting(width).lines() {
                add(&line);
            }
        }
        for line in &self.footer {
            add(&sanitize_for_display(line));
        }
        text
    }

    fn fitting(&self, width: u16) -> Grid {
        let mut shown: Vec<usize> = (0..self.columns.len()).collect();
        let mut grid = self.grid(&shown);
        for (priority, widest) in
            [(ColumnPriority::WhereAllFit, WIDE), (ColumnPriority::WhereOthersWrap, NARROW)]
        {
            while wanted_width(&grid, widest) > width {
                let Some(last) = shown.iter().rposition(|at| self.columns[*at].priority == priority) else {
                    break;
                };
                shown.remove(last);
                grid = self.grid(&shown);
            }
        }
        let widths = grid.column_max_content_widths();
        for (column, natural) in grid.column_iter_mut().zip(widths) {
            column.set_constraint(if natural <= NARROW {
                ColumnConstraint::ContentWidth
            } else {
                ColumnConstraint::LowerBoundary(Width::Fixed(NARROW + GAP - 1))
            });
        }
        grid.set_width(width);
        grid
    }

    fn grid(&self, shown: &[usize]) -> Grid {
        let mut grid = Grid::new();
        grid.load_style(TableStyle::new().header_separator(LineStyle::none().fill('─').junction('─')));
        grid.force_no_tty();
        grid.set_truncation_indicator("…");
        grid.set_content_arrangement(ContentArrangement::Dynamic);
        let titles: Vec<Cell> = shown.iter().map(|at| self.cell(*at, self.columns[*at].title)).collect();
        grid.set_header(titles);
        for cells in &self.rows {
            let cells: Vec<Cell> = shown.iter().map(|at| self.cell(*at, &cells[*at])).collect();
            let mut row = Row::from(cells);
            row.max_height(LINES_A_ROW);
            grid.add_row(row);
        }
        for column in grid.column_iter_mut() {
            column.set_padding((0, GAP - 1));
        }
        grid
    }

    fn cell(&self, column: usize, text: &str) -> Cell {
        let alignment = match self.columns[column].alignment {
            Alignment::Left => CellAlignment::Left,
            Alignment::Right => CellAlignment::Right,
        };
        Cell::new_owned(sanitize_for_display(text)).set_alignment(alignment)
    }
}

/// How wide the grid is when its texts wrap at `widest`.
fn wanted_width(grid: &Grid, widest: u16) -> u16 {
    grid.column_max_content_widths()
        .into_iter()
        .fold(0, |sum, width| sum.saturating_add(width.min(widest).saturating_add(GAP)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sheet(names: &[&str]) -> TextTable {
        TextTable {
            title: vec!["Title \u{1b}[31m".to_owned(), String::new()],
            columns: vec![
                Column::text("Name"),
                Column::text("Email").with_priority(ColumnPriority::WhereAllFit),
                Column::text("Joined").with_priority(ColumnPriority::WhereOthersWrap),
                Column::number("Share"),
            ],
            rows: names
                .iter()
                .map(|name| [name, "someone@example.com", "09:00", "66.7 %"].map(str::to_owned).to_vec())
                .collect(),
            footer: vec![String::new(), "Footer".to_owned()],
        }
    }

    #[test]
    #[expect(clippy::unicode_not_nfc, reason = "a name may be composed in either way")]
    fn names_of_all_scripts_are_aligned_and_hostile_ones_harmless() {
        let names = [
            "Ada",
            "王小明",
            "👩‍💻 Grace",
            "Zoe\u{308}",
            "नमस्ते",
            "\u{202e}gnp.exe\u{200f}",
            "<script>alert(1)</script>",
            "=cmd()",
            "\u{1b}[31mred\u{9b}2J\n",
            "🇩🇪 Emil",
        ];
        insta::assert_snapshot!(sheet(&names).render(100), @r"
Title �[31m

Name                       Email                Joined   Share
───────────────────────────────────────────────────────────────
Ada                        someone@example.com  09:00   66.7 %
王小明                     someone@example.com  09:00   66.7 %
👩‍💻 Grace                   someone@example.com  09:00   66.7 %
Zoë                        someone@example.com  09:00   66.7 %
नमस्ते                       someone@example.com  09:00   66.7 %
gnp.exe                    someone@example.com  09:00   66.7 %
<script>alert(1)</script>  someone@example.com  09:00   66.7 %
=cmd()                     someone@example.com  09:00   66.7 %
�[31mred�2J�               someone@example.com  09:00   66.7 %
🇩🇪 Emil                    someone@example.com  09:00   66.7 %

Footer
");
    }

    #[test]
    fn what_does_not_fit_goes_or_wraps_or_is_cut() {
        let name = "x".repeat(500);
        let sheet = sheet(&["Augusta Ada King, Countess of Lovelace", &name]);
        insta::assert_snapshot!([80, 50, 30, 24].map(|width| sheet.render(width)).join("\n"), @r"
Title �[31m

Name                                        Email                Joined   Share
────────────────────────────────────────────────────────────────────────────────
Augusta Ada King, Countess of Lovelace      someone@example.com  09:00   66.7 %
xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx  someone@example.com  09:00   66.7 %
xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx
xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx…

Footer

Title �[31m

Name                               Joined   Share
──────────────────────────────────────────────────
Augusta Ada King, Countess of      09:00   66.7 %
Lovelace
xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx  09:00   66.7 %
xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx
xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx…

Footer

Title �[31m

Name           Joined   Share
──────────────────────────────
Augusta Ada    09:00   66.7 %
King,
Countess of…
xxxxxxxxxxxxx  09:00   66.7 %
xxxxxxxxxxxxx
xxxxxxxxxxxx…

Footer

Title �[31m

Name              Share
────────────────────────
Augusta Ada      66.7 %
King, Countess
of Lovelace
xxxxxxxxxxxxxxx  66.7 %
xxxxxxxxxxxxxxx
xxxxxxxxxxxxxx…

Footer
");
    }

    #[test]
    fn without_rows_there_is_no_table() {
        assert_eq!(TextTable::default().render(80), "");
    }

    #[test]
    fn no_line_of_a_table_is_wider_than_asked() {
        let sheet = sheet(&["Augusta Ada King, Countess of Lovelace", &"王".repeat(250)]);
        for width in 24..200 {
            let widest = sheet
                .render(width)
                .lines()
                .map(Cell::new)
                .map(|cell| {
                    let mut grid = Grid::new();
                    grid.add_row(vec![cell]);
                    grid.column_max_content_widths()[0]
                })
                .max();
            assert!(widest <= Some(width), "{widest:?} > {width}");
        }
    }
}
