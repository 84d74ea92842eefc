//! As much of Markdown as README.md needs.

/// A fenced block.
pub struct Block {
    pub language: String,
    pub text: String,
}

/// The fenced blocks, in order.
pub fn blocks(page: &str) -> Vec<Block> {
    let mut parts = page.split("\n```");
    parts.next();
    // What opens a block and what closes it take turns.
    parts
        .step_by(2)
        .map(|part| {
            let (language, text) = part.split_once('\n').unwrap_or((part, ""));
            Block { language: language.to_owned(), text: text.to_owned() }
        })
        .collect()
}

/// The commands of a block for the shell, with lines that go on in the next one joined.
pub fn shell_lines(text: &str) -> Vec<String> {
    text.replace("\\\n", " ")
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
        .map(str::to_owned)
        .collect()
}

/// The cells of the table below this header.
pub fn rows(page: &str, header: &str) -> Vec<Vec<String>> {
    let rows: Vec<Vec<String>> = page
        .lines()
        .skip_while(|line| *line != header)
        .skip(2)
        .take_while(|line| line.starts_with('|'))
        .map(|line| line.trim_matches('|').split(" | ").map(|cell| cell.trim().to_owned()).collect())
        .collect();
    assert!(!rows.is_empty(), "there is no table below {header}");
    rows
}

/// The first cell of each row of the table below this header, without back quotes.
pub fn first_cells(page: &str, header: &str) -> Vec<String> {
    rows(page, header).into_iter().map(|row| row[0].trim_matches('`').to_owned()).collect()
}

/// Every piece of code that begins so: in back quotes, in tables, or as a word of a block's line.
pub fn mentions_of(page: &str, start: &str) -> Vec<String> {
    let mut found = Vec::new();
    for block in blocks(page) {
        for line in shell_lines(&block.text) {
            let at = line.find(start).filter(|at| *at == 0 || line[..*at].ends_with(' '));
            found.extend(at.map(|at| line[at..].split(" >").next().unwrap_or_default().to_owned()));
        }
    }
    let prose: String = page.split("\n```").step_by(2).collect::<Vec<_>>().join("\n");
    let code = prose.split('`').skip(1).step_by(2).map(|code| code.replace('\n', " "));
    found.extend(code.filter(|code| code.starts_with(start)));
    found
}
