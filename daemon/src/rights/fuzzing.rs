//! Bodies without a connection, for the fuzz targets.

use http::HeaderMap;

use super::body_policy::Scan;

/// Whether a body with this head, arriving in `pieces`, names another method.
pub fn names_another_method<'a>(
    headers: &HeaderMap,
    pieces: impl IntoIterator<Item = &'a [u8]>,
) -> bool {
    let mut scan = Scan::of(headers);
    let mut pieces = pieces.into_iter();
    pieces.any(|piece| scan.push(piece).is_err()) || scan.finish().is_err()
}
