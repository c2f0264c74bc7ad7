//! An allowed service that points elsewhere: the answer is a result, and nobody goes there.

use latchgate_tests::Response;
use latchgate_tests::world::{Everywhere, isolated};
use serde_json::Value;

use super::ground::{Case, GUARD, Ground};

const PUBLIC: &str = Everywhere::PUBLIC_V4;

/// One of each class, other schemes, and what is read against the URL that was asked for.
const LOCATIONS: [&str; 20] = [
    "https://10.0.0.1/",
    "https://127.0.0.1/",
    "http://localhost/",
    "https://169.254.169.254/latest/meta-data/",
    "https://metadata.google.internal/",
    "https://100.64.0.1/",
    "https://172.16.0.1/",
    "https://192.168.1.1/",
    "https://198.18.0.1/",
    "https://[::1]/",
    "https://[fd00::1]/",
    "https://[::ffff:10.0.0.1]/",
    "https://2130706433/",
    "http://93.184.216.34/",
    "https://www.twin.test/elsewhere",
    "//10.0.0.1/",
    "\\\\10.0.0.1\\",
    "file:///etc/passwd",
    "gopher://10.0.0.1:6379/_FLUSHALL",
    "/here",
];

#[test]
fn a_redirect_is_a_result_and_is_not_followed() {
    isolated(|| {
        let ground = Ground::create();
        ground.world.names.script("www.twin.test", &[&[PUBLIC]]);
        for (location, status) in LOCATIONS.iter().zip([301, 302, 303, 307, 308].iter().cycle()) {
            ground
                .world
                .everywhere
                .answer(move |_, _| Response::status(*status, "").header("Location", location));
            for action in ["http_fetch", "web_read"] {
                let before = ground.world.everywhere.attempts();
                ground.reaches(action, "https://www.twin.test/start", PUBLIC);
                assert_eq!(
                    ground.world.everywhere.attempts() - before,
                    1,
                    "{action} {location}: connections"
                );
            }
        }
        ground.end();
    });
}

/// Other ways in which an answer says where to go next.
#[test]
fn no_other_pointer_in_an_answer_is_followed() {
    isolated(|| {
        let ground = Ground::create();
        ground.world.names.script("www.twin.test", &[&[PUBLIC]]);
        let page = "<meta http-equiv=refresh content='0;url=https://10.0.0.1/'><base href='https://10.0.0.1/'>\
                    <img src='https://10.0.0.1/x'><script src='https://10.0.0.1/y'></script>\
                    <link rel=preload href='https://10.0.0.1/z'><iframe src='https://10.0.0.1/'></iframe>text";
        ground.world.everywhere.answer(move |_, _| {
            Response::html(page)
                .header("Refresh", "0; url=https://10.0.0.1/")
                .header("Link", "<https://10.0.0.1/>; rel=preload, <https://10.0.0.1>; rel=preconnect")
                .header("Content-Location", "https://10.0.0.1/")
                .header("Alt-Svc", "h2=\"10.0.0.1:443\"; ma=3600; persist=1")
                .header("Strict-Transport-Security", "max-age=1")
                .header("NEL", "{\"report_to\":\"x\",\"max_age\":1}")
                .header(
                    "Report-To",
                    "{\"group\":\"x\",\"max_age\":1,\"endpoints\":[{\"url\":\"https://10.0.0.1/\"}]}",
                )
        });
        for action in ["http_fetch", "web_read"] {
            ground.reaches(action, "https://www.twin.test/", PUBLIC);
            ground.reaches(action, "https://www.twin.test/again", PUBLIC);
        }
        ground.end();
    });
}

/// An agent that follows by itself meets the guard like everybody: the location is told, and refused when asked for.
#[test]
fn a_location_is_told_and_refused_when_it_is_asked_for() {
    isolated(|| {
        let ground = Ground::create();
        ground.world.names.script("www.twin.test", &[&[PUBLIC]]);
        ground.world.everywhere.answer(|_, seen| match seen.path.as_str() {
            "/inside" => Response::status(302, "").header("Location", "https://10.0.0.1/secret"),
            "/outside" => Response::status(302, "").header("Location", "https://www.twin.test/page"),
            _ => Response::ok("here"),
        });
        let location = |path: &str| {
            let answer = ground.call("web_read", &format!("https://www.twin.test{path}")).expect(200);
            let Value::String(location) = &answer["output"]["location"] else { panic!("{answer:#}") };
            location.clone()
        };
        ground.refuses("web_read", &[Case::new(location("/inside"), GUARD)]);
        ground.reaches("web_read", &location("/outside"), PUBLIC);
        ground.end();
    });
}
