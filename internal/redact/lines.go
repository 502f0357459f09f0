package redact

import (
	"regexp"
	"strings"
)

// In YAML the value of a key goes on over the lines that are indented by more than the key:
//
//	password: |          token:            passphrase: correct horse
//	  hunter2            - hunter2           battery staple
//
// In a text that is a string of JSON or of Go, a line ends with \n, and in a string in one with
// \\n: with as many backslashes as the quotes around it have, and one more.

var (
	// header is what may be of a value on its key's line if it begins on the next one, and the
	// end of the line.
	header = regexp.MustCompile(`^(?:[!&][^\s\\"]*[ \t]*)*(?:[|>][-+0-9]{0,2})?[ \t]*(?:#[^\n\\"]*)?(?:\r|\\+r)?(\n|\\+n)`)

	// stamp is the time before each line of a Pod's log.
	stamp = regexp.MustCompile(`^\d{4}-\d\d-\d\dT[0-9:.]{8,18}(?:Z|[+-]\d\d:\d\d) ?`)
)

// Bounds of what is looked at, in bytes: a text may be made to be slow to clean.
const (
	longestStamp  = 40  // at least the length of a stamp
	longestHeader = 200 // with a comment
)

// place is where on its line a key is.
type place struct {
	starts bool // nothing but indentation and dashes of lists is before it
	first  bool // no line is before its own
	indent int  // bytes
	level  int  // backslashes of the end of its line; 0: it is a line feed
}

// place returns where on its line the key is.
func (a assignment) place() (p place) {
	s, begin := a.s, a.name
	back := func(of string) {
		for begin > 0 && strings.IndexByte(of, s[begin-1]) >= 0 {
			begin--
		}
	}
	if a.after != "" {
		back(`"'`)
		back(`\`)
	}
	key := begin
	back(" \t-?")
	p.indent = key - begin
	switch {
	case begin > 1 && s[begin-1] == 'n' && s[begin-2] == '\\':
		p.starts, p.level = true, backslashes(s[:begin-1])
	case begin == 0:
		p.starts, p.first = true, true
	case s[begin-1] == '\n':
		p.starts = true
	case s[begin-1] == '"':
		p.starts, p.first, p.level = true, true, backslashes(s[:begin-1])+1
	default:
		line := s[max(0, begin-longestStamp):min(len(s), begin+1)]
		line = line[strings.LastIndexByte(line, '\n')+1:]
		if stamped := stamp.FindString(line); stamped != "" && len(stamped) == len(line) {
			p.starts, p.indent = true, max(0, p.indent-1)
		} else {
			p.indent = 0 // not known
		}
	}
	return p
}

// backslashes returns how many are at the end of s.
func backslashes(s string) int { return len(s) - len(strings.TrimRight(s, "\\")) }

// lines returns what of the text is the secret, if it is as YAML says it: all of the rest of the
// key's line, and the lines below that belong to it.
func (a assignment) lines() (begin, end int) {
	begin = a.value - len(a.opening)
	p := a.place()
	if m := header.FindStringSubmatchIndex(a.s[begin:min(len(a.s), begin+longestHeader)]); m != nil {
		p.level = m[3] - m[2] - 1
		end = begin + m[2]
		if last := p.block(a.s, end, true); last > end {
			return begin, last
		}
		return begin, begin
	}
	if !p.starts || a.after != "" || a.s[begin-1] == ':' {
		return begin, begin
	}
	end = begin + p.line(a.s[begin:])
	if _, ends := p.newline(a.s[end:]); !ends && p.first || isWord(strings.TrimSpace(a.s[begin:end])) {
		return begin, begin // it is no YAML, or nothing secret
	}
	return begin, p.block(a.s, end, false)
}

// more returns where a value ends that goes up to at, if that is the end of a line.
func (a assignment) more(at int) int {
	if at < len(a.s) && a.s[at] == '\n' {
		if p := a.place(); p.level == 0 {
			return p.block(a.s, at, false)
		}
	}
	return at
}

// block returns where the lines end that belong to a key: they begin after at, the end of a line,
// and are indented by more than the key. The items of a list need not be.
func (p place) block(s string, at int, list bool) (end int) {
	end = at
	for {
		size, ends := p.newline(s[at:])
		if !ends {
			return end
		}
		begin := at + size
		at = begin + p.line(s[begin:])
		line := s[begin:at]
		if p.level == 0 {
			line = line[len(stamp.FindString(line[:min(len(line), longestStamp)])):]
		}
		text := strings.TrimLeft(line, " \t")
		item := text == "-" || strings.HasPrefix(text, "- ")
		switch indent := len(line) - len(text); {
		case strings.TrimRight(text, "\r") == "": // it belongs to the key if the next one does
		case indent > p.indent, list && item && indent == p.indent:
			end = at
		default:
			return end
		}
	}
}

// newline returns how long the end of a line is that s begins with.
func (p place) newline(s string) (size int, ends bool) {
	end := strings.Repeat("\\", p.level) + "n"
	if p.level == 0 {
		end = "\n"
	}
	return len(end), strings.HasPrefix(s, end)
}

// line returns how long the line is that s begins with: up to its end, or to that of the string
// around it.
func (p place) line(s string) int {
	if p.level == 0 {
		if end := strings.IndexByte(s, '\n'); end >= 0 {
			return end
		}
		return len(s)
	}
	run := 0
	for i := range len(s) {
		switch s[i] {
		case '\\':
			run++
			continue
		case '\n':
			return i
		case 'n':
			if run == p.level {
				return i - run
			}
		case '"':
			if run < p.level-1 || run%(2*p.level) == p.level-1 {
				return i - min(run, p.level-1)
			}
		}
		run = 0
	}
	return len(s)
}
