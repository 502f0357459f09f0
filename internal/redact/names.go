package redact

import (
	"regexp"
	"strings"
)

// secretWords are what something is called that is secret.
const secretWords = `token|pass[-_]?word|passwd|pass[-_]?phrase|(?:\b|_)pass\b|pwd|secret|(?:api|access|private)[-_.]?key|` +
	`key[-_]?data|signature|\bsig\b|authorization|cookie`

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
