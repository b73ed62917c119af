//! The health checks of sidecars, run by us and only until they succeed. The daemon first runs one after
//! its whole interval, and then for as long as the container lives: that took a third of a second of
//! processor each time where it was measured, from the tests beside it.

use std::time::Duration;

use serde_json::Value;

use super::rewrite::words;
use crate::model::human_duration::HumanDuration;

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct HealthCheck {
    /// What to run inside the container.
    pub(super) command: Vec<String>,
    /// Of one try.
    pub(super) timeout: Duration,
    /// After this time without a success the daemon would have called the container unhealthy.
    pub(super) patience: Duration,
}

impl HealthCheck {
    /// A service's check: its `healthcheck` of the compose file, and of what that leaves open what
    /// `docker image inspect` tells of its image
    /// (<https://github.com/compose-spec/compose-spec/blob/main/05-services.md#healthcheck>).
    /// `None` if it has none.
    pub(super) fn of(file: Option<&Value>, image: Option<&Value>) -> Option<Self> {
        let file = file.unwrap_or(&Value::Null);
        let config = image.map_or(&Value::Null, |image| &image["Config"]);
        let of_image = &config["Healthcheck"];
        if file["disable"] == true {
            return None;
        }
        let test = |value: &Value| words(value).filter(|words| !words.is_empty());
        let test = test(&file["test"]).or_else(|| test(&of_image["Test"]))?;
        let (kind, rest) = test.split_first()?;
        let command = match kind.as_str() {
            "CMD" => rest.to_vec(),
            "CMD-SHELL" => {
                let shell = words(&config["Shell"]).filter(|words| !words.is_empty());
                let mut command = shell.unwrap_or_else(|| ["/bin/sh", "-c"].map(Into::into).into());
                command.extend_from_slice(rest);
                command
            }
            _ => return None,
        };
        let time = |in_file: &str, in_image: &str| {
            let written = file[in_file].as_str();
            let written = written.and_then(|it| Some(it.parse::<HumanDuration>().ok()?.get()));
            let of_image = of_image[in_image].as_u64().map(Duration::from_nanos);
            written.or(of_image).filter(|time| !time.is_zero())
        };
        let retries = file["retries"].as_u64().or(of_image["Retries"].as_u64());
        let retries = retries.filter(|count| *count > 0).unwrap_or(3);
        let retries = u32::try_from(retries).unwrap_or(u32::MAX);
        // What is told nowhere is the daemon's default: https://docs.docker.com/reference/dockerfile/#healthcheck
        let interval = time("interval", "Interval").unwrap_or(Duration::from_secs(30));
        let start_period = time("start_period", "StartPeriod").unwrap_or_default();
        (!command.is_empty()).then(|| Self {
            command,
            timeout: time("timeout", "Timeout").unwrap_or(Duration::from_secs(30)),
            patience: start_period.saturating_add(interval.saturating_mul(retries)),
        })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn check(file: &Value, image: &Value) -> Option<HealthCheck> {
        HealthCheck::of(Some(file), Some(image))
    }

    #[test]
    fn a_check_is_what_the_file_says_over_what_the_image_says() {
        let image = json!({"Config": {
            "Healthcheck": {"Test": ["CMD-SHELL", "redis-cli $PORT ping"], "Interval": 2_000_000_000_u64, "Retries": 5},
        }});
        let of_image = check(&Value::Null, &image).expect("a check");
        assert_eq!(of_image.command, ["/bin/sh", "-c", "redis-cli $PORT ping"]);
        assert_eq!(of_image.patience, Duration::from_secs(10));
        assert_eq!(of_image.timeout, Duration::from_secs(30));

        let file = json!({"test": ["CMD", "pg_isready", "-U", "$$USER"], "start_period": "1m", "interval": "500ms", "timeout": "5s"});
        let of_both = check(&file, &image).expect("a check");
        assert_eq!(of_both.command, ["pg_isready", "-U", "$USER"]);
        assert_eq!(of_both.patience, Duration::from_millis(62_500));
        assert_eq!(of_both.timeout, Duration::from_secs(5));
    }

    #[test]
    fn a_shell_of_the_image_runs_what_a_shell_should() {
        let image = json!({"Config": {"Shell": ["/bin/bash", "-ec"]}});
        let found = check(&json!({"test": ["CMD-SHELL", "true"]}), &image).expect("a check");
        assert_eq!(found.command, ["/bin/bash", "-ec", "true"]);
        assert_eq!(found.patience, Duration::from_secs(90));
    }

    #[test]
    fn there_may_be_none() {
        let image = json!({"Config": {"Healthcheck": {"Test": ["CMD", "true"]}}});
        assert_eq!(check(&json!({"disable": true}), &image), None);
        assert_eq!(check(&json!({"test": ["NONE"]}), &image), None);
        assert_eq!(check(&Value::Null, &json!({"Config": {}})), None);
        assert_eq!(check(&json!({"test": ["CMD"]}), &Value::Null), None);
        assert_eq!(HealthCheck::of(None, None), None);
    }
}
