package ctl

import (
	"strings"
	"unicode"
)

// Visible returns text that does nothing to a terminal.
func Visible(s string) string {
	return strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return ' '
		}
		return r
	}, s)
}

// Printable returns text for one cell of a terminal's table: of at most 120 characters.
func Printable(s string) string {
	const most = 120
	s = Visible(s)
	if r := []rune(s); len(r) > most {
		return string(r[:most]) + "..."
	}
	return s
}
