//! Paging, and what goes over the wire.

use std::time::Duration;

use futures_util::TryStreamExt;

use crate::model::{RateLabel, Timestamp};
use crate::simulator::{Fault, FaultKind, PageFilter};
use crate::zoom::counters::RequestCounts;
use crate::zoom::error::PagingFault;
use crate::zoom::tests::server::{Server, answer, answer_with, meeting};
use crate::zoom::*;

fn request(uuid: &str) -> ListingRequest {
    ListingRequest {
        from: ParticipantsEndpoint::Dashboard(ListingType::Past),
        key: MeetingKey::Uuid(uuid.parse().unwrap()),
        encoding: Encoding::Documented,
    }
}

fn page(token: &str, rows: usize) -> String {
    let rows = vec![r#"{"user_id":"1"}"#; rows].join(",");
    format!(r#"{{"next_page_token":"{token}","total_records":5,"participants":[{rows}]}}"#)
}

async fn read(zoom: &ZoomClient, request: &ListingRequest) -> (Vec<ParticipantsPage>, Option<ZoomError>) {
    let mut stream = Box::pin(zoom.participants(request));
    let mut pages = Vec::new();
    loop {
        match stream.try_next().await {
            Ok(Some(page)) => pages.push(page),
            Ok(None) => return (pages, None),
            Err(error) => return (pages, Some(error)),
        }
    }
}

#[tokio::test]
async fn a_listing_is_read_to_its_end_with_the_same_parameters() {
    let server = Server::with(vec![
        answer_with(200, &[("x-zm-trackingid", "WEB_1")], &page("t 1/+=", 3)),
        answer(200, &page("", 2)),
    ])
    .await;
    let zoom = server.zoom();
    let mine = Counters::default();
    let (pages, error) = read(&zoom.counted_by(mine.clone()), &request("/a+b==")).await;
    assert!(error.is_none(), "{error:?}");
    assert_eq!(pages.len(), 2);
    assert_eq!(pages[0].tracking_id.as_deref(), Some("WEB_1"));
    assert_eq!((pages[1].next_page_token.as_ref(), pages[1].total_records), (None, Some(5)));
    assert_eq!(mine.total(), RequestCounts { requests: 2, retries: 0, throttled: 0 });
    assert_eq!(zoom.counters().of(RateLabel::Heavy).requests, 2);
    let first = "GET /v2/metrics/meetings/%252Fa%252Bb%253D%253D/participants\
                 ?type=past&page_size=300&include_fields=registrant_id";
    assert_eq!(server.lines(), [first.to_string(), format!("{first}&next_page_token=t+1%2F%2B%3D")]);
}

#[tokio::test]
async fn a_uuid_arrives_as_it_was_encoded() {
    let page_and_meeting = r#"{"participants":[],"uuid":"a=="}"#;
    let server = Server::with(vec![answer(200, page_and_meeting)]).await;
    let zoom = server.zoom();
    for (from, uuid, encoding) in [
        (ParticipantsEndpoint::Dashboard(ListingType::Live), "a/b+c==", Encoding::Documented),
        (ParticipantsEndpoint::Report, "a//b==", Encoding::Documented),
        (ParticipantsEndpoint::PastMeetings, "a/b==", Encoding::Alternate),
    ] {
        let request = ListingRequest { from, encoding, ..request(uuid) };
        assert_eq!(read(&zoom, &request).await.0.len(), 1);
    }
    let latest = MeetingKey::Latest(meeting());
    zoom.past_meeting(&latest, Encoding::Documented).await.unwrap();
    assert_eq!(
        server.lines(),
        [
            "GET /v2/metrics/meetings/a%2Fb%2Bc%3D%3D/participants?type=live&page_size=300",
            "GET /v2/report/meetings/a%252F%252Fb%253D%253D/participants\
             ?page_size=300&include_fields=registrant_id",
            "GET /v2/past_meetings/a%252Fb%253D%253D/participants?page_size=300",
            "GET /v2/past_meetings/85746065432",
        ]
    );
}

#[tokio::test]
async fn a_repeated_page_token_ends_the_listing_after_its_page() {
    let server = Server::with(vec![
        answer(200, &page("a", 1)),
        answer(200, &page("b", 2)),
        answer(200, &page("a", 3)),
    ])
    .await;
    let (pages, error) = read(&server.zoom(), &request("a==")).await;
    assert_eq!((pages.len(), server.lines().len()), (3, 3));
    let error = error.unwrap();
    assert!(matches!(error, ZoomError::Paging { fault: PagingFault::RepeatedToken { pages: 3 }, .. }));
    assert_eq!(error.disposition(), Disposition::StopListing);
}

#[tokio::test]
async fn a_listing_that_never_ends_is_left_and_one_that_is_longer_than_it_says_is_not_cut() {
    for total in [Some(61), Some(0), None, Some(99_999_999)] {
        let of = async |people| {
            let server = Server::of(people).await;
            server.simulator.fault(Fault::new(FaultKind::Total(total)));
            server
        };
        let server = of(1_010).await;
        let (pages, error) = read(&server.zoom(), &request("a==")).await;
        assert_eq!((pages.len(), server.lines().len()), (1_000, 1_000), "{total:?}");
        assert_eq!(pages[0].total_records, total);
        assert_eq!(error.unwrap().disposition(), Disposition::StopListing);
        let (pages, error) = read(&of(100).await.zoom(), &request("a==")).await;
        assert_eq!((pages.len(), error.is_none()), (100, true), "{total:?}");
    }
}

#[tokio::test]
async fn a_page_that_comes_again_under_another_token_ends_the_listing() {
    let server = Server::with(vec![
        answer(200, &page("a", 1)),
        answer(200, &page("b", 2)),
        answer(200, &page("c", 1)),
    ])
    .await;
    let (pages, error) = read(&server.zoom(), &request("a==")).await;
    assert_eq!(pages.len(), 3);
    assert!(matches!(error, Some(ZoomError::Paging { fault: PagingFault::RepeatedPage { pages: 3 }, .. })));
}

#[tokio::test]
async fn a_page_token_that_is_always_refused_leaves_what_came() {
    let refusal = r#"{"code":300,"message":"next page token is invalid or expired"}"#;
    let server = Server::of(2).await;
    server.simulator.fault(Fault::new(answer(400, refusal)).pages(PageFilter::Later));
    server.simulator.fault(Fault::new(answer(200, &page("a", 1))).pages(PageFilter::First));
    let zoom = server.zoom();
    let listing = read_pages(|| zoom.participants(&request("a=="))).await.unwrap();
    assert_eq!((listing.read.len(), listing.broken.and_then(|error| error.code())), (1, Some(300)));
    assert_eq!(server.lines().len(), 6);
}

#[tokio::test]
async fn an_answer_without_its_list_is_a_refusal_by_its_code_or_broken() {
    for (body, code, disposition) in [
        (r#"{"code":200,"message":"Webinar plan subscription is missing."}"#, Some(200), "TryNextSource"),
        (r#"{"code":3001,"message":"Meeting does not exist."}"#, Some(3001), "NotFound"),
        (r#"{"code":4711,"message":"does not contain scopes:[a:b]."}"#, Some(4711), "TryNextSource"),
        (r#"{"code":124,"message":"Invalid access token."}"#, Some(124), "Credentials"),
        (r#"{"code":12702,"message":"Can not access a meeting a year ago."}"#, Some(12702), "Parked"),
        (r#"{"message":"strange"}"#, None, "Retry"),
        (r#"{"meetings":null,"participants":{}}"#, None, "Retry"),
        ("{}", None, "Retry"),
    ] {
        let server = Server::with(vec![answer(200, body)]).await;
        let error = server.zoom().instances(meeting()).await.unwrap_err();
        assert_eq!(error.code(), code, "{body}");
        assert!(format!("{:?}", error.disposition()).starts_with(disposition), "{body}: {error:?}");
        let report = ListingRequest { from: ParticipantsEndpoint::Report, ..request("a==") };
        let (pages, error) = read(&server.zoom(), &report).await;
        assert_eq!((pages.len(), error.and_then(|error| error.code())), (0, code), "{body}");
    }
}

#[tokio::test]
async fn a_page_token_is_followed_for_fourteen_minutes() {
    let server =
        Server::with(vec![answer(200, &page("a", 1)), answer(200, &page("b", 2)), answer(200, &page("", 1))])
            .await;
    let (zoom, clock) = (server.zoom(), &server.clock);
    let mut stream = Box::pin(zoom.participants(&request("a==")));
    let later = |minutes: u64| clock.set(clock.now().plus(Duration::from_secs(minutes * 60)));
    stream.try_next().await.unwrap().unwrap();
    later(14);
    stream.try_next().await.unwrap().unwrap();
    later(14);
    clock.set(Timestamp::from_millis(clock.now().millis() + 1));
    let error = stream.try_next().await.unwrap_err();
    assert!(matches!(error, ZoomError::PageTokenExpired { .. }));
    assert_eq!(error.disposition(), Disposition::RestartListing);
    assert_eq!(server.lines().len(), 2);
}

#[tokio::test]
async fn a_page_token_that_zoom_refuses_asks_for_a_restart() {
    let refusal = r#"{"code":300,"message":"next page token is invalid or expired"}"#;
    let server = Server::with(vec![answer(200, &page("a", 1)), answer(400, refusal)]).await;
    let (pages, error) = read(&server.zoom(), &request("a==")).await;
    assert_eq!(pages.len(), 1);
    assert_eq!(error.unwrap().disposition(), Disposition::RestartListing);
}

#[tokio::test]
async fn the_meetings_of_the_account_are_paged() {
    let meetings = |token: &str| {
        format!(r#"{{"next_page_token":"{token}","meetings":[{{"uuid":"a==","id":85746065432}},{{}}]}}"#)
    };
    let server = Server::with(vec![answer(200, &meetings("n")), answer(200, &meetings(""))]).await;
    let request = DashboardListingRequest {
        listing: ListingType::PastOne,
        from: "2026-02-01".parse().unwrap(),
        to: "2026-02-28".parse().unwrap(),
    };
    let pages: Vec<_> = server.zoom().dashboard_meetings(request).try_collect().await.unwrap();
    assert_eq!((pages.len(), pages[0].meetings.len(), pages[0].skipped), (2, 1, 1));
    assert_eq!(
        server.lines()[0],
        "GET /v2/metrics/meetings?type=pastOne&from=2026-02-01&to=2026-02-28\
         &query_date_type=end_time&page_size=300"
    );
}
