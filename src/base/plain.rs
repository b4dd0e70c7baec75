//! Numbers and addresses as text, without the machinery of `fmt`: what every request writes several times.

use std::io::Write;
use std::net::IpAddr;

/// Appends `number` in decimal digits.
pub fn push_number(out: &mut Vec<u8>, number: u64) {
    out.extend_from_slice(itoa::Buffer::new().format(number).as_bytes());
}

/// Appends the last `WIDTH` decimal digits of `number`, with zeros in front.
pub fn push_digits<const WIDTH: usize>(out: &mut Vec<u8>, mut number: u64) {
    let mut digits = [b'0'; WIDTH];
    for digit in digits.iter_mut().rev() {
        // A remainder of ten fits.
        *digit += (number % 10) as u8;
        number /= 10;
    }
    out.extend_from_slice(&digits);
}

/// Appends an address as its `Display` does.
pub fn push_ip(out: &mut Vec<u8>, ip: IpAddr) {
    match ip {
        IpAddr::V4(ip) => {
            let [first, rest @ ..] = ip.octets();
            push_number(out, first.into());
            for octet in rest {
                out.push(b'.');
                push_number(out, octet.into());
            }
        }
        // Writing to a Vec cannot fail.
        IpAddr::V6(ip) => drop(write!(out, "{ip}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(write: impl FnOnce(&mut Vec<u8>)) -> String {
        let mut out = Vec::new();
        write(&mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn numbers_and_addresses_look_as_display_has_them() {
        for number in [0, 7, 10, 255, 65_535, u64::MAX] {
            assert_eq!(text(|out| push_number(out, number)), number.to_string());
        }
        for ip in ["0.0.0.0", "127.0.0.1", "255.10.9.100", "::1", "2001:db8::7"] {
            let ip: IpAddr = ip.parse().unwrap();
            assert_eq!(text(|out| push_ip(out, ip)), ip.to_string());
        }
    }

    #[test]
    fn digits_are_padded_and_cut() {
        assert_eq!(text(|out| push_digits::<3>(out, 7)), "007");
        assert_eq!(text(|out| push_digits::<2>(out, 123)), "23");
    }
}
