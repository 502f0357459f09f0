package redact

import (
	"strconv"
	"strings"
	"testing"
)

// TestSecretsAfterAValueThatIsCut: the double quote ends the value, or is in it. Both the value and
// what comes after it are secret.
func TestSecretsAfterAValueThatIsCut(t *testing.T) {
	for in, want := range map[string]string{
		`tail of a line" err="cannot use password='abcdefgh" token='XYZSECRET1' x`: `tail of a line" err="cannot use password='[redacted]'[redacted]' x`,
		`5" disk: err="password='ab" token='SECRET1' x`:                            `5" disk: err="password='[redacted]'[redacted]' x`,
		`password='ab" token='SECRET1' x`:                                          `password='[redacted]'[redacted]' x`,
		`password='ab" token={SECRET1: 'b'} x`:                                     `password='[redacted] x`,
		`password='ab" tokens=SECRET1 'x`:                                          `password='[redacted]'x`,
	} {
		if got := New().CleanAll(in); got != want {
			t.Errorf("%s\nbecomes\n%s, want\n%s", in, got, want)
		}
	}
}

// FuzzMoreIsHidden: what is hidden if a double quote ends each value in single quotes is hidden
// too if it does not.
func FuzzMoreIsHidden(f *testing.F) {
	f.Add(`tail" err="password='`, `" token='`, `' x`, uint8(1))
	f.Add(`password='ab`, `" token={`, `'} 'y`, uint8(1))
	f.Add(`a="it isn't" -token '\`, `\" secret: "`, `\\\"'`, uint8(0))
	f.Add("password='", "\"\n  ", "' token='\n \"", uint8(2))
	f.Fuzz(func(t *testing.T, before, between, after string, first uint8) {
		const canary = "cAnArY7"
		text := before + canary + "0" + between + canary + "1" + after + canary + "2"
		at := int(first) % (len(text) + 1) // a text may be cut
		for _, in := range []string{text, text[at:], "level=info err=" + strconv.Quote(text)} {
			short, got := cleanShort(in), cleanAssigned(in)
			for _, word := range []string{canary + "0", canary + "1", canary + "2"} {
				if strings.Contains(got, word) && !strings.Contains(short, word) {
					t.Errorf("of\n%s\nit shows\n%s\nwhere the other rule shows\n%s", in, got, short)
				}
			}
		}
	})
}

// cleanShort is cleanAssigned where a double quote ends each value in single quotes.
func cleanShort(s string) string {
	var out strings.Builder
	from, names := 0, newNames(s)
	for at := 0; ; {
		begin, end := names.next(at)
		if begin == end {
			break
		}
		m := assigned.FindStringSubmatchIndex(s[begin:])
		if at = begin; m == nil {
			at = end
			continue
		}
		a, secret := assignmentOf(s, at, m)
		a.around = &around{s: s}
		if at = a.value; !secret {
			at -= m[1] - m[5]
			continue
		}
		begin, end, instead, _ := a.find()
		if strings.HasSuffix(a.opening, "'") && begin == a.value {
			end = a.more(begin + shortEnd(s[begin:], len(a.opening)-1))
		}
		if found := s[begin:end]; found == "" || found == Redacted {
			continue
		}
		out.WriteString(s[from:begin] + instead)
		from, at = end, end
	}
	return out.String() + s[from:]
}

// shortEnd returns how long a value in single quotes is, at the beginning of s: up to a double quote
// at most.
func shortEnd(s string, level int) int {
	run := 0
	for i := range len(s) {
		switch c := s[i]; {
		case c == '\\':
			run++
			continue
		case c == '\n':
			return i
		case c == '\'' && (run < level || run%(2*(level+1)) == level):
			return i - min(run, level)
		case c == '"':
			return i - run
		}
		run = 0
	}
	return len(s)
}
