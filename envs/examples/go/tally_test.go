package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

var told int

// TestMain tells the results as TAP: go's own format names no plan, and a test that never ran would not be missed.
func TestMain(m *testing.M) {
	code := m.Run()
	fmt.Printf("1..%d\n", told)
	os.Exit(code)
}

func tell(t *testing.T) {
	t.Cleanup(func() {
		told++
		switch {
		case t.Failed():
			fmt.Printf("not ok %d - %s\n", told, t.Name())
		default:
			fmt.Printf("ok %d - %s\n", told, t.Name())
		}
	})
}

func run(t *testing.T, input string, arguments ...string) string {
	t.Helper()
	command := exec.Command("/usr/bin/tally", arguments...)
	command.Stdin = strings.NewReader(input)
	out, err := command.Output()
	if err != nil {
		t.Fatal(err)
	}
	return string(out)
}

func TestWordsAreCountedWhateverTheirCase(t *testing.T) {
	tell(t)
	counts, err := Tally(strings.NewReader("Tide, tide; TIDE! ebb"))
	if err != nil || len(counts) != 2 || counts[0] != (Count{"tide", 3}) {
		t.Fatal(counts, err)
	}
}

func TestWordsOfOneCountStandByTheAlphabet(t *testing.T) {
	tell(t)
	counts, _ := Tally(strings.NewReader("ébbe buoy anchor"))
	if counts[0].Word != "anchor" || counts[1].Word != "buoy" || counts[2].Word != "ébbe" {
		t.Fatal(counts)
	}
}

func TestProgramPrintsWhatItCounted(t *testing.T) {
	tell(t)
	if out := run(t, "log log line"); out != "2\tlog\n1\tline\n" {
		t.Fatal(out)
	}
}

func TestProgramWritesItsReport(t *testing.T) {
	tell(t)
	path := filepath.Join(t.TempDir(), "report.txt")
	out := run(t, "ropes and knots and ropes", path)
	written, err := os.ReadFile(path)
	if err != nil || string(written) != out {
		t.Fatal(string(written), err)
	}
}
