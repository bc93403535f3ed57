use knots::Knots;
use std::process::ExitCode;

fn main() -> ExitCode {
    for text in std::env::args().skip(1) {
        match Knots::parse(&text) {
            Ok(speed) => println!("{}.{:02}", speed.kilometers() / 100, speed.kilometers() % 100),
            Err(wrong) => {
                eprintln!("knots: {wrong}");
                return ExitCode::from(2);
            }
        }
    }
    ExitCode::SUCCESS
}
