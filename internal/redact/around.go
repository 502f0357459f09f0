package redact

import "strings"

// around finds out whether a place of a text is in a text in double quotes, such as the one after
// err= in a line of a log. A value in single quotes may have double quotes in it: in
//
//	password='a"b' user=u                 it goes on after the double quote, and in
//	err="cannot use password='ab" user=u  it ends there, cut.
//
// It is asked for places from the first to the last one, and looks at each byte of the text a few
// times at most.
type around struct {
	s       string
	to      int   // what is looked at
	run     int   // backslashes before it
	open    []int // backslashes before each quote that is open, the outermost first
	unended int   // up to here no quoted word ends
}

// unknown says that it is not known what is around a value.
const unknown = -1

// longestQuoted bounds, in bytes, how far the end of a word in single quotes is looked for.
const longestQuoted = 512

// at returns 0 if no text in double quotes is around a place. Else a double quote ends it that has
// less backslashes than it returns.
func (t *around) at(place int) (within int) {
	for t.to < place {
		switch c := t.s[t.to]; c {
		case '\\':
			t.run++
			t.to++
			continue
		case '\n':
			t.open = t.open[:0]
		case '"':
			t.quote()
		case '\'':
			if end := t.word(); end > 0 && end <= place {
				t.to, t.run = end, 0
				continue
			}
		}
		t.run = 0
		t.to++
	}
	return t.within()
}

func (t *around) within() int {
	if len(t.open) == 0 {
		return 0
	}
	return t.open[len(t.open)-1] + 1
}

// quote notes a double quote, which opens a text, or ends one and all that are open in it.
func (t *around) quote() {
	for i, level := range t.open {
		if level >= t.run {
			ends := level == t.run
			t.open = t.open[:i]
			if ends {
				return
			}
			break
		}
	}
	t.open = append(t.open, t.run)
}

// word returns the end of a word in single quotes that begins here, as shells and YAML have them;
// 0: none does, or the text around it ends in it.
func (t *around) word() (end int) {
	if t.to > 0 && strings.IndexByte("=:([{, \t\n", t.s[t.to-1]) < 0 || t.to < t.unended {
		return 0
	}
	within, run := t.within(), 0
	most := min(len(t.s), t.to+longestQuoted)
	for i := t.to + 1; i < most; i++ {
		switch c := t.s[i]; {
		case c == '\\':
			run++
			continue
		case c == '\n':
			most = i
		case c == '"' && run < within:
			return 0
		case c == '\'' && (i+1 == len(t.s) || !isWordByte(t.s[i+1])):
			return i + 1
		}
		run = 0
	}
	t.unended = most
	return 0
}

func isWordByte(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || c == '_'
}
