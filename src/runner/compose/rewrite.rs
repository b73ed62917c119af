//! From the compose file of a project to that of one fleet. Pure.
//!
//! The input is what `docker compose config --format json` prints: all files, profiles, variables,
//! `extends` and anchors are resolved, paths are absolute, and a `$` of a value is doubled
//! (<https://github.com/compose-spec/compose-spec/blob/main/spec.md>). What would make two fleets meet
//! is taken out: names of containers, published ports, fixed addresses, names of networks and volumes.

use std::collections::{BTreeMap, BTreeSet};

use camino::{Utf8Path, Utf8PathBuf};
use serde_json::{Map, Value, json};

/// The condition of a service that waits for the health of another.
const HEALTHY: &str = "service_healthy";

/// A folder of the host inside a container.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Mount {
    pub(crate) source: Utf8PathBuf,
    pub(crate) target: Utf8PathBuf,
    pub(crate) read_only: bool,
}

/// A resolved compose file in which one service runs the tests.
#[derive(Clone, Debug)]
pub(super) struct Resolved {
    file: Map<String, Value>,
    app: String,
}

/// What is different in each fleet.
#[derive(Clone, Debug)]
pub(super) struct FleetParts {
    pub(super) project: String,
    pub(super) sidecars: Vec<String>,
    pub(super) labels: BTreeMap<String, String>,
    pub(super) mounts: Vec<Mount>,
    pub(super) user: Option<String>,
}

impl Resolved {
    /// # Errors
    /// It is no compose file, or has no such service.
    pub(super) fn read(text: &str, app: &str) -> Result<Self, String> {
        let file: Value = serde_json::from_str(text)
            .map_err(|error| format!("`docker compose config` printed no JSON: {error}"))?;
        let Value::Object(file) = file else {
            return Err("`docker compose config` printed no compose file".to_owned());
        };
        let resolved = Self {
            file,
            app: app.to_owned(),
        };
        if resolved.service(app).is_none() {
            let names: Vec<&str> = resolved.services().map(|(name, _)| name.as_str()).collect();
            return Err(format!(
                "there is no service `{app}` in the compose file, only {}",
                names.join(", ")
            ));
        }
        Ok(resolved)
    }

    pub(super) fn app(&self) -> &str {
        &self.app
    }

    fn services(&self) -> impl Iterator<Item = (&String, &Value)> {
        self.file
            .get("services")
            .and_then(Value::as_object)
            .into_iter()
            .flatten()
    }

    fn service(&self, name: &str) -> Option<&Value> {
        self.file.get("services")?.get(name)
    }

    /// The services that the app needs and those named, in the order of their names. Where the app
    /// says of none that it needs it, all are taken for needed.
    pub(super) fn sidecars(&self, named: &[String]) -> Vec<String> {
        let mut needed = BTreeSet::new();
        let mut open = vec![self.app.clone()];
        let is_silent = self
            .service(&self.app)
            .is_none_or(|app| needs(app).is_empty());
        let others = self.services().map(|(name, _)| name);
        let more = others.filter(|name| **name != self.app && (is_silent || named.contains(*name)));
        for name in more {
            needed.insert(name.clone());
            open.push(name.clone());
        }
        while let Some(name) = open.pop() {
            for next in self.service(&name).map(needs).unwrap_or_default() {
                if next != self.app && self.service(&next).is_some() && needed.insert(next.clone())
                {
                    open.push(next);
                }
            }
        }
        needed.into_iter().collect()
    }

    /// The image of a service; compose names those it builds after project and service.
    pub(super) fn image(&self, service: &str) -> String {
        let named = self
            .service(service)
            .and_then(|service| service.get("image"))
            .and_then(Value::as_str);
        named.map_or_else(
            || {
                let project = self.file.get("name").and_then(Value::as_str);
                format!("{}-{service}", project.unwrap_or("project"))
            },
            undoubled,
        )
    }

    pub(super) fn is_built(&self, service: &str) -> bool {
        self.service(service)
            .is_some_and(|service| service.get("build").is_some_and(|build| !build.is_null()))
    }

