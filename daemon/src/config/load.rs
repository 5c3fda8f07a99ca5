//! Loads the configuration from its files, or reports everything that is wrong with them.

use loopdesk_protocol::config::{Diagnostic, Effective, Layer, Report, ReportFile};

use super::files::{ConfigFile, ConfigFiles, ConfigPaths, shown};
use super::{Config, RetiredKey, check};

/// Reads the files. Without any, every key has its default and there are no accounts.
///
/// # Errors
/// Every mistake in either file.
pub fn load(paths: &ConfigPaths) -> Result<(ConfigFiles, Config), ConfigErrors> {
    let files = ConfigFiles::read(paths);
    let config = config(&files)?;
    Ok((files, config))
}

/// The configuration in the files.
///
/// # Errors
/// Every mistake in either file.
pub fn config(files: &ConfigFiles) -> Result<Config, ConfigErrors> {
    check::read_files(files)
        .map(|checked| checked.config)
        .map_err(|errors| ConfigErrors { errors })
}

/// The report of `loopdeskd check-config` on the files at `paths`.
pub fn report(paths: &ConfigPaths) -> Report {
    let files = ConfigFiles::read(paths);
    let (config, errors, warnings) = match check::read_files(&files) {
        Ok(checked) => {
            let unknown = checked.config.unknown.iter().cloned();
            let retired = checked.config.retired.iter().map(RetiredKey::with_fix);
            let warnings = unknown.chain(retired).collect();
            let effective = Effective {
                sources: checked.sources,
                locked: checked.locked,
                ..Effective::from(&checked.config)
            };
            (Some(effective), Vec::new(), warnings)
        }
        Err(errors) => (None, errors, Vec::new()),
    };
    let file = |found: &ConfigFile| ReportFile {
        layer: found.layer,
        path: shown(&found.path),
        exists: found.exists(),
    };
    let judged = match paths.user {
        Some(_) => &files.user,
        None => &files.system,
    };
    let looked_for = files.each().into_iter();
    let looked_for = looked_for.filter(|f| f.layer == Layer::System || paths.user.is_some());
    Report {
        path: shown(&judged.path),
        exists: judged.exists(),
        files: looked_for.map(file).collect(),
        errors,
        warnings,
        config,
    }
}

/// Why the files can't be used.
#[derive(Debug, thiserror::Error)]
#[error("{}", text(errors))]
pub struct ConfigErrors {
    /// Every mistake, first in the user's file.
    pub errors: Vec<Diagnostic>,
}

fn text(errors: &[Diagnostic]) -> String {
    let mut files: Vec<_> = errors.iter().map(|e| format!("`{}`", e.path)).collect();
    files.dedup();
    let mut text = format!("{} can't be used:", files.join(" and "));
    for error in errors {
        let Diagnostic { line, column, .. } = error;
        text.push_str(&format!(
            "\n{}:{line}:{column}: {}",
            error.path, error.message
        ));
        if !error.snippet.is_empty() {
            text.push('\n');
            text.push_str(&error.snippet);
        }
    }
    text
}

#[cfg(test)]
mod tests;
