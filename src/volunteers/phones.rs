//! What ends a volunteer's phone, whoever decides it.
use super::store::phones;
use crate::access::rules::{ClientId, VolunteerId};
use crate::agencies::clients::store as clients;
use crate::platform::db::Conn;
use crate::platform::error::ApiResult;
use chrono::{DateTime, Utc};

/// Why the phone of who is no volunteer here any more is disabled: a code of `client-reasons`.
pub const LEFT: &str = "volunteer_left";

/// Ends the phone of a volunteer, and the code for the next one. Returns the phone; `None` if there was neither.
pub async fn cut_off_phone(
    conn: &mut Conn,
    volunteer: VolunteerId,
    reason: &str,
    now: DateTime<Utc>,
) -> ApiResult<Option<Option<ClientId>>> {
    let codes = phones::end_codes(conn, volunteer, now).await?;
    let disabled = clients::disable_phones(conn, volunteer, reason, now).await?;
    let phone = disabled.first().map(|client| client.id);
    Ok((codes > 0 || phone.is_some()).then_some(phone))
}