    /// A variable that the compose file sets for the app.
    pub(super) fn variable(&self, name: &str) -> Option<String> {
        let value = self.service(&self.app)?.get("environment")?.get(name)?;
        value.as_str().map(undoubled)
    }

    /// What the compose file runs before the app's command; `None` if it leaves that to the image.
    pub(super) fn entrypoint(&self) -> Option<Vec<String>> {
        words(self.service(&self.app)?.get("entrypoint")?)
    }

    pub(super) fn healthcheck(&self, service: &str) -> Option<&Value> {
        self.service(service)?.get("healthcheck")
    }

    /// The sidecars in the order to start them: each wave may begin once all before it are healthy.
    pub(super) fn waves(&self, sidecars: &[String]) -> Vec<Vec<String>> {
        let mut number: BTreeMap<&str, usize> =
            sidecars.iter().map(|name| (name.as_str(), 0)).collect();
        // A way through the services has no more steps than there are services.
        for _ in sidecars {
            for name in sidecars {
                let needed = self
                    .service(name)
                    .and_then(|it| it.get("depends_on")?.as_object());
                let after = needed.into_iter().flatten().filter_map(|(other, how)| {
                    let step = usize::from(how["condition"] == HEALTHY);
                    Some(number.get(other.as_str())? + step)
                });
                let after = after.max().unwrap_or_default().min(sidecars.len());
                number.insert(name, after);
            }
        }
        let last = number.values().copied().max().unwrap_or_default();
        let wave = |wanted| {
            let names = sidecars
                .iter()
                .filter(|name| number[name.as_str()] == wanted);
            names.cloned().collect()
        };
        (0..=last)
            .map(wave)
            .filter(|wave: &Vec<String>| !wave.is_empty())
            .collect()
    }

    /// Values of the compose file that nobody should read in a log.
    pub(super) fn secrets(&self) -> Vec<String> {
        const WORDS: [&str; 5] = ["PASSWORD", "SECRET", "TOKEN", "API_KEY", "PRIVATE_KEY"];
        let variables = self
            .services()
            .filter_map(|(_, service)| service.get("environment")?.as_object())
            .flatten();
        let secrets: BTreeSet<String> = variables
            .filter(|(name, _)| WORDS.iter().any(|word| name.to_uppercase().contains(word)))
            .filter_map(|(_, value)| value.as_str().map(undoubled))
            // A short value is in half of all words, and no secret.
            .filter(|value| value.len() >= 6)
            .collect();
        secrets.into_iter().collect()
    }

    /// Ports of a service that the compose file says something listens on.
    pub(super) fn ports(&self, service: &str) -> Vec<u16> {
        let list = |key: &str| -> Vec<Value> {
            let of = self.service(service).and_then(|service| service.get(key));
            of.and_then(Value::as_array).cloned().unwrap_or_default()
        };
        let is_tcp = |port: &Value| port.get("protocol").is_none_or(|it| it == "tcp");
        let published = list("ports").into_iter().filter(|port| is_tcp(port));
        let published = published.filter_map(|port| port.get("target")?.as_u64());
        let exposed = list("expose");
        let exposed = exposed.iter().filter_map(|port| match port {
            Value::String(text) => text.trim_end_matches("/tcp").parse().ok(),
            other => other.as_u64(),
        });
        let all: BTreeSet<u16> = published
            .chain(exposed)
            .filter_map(|port| u16::try_from(port).ok())
            .collect();
        all.into_iter().collect()
    }

