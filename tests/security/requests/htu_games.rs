//! `htu` is the URL of this request: spellings that cannot change its meaning are taken, all others are not.

use crate::scene::{Scene, counted};

const PATH: &str = "/v1/actions/tick/execute";

#[test]
fn another_url_in_the_proof_is_refused_and_the_expected_one_named() {
    let scene = Scene::allowing();
    for htu in [
        "",
        PATH,
        "//localhost/v1/actions/tick/execute",
        "https://localhost/v1/actions/tick/execute",
        "ws://localhost/v1/actions/tick/execute",
        "http://localhost:8080/v1/actions/tick/execute",
        "http://localhost:080/v1/actions/tick/execute",
        "http://localhost:/v1/actions/tick/execut",
        "http://localhost./v1/actions/tick/execute",
        "http://localhost@evil.test/v1/actions/tick/execute",
        "http://user@localhost/v1/actions/tick/execute",
        "http://evil.test/v1/actions/tick/execute",
        "http://localhost.evil.test/v1/actions/tick/execute",
        "http://127.0.0.1/v1/actions/tick/execute",
        "http://localhost/v1/actions/tick/execute/",
        "http://localhost//v1/actions/tick/execute",
        "http://localhost/./v1/actions/tick/execute",
        "http://localhost/x/../v1/actions/tick/execute",
        "http://localhost/v1/actions/%74ick/execute",
        "http://localhost/v1/actions/tick%2fexecute",
        "http://localhost/V1/actions/tick/execute",
        "http://localhost/v1/actions/fs_read/execute",
        "http://localhost/v1/actions/tick/execute;x",
        "http://localhost\\v1\\actions\\tick\\execute",
        " http://localhost/v1/actions/tick/execute",
    ] {
        scene.repels(htu, counted(401, "invalid_dpop"), |call| {
            call.proof(move |proof| proof.claim("htu", htu))
        });
    }
    let attack = scene.post(scene.number()).proof(|proof| proof.claim("htu", "http://evil.test/"));
    let problem = scene.refuses("evil", counted(401, "invalid_dpop"), attack);
    let expected = format!("http://localhost:3000{PATH}");
    assert!(problem["detail"].as_str().unwrap().contains(&expected), "{problem}");
    scene.end();
}

#[test]
fn spellings_that_mean_this_url_are_taken() {
    let scene = Scene::allowing();
    for origin in [
        "http://localhost",
        "http://localhost:80",
        "http://localhost:3000",
        "HTTP://LocalHost",
        "http://localhost:",
    ] {
        scene.post(scene.number()).base_url(origin).send().expect(200);
    }
    for tail in ["?a=b", "#c", "?a#c"] {
        let htu = format!("http://localhost{PATH}{tail}");
        scene.post(scene.number()).proof(move |proof| proof.claim("htu", htu)).send().expect(200);
    }
    assert_eq!(scene.effects(), 8);
    scene.end();
}

#[test]
fn another_method_in_the_proof_is_refused() {
    let scene = Scene::allowing();
    for htm in ["GET", "post", "Post", "POST ", ""] {
        scene.repels(htm, counted(401, "invalid_dpop"), |call| {
            call.proof(move |proof| proof.claim("htm", htm))
        });
    }
    scene.end();
}
