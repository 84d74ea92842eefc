//! What people read: a heading, a table that fits the width it is given, and totals.

use comfy_table::{
    Cell, CellAlignment, ColumnConstraint, ContentArrangement, LineStyle, Row, Table as Grid, TableStyle,
};

use super::text::plain;

/// How a column stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Alignment {
    /// Texts.
    Left,
    /// Numbers.
    Right,
}

/// A column of a sheet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Heading {
    /// What stands above it.
    pub title: &'static str,
    /// How its cells stand.
    pub alignment: Alignment,
    /// It goes where the width does not reach.
    pub is_optional: bool,
}

impl Heading {
    /// A column of texts.
    #[must_use]
    pub const fn text(title: &'static str) -> Self {
        Self { title, alignment: Alignment::Left, is_optional: false }
    }

    /// A column of numbers.
    #[must_use]
    pub const fn number(title: &'static str) -> Self {
        Self { title, alignment: Alignment::Right, is_optional: false }
    }

    /// The same, to be left out where the width does not reach.
    #[must_use]
    pub const fn optional(self) -> Self {
        Self { is_optional: true, ..self }
    }
}

/// A report for eyes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sheet {
    /// Lines above the table.
    pub title: Vec<String>,
    /// The columns.
    pub columns: Vec<Heading>,
    /// The rows; each has as many cells as there are columns.
    pub rows: Vec<Vec<String>>,
    /// Lines below it.
    pub footer: Vec<String>,
}

/// A cell longer than this many lines is cut.
const LINES_A_ROW: usize = 3;
/// Between two columns: one for the padding, one where other tables draw a line.
const GAP: u16 = 2;
/// Narrower columns are never wrapped.
const NARROW: u16 = 10;
/// Wider texts wrap rather than push another column out.
const WIDEST_TEXT: u16 = 32;

impl Sheet {
    /// The sheet as text, no line of it wider than `width` cells of the terminal, as far as that can be.
    ///
    /// Columns that may go do so from the right; the others wrap. Nothing in the text can drive a terminal.
    #[must_use]
    pub fn render(&self, width: u16) -> String {
        let mut shown: Vec<usize> = (0..self.columns.len()).collect();
        let mut grid = self.grid(&shown);
        while natural_width(&grid) > width {
            let Some(last) = shown.iter().rposition(|at| self.columns[*at].is_optional) else { break };
            shown.remove(last);
            grid = self.grid(&shown);
        }
        // What is short and has no good place to break stays whole; the texts take what is left.
        let widths = grid.column_max_content_widths();
        for (column, natural) in grid.column_iter_mut().zip(widths) {
            if natural <= NARROW {
                column.set_constraint(ColumnConstraint::ContentWidth);
            }
        }
        grid.set_width(width);
        let mut text = String::new();
        for line in &self.title {
            text.push_str(plain(line).trim_end());
            text.push('\n');
        }
        if !self.rows.is_empty() {
            for line in grid.lines() {
                text.push_str(line.trim_end());
                text.push('\n');
            }
        }
        for line in &self.footer {
            text.push_str(plain(line).trim_end());
            text.push('\n');
        }
        text
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
        Cell::new_owned(plain(text)).set_alignment(alignment)
    }
}

/// How wide the grid would like to be, long texts wrapped.
fn natural_width(grid: &Grid) -> u16 {
    grid.column_max_content_widths()
        .into_iter()
        .fold(0, |sum, width| sum.saturating_add(width.min(WIDEST_TEXT).saturating_add(GAP)))
}
