// Tally counts the words of a text: the most frequent first, those of one count by the alphabet.
package main

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"sort"

	"seatrial.example/fold"
)

// Count is a word, and how often it stands in a text.
type Count struct {
	Word  string
	Times int
}

// Tally returns the words of a text with their counts.
func Tally(text io.Reader) ([]Count, error) {
	times := map[string]int{}
	words := bufio.NewScanner(text)
	words.Split(bufio.ScanWords)
	for words.Scan() {
		if word := fold.Word(words.Text()); word != "" {
			times[word]++
		}
	}
	counts := make([]Count, 0, len(times))
	for word, each := range times {
		counts = append(counts, Count{word, each})
	}
	sort.Slice(counts, func(i, j int) bool {
		if counts[i].Times != counts[j].Times {
			return counts[i].Times > counts[j].Times
		}
		return counts[i].Word < counts[j].Word
	})
	return counts, words.Err()
}

// Save writes counts into a file, a line each.
func Save(counts []Count, path string) error {
	file, err := os.Create(path)
	if err != nil {
		return err
	}
	defer file.Close()
	for _, each := range counts {
		fmt.Fprintf(file, "%d\t%s\n", each.Times, each.Word)
	}
	return file.Sync()
}

func main() {
	counts, err := Tally(os.Stdin)
	if err == nil && len(os.Args) > 1 {
		err = Save(counts, os.Args[1])
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "tally:", err)
		os.Exit(1)
	}
	for _, each := range counts {
		fmt.Printf("%d\t%s\n", each.Times, each.Word)
	}
}
