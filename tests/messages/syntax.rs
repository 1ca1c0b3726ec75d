//! What is not Nix, not JSON, or no file to read.

use std::fs;
use std::os::unix::fs::symlink;
use std::process::Command;

use crate::case::{Case, case, generated, inventory, inventory_file, run, told};
use crate::project::machines;

/// Files that Nix itself would not take either.
pub(crate) fn nix() -> Vec<Case> {
    let repeated = |text: &str, times| text.repeat(times);
    vec![
        inventory("an address without quotes", "{\n  cp1 = { ip = 10.0.1.2; };\n}\n"),
        inventory("an IPv6 address without quotes", "{\n  cp1 = { ip = fd00::1; };\n}\n"),
        inventory("a range without quotes", "{\n  cluster.nodeCidr = 10.0.0.0/24;\n}\n"),
        inventory("an empty file", ""),
        inventory("a file of comments", "# the machines of the cluster\n# (none yet)\n"),
        inventory("YAML", "cp1:\n  ip: 10.0.0.1\n  kubernetes:\n    enable: true\n"),
        inventory("YAML with its marker", "---\ncp1:\n  ip: 10.0.0.1\n"),
        inventory("JSON", "{ \"cp1\": { \"ip\": \"10.0.0.1\" } }\n"),
        inventory("no `;` at the end of a line", "{\n  cp1.ip = \"10.0.0.1\"\n  cp2.ip = \"10.0.0.2\";\n}\n"),
        inventory("no `;` at the end of a set", "{\n  cp1 = { ip = \"10.0.0.1\"; }\n}\n"),
        inventory("no `;` behind the last attribute", "{ cp1.ip = \"10.0.0.1\" }\n"),
        inventory("a comma for a `;`", "{\n  cp1.ip = \"10.0.0.1\",\n  cp2.ip = \"10.0.0.2\",\n}\n"),
        inventory("a colon for a `=`", "{\n  cp1: { ip = \"10.0.0.1\"; };\n}\n"),
        inventory("commas in a list", "{ cluster.admins = [ \"age1a\", \"age1b\" ]; }\n"),
        inventory("a value that is missing", "{\n  cp1.ip = ;\n}\n"),
        inventory("a brace that is missing at the end", "{\n  cp1 = { ip = \"10.0.0.1\"; };\n"),
        inventory("a brace too many", "{\n  cp1.ip = \"10.0.0.1\";\n}\n}\n"),
        inventory("a quote that is missing", "{\n  cp1.ip = \"10.0.0.1;\n  cp2.ip = \"10.0.0.2\";\n}\n"),
        inventory("a string that never ends", "{ cp1.ip = \"10.0.0.1"),
        inventory("a list that never ends", "{ cp1.ip = [ \"10.0.0.1\"; }\n"),
        inventory("a parenthesis that never ends", "{ a = (1; }\n"),
        inventory("only an opening", "(1"),
        inventory("`let` without `in`", "let a = 1; { cp1.ip = \"10.0.0.1\"; }\n"),
        inventory("several mistakes", "{\n  a = ;\n  b = [ 1 ;\n  c 2;\n}\n"),
        inventory("an unknown name", "{ cp1.ip = adress; }\n"),
        inventory("a name misspelt", "let address = \"10.0.0.1\"; in { cp1.ip = adress; }\n"),
        inventory("an attribute twice", "{\n  cp1.ip = \"10.0.0.1\";\n  cp1.ip = \"10.0.0.2\";\n}\n"),
        inventory("a parameter twice in a set", "{ a, a }: { }\n"),
        inventory("two names for one pattern", "x@{ lib, ... }@y: { }\n"),
        inventory("a parameter that the pattern names too", "lib@{ lib, ... }: { }\n"),
        inventory("a set that never ends", "{ a = { b = 1; "),
        inventory("a `let` and nothing behind it", "let a = 1; in\n"),
        inventory("an integer of 20 digits", "{ a = 99999999999999999999; }\n"),
        inventory("a number without end", "{ a = 1.0e999; }\n"),
        inventory("a path with a slash at its end", "{ a = import ./machines/; }\n"),
        inventory("a function as an argument", "{ a = map x: x [ ]; }\n"),
        inventory("no attribute name", "{ = 1; }\n"),
        inventory("no attribute name behind a dot", "{ a. = 1; }\n"),
        inventory("a computed name in a `let`", "let ${toString 1} = 1; in { }\n"),
        inventory("a computed name in an `inherit`", "{ inherit ${toString 1}; }\n"),
        inventory("`inherit` from something computed", "{ inherit (x) ${toString 1}; }\n"),
        inventory("a function without a parameter", "{ a = : 1; }\n"),
        inventory("`__overrides`", "rec { __overrides = { a = 1; }; }\n"),
        inventory("empty parentheses", "{ a = ( ); }\n"),
        inventory("half an operation", "{ a = 1 + ; }\n"),
        inventory("a letter that Nix has not", "{ a = %; }\n"),
        inventory("brackets in brackets", repeated("[", 300)),
        inventory("a sum of a thousand and two", "1".to_owned() + &repeated("+1", 1_001)),
        inventory("chains in chains", deep_chains()),
        inventory("a word without end", repeated("a.", 20_000)),
        inventory("two megabytes", " ".repeat(2 << 20)),
        inventory("a megabyte and a letter", " ".repeat((1 << 20) + 1)),
        inventory("a byte order mark", "\u{feff}{ }"),
        inventory("Latin-1", b"{ a = \"\xe4\"; }"),
    ]
}

