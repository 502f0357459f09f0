package ctl

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf16"
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

// escaped returns JSON that does nothing to a terminal: what cannot be printed is escaped,
// and what has more than four digits as pair does it.
func escaped(text string, pair func(rune) string) string {
	var b strings.Builder
	for _, r := range text {
		switch {
		case unicode.IsPrint(r) || r == '\n':
			b.WriteRune(r)
		case r > 0xffff:
			b.WriteString(pair(r))
		default:
			fmt.Fprintf(&b, `\u%04x`, r)
		}
	}
	return b.String()
}

func pairOfJSON(r rune) string {
	high, low := utf16.EncodeRune(r)
	return fmt.Sprintf(`\u%04x\u%04x`, high, low)
}

func pairOfYAML(r rune) string { return fmt.Sprintf(`\U%08x`, r) }
