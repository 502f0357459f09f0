package redact

import (
	"strings"
	"unicode"
)

// Longest is how many bytes are shown of an error in a status or a log.
const Longest = 500

// Cut returns text if it has at most so many bytes, and else its beginning, which
// ends between two characters, and "...": no more bytes all together. most is at
// least 3.
func Cut(text string, most int) string {
	if len(text) <= most {
		return text
	}
	return strings.ToValidUTF8(text[:most-len("...")], "") + "..."
}

// Line is Cut of text on one line: what cannot be printed becomes a space.
func Line(text string, most int) string {
	return Cut(strings.Map(func(c rune) rune {
		if unicode.IsPrint(c) {
			return c
		}
		return ' '
	}, text), most)
}
