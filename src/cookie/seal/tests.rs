use proptest::prelude::*;

use super::*;
use crate::cookie::parse::{PlainValue, plain_value};

const NOW: Time = Time::from_secs(1_800_000_000);
const BOND: [u8; 32] = [7; 32];
const FORMS: [Form; 2] = [Form::Sealed, Form::Signed];

/// Keys, the oldest first, all of them old enough to close.
fn keys(secrets: &[u8]) -> ValueKeys {
    made(
        &(0..)
            .zip(secrets)
            .map(|(age, key)| (*key, age))
            .collect::<Vec<_>>(),
    )
}

/// Keys, and the seconds at which they were made.
fn made(keys: &[(u8, u64)]) -> ValueKeys {
    let secrets: Vec<_> = keys
        .iter()
        .map(|(key, _)| Secret::new([*key; 32]))
        .collect();
    let times = keys.iter().map(|(_, secs)| Time::from_secs(*secs));
    ValueKeys::new(secrets.iter().zip(times), Duration::from_secs(600)).unwrap()
}

fn context(form: Form) -> Context<'static> {
    Context {
        form,
        site: "shop",
        name: b"cart",
        bond: Some(&BOND),
        max_age: None,
    }
}

fn closed(value: &[u8], context: &Context<'_>) -> Vec<u8> {
    keys(&[1]).close(value, context, None, NOW)
}

fn opened(value: &[u8], context: &Context<'_>) -> Result<Vec<u8>, Unopened> {
    let opened = keys(&[1]).open(value, context, NOW);
    opened.map(|opened| opened.value)
}

fn at(secs: u64) -> Time {
    NOW.plus(Duration::from_secs(secs))
}

proptest! {
    #[test]
    fn whatever_was_sealed_opens(value in prop::collection::vec(any::<u8>(), 0..200)) {
        let context = context(Form::Sealed);
        let text = closed(&value, &context);
        prop_assert_eq!(plain_value(&text), Some(PlainValue::Solid));
        prop_assert_eq!(opened(&text, &context), Ok(value));
    }

    #[test]
    fn whatever_a_cookie_may_hold_can_be_signed_and_is_as_plain_as_before(value in "\"?[!-:<-\\[\\]-~ ]{0,60}\"?") {
        let context = context(Form::Signed);
        let text = closed(value.as_bytes(), &context);
        prop_assert_eq!(plain_value(&text), plain_value(value.as_bytes()));
        prop_assert_eq!(opened(&text, &context), Ok(value.into_bytes()));
    }

    /// What a rule lets in by `non_ascii` too.
    #[test]
    fn other_bytes_can_be_signed_as_well(value in prop::collection::vec(any::<u8>(), 0..60)) {
        let context = context(Form::Signed);
        prop_assert_eq!(opened(&closed(&value, &context), &context), Ok(value));
    }

    #[test]
    fn what_nobody_closed_never_opens(value in prop::collection::vec(any::<u8>(), 0..200)) {
        for form in FORMS {
            prop_assert!(opened(&value, &context(form)).is_err());
        }
    }
}