    /// Where a folder of the host is inside the app's container, by its bind mounts.
    pub(super) fn inside(&self, folder: &Utf8Path, more: &[Mount]) -> Option<Utf8PathBuf> {
        let volumes = self
            .service(&self.app)
            .and_then(|app| app.get("volumes")?.as_array());
        let binds = volumes.into_iter().flatten().filter_map(|volume| {
            let is_bind = volume.get("type")?.as_str()? == "bind";
            let source = undoubled(volume.get("source")?.as_str()?);
            let target = undoubled(volume.get("target")?.as_str()?);
            is_bind.then(|| (Utf8PathBuf::from(source), Utf8PathBuf::from(target)))
        });
        let more = more
            .iter()
            .map(|mount| (mount.source.clone(), mount.target.clone()));
        binds
            .chain(more)
            .filter_map(|(source, target)| {
                let below = folder.strip_prefix(&source).ok()?;
                let length = source.components().count();
                Some((length, joined(&target, below)))
            })
            .max_by_key(|(length, _)| *length)
            .map(|(_, inside)| inside)
    }

    /// What stays common to all fleets, in words for the user.
    pub(super) fn warnings(&self) -> Vec<String> {
        let mut warnings = Vec::new();
        for (kind, what) in [("networks", "network"), ("volumes", "volume")] {
            for (name, value) in self.entries(kind) {
                if is_external(value) {
                    let name = value.get("name").and_then(Value::as_str).unwrap_or(name);
                    warnings.push(format!(
                        "all fleets share the external {what} `{name}`: what one of them writes there, the others see"
                    ));
                }
            }
        }
        for (name, _) in self.services() {
            let mode = self
                .service(name)
                .and_then(|service| service.get("network_mode")?.as_str());
            if mode == Some("host") {
                warnings.push(format!(
                    "the service `{name}` is on the host's network, where the fleets meet: remove its `network_mode`"
                ));
            }
        }
        warnings
    }

    fn entries(&self, kind: &str) -> impl Iterator<Item = (&String, &Value)> {
        self.file
            .get(kind)
            .and_then(Value::as_object)
            .into_iter()
            .flatten()
    }

    /// Names that the fleet's own networks (or volumes) have.
    pub(super) fn own_names(&self, kind: &str, project: &str) -> Vec<String> {
        self.entries(kind)
            .filter(|(_, value)| !is_external(value))
            .map(|(name, _)| format!("{project}_{name}"))
            .collect()
    }

    /// The compose file of one fleet. `on_host` gives the host's path of a folder as we see it.
    pub(super) fn fleet(
        &self,
        parts: &FleetParts,
        on_host: impl Fn(&Utf8Path) -> Utf8PathBuf,
    ) -> Value {
        let mut kept = parts.sidecars.clone();
        kept.push(self.app.clone());
        let mut services = Map::new();
        for name in kept {
            let Some(Value::Object(service)) = self.service(&name) else {
                continue;
            };
            let mut service = service.clone();
            separate(&mut service);
            service.insert("image".to_owned(), doubled(&self.image(&name)).into());
            service.insert("pull_policy".to_owned(), "never".into());
            add(&mut service, "labels", &parts.labels);
            if let Some(Value::Array(volumes)) = service.get_mut("volumes") {
                for volume in volumes.iter_mut().filter(|volume| volume["type"] == "bind") {
                    if let Some(source) = volume["source"].as_str().map(undoubled) {
                        volume["source"] = doubled(on_host(source.as_str().into()).as_str()).into();
                    }
                }
            }
            // We ask for it, see `super::health` and `waves`.
            service.insert("healthcheck".to_owned(), json!({"disable": true}));
            if let Some(Value::Object(needed)) = service.get_mut("depends_on") {
                for how in needed
                    .values_mut()
                    .filter(|how| how["condition"] == HEALTHY)
                {
                    how["condition"] = "service_started".into();
                }
            }
            if name == self.app {
                for key in ["depends_on", "restart", "tty", "stdin_open"] {
                    service.remove(key);
                }
                // Signals and orphans: PID 1 shall know how to treat them.
                service.insert("init".to_owned(), true.into());
                // We read all it writes; the daemon need not keep it a second time.
                service.insert("logging".to_owned(), json!({"driver": "none"}));
                mount(&mut service, &parts.mounts, &on_host);
                if let Some(user) = &parts.user {
                    service.insert("user".to_owned(), doubled(user).into());
                }
            }
            services.insert(name, Value::Object(service));
        }
        let mut file = self.file.clone();
        file.insert("name".to_owned(), parts.project.clone().into());
        file.insert("services".to_owned(), Value::Object(services));
        for kind in ["networks", "volumes"] {
            if let Some(Value::Object(entries)) = file.get_mut(kind) {
                for (name, value) in entries.iter_mut().filter(|(_, value)| !is_external(value)) {
                    *value = match value.take() {
                        Value::Object(entry) => Value::Object(entry),
                        _ => json!({}),
                    };
                    value["name"] = format!("{}_{name}", parts.project).into();
                    if let Value::Object(entry) = value {
                        entry.remove("ipam");
                        add(entry, "labels", &parts.labels);
                    }
                }
            }
        }
        Value::Object(file)
    }
}

