//! The command line of loopdesk.
