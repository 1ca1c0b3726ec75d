//! `manifest.json`: what parses prints, and parses again to the same.
#![no_main]

use libfuzzer_sys::fuzz_target;
use quorate_pki::manifest::Manifest;

fuzz_target!(|input: &[u8]| {
    match Manifest::parse(input) {
        Ok(manifest) => {
            let text = manifest.text();
            let again = Manifest::parse(text.as_bytes()).expect("our own text is read");
            assert_eq!(again, manifest);
            assert_eq!(again.text(), text);
            for record in &manifest.certificates {
                assert!(manifest.certificate(&record.id).is_some());
            }
            for record in &manifest.sealed {
                assert!(manifest.sealed(&record.file).is_some());
            }
        }
        Err(fault) => assert!(!fault.message.is_empty() && !fault.hint.is_empty()),
    }
});
