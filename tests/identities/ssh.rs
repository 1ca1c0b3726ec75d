//! SSH private keys as identities: with a passphrase, in older forms.

use super::*;

#[test]
fn ssh_keys_with_a_passphrase_open_and_ask_only_for_files_that_name_them() {
    let Some(home) = Home::new() else { return };
    let (mine, recipient) = home.identity(&[]);
    for (kind, more) in [("ed25519", &[][..]), ("rsa", &["-b", "2048"])] {
        let (path, public) = home.ssh_key(&format!(".ssh/id_{kind}"), kind, more);
        home.seal_with_sops(&public);
        let terminal = Terminal::run(home.secrets_on_terminal(&["get", "x.yaml", "password"]));
        let (opened, shown) = answer(terminal, &format!("id_{kind}"));
        assert!(opened && shown.contains(VALUE), "{shown}");
        // Beside a key that needs nobody, nobody is asked.
        home.seal_with_sops(&format!("{public},{recipient}"));
        let output = run(home.secrets(&["get", "x.yaml", "password"]).env("SOPS_AGE_KEY", &mine));
        assert_eq!(output.stdout, VALUE.as_bytes());
        fs::remove_file(path).unwrap();
    }
    let (_, stranger) = home.identity(&[]);
    let (_, public) = home.ssh_key(".ssh/id_ed25519", "ed25519", &[]);
    home.seal_with_sops(&stranger);
    let (status, shown) = Terminal::run(home.secrets_on_terminal(&["get", "x.yaml", "password"])).end();
    assert!(!status.success() && !shown.contains("passphrase"), "{public}: {shown}");
}

#[test]
fn the_old_form_of_a_locked_ssh_key_is_refused_and_its_remedy_works() {
    let Some(home) = Home::new() else { return };
    let (path, public) = home.ssh_key(".ssh/id_rsa", "rsa", &["-b", "2048", "-m", "PEM"]);
    assert!(fs::read_to_string(&path).unwrap().contains("Proc-Type: 4,ENCRYPTED"));
    home.seal_with_sops(&public);
    let output = home.secrets(&["get", "x.yaml", "password"]).output().unwrap();
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(told.contains("old PEM form") && told.contains("ssh-keygen -p"), "{told}");
    let words = ["-q", "-p", "-P", PASSPHRASE, "-N", PASSPHRASE, "-f", path.to_str().unwrap()];
    run(&mut home.program("ssh-keygen", &words));
    let terminal = Terminal::run(home.secrets_on_terminal(&["get", "x.yaml", "password"]));
    assert!(answer(terminal, "id_rsa").0);
}

#[test]
fn an_ssh_key_in_pkcs8_is_refused_for_its_form_and_the_remedy_works() {
    let Some(home) = Home::new() else { return };
    let (path, public) = home.ssh_key(".ssh/id_rsa", "rsa", &["-b", "2048", "-m", "PKCS8", "-N", ""]);
    assert!(fs::read_to_string(&path).unwrap().starts_with("-----BEGIN PRIVATE KEY-----"));
    home.seal_with_sops(&public);
    let output = home.secrets(&["get", "x.yaml", "password"]).output().unwrap();
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(told.contains("PKCS#8 PEM") && told.contains("ssh-keygen -p"), "{told}");
    let words = ["-q", "-p", "-P", "", "-N", "", "-f", path.to_str().unwrap()];
    run(&mut home.program("ssh-keygen", &words));
    let output = run(&mut home.secrets(&["get", "x.yaml", "password"]));
    assert_eq!(output.stdout, VALUE.as_bytes());
}
