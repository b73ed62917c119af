//! The sources that were measured, to be shown beside their coverage.
//!
//! Which files were measured is what an artifact claims, and the report is public: so nothing is read
//! but source code of the repository, and no file that a path or a link could smuggle in, such as the
//! token in `.git/config`.

use std::io::Read as _;

use camino::{Utf8Path, Utf8PathBuf};
use fs_err as fs;

/// A longer file is generated, and nobody reads it, in bytes.
const MOST_BYTES: u64 = 1 << 20;

/// What coverage.py measures: Python, Cython, and templates by its plugins.
const KINDS: [&str; 10] = [
    "py", "pyw", "pyx", "pxd", "pxi", "html", "htm", "jinja", "jinja2", "mako",
];

pub(crate) struct Repository {
    /// Canonical.
    root: Option<Utf8PathBuf>,
}

impl Repository {
    /// The one around a folder, or the folder itself.
    pub(crate) fn around(folder: &Utf8Path) -> Self {
        let root = folder
            .ancestors()
            .find(|ancestor| ancestor.join(".git").exists())
            .unwrap_or(folder);
        Self {
            root: root.canonicalize_utf8().ok(),
        }
    }

    /// The text of a source file; `None` for anything else.
    pub(crate) fn source(&self, path: &Utf8Path) -> Option<String> {
        let plain = |part: &str| !part.is_empty() && !part.starts_with('.');
        let kind = path.extension()?;
        if !KINDS.contains(&kind) || !path.as_str().split('/').all(plain) {
            return None;
        }
        let root = self.root.as_ref()?;
        let place = root.join(path).canonicalize_utf8().ok()?;
        // A link may lead anywhere, also inside of the repository.
        if place != root.join(path) {
            return None;
        }
        let mut text = String::new();
        let file = fs::File::open(&place).ok()?;
        let known = file.metadata().ok()?;
        if !known.is_file() || known.len() > MOST_BYTES {
            return None;
        }
        file.take(MOST_BYTES).read_to_string(&mut text).ok()?;
        Some(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_sources_of_the_repository_are_read() {
        let folder = tempfile::tempdir().expect("a folder");
        let base = Utf8Path::from_path(folder.path()).expect("UTF-8");
        let root = base.join("repository");
        for (path, text) in [
            ("repository/.git/config", "token"),
            ("repository/src/shop.py", "x = 1\n"),
            ("repository/.hidden/a.py", "secret"),
            ("repository/key.json", "secret"),
            ("outside.py", "secret"),
        ] {
            let path = base.join(path);
            fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
            fs::write(path, text).expect("a file");
        }
        fs::write(root.join("huge.py"), vec![b'#'; 2 << 20]).expect("a file");
        for (link, target) in [
            ("src/out.py", "../../outside.py"),
            ("src/git.py", "../.git/config"),
            ("tree", ".hidden"),
        ] {
            std::os::unix::fs::symlink(target, root.join(link)).expect("a link");
        }
        let repository = Repository::around(&root.join("src"));
        let read = |path: &str| repository.source(Utf8Path::new(path));
        assert_eq!(read("src/shop.py").as_deref(), Some("x = 1\n"));
        let outside = base.join("outside.py");
        for path in [
            "src/out.py",
            "src/git.py",
            "tree/a.py",
            ".hidden/a.py",
            ".git/config",
            "key.json",
            "huge.py",
            "../outside.py",
            "src/../../outside.py",
            "src//shop.py",
            "src/none.py",
            "src",
            "",
            outside.as_str(),
        ] {
            assert_eq!(read(path), None, "{path}");
        }
    }
}