/// Takes out what only one container of the machine can have.
fn separate(service: &mut Map<String, Value>) {
    for key in ["container_name", "ports", "build", "profiles", "scale"] {
        service.remove(key);
    }
    if let Some(Value::Object(networks)) = service.get_mut("networks") {
        for network in networks.values_mut().filter_map(Value::as_object_mut) {
            for key in ["ipv4_address", "ipv6_address", "mac_address"] {
                network.remove(key);
            }
        }
    }
    service.remove("mac_address");
}

fn mount(
    service: &mut Map<String, Value>,
    mounts: &[Mount],
    on_host: &impl Fn(&Utf8Path) -> Utf8PathBuf,
) {
    let Value::Array(volumes) = service
        .entry("volumes")
        .or_insert_with(|| Value::Array(Vec::new()))
    else {
        return;
    };
    for Mount {
        source,
        target,
        read_only,
    } in mounts
    {
        volumes.retain(|volume| volume["target"] != doubled(target.as_str()));
        volumes.push(json!({
            "type": "bind",
            "source": doubled(on_host(source).as_str()),
            "target": doubled(target.as_str()),
            "read_only": read_only,
        }));
    }
}

/// Adds to a map of texts, which compose may have written as a list of `name=value`.
fn add(owner: &mut Map<String, Value>, key: &str, more: &BTreeMap<String, String>) {
    let mut entries = match owner.remove(key) {
        Some(Value::Object(entries)) => entries,
        Some(Value::Array(list)) => {
            let pairs = list.iter().filter_map(Value::as_str);
            let pairs = pairs.map(|pair| pair.split_once('=').unwrap_or((pair, "")));
            pairs
                .map(|(name, value)| (name.to_owned(), value.into()))
                .collect()
        }
        _ => Map::new(),
    };
    for (name, value) in more {
        entries.insert(name.clone(), doubled(value).into());
    }
    owner.insert(key.to_owned(), Value::Object(entries));
}

/// The services that a service needs: started before it, linked to it, or lending it something.
fn needs(service: &Value) -> Vec<String> {
    let mut names = Vec::new();
    match service.get("depends_on") {
        Some(Value::Object(map)) => names.extend(map.keys().cloned()),
        Some(Value::Array(list)) => {
            names.extend(list.iter().filter_map(Value::as_str).map(str::to_owned));
        }
        _ => {}
    }
    for key in ["links", "volumes_from"] {
        let list = service.get(key).and_then(Value::as_array);
        let texts = list.into_iter().flatten().filter_map(Value::as_str);
        names.extend(texts.filter_map(|text| Some(text.split(':').next()?.to_owned())));
    }
    for key in ["network_mode", "ipc", "pid"] {
        let mode = service.get(key).and_then(Value::as_str).unwrap_or_default();
        names.extend(mode.strip_prefix("service:").map(str::to_owned));
    }
    names
}

/// A list of words; `None` for what is none.
pub(super) fn words(value: &Value) -> Option<Vec<String>> {
    let texts = value.as_array()?.iter().filter_map(Value::as_str);
    Some(texts.map(undoubled).collect())
}

