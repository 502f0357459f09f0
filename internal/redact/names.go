package redact

import (
	"regexp"
	"strings"
)

// secretWords are what something is called that is secret.
const secretWords = `token|pass[-_]?word|passwd|pass[-_]?phrase|(?:\b|_)pass\b|pwd|secret|(?:api|access|private)[-_.]?key|` +
	`key[-_]?data|signature|\bsig\b|authorization|cookie`

// stems are parts of secretWords of which each one has some.
var stems = [...]string{"token", "pass", "pwd", "secret", "key", "sig", "authorization", "cookie"}

var (
	secretName = regexp.MustCompile(`(?i)` + secretWords)

	// secretEnd is how the name of a flag ends whose value comes after it.
	secretEnd = regexp.MustCompile(`(?i)(?:` + secretWords + `)s?$`)

	// harmless is a name that is only said to have to do with something secret: where it is,
	// until when it counts, or that Secrets are meant, as a resource.
	harmless = regexp.MustCompile(`(?i)(?:(?:file|path|dir|name|ref|type|count)s?|expir[a-z]*|\.go|(?:^|/)v\d\w*/secrets?)$`)

	// headerName is one whose value has several words.
	headerName = regexp.MustCompile(`(?i)(?:authorization|cookie)$`)
)

// isSecret reports whether what has that name is secret, with all that is in it.
func isSecret(name string) bool { return secretName.MatchString(name) && !isHarmless(name) }

// isHarmless reports whether what has that name is not secret, whatever it is part of.
func isHarmless(name string) bool { return harmless.MatchString(name) || described.MatchString(name) }

// isFlag reports whether what comes after a word is secret: the value of a flag.
func isFlag(word string) bool {
	return strings.HasPrefix(word, "-") && secretEnd.MatchString(word) && !isHarmless(word)
}

// isWord reports whether a value is none that could be secret.
func isWord(value string) bool {
	return value == "" || value == "true" || value == "false" || value == "null" || value == "~"
}

// names finds in a text what may be a secret's name, faster than a regular expression does.
type names struct {
	low string
	at  [len(stems)]int // where the next one of each stem is, or the end
}

func newNames(s string) *names { return &names{low: lower(s)} }

// next returns the next name from a place on, where names before have been looked for already:
// letters, digits and _-./ with a stem. It returns an empty one if there is none.
func (n *names) next(from int) (begin, end int) {
	first := len(n.low)
	for i, stem := range stems {
		if n.at[i] < from || from == 0 {
			n.at[i] = len(n.low)
			if next := strings.Index(n.low[from:], stem); next >= 0 {
				n.at[i] = from + next
			}
		}
		first = min(first, n.at[i])
	}
	for begin = first; begin > from && isNameByte(n.low[begin-1]); begin-- {
	}
	for end = first; end < len(n.low) && isNameByte(n.low[end]); end++ {
	}
	if first == len(n.low) {
		return first, first
	}
	return begin, end
}

// isNameByte reports whether a name may have c, of which letters are small.
func isNameByte(c byte) bool {
	return 'a' <= c && c <= 'z' || '-' <= c && c <= '9' || c == '_'
}
