package redact

import (
	"regexp"
	"strings"
)

var (
	// assigned is what is assigned to something that is secret by its name, as programs say
	// it: the name, the quote after it, perhaps the word value that is named so, = or :,
	// or what is between the elements of a list, and the quote before the value. In JSON that
	// stands in a string, and in one that stands in such a one, quotes have backslashes.
	assigned = regexp.MustCompile(`^(?i)([\w./-]*(?:` + secretWords + `)[\w./-]*)(\\*["']?)` +
		`(?:` + between + `\\*["']?(value)(\\*["']?))?(?:[ \t]*(:?=>?|:)[ \t]*|` + between + `)(\\*["'])?`)

	// described is a Secret of Kubernetes, or all of a namespace, as --clusters has them.
	described = regexp.MustCompile(`^(?:secret:[a-z0-9.-]+/[a-z0-9.-]+|secrets:[a-z0-9-]+)(?:$|[\s"'\\,;&\]}?]|:\s)`)
)

// between is what may be between two elements of a list or an object, also over two lines of a
// log.
const between = `(?:[\s,]|\\+[nrt]|- |\d{4}-\d\d-\d\dT[\d:.]{8,18}Z )+`

// cleanAssigned returns s without what is assigned to a secret's name: a word, what is in
// quotes or in brackets, and in YAML all lines of it.
func cleanAssigned(s string) string {
	var out strings.Builder
	from := 0 // what of s is in out, or hidden
	names, around := newNames(s), &around{s: s}
	for at := 0; ; {
		begin, end := names.next(at)
		if begin == end {
			break
		}
		at = begin
		m := assigned.FindStringSubmatchIndex(s[at:])
		if m == nil {
			at = end
			continue
		}
		a, secret := assignmentOf(s, at, m)
		a.around = around
		at = a.value
		if !secret {
			at -= m[1] - m[5] // what is after the name may be one
			continue
		}
		begin, end, instead, on := a.find()
		if found := s[begin:end]; found == "" || found == Redacted {
			continue
		}
		if at = on; begin < from { // in another one
			from = max(from, end)
			continue
		}
		out.WriteString(s[from:begin] + instead)
		from = end
	}
	return out.String() + s[from:]
}

// assignment is a place of a text where something is assigned to a secret's name.
type assignment struct {
	s              string
	name, value    int    // where they begin; the value after its quote
	after, opening string // the quotes after the name and before the value
	sign           string // between them; empty in a list
	words          bool   // the value has several words
	around         *around
}

// assignmentOf returns what m says, which assigned has found in s[at:], and whether it is secret.
func assignmentOf(s string, at int, m []int) (a assignment, secret bool) {
	group := func(i int) string {
		if m[2*i] < 0 {
			return ""
		}
		return s[at+m[2*i] : at+m[2*i+1]]
	}
	name := group(1)
	a = assignment{s: s, name: at + m[2], value: at + m[1], after: group(2), sign: group(5), opening: group(6), words: headerName.MatchString(name)}
	if a.name > 0 && s[a.name-1] == '\\' && strings.IndexByte("nrt", name[0]) >= 0 && secretName.MatchString(name[1:]) {
		a.name++ // \nname
		name = name[1:]
	}
	switch {
	case isHarmless(name) || described.MatchString(s[a.name:]):
		return a, false
	case a.sign == "": // as in a list: --name, value
		return a, isFlag(name) && a.value < len(s) && s[a.value] != '-'
	case group(3) != "": // name: name, value: value
		a.name, a.after = at+m[6], group(4)
		return a, true
	case a.after == "" && !isSecret(name[strings.LastIndexAny(name, "./")+1:]) && !a.place().starts:
		return a, false // of a host or a path
	}
	return a, true
}

// find returns what of the text is the secret, which is nothing if there is none, what is to be in
// its place, and where to look on for names: at its end, or at a double quote in single ones, which
// may end it after all. Then what comes after it, such as token='abc', is secret by itself.
func (a assignment) find() (begin, end int, instead string, on int) {
	instead = Redacted
	if a.sign == ":" {
		if begin, end := a.lines(); begin < end {
			if a.s[begin-1] == ':' {
				instead = " " + instead // in YAML a value is apart
			}
			return begin, end, instead, end
		}
	}
	rest := a.s[a.value:]
	if a.opening != "" {
		backslashes, quote := len(a.opening)-1, a.opening[len(a.opening)-1]
		on = a.more(a.value + quoted(rest, backslashes, quote, unknown))
		if end = on; quote == '\'' {
			end = a.more(a.value + quoted(rest, backslashes, quote, a.around.at(a.name)))
		}
		return a.value, end, instead, on
	}
	if a.sign != "" && strings.TrimLeft(a.after, "\\") != "" {
		instead = a.after + instead + a.after // what has no quotes: a text in its place has
	}
	if strings.HasPrefix(rest, Redacted) {
		return a.value, a.value, instead, a.value
	}
	if rest != "" && (rest[0] == '[' || rest[0] == '{') {
		size, closed := bracketed(rest)
		end := a.value + size
		if !closed {
			end = a.more(end)
		} else if strings.Trim(rest[:size], "[]{} \t") == "" {
			end = a.value
		}
		return a.value, end, instead, end
	}
	size := a.bare(rest)
	if size < shortest || isWord(rest[:size]) {
		size = 0
	}
	return a.value, a.value + size, instead, a.value + size
}

var (
	// scheme is before what is secret of a header.
	scheme = regexp.MustCompile(`^(?i:bearer|basic) +`)

	// another ends a value in a list of several: the next one, or nothing.
	another = regexp.MustCompile(`^[,;&](?:$|[\s"'\\\]}]|[\w.-]+[=:])`)
)

// bare returns how long a value without quotes is, at the beginning of s. It ends with a space
// unless it is a header's, or in a list or object of YAML: {password: correct horse, user: u}.
func (a assignment) bare(s string) int {
	flow := false
	if before := strings.TrimRight(a.s[max(0, a.name-longestStamp):a.name], " \t"); a.sign == ":" && a.after == "" && before != "" {
		flow = strings.IndexByte("{[,", before[len(before)-1]) >= 0
	}
	size := len(scheme.FindString(s))
	for ; size < len(s); size++ {
		switch c := s[size]; c {
		case '\n', '\r', '"', '\'', '\\', '[', ']', '{', '}':
			return size
		case ' ', '\t', '\v', '\f':
			if !a.words && !flow {
				return size
			}
		case ',', ';', '&':
			if !a.words && (flow || another.MatchString(s[size:])) {
				return size
			}
		}
	}
	return size
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
				i += 1 + quoted(s[i+1:], run, c, unknown) + run // to its closing quote
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
// it each one is doubled once more. A value in single quotes may have double ones: within says
// which of these ends the text around it, see around.
func quoted(s string, backslashes int, quote byte, within int) int {
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
		case '"': // around a value in single quotes, or in them
			if within == unknown || run < within {
				return i - run
			}
		}
		run = 0
	}
	return len(s)
}
