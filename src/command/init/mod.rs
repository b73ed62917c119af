//! `init`: a ready workflow for this repository, to be written where its first line says.

use camino::Utf8Path;
use clap::{Args, ValueEnum};

use super::console;
use crate::model::exit::Exit;

#[derive(Args, Clone, Debug)]
pub(crate) struct InitArgs {
    /// For what [default: what the files here look like]
    #[arg(value_name = "KIND")]
    pub(crate) kind: Option<Kind>,
}

/// The first ones are GitHub's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Kind {
    Pip,
    Uv,
    Poetry,
    Tox,
    /// A docker compose fleet per shard
    Compose,
    /// Two workflows: one that runs the tests of anyone, one that publishes them
    Forks,
    Gitlab,
    Circleci,
    Buildkite,
    Jenkins,
    /// An indexed job
    Kubernetes,
}

impl Kind {
    fn text(self) -> &'static str {
        match self {
            Self::Pip => include_str!("pip.yml"),
            Self::Uv => include_str!("uv.yml"),
            Self::Poetry => include_str!("poetry.yml"),
            Self::Tox => include_str!("tox.yml"),
            Self::Compose => include_str!("compose.yml"),
            Self::Forks => include_str!("forks.yml"),
            Self::Gitlab => include_str!("gitlab.yml"),
            Self::Circleci => include_str!("circleci.yml"),
            Self::Buildkite => include_str!("buildkite.yml"),
            Self::Jenkins => include_str!("jenkins.groovy"),
            Self::Kubernetes => include_str!("kubernetes.yml"),
        }
    }

    /// What a folder looks like: another CI than GitHub first, then how its project is installed.
    fn of(folder: &Utf8Path) -> Self {
        const SIGNS: [(&str, Kind); 12] = [
            (".gitlab-ci.yml", Kind::Gitlab),
            (".circleci", Kind::Circleci),
            (".buildkite", Kind::Buildkite),
            ("Jenkinsfile", Kind::Jenkins),
            ("compose.yaml", Kind::Compose),
            ("compose.yml", Kind::Compose),
            ("docker-compose.yaml", Kind::Compose),
            ("docker-compose.yml", Kind::Compose),
            ("uv.lock", Kind::Uv),
            ("poetry.lock", Kind::Poetry),
            ("tox.ini", Kind::Tox),
            ("tox.toml", Kind::Tox),
        ];
        let mut signs = SIGNS.iter();
        let found = signs.find(|(name, _)| folder.join(name).exists());
        found.map_or(Self::Pip, |(_, kind)| *kind)
    }
}

pub(crate) fn init(args: &InitArgs) -> Exit {
    let kind = args.kind.unwrap_or_else(|| Kind::of(Utf8Path::new(".")));
    console::print(kind.text().trim_end());
    Exit::Green
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_project_is_known_by_its_files() {
        let folder = tempfile::tempdir().expect("a folder");
        let folder = Utf8Path::from_path(folder.path()).expect("UTF-8");
        assert_eq!(Kind::of(folder), Kind::Pip);
        for (file, kind) in [
            ("tox.ini", Kind::Tox),
            ("uv.lock", Kind::Uv),
            ("compose.yaml", Kind::Compose),
            (".gitlab-ci.yml", Kind::Gitlab),
        ] {
            fs_err::write(folder.join(file), "").expect("written");
            assert_eq!(Kind::of(folder), kind);
        }
    }

    #[test]
    fn every_first_line_says_where_it_belongs() {
        for kind in Kind::value_variants() {
            let first = kind.text().lines().next().unwrap_or_default();
            assert!(first.contains(": "), "{kind:?}: {first}");
        }
    }
}
