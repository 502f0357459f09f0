package redact

import (
	"regexp"
	"strings"
)

var (
	// assigned finds what is assigned to something that is secret by its name, as programs
	// say it: the name, the quote after it, = or :, and the quote before the value. In JSON
	// that stands in a string, and in one that stands in such a one, quotes have backslashes.
	assigned = regexp.MustCompile(`(?i)([\w-]*(?:token|password|passwd|passphrase|secret|api[-_]?key|private[-_]?key|key[-_]?data)[\w./-]*)(\\*["']?)[ \t]*([=:])[ \t]*(\\*["'])?`)

	// bare is a value without quotes, which is at the beginning.
	bare = regexp.MustCompile(`^(?i:(?:bearer|basic) +)?[^\s"'\\,;&\[\]{}]{4,}`)

	// harmless is a name that is only said to have to do with something secret: where it is.
	harmless = regexp.MustCompile(`(?i)(?:file|path|dir|name)s?$`)
	// described is a Secret of Kubernetes, or all of a namespace, as --clusters has them.
	described = regexp.MustCompile(`^(?:secret:[a-z0-9.-]+/[a-z0-9.-]+|secrets:[a-z0-9-]+)(?:$|[\s"'\\,;&\]}?])`)
)

// cleanAssigned returns s without what is assigned to a secret's name: a word, what is in
// quotes or in brackets, and in YAML all lines of it.
func cleanAssigned(s string) string {
	var out strings.Builder
	from := 0 // what of s is in out
	for at := 0; at < len(s); {
		m := assigned.FindStringSubmatchIndex(s[at:])
		if m == nil {
			break
		}
		a := assignment{s: s, name: at + m[2], after: s[at+m[4] : at+m[5]], colon: s[at+m[6]] == ':', value: at + m[1]}
		if m[8] >= 0 {
			a.opening = s[at+m[8] : at+m[9]]
		}
		name := s[a.name : at+m[3]]
		at = a.value
		if harmless.MatchString(name) || described.MatchString(s[a.name:]) {
			continue
		}
		if strings.ContainsAny(name, "./") && a.after == "" && !a.place().starts {
			continue // of a host or a path
		}
		begin, end, instead := a.find()
		if found := s[begin:end]; found == "" || found == Redacted {
			continue
		}
		out.WriteString(s[from:begin] + instead)
		from, at = end, end
	}
	if from == 0 {
		return s
	}
	return out.String() + s[from:]
}

// assignment is a place of a text where something is assigned to a secret's name.
type assignment struct {
	s              string
	name, value    int    // where they begin; the value after its quote
	after, opening string // the quotes after the name and before the value
	colon          bool   // it is assigned with a colon, not with =
}

// find returns what of the text is the secret, which is nothing if there is none, and what is to
// be in its place.
func (a assignment) find() (begin, end int, instead string) {
	instead = Redacted
	if a.colon {
		if begin, end := a.lines(); begin < end {
			if a.s[begin-1] == ':' {
				instead = " " + instead // in YAML a value is apart
			}
			return begin, end, instead
		}
	}
	rest := a.s[a.value:]
	if a.opening != "" {
		end := a.value + quoted(rest, len(a.opening)-1, a.opening[len(a.opening)-1])
		return a.value, a.more(end), instead
	}
	if strings.TrimLeft(a.after, "\\") != "" {
		instead = a.after + instead + a.after // what has no quotes: a text in its place has
	}
	if strings.HasPrefix(rest, Redacted) {
		return a.value, a.value, instead
	}
	if rest != "" && (rest[0] == '[' || rest[0] == '{') {
		size, closed := bracketed(rest)
		end := a.value + size
		if !closed {
			end = a.more(end)
		} else if strings.Trim(rest[:size], "[]{} \t") == "" {
			end = a.value
		}
		return a.value, end, instead
	}
	word := bare.FindString(rest)
	if isWord(word) {
		word = ""
	}
	return a.value, a.value + len(word), instead
}

// isWord reports whether a value is none that could be secret.
func isWord(value string) bool {
	return value == "" || value == "true" || value == "false" || value == "null" || value == "~"
}

// bracketed returns how long a list or an object is, at the beginning of s, and whether it is
// closed. It is not if its line ends before, or a text that it is in.
func bracketed(s string) (size int, closed bool) {
	depth, run := 0, 0
	before := byte(0) // the last that is neither a space nor a backslash
	for i := 0; i < len(s); i++ {
		c := s[i]
		switch c {
		case '\\':
			run++
			continue
		case ' ', '\t':
			run = 0
			continue
		case '\n':
			return i, false
		case '"', '\'':
			if strings.IndexByte("[{,:", before) >= 0 {
				i += 1 + quoted(s[i+1:], run, c) + run // to its closing quote
			} else if c == '"' {
				return i - run, false
			}
		case '[', '{':
			depth++
		case ']', '}':
			if depth--; depth == 0 {
				return i + 1, true
			}
		}
		before, run = c, 0
	}
	return len(s), false
}

// quoted returns how long a value is, at the beginning of s, that began with so many
// backslashes and a quote: up to the same again, to the end of the text around it, which
// has fewer, or to the end of the line. A quote of the value itself has more: of those in
// it each one is doubled once more.
func quoted(s string, backslashes int, quote byte) int {
	run := 0
	for i := range len(s) {
		switch s[i] {
		case '\\':
			run++
			continue
		case '\n':
			return i
		case quote:
			if run < backslashes || run%(2*(backslashes+1)) == backslashes {
				return i - min(run, backslashes)
			}
		case '"': // around a value in single quotes
			return i - run
		}
		run = 0
	}
	return len(s)
}
