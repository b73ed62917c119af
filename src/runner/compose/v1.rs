//! compose v1 (`docker-compose`, Debian 12's is 1.29), where there is no `docker compose`.
//!
//! It prints its configuration as YAML only, keeps short forms that v2 writes out, says nothing of the
//! network that every project has, and calls an image that it builds `project_service`.

use std::collections::BTreeMap;

use camino::Utf8Path;
use saphyr_parser::{Event, Parser, ScalarStyle};
use serde_json::{Map, Value, json};

/// Of anchors that stand for anchors.
const MOST_VALUES: usize = 1 << 20;

/// What `docker-compose config` printed, as `docker compose config --format json` would say it.
///
/// # Errors
/// It is no YAML.
pub(super) fn as_v2(text: &str, project: &str) -> Result<String, String> {
    let mut file =
        read(text).map_err(|error| format!("`docker-compose config` printed no YAML: {error}"))?;
    let Some(all) = file.as_object_mut() else {
        return Err("`docker-compose config` printed no compose file".to_owned());
    };
    // Without a version all of its schema holds; a name it does not know.
    all.remove("version");
    let mut has_default = false;
    if let Some(Value::Object(services)) = all.get_mut("services") {
        for (name, service) in services.iter_mut() {
            let Some(service) = service.as_object_mut() else {
                continue;
            };
            if service.contains_key("build") && !service.contains_key("image") {
                service.insert("image".to_owned(), format!("{project}_{name}").into());
            }
            each(service, "volumes", volume);
            each(service, "ports", port);
            has_default |= match service.get("networks") {
                Some(Value::Object(networks)) => networks.contains_key("default"),
                Some(Value::Array(networks)) => networks.iter().any(|name| name == "default"),
                _ => !service.contains_key("network_mode"),
            };
        }
    }
    if has_default && let Some(networks) = entry(all, "networks") {
        networks
            .entry("default")
            .or_insert_with(|| Value::Object(Map::new()));
    }
    Ok(file.to_string())
}

/// The name that compose gives to a project in this folder.
pub(super) fn project_of(folder: &Utf8Path) -> String {
    let name = folder.file_name().unwrap_or_default().to_lowercase();
    let allowed = |letter: &char| {
        matches!(letter, '-' | '_') || letter.is_ascii_lowercase() || letter.is_ascii_digit()
    };
    let name: String = name.chars().filter(allowed).collect();
    if name.is_empty() {
        "default".to_owned()
    } else {
        name
    }
}

fn entry<'a>(owner: &'a mut Map<String, Value>, key: &str) -> Option<&'a mut Map<String, Value>> {
    let value = owner.entry(key).or_insert(Value::Null);
    if value.is_null() {
        *value = Value::Object(Map::new());
    }
    value.as_object_mut()
}

fn each(service: &mut Map<String, Value>, key: &str, long: impl Fn(&str) -> Value) {
    if let Some(Value::Array(list)) = service.get_mut(key) {
        for item in list {
            if let Value::String(text) = item {
                *item = long(text);
            }
        }
    }
}

/// `/host:/inside:ro`, `name:/inside`, `/inside`.
fn volume(text: &str) -> Value {
    let mut parts = text.split(':');
    let (Some(source), Some(target)) = (parts.next(), parts.next()) else {
        return json!({"type": "volume", "target": text});
    };
    let is_read_only = parts
        .next()
        .is_some_and(|mode| mode.split(',').any(|it| it == "ro"));
    let kind = if source.starts_with('/') {
        "bind"
    } else {
        "volume"
    };
    json!({"type": kind, "source": source, "target": target, "read_only": is_read_only})
}

/// `127.0.0.1:9000:90/udp`: only what is inside matters, fleets publish nothing.
fn port(text: &str) -> Value {
    let (ports, protocol) = text.split_once('/').unwrap_or((text, "tcp"));
    let inside = ports.rsplit(':').next().unwrap_or(ports);
    json!({"target": inside.parse::<u16>().ok(), "protocol": protocol})
}

/// Something that is open, with the key that waits for its value.
enum Open {
    List(Vec<Value>),
    Map(Map<String, Value>, Option<String>),
}

fn read(text: &str) -> Result<Value, String> {
    let mut root = Value::Null;
    let mut open: Vec<(Open, usize)> = Vec::new();
    let mut anchors: BTreeMap<usize, Value> = BTreeMap::new();
    let mut left = MOST_VALUES;
    for event in Parser::new_from_str(text) {
        let (event, _) = event.map_err(|error| error.to_string())?;
        let (value, anchor) = match event {
            Event::SequenceStart(anchor, _) => {
                open.push((Open::List(Vec::new()), anchor));
                continue;
            }
            Event::MappingStart(anchor, _) => {
                open.push((Open::Map(Map::new(), None), anchor));
                continue;
            }
            Event::SequenceEnd | Event::MappingEnd => match open.pop() {
                Some((Open::List(list), anchor)) => (Value::Array(list), anchor),
                Some((Open::Map(map, _), anchor)) => (Value::Object(map), anchor),
                None => continue,
            },
            Event::Scalar(text, ScalarStyle::Plain, anchor, _) => (plain(&text), anchor),
            Event::Scalar(text, _, anchor, _) => (Value::String(text.into_owned()), anchor),
            Event::Alias(anchor) => (anchors.get(&anchor).cloned().unwrap_or_default(), 0),
            _ => continue,
        };
        left = left
            .checked_sub(size(&value, left)?)
            .ok_or("it is too large")?;
        if anchor > 0 {
            anchors.insert(anchor, value.clone());
        }
        match open.last_mut() {
            None => root = value,
            Some((Open::List(list), _)) => list.push(value),
            Some((Open::Map(map, key), _)) => match key.take() {
                Some(key) => {
                    map.insert(key, value);
                }
                None => {
                    *key = Some(match value {
                        Value::String(text) => text,
                        other => other.to_string(),
                    });
                }
            },
        }
    }
    Ok(root)
}

