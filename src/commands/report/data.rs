//! What a report is made of: rows of the views, and how people read them.

use std::collections::BTreeSet;

use chrono_tz::Tz;

use crate::cli::{
    AbsencesOptions, AttendanceOptions, By, InstanceFilter, MeetingsOptions, PersonOptions, Report,
};
use crate::model::Table;
use crate::report::{self, AttendancePageData, TextTable};
use crate::store::{Granularity, ReportFilter, Store, StoreError};

/// What to do where a report has no rows.
const NOTHING_YET: &str = "The database holds nothing to report yet. `rollcall collect` reads it from Zoom; \
    `rollcall status` shows what is still to be read.";
const NOTHING_MATCHES: &str = "Nothing in the database matches. `rollcall report meetings` shows what is there; \
    `rollcall collect` reads what is new.";
const NOBODY_ABSENT: &str = "No absences: all members of the rosters came, or no roster covers these meetings; a \
    meeting's `roster` in the config names one.";

/// What a report found, and how people read it.
pub(super) struct ReportData {
    pub table: Table,
    pub sheet: fn(&Table, Tz) -> TextTable,
    pub page: Page,
    pub if_empty: &'static str,
}

/// How it becomes a page.
pub(super) enum Page {
    /// By itself.
    Of(fn(&Table, Tz) -> String),
    /// With the stays and the absences that belong to these lines.
    OfAttendance(Granularity, ReportFilter),
}

impl ReportData {
    pub async fn read(store: &Store, options: &Report, timezone: Tz) -> Result<Self, StoreError> {
        match options {
            Report::Attendance(options) => attendance(store, options, timezone).await,
            Report::Meetings(options) => meetings(store, options, timezone).await,
            Report::Absences(options) => absences(store, options, timezone).await,
            Report::Person(options) => person(store, options, timezone).await,
        }
    }
}

async fn attendance(
    store: &Store,
    options: &AttendanceOptions,
    timezone: Tz,
) -> Result<ReportData, StoreError> {
    let mut filter = ReportFilter {
        group: options.group.clone(),
        min_percent: options.min_percent,
        ..filter(&options.instances, timezone)
    };
    if let Some(person) = &options.person {
        filter.people = Some(store.find_people(person).await?);
    }
    let if_empty = if_empty(&filter);
    if filter == ReportFilter::default() {
        filter.instance = store.latest_instance().await?;
    }
    let holding = holding(options.by);
    let table = store.attendance(holding, &filter).await?;
    Ok(ReportData { table, sheet: report::attendance, page: Page::OfAttendance(holding, filter), if_empty })
}

/// What a page shows beside the lines of attendance.
pub(super) async fn roll(
    store: &Store,
    attendance: Table,
    holding: Granularity,
    filter: &ReportFilter,
) -> Result<AttendancePageData, StoreError> {
    let ids: BTreeSet<String> = attendance
        .lines()
        .filter_map(|line| line.text("instance_uuid").or_else(|| line.text("sitting_id")))
        .map(str::to_owned)
        .collect();
    let one = ids.first().filter(|_| ids.len() == 1);
    // Peaks and the like are of everybody; beside a few people's lines they would mislead.
    let is_of_all = filter.people.is_none() && filter.group.is_none() && filter.min_percent.is_none();
    let held = match one {
        _ if !is_of_all => Table::default(),
        Some(id) if holding == Granularity::Sitting => store.sitting(id).await?,
        _ => store.meetings_held(filter).await?,
    };
    let stays = match one {
        Some(id) => store.stays(holding, id).await?,
        None => Table::default(),
    };
    // Who was absent is no one of the people asked for.
    let absences = if filter.people.is_none() && filter.min_percent.is_none() {
        store.absences(filter).await?
    } else {
        Table::default()
    };
    Ok(AttendancePageData { attendance, stays, held, absences })
}

async fn person(store: &Store, options: &PersonOptions, timezone: Tz) -> Result<ReportData, StoreError> {
    let people = Some(store.find_people(&options.person).await?);
    let filter = ReportFilter { people, ..filter(&options.instances, timezone) };
    let table = store.attendance(holding(options.by), &filter).await?;
    Ok(ReportData {
        table,
        sheet: report::attendance,
        page: Page::Of(report::person_page),
        if_empty: NOTHING_MATCHES,
    })
}

async fn meetings(store: &Store, options: &MeetingsOptions, timezone: Tz) -> Result<ReportData, StoreError> {
    let filter = filter(&options.instances, timezone);
    let table = store.meetings_held(&filter).await?;
    Ok(ReportData {
        table,
        sheet: report::meetings,
        page: Page::Of(report::meetings_page),
        if_empty: if_empty(&filter),
    })
}

async fn absences(store: &Store, options: &AbsencesOptions, timezone: Tz) -> Result<ReportData, StoreError> {
    let filter = ReportFilter { group: options.group.clone(), ..filter(&options.instances, timezone) };
    let table = store.absences(&filter).await?;
    Ok(ReportData {
        table,
        sheet: report::absences,
        page: Page::Of(report::absences_page),
        if_empty: NOBODY_ABSENT,
    })
}

fn if_empty(filter: &ReportFilter) -> &'static str {
    if *filter == ReportFilter::default() { NOTHING_YET } else { NOTHING_MATCHES }
}

fn holding(by: By) -> Granularity {
    match by {
        By::Instance => Granularity::Instance,
        By::Sitting => Granularity::Sitting,
    }
}

fn filter(options: &InstanceFilter, timezone: Tz) -> ReportFilter {
    ReportFilter {
        meetings: options.meetings.clone(),
        instance: options.instance.clone(),
        from: options.from.map(|date| date.begin(timezone)),
        to: options.to.map(|date| date.end(timezone)),
        ..ReportFilter::default()
    }
}
