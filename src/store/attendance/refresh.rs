//! What follows where it has changed what is known of people.

use std::collections::BTreeSet;

use sqlx::SqliteConnection;

use super::presence;
use crate::identity::IdentityContext;
use crate::model::InstanceId;
use crate::store::people;

/// Works out anew whose the sessions of these people are, and then who was where: in these instances, and wherever a
/// session changed hands. Whoever has no session left goes. Answers with all those instances.
pub(crate) async fn refresh_after_change(
    connection: &mut SqliteConnection,
    people: &BTreeSet<i64>,
    mut instances: BTreeSet<InstanceId>,
) -> Result<Vec<InstanceId>, sqlx::Error> {
    let context = IdentityContext::load(connection).await?;
    let reworked = people::recompute_people(connection, &context, people, &[]).await?;
    instances.extend(reworked.instance_ids);
    let instances: Vec<InstanceId> = instances.into_iter().collect();
    presence::refresh(connection, &instances, &reworked.people).await?;
    people::remove(connection, &reworked.gone).await?;
    Ok(instances)
}