/// How many values it is, with all that is in it; an alias repeats them.
fn size(value: &Value, most: usize) -> Result<usize, String> {
    let mut count = 0;
    let mut left = vec![value];
    while let Some(value) = left.pop() {
        count += 1;
        if count > most {
            return Err("it is too large".to_owned());
        }
        match value {
            Value::Array(list) => left.extend(list),
            Value::Object(map) => left.extend(map.values()),
            _ => {}
        }
    }
    Ok(count)
}

/// What `PyYAML` writes without quotes. Its numbers are decimal, an exponent has a sign.
fn plain(text: &str) -> Value {
    match text {
        "" | "~" | "null" => return Value::Null,
        "true" => return true.into(),
        "false" => return false.into(),
        _ => {}
    }
    let is_numeric = text.bytes().all(|it| b"+-.eE0123456789".contains(&it));
    let is_float = text.contains('.') && (!text.contains(['e', 'E']) || text.contains(['+', '-']));
    let integer = text.parse::<i64>().ok().filter(|_| is_numeric);
    let float = || text.parse::<f64>().ok().filter(|_| is_numeric && is_float);
    match integer {
        Some(number) => number.into(),
        None => float().map_or_else(|| text.into(), Value::from),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As 1.29.2 prints it.
    const PRINTED: &str = r#"services:
  app:
    build:
      context: /home/me/shop
    depends_on:
      db:
        condition: service_started
    environment:
      A: '1'
      D: pa$$word
      E: ''
      LONG: 'a very long value that goes on and on until it
        folds: yes # no'
      M: 'line1

        line2

        '
      "N": null
      NUM: 12
      O: 0o17
      Q: it's "x"
      R: 1e5
      TAB: "a\tb"
      UNI: é☃
    expose:
    - 80
    ports:
    - published: 8000
      target: 80
    - 127.0.0.1:9000:90/udp
    volumes:
    - /home/me/shop:/code:ro
    - data:/data:rw
    - /anonymous
  db:
    image: redis
    network_mode: none
version: '3.9'
volumes:
  data: {}
"#;

    fn printed() -> Value {
        let text = as_v2(PRINTED, "shop").expect("a compose file");
        serde_json::from_str(&text).expect("JSON")
    }

    #[test]
    fn reads_what_pyyaml_writes() {
        assert_eq!(
            printed()["services"]["app"]["environment"],
            json!({
                "A": "1", "D": "pa$$word", "E": "", "N": null, "NUM": 12, "O": "0o17", "Q": "it's \"x\"", "R": "1e5",
                "LONG": "a very long value that goes on and on until it folds: yes # no",
                "M": "line1\nline2\n", "TAB": "a\tb", "UNI": "é☃",
            })
        );
        for (text, value) in [
            ("1.5", json!(1.5)),
            ("-3", json!(-3)),
            ("1.2.3", json!("1.2.3")),
            ("nan", json!("nan")),
        ] {
            assert_eq!(plain(text), value, "{text}");
        }
    }

    #[test]
    fn says_what_v2_would_say() {
        let file = printed();
        let app = &file["services"]["app"];
        assert_eq!(app["image"], "shop_app");
        assert_eq!(
            app["volumes"],
            json!([
                {"type": "bind", "source": "/home/me/shop", "target": "/code", "read_only": true},
                {"type": "volume", "source": "data", "target": "/data", "read_only": false},
                {"type": "volume", "target": "/anonymous"},
            ])
        );
        assert_eq!(app["ports"][1], json!({"target": 90, "protocol": "udp"}));
        assert_eq!(file["networks"], json!({"default": {}}));
        assert!(file.get("version").is_none());
        assert_eq!(project_of("/home/me/My Shop.2".into()), "myshop2");
    }

    #[test]
    fn an_alias_stands_for_its_anchor_and_a_bomb_is_refused() {
        assert_eq!(
            read("a: &x [1, b]\nc: *x\n"),
            Ok(json!({"a": [1, "b"], "c": [1, "b"]}))
        );
        let mut bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
        for number in 1..9 {
            let many = vec![format!("*a{}", number - 1); 10].join(", ");
            bomb += &[
                "a",
                &number.to_string(),
                ": &a",
                &number.to_string(),
                " [",
                &many,
                "]\n",
            ]
            .concat();
        }
        assert_eq!(read(&bomb), Err("it is too large".to_owned()));
        assert!(as_v2("a: [", "p").is_err() && as_v2("x", "p").is_err());
    }
}