/// More than 2,000 levels of brackets and operators together, none of them too many by itself.
fn deep_chains() -> String {
    let chain = format!("1{} + (", " + 1".repeat(900));
    chain.repeat(3) + "1" + &")".repeat(3)
}

/// Inventories in JSON.
pub(crate) fn json() -> Vec<Case> {
    let json = |what: &str, text: &str| inventory_file(what, "machines.json", text.as_bytes(), &[]);
    vec![
        json("a comma too many", "{\n  \"cp1\": { \"ip\": \"10.0.0.1\" },\n}\n"),
        json("Nix in a .json", "{ cp1.ip = \"10.0.0.1\"; }\n"),
        json("an empty file", ""),
        json(
            "a name twice",
            "{\n  \"cp1\": { \"ip\": \"10.0.0.1\" },\n  \"cp1\": { \"ip\": \"10.0.0.2\" }\n}\n",
        ),
        json("a name of two thousand letters", &format!("{{\n\"{}\": 1}}", "a".repeat(2_000))),
        json("brackets in brackets", &format!("{}{}", "[".repeat(300), "]".repeat(300))),
        json("brackets that never end", &"[".repeat(50)),
        inventory_file("Latin-1", "machines.json", b"{ \"a\": \"\xe4\" }", &[]),
        inventory_file("five megabytes", "machines.json", " ".repeat(5 << 20).as_bytes(), &[]),
    ]
}

/// Where the file should be.
pub(crate) fn files() -> Vec<Case> {
    vec![
        run("no such file", &["gen", "--inventory", "elsewhere.nix"], |_| {}),
        run("a folder", &["gen", "--inventory", "home"], |_| {}),
        run("a device", &["gen", "--inventory", "zero.nix"], |project| {
            symlink("/dev/zero", project.path("zero.nix")).unwrap();
        }),
        run("a pipe that nobody writes to", &["gen", "--inventory", "pipe.json"], |project| {
            assert!(Command::new("mkfifo").arg(project.path("pipe.json")).status().unwrap().success());
        }),
        run("a device for JSON", &["gen", "--inventory", "zero.json"], |project| {
            symlink("/dev/zero", project.path("zero.json")).unwrap();
        }),
        run("a dash for standard input", &["gen", "--inventory", "-"], |_| {}),
        run("standard input by its name", &["gen", "--inventory", "/dev/stdin"], |_| {}),
        case("a file that nobody may read", || {
            let project = generated();
            // Root reads anything: an endless link is refused for everybody.
            symlink("loop.nix", project.path("loop.nix")).unwrap();
            let (line, _, told) = told(&project, &["gen", "--inventory", "loop.nix"], &[]);
            format!("{line}\n{told}")
        }),
        run("an import of what is not there", &["gen"], |project| {
            project.write("machines.nix", "import ./machines/all.nix");
        }),
        run("an import from elsewhere", &["gen"], |project| {
            project.write("machines.nix", "import ../secrets.nix");
        }),
        run("an import of a folder that has no default.nix", &["gen"], |project| {
            project.write("machines.nix", "import ./home");
        }),
        run("an import of folders in folders", &["gen"], |project| {
            fs::create_dir_all(project.path("all/default.nix")).unwrap();
            project.write("machines.nix", "import ./all");
        }),
        run("an import of a pipe", &["gen"], |project| {
            symlink("/dev/null", project.path("null.nix")).unwrap();
            project.write("machines.nix", "import ./null.nix");
        }),
        run("an import that a link leads elsewhere", &["gen"], |project| {
            fs::create_dir(project.path("inside")).unwrap();
            symlink("/", project.path("inside/out")).unwrap();
            project.write("machines.nix", "import ./inside/out/etc/hostname");
        }),
        run("an import in a circle", &["gen"], |project| {
            project.write("machines.nix", "import ./other.nix");
            project.write("other.nix", "import ./machines.nix");
        }),
        run("an import of a name", &["gen"], |project| {
            project.write("machines.nix", "import \"other.nix\"");
        }),
        run("an imported file of half a set", &["gen"], |project| {
            project.write("machines.nix", machines(3, "  more = import ./more.nix;\n"));
            project.write("more.nix", "{\n  ip = \"10.0.0.9\"\n}\n");
        }),
    ]
}
