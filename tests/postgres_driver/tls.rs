//! TLS: the server is who it says it is, or nothing is said to it.

use std::fs;

use cloakroom::base::causes::Causes;
use cloakroom::session::Ticket;
use cloakroom::store::postgres::PostgresFault;

use crate::rig::*;
use crate::support::servers::Postgres;

/// A certificate of a CA that nobody knows.
fn another_ca() -> String {
    let key = rcgen::KeyPair::generate().unwrap();
    let mut ca = rcgen::CertificateParams::new(Vec::new()).unwrap();
    ca.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    ca.self_signed(&key).unwrap().pem()
}

#[tokio::test]
async fn a_server_is_taken_by_its_ca_and_name_alone() {
    let Some(server) = Postgres::own_with_tls() else {
        return;
    };
    let database = server.new_database();
    let folder = tempfile::tempdir().unwrap();
    let (other, empty) = (
        folder.path().join("other.pem"),
        folder.path().join("empty.pem"),
    );
    fs::write(&other, another_ca()).unwrap();
    fs::write(&empty, "").unwrap();
    let ca = database.ca_file().unwrap().display().to_string();
    let (other, empty) = (other.display(), empty.display());
    let url = database.url();

    let good = format!("{url}?sslmode=verify-full&sslrootcert={ca}");
    migrated(&good).await;
    let driver = connect(&good).await.unwrap();
    let ticket = Ticket::mint(NOW);
    make(&driver, &session(&ticket)).await;
    assert!(found(&driver, &ticket.key()).await.is_some());
    let bound = "SELECT count(*) > 0 FROM pg_stat_ssl s JOIN pg_stat_activity a USING (pid) \
         WHERE s.ssl AND a.usename = 'cloakroom'";
    assert_eq!(database.psql(bound), "t");

    // The certificate is for localhost and 127.0.0.1.
    let elsewhere = url.replace("127.0.0.1", "db.invalid");
    let elsewhere = format!("{elsewhere}?hostaddr=127.0.0.1&sslrootcert={ca}");
    for taken in [
        format!("{url}?sslmode=verify-ca&sslrootcert={ca}"),
        format!("{elsewhere}&sslmode=verify-ca"),
        format!("{url}?sslmode=require"),
        format!("{url}?sslmode=prefer"),
        format!("{good}&channel_binding=require"),
    ] {
        let taken = connect(&taken)
            .await
            .err()
            .map(|fault| format!("{}", Causes(&fault)));
        assert_eq!(taken, None);
    }
    for refused in [
        format!("{url}?sslmode=verify-full&sslrootcert={other}"),
        format!("{url}?sslmode=verify-ca&sslrootcert={other}"),
        format!("{url}?sslmode=require&sslrootcert={other}"),
        format!("{url}?sslmode=verify-full"),
        format!("{elsewhere}&sslmode=verify-full"),
        elsewhere.clone(),
        format!("{url}?sslmode=disable"),
    ] {
        let Err(fault) = connect(&refused).await else {
            panic!("{refused} is taken");
        };
        assert!(
            matches!(fault, PostgresFault::Connect(_)),
            "{refused}: {fault:?}"
        );
    }
    for unusable in [empty.to_string(), "/nowhere.pem".to_owned()] {
        let url = format!("{url}?sslmode=verify-full&sslrootcert={unusable}");
        let Err(fault) = connect(&url).await else {
            panic!("{unusable} is taken");
        };
        assert!(fault.to_string().contains(&unusable), "{fault}");
    }
}

#[tokio::test]
async fn a_server_without_tls_is_not_spoken_to_in_the_clear() {
    let Some(database) = Postgres::database() else {
        return;
    };
    migrated(&database.url()).await;
    let Err(fault) = connect(&format!("{}?sslmode=require", database.url())).await else {
        panic!("it is taken");
    };
    let told = Causes(&fault).to_string();
    assert!(told.contains("does not support TLS"), "{told}");
    connect(&format!("{}?sslmode=prefer", database.url()))
        .await
        .unwrap();
}
