//! Asked of the program of the image, beside the library that it is made of.

use knots::{Knots, NoSpeed};
use std::process::Command;

fn run(arguments: &[&str]) -> (i32, String) {
    let done = Command::new("/usr/bin/knots").args(arguments).output().unwrap();
    (done.status.code().unwrap(), String::from_utf8(done.stdout).unwrap())
}

#[test]
fn a_speed_is_read_with_its_hundredths() {
    assert_eq!(Knots::parse("7.5"), Ok(Knots(750)));
    assert_eq!(Knots::parse("12"), Ok(Knots(1200)));
}

#[test]
fn what_is_no_speed_is_told() {
    for text in ["", "x", "1.", "1.234", "-1", "99999999999999999999"] {
        assert_eq!(Knots::parse(text), Err(NoSpeed(text.to_string())));
    }
}

#[test]
fn the_program_prints_kilometers_an_hour() {
    assert_eq!(run(&["10", "7.25"]), (0, "18.52\n13.43\n".to_string()));
}

#[test]
fn the_program_ends_with_two_at_what_is_no_speed() {
    assert_eq!(run(&["fast"]), (2, String::new()));
}
