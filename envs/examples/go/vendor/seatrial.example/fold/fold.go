// Package fold makes words equal that differ in case and in the marks around them.
package fold

import (
	"strings"
	"unicode"
)

// Word returns a word in lower case, without what is no letter or digit at its ends.
func Word(word string) string {
	return strings.ToLower(strings.TrimFunc(word, func(r rune) bool {
		return !unicode.IsLetter(r) && !unicode.IsDigit(r)
	}))
}
