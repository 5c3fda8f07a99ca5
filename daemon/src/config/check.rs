//! A configuration file into a [`super::Config`], or into every error at once.
