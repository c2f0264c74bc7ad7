//! Names whose addresses are not public: one such address refuses the name, wherever in the answer it stands.

use latchgate_tests::world::{Everywhere, isolated};

use super::ground::{Case, GUARD, Ground};
use super::not_public::{V4, V6};

/// What carries another address in it.
const CARRYING: [&str; 8] = [
    "::a00:1",
    "::ffff:10.0.0.1",
    "::ffff:127.0.0.1",
    "::ffff:169.254.169.254",
    "64:ff9b::10.0.0.1",
    "64:ff9b::169.254.169.254",
    "64:ff9b:1::8.8.8.8",
    "2002:a00:1::1",
];

const PUBLIC: &str = Everywhere::PUBLIC_V4;

#[test]
fn a_name_for_an_address_that_is_not_public_is_refused() {
    isolated(|| {
        let ground = Ground::create();
        let mut cases = Vec::new();
        for (i, address) in V4.iter().chain(&V6).chain(&CARRYING).enumerate() {
            let name = format!("n{i}.evil.test");
            ground.world.names.script(&name, &[&[address]]);
            cases.push(Case::new(format!("https://{name}/"), GUARD));
            // The same answer by way of another name.
            let alias = format!("alias{i}.evil.test");
            ground.world.names.script(&alias, &[&[&name]]);
            cases.push(Case::new(format!("https://{alias}/"), GUARD));
        }
        ground.refuses("http_fetch", &cases);

        ground.world.names.script("www.twin.test", &[&[PUBLIC]]);
        ground.world.names.script("alias.twin.test", &[&["www.twin.test"]]);
        for name in ["www", "alias"] {
            ground.reaches("http_fetch", &format!("https://{name}.twin.test/"), PUBLIC);
        }
        ground.end();
    });
}

#[test]
fn one_address_that_is_not_public_refuses_the_name_wherever_it_stands() {
    isolated(|| {
        let ground = Ground::create();
        // Two public IPv4 services answer here, so that the first address tried always would.
        let many: Vec<String> = (1..20).map(|i| format!("93.184.216.{i}")).collect();
        let mut behind_many: Vec<&str> = many.iter().map(String::as_str).collect();
        behind_many.push("10.0.0.1");
        let answers: [(&str, &[&str]); 8] = [
            ("second", &[PUBLIC, "10.0.0.1"]),
            ("first", &["10.0.0.1", PUBLIC]),
            ("metadata", &[PUBLIC, "169.254.169.254"]),
            ("other-family", &[PUBLIC, "::1"]),
            ("mapped", &[PUBLIC, "::ffff:10.0.0.1"]),
            ("translated", &[PUBLIC, "64:ff9b::10.0.0.1"]),
            ("alias-beside-it", &["inside.evil.test", PUBLIC]),
            ("behind-many", &behind_many),
        ];
        ground.world.names.script("inside.evil.test", &[&["10.0.0.1"]]);
        let mut cases = Vec::new();
        for (name, answer) in answers {
            ground.world.names.script(&format!("{name}.evil.test"), &[answer]);
            cases.push(Case::new(format!("https://{name}.evil.test/"), GUARD));
        }
        ground.refuses("http_fetch", &cases);

        behind_many.pop();
        ground.world.names.script("www.twin.test", &[&[PUBLIC, "93.184.216.35"]]);
        ground.world.names.script("many.twin.test", &[&behind_many]);
        for name in ["www", "many"] {
            let reply = ground.call("http_fetch", &format!("https://{name}.twin.test/"));
            assert_eq!(reply.status, 200, "{name}: {}", crate::scene::shown(&reply));
        }
        ground.end();
    });
}

/// Names that machines give themselves, clouds to their metadata, and an operator to a neighbour in the hosts file.
#[test]
fn well_known_names_of_the_inside_are_refused() {
    isolated(|| {
        let ground = Ground::create();
        for name in ["metadata.google.internal", "metadata", "instance-data.ec2.internal"] {
            ground.world.names.script(name, &[&["169.254.169.254"]]);
        }
        ground.world.names.script("localhost.localdomain", &[&["127.0.0.1"]]);
        ground.world.names.script("127.0.0.1.nip.evil.test", &[&["127.0.0.1"]]);
        // Whatever a name server says of this one, it is never asked (RFC 6761 section 6.3).
        ground.world.names.script("localhost", &[&[PUBLIC]]);
        ground.world.names.script("app.localhost", &[&[PUBLIC]]);
        let cases: Vec<Case> = [
            "https://metadata.google.internal/computeMetadata/v1/",
            "https://metadata/",
            "https://instance-data.ec2.internal/",
            "https://localhost.localdomain/",
            "https://127.0.0.1.nip.evil.test/",
            "https://intranet.hosts.test/",
            "https://localhost/",
            "https://LOCALHOST:443/",
            "https://app.localhost/",
            "http://localhost/",
        ]
        .iter()
        .map(|url| Case::new(*url, GUARD))
        .collect();
        ground.refuses("http_fetch", &cases);
        ground.refuses("web_read", &cases);
        assert_eq!(ground.world.names.asked("localhost") + ground.world.names.asked("app.localhost"), 0);

        ground.world.names.script("metadata.twin.test", &[&[PUBLIC]]);
        ground.reaches("http_fetch", "https://metadata.twin.test/computeMetadata/v1/", PUBLIC);
        ground.end();
    });
}
