package redact

import (
	"regexp"
	"strings"
)

var (
	// assigned finds what is assigned to something that is secret by its name, as programs
	// say it: the name, the quote after it, = or :, and the quote before the value. In JSON
	// that stands in a string, and in one that stands in such a one, quotes have backslashes.
	assigned = regexp.MustCompile(`(?i)([\w-]*(?:token|password|passwd|passphrase|secret|api[-_]?key|private[-_]?key|key[-_]?data)[\w-]*)(\\*["']?)[ \t]*[=:][ \t]*(\\*["'])?`)

	// bare is a value without quotes, which is at the beginning.
	bare = regexp.MustCompile(`^(?i:(?:bearer|basic) +)?[^\s"'\\,;&\[\]{}]{4,}`)

	// harmless is a name that is only said to have to do with something secret: where it is.
	harmless = regexp.MustCompile(`(?i)(?:file|path|dir|name)s?$`)
	// described is a Secret of Kubernetes, or all of a namespace, as --clusters has them.
	described = regexp.MustCompile(`^(?:secret:[a-z0-9.-]+/[a-z0-9.-]+|secrets:[a-z0-9-]+)(?:$|[\s"'\\,;&\]}?])`)
)

// cleanAssigned returns s without what is assigned to a secret's name. What is valid JSON
// stays so.
func cleanAssigned(s string) string {
	var out strings.Builder
	from := 0 // what of s is in out
	for at := 0; at < len(s); {
		m := assigned.FindStringSubmatchIndex(s[at:])
		if m == nil {
			break
		}
		begin, nameEnd, value := at+m[2], at+m[3], at+m[1]
		after, opening := s[at+m[4]:at+m[5]], "" // the quotes after the name and before the value
		if m[6] >= 0 {
			opening = s[at+m[6] : at+m[7]]
		}
		at = value
		if harmless.MatchString(s[begin:nameEnd]) || described.MatchString(s[begin:]) {
			continue
		}
		if opening != "" && after != opening && (value == len(s) || strings.ContainsRune(",:]} \\\n", rune(s[value]))) {
			continue // it ends the text that ends in a secret's name
		}
		end, quote := value, ""
		if opening != "" {
			end += quoted(s[value:], len(opening)-1, s[value-1])
		} else {
			end += len(bare.FindString(s[value:]))
			quote = strings.TrimLeft(after, "\\")
			if quote != "" {
				quote = after // a number: a text in its place has quotes
			}
			if word := s[value:end]; word == "true" || word == "false" || word == "null" {
				end = value
			}
		}
		if end == value {
			continue
		}
		out.WriteString(s[from:value] + quote + Redacted + quote)
		from, at = end, end
	}
	if from == 0 {
		return s
	}
	return out.String() + s[from:]
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