#[test]
fn a_signed_value_can_be_read_with_its_dots_and_quotes() {
    let signed = |value: &str| {
        let text = closed(value.as_bytes(), &context(Form::Signed));
        String::from_utf8(text).unwrap()
    };
    for value in ["", "dark", "a.b.c", ".", "..", "a."] {
        let text = signed(value);
        let signature = text.strip_prefix(value).unwrap().strip_prefix('.').unwrap();
        assert_eq!(signature.len(), 71, "{value}");
    }
    // Within the quotes: a quote in the middle is what readers differ over.
    let text = signed(r#""a b""#);
    assert!(
        text.starts_with(r#""a b."#) && text.ends_with('"'),
        "{text}"
    );
}

#[test]
fn a_signature_has_one_place_to_stand_at() {
    let context = context(Form::Signed);
    let text = closed(br#""a b""#, &context);
    let signature = &text[br#""a b."#.len()..text.len() - 1];
    let moved = [br#""a b"."#, signature].concat();
    assert_eq!(opened(&moved, &context), Err(Unopened::Altered));
}

#[test]
fn every_flipped_bit_and_every_cut_is_noticed() {
    for form in FORMS {
        let context = context(form);
        let value = b"theme.dark";
        let text = closed(value, &context);
        let mark = match form {
            Form::Sealed => MARK_CHARS,
            Form::Signed => value.len() + 1 + MARK_CHARS,
        };
        for at in 0..text.len() {
            for bit in 0..8 {
                let mut touched = text.clone();
                touched[at] ^= 1 << bit;
                let why = opened(&touched, &context).unwrap_err();
                // Past the key id it is ours, whatever was done to it.
                let is_told = at >= mark || (form == Form::Signed && at < value.len());
                assert!(
                    why == Unopened::Altered || !is_told,
                    "byte {at}, bit {bit}: {why:?}"
                );
            }
            let why = opened(&text[..at], &context).unwrap_err();
            let told = if at < mark {
                Unopened::NotOurs
            } else {
                Unopened::Altered
            };
            assert_eq!(why, told, "cut at {at}");
        }
        for around in [("", "A"), ("", ".A"), ("", "\""), ("x.", "."), ("", "; ")] {
            let touched = [around.0.as_bytes(), &text, around.1.as_bytes()].concat();
            assert_eq!(
                opened(&touched, &context),
                Err(Unopened::Altered),
                "{around:?}"
            );
        }
    }
    let signed = closed(b"dark", &context(Form::Signed));
    for other in ["", "light", "dark.", "dark.x", "DARK"] {
        let exchanged = [other.as_bytes(), &signed[4..]].concat();
        let why = opened(&exchanged, &context(Form::Signed));
        assert_eq!(why, Err(Unopened::Altered), "{other}");
    }
}

#[test]
fn what_an_app_sets_itself_is_not_ours() {
    let random = BASE64URL_NOPAD.encode(&[0xC0; 90]);
    let values = [
        "",
        "dark",
        "a.b.c",
        "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhbGljZSJ9.dozjgNryP4J3jVmNHl0w5N_XgL0n3I9PlFUP0THsR8U",
        "\"quoted value\"",
        // The first byte is that of a sealed value, and its times are in no calendar.
        &random,
        "gAAAAABkZXYtdG9rZW4tdGhhdC1sb29rcy1saWtlLWEtZmVybmV0LXRva2VuLW9mLXNvbWUtYXBw",
    ];
    for value in values {
        for form in FORMS {
            let why = opened(value.as_bytes(), &context(form));
            assert_eq!(why, Err(Unopened::NotOurs), "{value}");
        }
    }
}

#[test]
fn what_was_closed_in_one_context_opens_in_no_other() {
    let (zeros, other) = ([0; 32], [8; 32]);
    let mut contexts = Vec::new();
    for form in FORMS {
        for (site, name) in [
            ("shop", &b"cart"[..]),
            ("shop", b"car"),
            ("shopc", b"art"),
            ("sho", b"pcart"),
            ("", b"shopcart"),
            ("shopcart", b""),
            ("shop", b"Cart"),
            ("blog", b"cart"),
            // Without lengths before them, these two would read alike where nothing but the site binds.
            ("a", b"sitex"),
            ("asite", b"x"),
        ] {
            for bond in [None, Some(&zeros), Some(&BOND), Some(&other)] {
                let max_age = None;
                contexts.push(Context {
                    form,
                    site,
                    name,
                    bond,
                    max_age,
                });
            }
        }
    }
    for (number, made_in) in contexts.iter().enumerate() {
        let text = closed(b"three apples", made_in);
        for (other, opened_in) in contexts.iter().enumerate() {
            let expected = match number == other {
                true => Ok(b"three apples".to_vec()),
                false => Err(Unopened::Altered),
            };
            assert_eq!(
                opened(&text, opened_in),
                expected,
                "{made_in:?} in {opened_in:?}"
            );
        }
    }
}

/// The name could hold what looks like the parts that follow it.
#[test]
fn no_two_contexts_are_bound_with_the_same_bytes() {
    let label = Label {
        form: Form::Sealed,
        key: [0; 4],
        issued: NOW,
        until: None,
    };
    let bytes = |site: &str, name: &[u8], bond: Option<&[u8; 32]>| {
        let context = Context {
            site,
            name,
            bond,
            ..context(Form::Sealed)
        };
        bound_with(&context, &label).as_ref().to_vec()
    };
    let plain = bytes("shop", b"cart", None);
    let framed_name =
        |site: &str| [&(site.len() as u64).to_be_bytes()[..], site.as_bytes()].concat();
    assert_ne!(plain, bytes("", &framed_name("shop"), None));
    assert_ne!(plain, bytes("shop", b"cart", Some(&[0; 32])));
    assert_ne!(bytes("shop", b"", Some(&BOND)), bytes("shop", &BOND, None));
}

#[test]
fn a_value_opens_no_longer_than_its_max_age_and_its_until() {
    let keys = keys(&[1]);
    for form in FORMS {
        let forever = context(form);
        let hour = Context {
            max_age: Some(Duration::from_secs(3600)),
            ..forever
        };
        let endless = keys.close(b"v", &forever, None, NOW);
        let ending = keys.close(b"v", &forever, Some(at(60)), NOW);
        let why = |text: &[u8], context, secs| keys.open(text, context, at(secs)).err();
        assert_eq!(why(&endless, &forever, 1 << 30), None);
        assert_eq!(why(&endless, &hour, 3599), None);
        assert_eq!(why(&endless, &hour, 3600), Some(Unopened::TooOld));
        assert_eq!(why(&ending, &forever, 59), None);
        assert_eq!(why(&ending, &forever, 60), Some(Unopened::Expired));
        let opened = keys.open(&endless, &hour, at(30)).unwrap();
        assert_eq!((opened.issued, opened.key), (NOW, keys.keys[0].id));
        // The very first moment is one as well, and the end of time is not past what is read.
        let at_once = keys.close(b"v", &forever, Some(Time::from_secs(0)), NOW);
        assert_eq!(why(&at_once, &forever, 0), Some(Unopened::Expired));
        let late = keys.close(b"v", &forever, Some(Time::from_millis(u64::MAX)), NOW);
        assert_eq!(why(&late, &forever, 1 << 30), None);
    }
}

#[test]
fn clocks_of_nodes_may_differ_by_a_minute() {
    let keys = keys(&[1]);
    for form in FORMS {
        let context = Context {
            max_age: Some(Duration::from_secs(5)),
            ..context(form)
        };
        let value = |secs| keys.close(b"v", &context, None, at(secs));
        assert!(keys.open(&value(60), &context, NOW).is_ok());
        let why = keys.open(&value(61), &context, NOW);
        assert_eq!(why, Err(Unopened::FromTheFuture));
    }
}

#[test]
fn the_newest_key_closes_and_all_open() {
    let (old, both, new) = (keys(&[1]), keys(&[1, 2]), keys(&[2]));
    for form in FORMS {
        let context = context(form);
        let by_old = old.close(b"v", &context, None, NOW);
        assert_eq!(both.open(&by_old, &context, NOW).unwrap().value, b"v");
        assert_eq!(new.open(&by_old, &context, NOW), Err(Unopened::UnknownKey));
        let by_both = both.close(b"v", &context, None, NOW);
        assert_eq!(
            new.open(&by_both, &context, NOW).unwrap().key,
            new.keys[0].id
        );
        // Of a form that the rule no longer asks for, and under a key that is no longer there.
        for other in FORMS {
            let why = new.open(
                &by_old,
                &Context {
                    form: other,
                    ..context
                },
                NOW,
            );
            assert_eq!(why, Err(Unopened::UnknownKey));
        }
    }
}

#[test]
fn a_new_key_opens_before_it_closes() {
    let keys = made(&[(2, 5000), (1, 1000)]);
    let ids: Vec<_> = keys.keys.iter().map(|key| key.id).collect();
    for form in FORMS {
        let context = context(form);
        let closes_at = |secs| {
            let now = Time::from_secs(secs);
            let text = keys.close(b"v", &context, None, now);
            let key = keys.open(&text, &context, now).unwrap().key;
            ids.iter().position(|id| *id == key).unwrap()
        };
        // The oldest closes from the start: without it nothing could.
        assert_eq!([0, 5000, 5599, 5600].map(closes_at), [0, 0, 0, 1]);
        // Of another node, which has had the key for longer.
        let elsewhere = made(&[(2, 100)]).close(b"v", &context, None, Time::from_secs(5000));
        assert!(
            keys.open(&elsewhere, &context, Time::from_secs(5000))
                .is_ok()
        );
    }
    assert!(ValueKeys::new([], Duration::ZERO).is_none());
}

/// Neither is the key that stands in the file, nor the other.
#[test]
fn no_key_does_two_things() {
    let root = hmac::Key::new(hmac::HMAC_SHA256, &[1; 32]);
    let context = context(Form::Signed);
    let text = closed(b"v", &context);
    let parcel = Parcel::read(&text, Form::Signed).unwrap();
    let by_the_ring = framed::mac(&root, &[bound_with(&context, &parcel.label).as_ref(), b"v"]);
    assert_ne!(by_the_ring.as_ref(), parcel.rest);
    let purposes = [PURPOSE_SEAL_KEY, PURPOSE_SIGN_KEY].map(|text| framed::mac(&root, &[text]));
    assert_ne!(purposes[0].as_ref(), purposes[1].as_ref());
}

#[test]
fn the_same_value_is_never_sealed_in_the_same_bytes() {
    let context = context(Form::Sealed);
    assert_ne!(closed(b"v", &context), closed(b"v", &context));
}

#[test]
fn a_label_is_read_without_a_key() {
    for form in FORMS {
        let text = keys(&[1]).close(b"v", &context(form), Some(at(9)), NOW);
        let label = Label::read(&text).unwrap();
        let key = keys(&[1]).keys[0].id;
        assert_eq!(
            label,
            Label {
                form,
                key,
                issued: NOW,
                until: Some(at(9))
            }
        );
    }
    assert_eq!(Label::read(b"dark"), None);
}

#[test]
fn nothing_secret_is_printed() {
    let keys = keys(&[1]);
    let context = context(Form::Signed);
    let opened = keys.open(&closed(b"hunter2", &context), &context, NOW);
    let printed = format!("{keys:?} {context:?} {opened:?}");
    let id = data_encoding::HEXLOWER.encode(&keys.keys[0].id);
    let numbers = format!("{:?}", b"hunter2");
    for secret in ["hunter2", &numbers, "7, 7", "1, 1", "0707", "0101"] {
        assert!(!printed.contains(secret), "{printed}");
    }
    assert!(
        printed.contains(&id) && printed.contains("<redacted>"),
        "{printed}"
    );
}

/// What the first version closed. They are never edited: another form gets another version.
const GOLDEN: [&str; 2] = [
    "wHLNboQAAAGjGFxQAAAAAaMYkz6AKM-rUb9vMmm1tdoRv1yFpdEuF85nN5b_5tFOCfMYDGqDraGUyEsYsw",
    "three apples.wXLNboQAAAGjGFxQAAAAAaMYkz6AhMsNn7wmA1DMTi77TA9dl_cM-TngyiQIGgZO0FWa-GE",
];

#[test]
fn what_was_closed_once_still_opens() {
    for (form, text) in FORMS.iter().zip(GOLDEN) {
        let context = context(*form);
        let opened = opened(text.as_bytes(), &context);
        assert_eq!(opened.as_deref(), Ok(&b"three apples"[..]), "{form:?}");
    }
}
