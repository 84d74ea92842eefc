//! `rollcall demo` as a newcomer types it.

use std::process::Command;

use crate::harness::{Desk, open, rows};

#[tokio::test]
async fn the_demo_run_again_reports_every_row_unchanged() {
    let desk = Desk::new();
    let first = desk.run(&["demo"]).await;
    assert_eq!(first.status, Some(0), "{first:?}");
    let database = open(&desk.path("rollcall-demo.db")).await;
    let table = "SELECT * FROM participants ORDER BY session_id";
    let before = rows(&database, table).await;
    assert!(before.len() > 500, "{}", before.len());
    database.close().await;
    // Nobody else's config is needed to read it as the demo shows it.
    let report = desk.run(&["--database", "rollcall-demo.db", "report", "attendance"]).await;
    assert_eq!(report.status, Some(0), "{report:?}");
    assert!(report.stdout.contains("Europe/Berlin"), "{report:?}");

    let second = desk.run(&["demo"]).await;
    assert_eq!(second.status, Some(0), "{second:?}");
    let summary = second.stdout.lines().find(|line| line.starts_with("run 2: ")).expect("a summary");
    let unchanged = format!(
        "{0} rows: 0 new, 0 updated, {0} unchanged, 0 withdrawn, 0 rejected, 0 duplicate",
        before.len()
    );
    assert!(summary.starts_with("run 2: ok. ") && summary.contains(&unchanged), "{summary}");
    let database = open(&desk.path("rollcall-demo.db")).await;
    assert_eq!(rows(&database, table).await, before);
    assert_eq!(
        rows(&database, "SELECT DISTINCT rows_unchanged = rows_received FROM fetches WHERE run_id = 2").await,
        ["1"]
    );
}

#[tokio::test]
async fn the_database_reads_with_sqlite3_alone() {
    let desk = Desk::new();
    let demo = desk.run(&["demo"]).await;
    assert_eq!(demo.status, Some(0));
    let sqlite = |sql: &str| {
        let mut command = Command::new("sqlite3");
        command.arg(desk.path("rollcall-demo.db")).arg(sql);
        command.output()
    };
    let Ok(output) = sqlite("select * from attendance limit 5") else {
        eprintln!("there is no sqlite3 on this machine; it is not tried");
        return;
    };
    assert!(output.status.success(), "{output:?}");
    assert_eq!(String::from_utf8_lossy(&output.stdout).lines().count(), 5);
    // What the demo suggests to try works as it stands there.
    let tips = demo.stdout.lines().filter(|line| line.starts_with("sqlite3 -box ")).collect::<Vec<_>>();
    assert_eq!(tips.len(), 3, "{}", demo.stdout);
    for tip in tips {
        let output = Command::new("sh").arg("-c").arg(tip).current_dir(desk.path("")).output().unwrap();
        assert!(output.status.success() && !output.stdout.is_empty(), "{tip}: {output:?}");
    }
}

#[tokio::test]
async fn faults_are_listed_and_a_demo_that_reads_nothing_shows_nothing() {
    let desk = Desk::new();
    let list = desk.run(&["demo", "--fault", "list"]).await;
    assert_eq!((list.status, list.stderr.as_str()), (Some(0), ""), "{list:?}");
    assert!(list.stdout.contains("page-token-expired  "), "{list:?}");
    let unknown = desk.run(&["demo", "--fault", "nonsense"]).await;
    assert_eq!(unknown.status, Some(2), "{unknown:?}");
    assert_eq!(unknown.stderr.matches("page-token-expired").count(), 1, "{unknown:?}");
    let dropped = desk.run(&["demo", "--fault", "drop"]).await;
    assert_eq!(dropped.status, Some(69), "{dropped:?}");
    assert!(!dropped.stdout.contains("Three questions"), "{dropped:?}");
}
