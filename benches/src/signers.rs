//! Libraries that can sign a proof: what this crate takes, and what it could take instead.

use ed25519_dalek::Signer as _;

/// A key of one library.
pub struct Signer {
    pub library: &'static str,
    pub algorithm: &'static str,
    sign: Box<dyn Fn(&[u8]) -> Vec<u8>>,
}

impl Signer {
    fn new(library: &'static str, algorithm: &'static str, sign: impl Fn(&[u8]) -> Vec<u8> + 'static) -> Self {
        Self { library, algorithm, sign: Box::new(sign) }
    }

    pub fn sign(&self, message: &[u8]) -> Vec<u8> {
        (self.sign)(message)
    }
}

/// Each library with each algorithm. Keys don't matter for the time that they take.
///
/// # Panics
/// When a library makes no key.
pub fn all() -> Vec<Signer> {
    let seed = [7; 32];
    let p256 = p256::ecdsa::SigningKey::from_slice(&seed).expect("a number below the order of the curve");
    let dalek = ed25519_dalek::SigningKey::from_bytes(&seed);
    let mut all = vec![
        Signer::new("p256", "ES256", move |message| {
            let signature: p256::ecdsa::Signature = p256.sign(message);
            signature.to_bytes().to_vec()
        }),
        Signer::new("ed25519-dalek", "EdDSA", move |message| dalek.sign(message).to_bytes().to_vec()),
    ];
    {
        use ring::{
            rand::SystemRandom,
            signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair},
        };
        let random = SystemRandom::new();
        let kind = &ECDSA_P256_SHA256_FIXED_SIGNING;
        let document = EcdsaKeyPair::generate_pkcs8(kind, &random).expect("there is randomness");
        let ec = EcdsaKeyPair::from_pkcs8(kind, document.as_ref(), &random).expect("it was just made");
        let ed = Ed25519KeyPair::from_seed_unchecked(&seed).expect("32 bytes");
        all.push(Signer::new("ring", "ES256", move |message| {
            ec.sign(&random, message).expect("the key is good").as_ref().to_vec()
        }));
        all.push(Signer::new("ring", "EdDSA", move |message| ed.sign(message).as_ref().to_vec()));
    }
    {
        use aws_lc_rs::{
            rand::SystemRandom,
            signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair},
        };
        let random = SystemRandom::new();
        let kind = &ECDSA_P256_SHA256_FIXED_SIGNING;
        let document = EcdsaKeyPair::generate_pkcs8(kind, &random).expect("there is randomness");
        let ec = EcdsaKeyPair::from_pkcs8(kind, document.as_ref()).expect("it was just made");
        let ed = Ed25519KeyPair::from_seed_unchecked(&seed).expect("32 bytes");
        all.push(Signer::new("aws-lc-rs", "ES256", move |message| {
            ec.sign(&random, message).expect("the key is good").as_ref().to_vec()
        }));
        all.push(Signer::new("aws-lc-rs", "EdDSA", move |message| ed.sign(message).as_ref().to_vec()));
    }
    all
}
