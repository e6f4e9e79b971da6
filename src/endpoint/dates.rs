//! Dates in answers, and what time it is for the server that wrote them.

use std::time::{Duration, SystemTime};

use http::{HeaderMap, header::DATE};

use crate::clock;

/// From here on a number counts milliseconds: as seconds it would be the year 5138.
const MILLISECONDS: f64 = 1e11;

/// When the answer was given, by the server's own clock; by ours where it does not say.
pub(super) fn told_at(headers: &HeaderMap) -> SystemTime {
    let date = headers.get(DATE).and_then(|value| value.to_str().ok());
    date.and_then(|date| httpdate::parse_http_date(date).ok()).unwrap_or_else(clock::wall)
}

/// The time that a date in a body stands for: seconds or milliseconds since 1970, RFC 3339, or a date as HTTP has it.
pub(super) fn parse(text: &str) -> Option<SystemTime> {
    let text = text.trim();
    if text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.') {
        let number = text.parse::<f64>().ok().filter(|number| number.is_finite())?;
        let seconds = if number < MILLISECONDS { number } else { number / 1000.0 };
        return SystemTime::UNIX_EPOCH.checked_add(Duration::try_from_secs_f64(seconds).ok()?);
    }
    rfc_3339(text).or_else(|| httpdate::parse_http_date(text).ok())
}

/// A date without a zone is taken as one in UTC.
fn rfc_3339(text: &str) -> Option<SystemTime> {
    let (date, time) = text.split_once(['T', 't', ' '])?;
    let (time, zone) = time.split_at(time.find(['Z', 'z', '+', '-']).unwrap_or(time.len()));
    let [year, month, day] = numbers(date, '-')?;
    let [hour, minute, second] = numbers(time.split('.').next()?, ':')?;
    let offset = match zone {
        "" | "Z" | "z" => 0,
        _ => {
            let [hours, minutes] = numbers(&zone[1..], ':')?;
            let offset = (hours * 60 + minutes) * 60;
            if zone.starts_with('-') { -offset } else { offset }
        }
    };
    let is_date = (1970..=9999).contains(&year) && (1..=12).contains(&month) && (1..=31).contains(&day);
    if !is_date || hour > 23 || minute > 59 || second > 60 {
        return None;
    }
    let seconds = ((days(year, month, day) * 24 + hour) * 60 + minute) * 60 + second - offset;
    SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(seconds.try_into().ok()?))
}

/// So many numbers of at most four digits.
fn numbers<const COUNT: usize>(text: &str, between: char) -> Option<[i64; COUNT]> {
    let digits = |part: &str| part.len() <= 4 && part.bytes().all(|byte| byte.is_ascii_digit());
    let number = |part: &str| part.parse().ok().filter(|_| digits(part));
    text.split(between).map(number).collect::<Option<Vec<_>>>()?.try_into().ok()
}

/// Days since 1970 in the Gregorian calendar. A year is counted from March, so that the leap day is its last.
fn days(year: i64, month: i64, day: i64) -> i64 {
    let year = if month < 3 { year - 1 } else { year };
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    365 * year + year / 4 - year / 100 + year / 400 + day_of_year - 719_468
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seconds(text: &str) -> Option<u64> {
        parse(text).map(|date| date.duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs())
    }

    #[test]
    fn one_moment_is_read_however_servers_write_it() {
        for text in [
            "1600000000",
            " 1600000000 ",
            "1600000000.75",
            "1600000000000",
            "2020-09-13T12:26:40Z",
            "2020-09-13t12:26:40.123456789z",
            "2020-09-13 12:26:40",
            "2020-09-13T12:26:40",
            "2020-09-13T14:26:40+02:00",
            "2020-09-13T04:56:40.5-07:30",
            "Sun, 13 Sep 2020 12:26:40 GMT",
        ] {
            assert_eq!(seconds(text), Some(1_600_000_000), "{text}");
        }
    }

    #[test]
    fn days_agree_with_the_calendar_of_http() {
        for day in (0..60_000).step_by(13) {
            let date = SystemTime::UNIX_EPOCH + Duration::from_secs(day * 86_400 + 3_661);
            let http = httpdate::fmt_http_date(date);
            let months = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
            let month = months.iter().position(|month| *month == &http[8..11]).unwrap() + 1;
            assert_eq!(parse(&format!("{}-{month:02}-{}T01:01:01Z", &http[12..16], &http[5..7])), Some(date), "{http}");
        }
    }

    #[test]
    fn what_is_no_date_is_none() {
        for text in [
            "",
            "soon",
            ".",
            "1.2.3",
            "-1",
            "2020-13-01T00:00:00Z",
            "2020-00-01T00:00:00Z",
            "2020-01-32T00:00:00Z",
            "2020-01-01",
            "2020-01-01T24:00:00Z",
            "2020-01-01T00:00Z",
            "20200-01-01T00:00:00Z",
            "1969-12-31T23:59:59Z",
            "1970-01-01T00:00:00+01:00",
            "2020-01-01T00:00:00+",
            "2020-01-01T00:00:00+ü",
            "2020-1-1-1T00:00:00Z",
            "1e400",
            &"9".repeat(400),
        ] {
            assert_eq!(parse(text), None, "{text}");
        }
    }

    proptest::proptest! {
        #[test]
        fn no_text_makes_it_panic(text in ".{0,40}", digits in "[0-9TZ:+. -]{0,40}") {
            let _ = (parse(&text), parse(&digits));
        }
    }
}
