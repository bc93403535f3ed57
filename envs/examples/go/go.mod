module seatrial.example/tally

go 1.19

require seatrial.example/fold v1.0.0