fn is_external(value: &Value) -> bool {
    match value.get("external") {
        Some(Value::Bool(external)) => *external,
        Some(Value::Object(_)) => true,
        _ => false,
    }
}

fn joined(folder: &Utf8Path, below: &Utf8Path) -> Utf8PathBuf {
    if below.as_str().is_empty() {
        folder.to_owned()
    } else {
        folder.join(below)
    }
}

/// compose fills in variables again when it reads our file.
fn doubled(text: &str) -> String {
    text.replace('$', "$$")
}

fn undoubled(text: &str) -> String {
    text.replace("$$", "$")
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = r#"{
        "name": "shop",
        "services": {
            "app": {
                "build": {"context": "/home/me/shop"},
                "depends_on": {"db": {"condition": "service_healthy"}},
                "environment": {"PYTHONPATH": "/lib", "DB_PASSWORD": "pa$$word", "SHORT_TOKEN": "x"},
                "networks": {"default": null},
                "ports": [{"target": 8000, "published": "8000"}],
                "volumes": [
                    {"type": "bind", "source": "/home/me/shop", "target": "/code"},
                    {"type": "bind", "source": "/home/me/shop/deep", "target": "/deep"},
                    {"type": "volume", "source": "data", "target": "/data"}
                ]
            },
            "db": {
                "image": "postgres:17",
                "container_name": "the-db",
                "depends_on": {"disk": {"condition": "service_started"}},
                "expose": ["5433/tcp"],
                "networks": {"default": {"ipv4_address": "10.0.0.7"}},
                "ports": [{"target": 5432, "published": "5432", "protocol": "tcp"}],
                "restart": "always"
            },
            "disk": {"image": "disk", "labels": ["a=b"]},
            "mail": {"image": "mail"}
        },
        "networks": {"default": {"name": "shop_default", "ipam": {"config": [{"subnet": "10.0.0.0/24"}]}}, "shared": {"external": true, "name": "shared"}},
        "volumes": {"data": {"name": "shop_data"}}
    }"#;

    fn resolved() -> Resolved {
        Resolved::read(FILE, "app").expect("a compose file")
    }

    fn parts() -> FleetParts {
        FleetParts {
            project: "pp-1".into(),
            sidecars: resolved().sidecars(&[]),
            labels: [("run".to_owned(), "t".to_owned())].into(),
            mounts: vec![Mount {
                source: "/home/me/shop/.pp".into(),
                target: "/pp".into(),
                read_only: true,
            }],
            user: Some("0".into()),
        }
    }

    #[test]
    fn finds_the_services_the_app_needs_and_no_others() {
        assert_eq!(resolved().sidecars(&[]), ["db", "disk"]);
        let named = ["mail".to_owned(), "localhost".to_owned()];
        assert_eq!(resolved().sidecars(&named), ["db", "disk", "mail"]);
        let silent = FILE.replacen("depends_on", "x-depends_on", 1);
        let silent = Resolved::read(&silent, "app").expect("a compose file");
        assert_eq!(silent.sidecars(&[]), ["db", "disk", "mail"]);
        assert_eq!(resolved().ports("db"), [5432, 5433]);
        assert_eq!(resolved().image("app"), "shop-app");
        assert_eq!(resolved().image("db"), "postgres:17");
        assert!(resolved().is_built("app") && !resolved().is_built("db"));
    }

    #[test]
    fn names_the_services_there_are() {
        let refused = Resolved::read(FILE, "web").expect_err("no such service");
        insta::assert_snapshot!(refused, @"there is no service `web` in the compose file, only app, db, disk, mail");
    }

    #[test]
    fn a_fleet_shares_nothing_with_another() {
        let fleet = resolved().fleet(&parts(), ToOwned::to_owned);
        let services = fleet["services"].as_object().expect("services");
        assert_eq!(services.keys().collect::<Vec<_>>(), ["app", "db", "disk"]);
        for service in services.values() {
            for key in ["container_name", "ports", "build"] {
                assert!(service.get(key).is_none(), "{key}");
            }
            assert_eq!(service["labels"]["run"], "t");
            assert_eq!(service["pull_policy"], "never");
        }
        assert_eq!(fleet["name"], "pp-1");
        assert_eq!(services["disk"]["labels"]["a"], "b");
        assert_eq!(services["db"]["networks"]["default"], json!({}));
        assert_eq!(
            fleet["networks"]["default"],
            json!({"name": "pp-1_default", "labels": {"run": "t"}})
        );
        assert_eq!(fleet["networks"]["shared"]["name"], "shared");
        assert_eq!(fleet["volumes"]["data"]["name"], "pp-1_data");
        assert_eq!(resolved().own_names("networks", "pp-1"), ["pp-1_default"]);
    }

    #[test]
    fn the_app_gets_its_shard() {
        let on_host =
            |path: &Utf8Path| Utf8PathBuf::from(path.as_str().replace("/home/me", "/host"));
        let fleet = resolved().fleet(&parts(), on_host);
        let app = &fleet["services"]["app"];
        assert_eq!(app["environment"]["PYTHONPATH"], "/lib");
        assert_eq!(app["environment"]["DB_PASSWORD"], "pa$$word");
        assert_eq!(app["user"], "0");
        assert_eq!(app["image"], "shop-app");
        assert_eq!(app["volumes"][0]["source"], "/host/shop");
        assert_eq!(app["volumes"][3]["source"], "/host/shop/.pp");
        assert!(app.get("depends_on").is_none());
    }

    #[test]
    fn a_service_starts_once_those_are_healthy_whose_health_it_waits_for() {
        let file = json!({"services": {
            "app": {"depends_on": {"worker": {"condition": "service_started"}}},
            "worker": {"depends_on": {"jobs": {"condition": "service_completed_successfully"}}},
            "jobs": {"depends_on": {"db": {"condition": HEALTHY}, "cache": {"condition": "service_started"}}},
            "db": {"healthcheck": {"test": ["CMD", "true"], "interval": "1s"}},
            "cache": {},
        }});
        let resolved = Resolved::read(&file.to_string(), "app").expect("a compose file");
        let sidecars = resolved.sidecars(&[]);
        let waves = resolved.waves(&sidecars);
        assert_eq!(waves, [vec!["cache", "db"], vec!["jobs", "worker"]]);
        assert_eq!(resolved.waves(&[]), Vec::<Vec<String>>::new());

        let fleet = resolved.fleet(
            &FleetParts {
                sidecars,
                ..parts()
            },
            ToOwned::to_owned,
        );
        let services = &fleet["services"];
        assert_eq!(services["db"]["healthcheck"], json!({"disable": true}));
        let needed = &services["jobs"]["depends_on"];
        assert_eq!(needed["db"]["condition"], "service_started");
        let needed = &services["worker"]["depends_on"];
        assert_eq!(
            needed["jobs"]["condition"],
            "service_completed_successfully"
        );
    }

    #[test]
    fn knows_where_a_folder_is_inside() {
        let inside = |folder: &str, more: &[Mount]| {
            resolved()
                .inside(folder.into(), more)
                .map(Utf8PathBuf::into_string)
        };
        assert_eq!(inside("/home/me/shop", &[]).as_deref(), Some("/code"));
        assert_eq!(inside("/home/me/shop/a", &[]).as_deref(), Some("/code/a"));
        assert_eq!(
            inside("/home/me/shop/deep/b", &[]).as_deref(),
            Some("/deep/b")
        );
        assert_eq!(inside("/home/me", &[]), None);
        let mount = Mount {
            source: "/home".into(),
            target: "/h".into(),
            read_only: false,
        };
        assert_eq!(inside("/home/me", &[mount]).as_deref(), Some("/h/me"));
    }

    #[test]
    fn tells_what_is_secret_and_what_is_shared() {
        assert_eq!(resolved().secrets(), ["pa$word"]);
        assert_eq!(resolved().variable("PYTHONPATH").as_deref(), Some("/lib"));
        assert_eq!(resolved().warnings().len(), 1);
    }
}
