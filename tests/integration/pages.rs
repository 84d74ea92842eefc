//! The pages of `--format html` in a real browser, and the four formats with names to be afraid of.
//!
//! Where there is no Chromium, what needs one is said and passed over.

use std::path::Path;
use std::process::{Command, Output};

use rollcall::clock::Clock;
use rollcall::simulator::{Options, Simulator, World};

use crate::harness::{Desk, HOUR, MEETING, lecture, stay};

/// Collects what goes wrong; stands before everything else on the page.
const WATCH: &str = r"
    const wrong = [];
    addEventListener('error', (event) => wrong.push(`error: ${event.message}`));
    addEventListener('securitypolicyviolation', (event) => wrong.push(`refused: ${event.violatedDirective} ${event.blockedURI}`));
";

/// Sorts every table by every column, both ways, and searches; stands behind the page's own script.
const TRY: &str = r"
    const check = (holds, what) => { if (!holds) wrong.push(what); };
    let sorted = 0;
    for (const table of document.querySelectorAll('table.sortable')) {
      Array.from(table.tHead.rows[0].cells).forEach((heading, at) => {
        const button = heading.querySelector('button');
        const keys = () => Array.from(table.tBodies[0].rows, (row) => row.cells[at].dataset.key ?? row.cells[at].textContent.trim()).filter((key) => key !== '');
        const isNumber = heading.dataset.sort === 'number';
        const collator = new Intl.Collator(undefined, { numeric: true, sensitivity: 'base' });
        const compare = (left, right) => isNumber ? Number(left) - Number(right) : collator.compare(left, right);
        for (const [sort, sign] of [['ascending', 1], ['descending', -1]]) {
          button.click();
          check(heading.getAttribute('aria-sort') === sort, `${heading.textContent} is not ${sort}`);
          const found = keys();
          check(found.every((key, place) => place === 0 || sign * compare(found[place - 1], key) <= 0), `${heading.textContent} is out of order: ${found}`);
          check(!isNumber || found.every((key) => Number.isFinite(Number(key))), `${heading.textContent} has no numbers: ${found}`);
          sorted += 1;
        }
        check(table.querySelectorAll('[aria-sort]').length === 1, 'two columns are sorted');
      });
    }
    const lines = document.querySelectorAll('tr[data-line]');
    const input = document.querySelector('#search');
    const seen = (words) => {
      input.value = words;
      input.dispatchEvent(new Event('input'));
      return Array.from(lines).filter((line) => line.getClientRects().length > 0).length;
    };
    check(input.getClientRects().length > 0, 'the search field is not shown');
    check(seen('nobody is called this') === 0, 'a search that matches nothing shows lines');
    const word = lines[0].cells[0].textContent.trim().split(/\s+/)[0];
    check(seen(word.toUpperCase()) > 0, `a search for ${word} shows nothing`);
    check(document.querySelector('.tools output').textContent.includes(' of '), 'a search does not say how many');
    check(seen('') === lines.length, 'an empty search hides lines');
    for (const table of document.querySelectorAll('table')) {
      check(table.caption && table.querySelector('th[scope=row]') && table.querySelector('th[scope=col]'), 'a table lacks caption or headings');
    }
    check(['header', 'main', 'footer', 'h1'].every((name) => document.querySelectorAll(name).length === 1), 'a landmark is missing');
    check(Array.from(document.querySelectorAll('svg')).every((svg) => svg.closest('[aria-hidden]') || svg.getAttribute('aria-label')), 'a graphic is without words');
    check(performance.getEntriesByType('resource').length === 0, 'something was loaded');
    check(document.documentElement.scrollWidth <= innerWidth, 'the page is wider than the screen');
    document.body.dataset.tried = wrong.length ? wrong.join('; ') : `${lines.length} lines, ${sorted} sorts: all well`;
";

/// The browser, alone with an empty profile; none where it is not installed.
fn chromium(desk: &Desk, arguments: &[&str], page: &Path) -> Option<Output> {
    let mut command = Command::new("timeout");
    command.args(["120", "chromium", "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run"]);
    command.args(["--disable-background-networking", "--disable-component-update", "--disable-sync"]);
    command.args(["--enable-logging=stderr"]).args(arguments);
    command.arg(format!("--user-data-dir={}", desk.path("profile").display()));
    command.arg(format!("file://{}", page.display()));
    let output = command.output().ok().filter(|output| output.status.code() != Some(127));
    if output.is_none() {
        eprintln!("there is no chromium on this machine; the pages are not opened");
    }
    output
}

/// What the browser says on its console.
fn console(output: &Output) -> Vec<String> {
    let text = String::from_utf8_lossy(&output.stderr);
    text.lines().filter(|line| line.contains("CONSOLE")).map(str::to_owned).collect()
}

