//! The test harness of loopdesk.
//!
//! - [`zendesk`]: a simulated Zendesk, also as the program `zendesk-sim`.

pub mod zendesk;