/// Opens a page as it is, and once more with the test's own scripts let in beside the page's.
fn open(desk: &Desk, name: &str, width: &str) {
    let page = std::fs::read_to_string(desk.path(name)).unwrap();
    let Some(output) = chromium(desk, &["--dump-dom"], &desk.path(name)) else { return };
    assert_eq!(console(&output), [""; 0], "{name}");
    let shown = String::from_utf8_lossy(&output.stdout);
    assert!(shown.contains("<button type=\"button\">"), "the page's script has not run: {name}");

    let tried = page
        .replacen("script-src '", "script-src 'nonce-test' '", 1)
        .replacen("<title>", &format!("<script nonce=\"test\">{WATCH}</script><title>"), 1)
        .replacen("</body>", &format!("<script nonce=\"test\">{TRY}</script></body>"), 1);
    let other = desk.path(&format!("tried-{name}"));
    std::fs::write(&other, tried).unwrap();
    let size = format!("--window-size={width},900");
    let Some(output) = chromium(desk, &["--dump-dom", &size], &other) else { return };
    assert_eq!(console(&output), [""; 0], "{name}");
    let shown = String::from_utf8_lossy(&output.stdout);
    let result = shown.split("data-tried=\"").nth(1).and_then(|rest| rest.split('"').next());
    let result = result.unwrap_or("the test's script has not come to its end");
    assert!(result.ends_with("all well") && !result.starts_with("0 lines"), "{name}: {result}");
}

/// Nothing in a page names a place outside it.
fn asks_nothing_of_anyone(page: &str) {
    for word in ["http:", "https:", "src=", "href=", "@import", "<link", "<form", "<iframe", "<base"] {
        assert!(!page.contains(word), "{word}");
    }
}

#[tokio::test]
async fn the_pages_of_the_demo_work_in_a_browser() {
    let desk = Desk::new();
    assert_eq!(desk.run(&["--database", "rollcall.db", "demo"]).await.status, Some(0));
    let latest = "SELECT instance_uuid FROM participants WHERE bo_mtg_id IS NOT NULL ORDER BY instance_start DESC LIMIT 1";
    let with_breakout_rooms = crate::harness::rows(&desk.database().await, latest).await.remove(0);
    let reports: [(&str, &[&str]); 5] = [
        ("one.html", &["attendance", "--instance", &with_breakout_rooms]),
        ("sitting.html", &["attendance", "--from", "2026-05-27", "--to", "2026-05-27", "--by", "sitting"]),
        ("grid.html", &["attendance", "--from", "2026-03-01"]),
        ("meetings.html", &["meetings"]),
        ("person.html", &["person", "--person", "Mateo"]),
    ];
    for (name, report) in reports {
        let arguments = [&["--database", "rollcall.db", "report"], report, &["--output", name]].concat();
        let finished = desk.run(&arguments).await;
        assert_eq!((finished.status, finished.stderr.as_str()), (Some(0), ""), "{name}");
        asks_nothing_of_anyone(&std::fs::read_to_string(desk.path(name)).unwrap());
    }
    let one = std::fs::read_to_string(desk.path("one.html")).unwrap();
    for kind in ["in the meeting", "in a breakout room", "in the waiting room", "In at once"] {
        assert!(one.contains(kind), "{kind}");
    }
    let names = reports.map(|(name, _)| name);
    tokio::task::spawn_blocking(move || {
        for (name, width) in names.iter().zip(["1200", "500", "1200", "500", "1200"]) {
            open(&desk, name, width);
        }
    })
    .await
    .unwrap();
}

#[tokio::test]
async fn names_to_be_afraid_of_are_harmless_and_legible_in_every_format() {
    let long = "x".repeat(500);
    let names = [
        "<script>alert(1)</script>",
        "\"><img src=x onerror=alert(1)>",
        "=cmd()",
        "\u{1b}[31mred\u{9b}2J",
        "\u{202e}gnp.exe\u{200f}",
        "👩🏽‍🚀 Astrid",
        &long,
    ];
    let now = Clock::system().now();
    let mut instance = lecture("HostileNames==", now, 3 * HOUR);
    for (number, name) in names.iter().enumerate() {
        let mut session = stay(&instance, u64::try_from(number).unwrap());
        session.set("user_name", *name);
        instance.sessions.push(session);
    }
    let world = World::default().with(instance);
    let zoom =
        Simulator::start(Options { clock: Clock::system(), ..Options::default() }, world).await.unwrap();
    let desk = Desk::at_simulator(&zoom, &format!("meetings = [{MEETING}]"));
    let collected = desk.run(&["collect"]).await;
    assert_eq!(collected.status, Some(0), "{collected:?}");

    let mut shown = Vec::new();
    for format in ["table", "csv", "json", "html"] {
        let finished = desk.run(&["report", "attendance", "--format", format]).await;
        assert_eq!(finished.status, Some(0), "{format}");
        let is_safe = |character: char| !character.is_control() || "\r\n".contains(character);
        assert!(finished.stdout.chars().all(is_safe), "{format}");
        assert!(!finished.stdout.contains(['\u{202e}', '\u{200f}']), "{format}");
        assert!(finished.stdout.contains("👩🏽‍🚀 Astrid") && finished.stdout.contains("xxxxxxxx"), "{format}");
        shown.push(finished.stdout);
    }
    let [table, csv, json, page] = &shown[..] else { unreachable!("four formats were asked for") };
    assert!(table.contains("<script>alert(1)</script>") && table.contains("=cmd()"));
    assert!(csv.contains(",'=cmd(),") && !csv.contains(",=cmd()"));
    let read: serde_json::Value = serde_json::from_str(json).unwrap();
    assert_eq!(read.as_array().map(Vec::len), Some(names.len()));
    assert!(
        page.contains("<bdi>&lt;script&gt;alert(1)&lt;/script&gt;</bdi>")
            && page.contains("<bdi>=cmd()</bdi>")
    );
    assert!(!page.contains("<script>alert") && !page.contains("<img"), "markup from a name");
    assert!(page.contains(&long));
    desk.write("hostile.html", page);
    tokio::task::spawn_blocking(move || open(&desk, "hostile.html", "500")).await.unwrap();
}
